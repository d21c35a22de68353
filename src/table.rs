//! Parquet rows in and out, with the one set of writer properties that keeps files byte-identical.

mod vectors;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{
    ArrowPrimitiveType, DataType, Field, FieldRef, Fields, Schema, SchemaRef,
};
use datafusion::arrow::error::ArrowError;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::metadata::RowGroupMetaData;
use datafusion::parquet::file::properties::{EnabledStatistics, WriterProperties};
use datafusion::parquet::schema::types::ColumnPath;

use vectors::VectorWriter;

/// Rows per Parquet row group, and per batch handed to a row stage.
pub const BATCH_ROWS: usize = 1024;

/// Where the values of vectors lie in a table, at any depth.
fn vector_paths(fields: &Fields, above: &[String]) -> Vec<ColumnPath> {
    let of_field = |field: &FieldRef| {
        let here = [above, &[field.name().clone()]].concat();
        match field.data_type() {
            DataType::FixedSizeList(item, _) => {
                vec![ColumnPath::new([here, vec!["list".into(), item.name().clone()]].concat())]
            }
            DataType::Struct(fields) => vector_paths(fields, &here),
            _ => Vec::new(),
        }
    };
    fields.iter().flat_map(of_field).collect()
}

/// A table that could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The file system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Not Parquet, damaged, or the disk is full.
    #[error("{}: {source}", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ParquetError,
    },
    /// Batches do not fit the schema.
    #[error(transparent)]
    Arrow(#[from] ArrowError),
    /// A column the code relies on is absent or of another type.
    #[error("column `{0}` is missing or has another type; the table is not one this version wrote")]
    Column(String),
}

/// Writes batches of one schema to one Parquet file.
pub struct TableWriter {
    path: PathBuf,
    schema: SchemaRef,
    inner: Inner,
    rows: u64,
}

enum Inner {
    Plain(ArrowWriter<File>),
    Vectors(VectorWriter),
}

impl TableWriter {
    /// Creates `path` (and its folder) for rows of `schema`.
    pub fn create(path: &Path, schema: SchemaRef) -> Result<TableWriter, TableError> {
        let io = |source| TableError::Io { path: path.to_owned(), source };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(io)?;
        }
        let file = File::create(path).map_err(io)?;
        let vectors = vector_paths(schema.fields(), &[]);
        let with_vectors = !vectors.is_empty();
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(3).unwrap_or_default()))
            .set_max_row_group_row_count(Some(16 * BATCH_ROWS))
            .set_created_by("undertone".to_owned());
        for path in vectors {
            // Values of a vector hardly ever repeat, zstd saves 9 % of them (10,687 texts), and nobody looks
            // for their least and greatest.
            properties = properties
                .set_column_compression(path.clone(), Compression::UNCOMPRESSED)
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_statistics_enabled(path, EnabledStatistics::None);
        }
        let inner = ArrowWriter::try_new(file, schema.clone(), Some(properties.build()))
            .and_then(|plain| {
                Ok(if with_vectors {
                    Inner::Vectors(VectorWriter::new(plain, schema.clone())?)
                } else {
                    Inner::Plain(plain)
                })
            })
            .map_err(|source| TableError::Parquet { path: path.to_owned(), source })?;
        Ok(TableWriter { path: path.to_owned(), schema, inner, rows: 0 })
    }

    /// Appends a batch; column types must equal the schema's.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), TableError> {
        // Engines may mark columns nullable that the schema does not, and the other way round.
        let batch = RecordBatch::try_new(self.schema.clone(), batch.columns().to_vec())?;
        self.rows += batch.num_rows() as u64;
        match &mut self.inner {
            Inner::Plain(writer) => writer.write(&batch),
            Inner::Vectors(writer) => writer.write(batch),
        }
        .map_err(|source| TableError::Parquet { path: self.path.clone(), source })
    }

    /// Appends columns in schema order.
    pub fn write_columns(&mut self, columns: Vec<ArrayRef>) -> Result<(), TableError> {
        let batch = RecordBatch::try_new(self.schema.clone(), columns)?;
        self.write(&batch)
    }

    /// Flushes to disk and returns the number of rows.
    pub fn finish(self) -> Result<u64, TableError> {
        let TableWriter { path, inner, rows, .. } = self;
        let file = match inner {
            Inner::Plain(writer) => writer.into_inner(),
            Inner::Vectors(writer) => writer.finish(),
        };
        let file = file.map_err(|source| TableError::Parquet { path: path.clone(), source })?;
        file.sync_all().map_err(|source| TableError::Io { path, source })?;
        Ok(rows)
    }
}

/// Streams the batches of a Parquet file in row order.
pub fn batches(
    path: &Path,
) -> Result<impl Iterator<Item = Result<RecordBatch, TableError>> + use<>, TableError> {
    Ok(open(path, usize::MAX)?.1)
}

/// The columns of a Parquet file, and its batches in row order: at most `BATCH_ROWS` rows each, and fewer where
/// these would take more than `most_bytes` on average.
pub fn open(
    path: &Path,
    most_bytes: usize,
) -> Result<(SchemaRef, impl Iterator<Item = Result<RecordBatch, TableError>> + use<>), TableError> {
    let file = File::open(path).map_err(|source| TableError::Io { path: path.to_owned(), source })?;
    let parquet = |source| TableError::Parquet { path: path.to_owned(), source };
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(parquet)?;
    let schema = builder.schema().clone();
    let row_bytes = |group: &RowGroupMetaData| group.total_byte_size() / group.num_rows().max(1);
    let row_bytes = builder.metadata().row_groups().iter().map(row_bytes).max().unwrap_or(0).max(1) as usize;
    let rows = (most_bytes / row_bytes).clamp(1, BATCH_ROWS);
    let reader = builder.with_batch_size(rows).build().map_err(parquet)?;
    Ok((schema, reader.map(|batch| batch.map_err(TableError::from))))
}

/// A schema from its fields.
pub fn schema(fields: Vec<Field>) -> SchemaRef {
    Arc::new(Schema::new(fields))
}

/// A column of text by name.
pub fn text<'a>(
    batch: &'a RecordBatch,
    name: &str,
) -> Result<&'a datafusion::arrow::array::StringArray, TableError> {
    column(batch, name)?.as_string_opt::<i32>().ok_or_else(|| TableError::Column(name.to_owned()))
}

/// A column of numbers or times by name.
pub fn numbers<'a, T: ArrowPrimitiveType>(
    batch: &'a RecordBatch,
    name: &str,
) -> Result<&'a datafusion::arrow::array::PrimitiveArray<T>, TableError> {
    column(batch, name)?.as_primitive_opt::<T>().ok_or_else(|| TableError::Column(name.to_owned()))
}

/// A column of lists by name.
pub fn lists<'a>(
    batch: &'a RecordBatch,
    name: &str,
) -> Result<&'a datafusion::arrow::array::ListArray, TableError> {
    column(batch, name)?.as_list_opt::<i32>().ok_or_else(|| TableError::Column(name.to_owned()))
}

/// Any column by name.
pub fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef, TableError> {
    batch.column_by_name(name).ok_or_else(|| TableError::Column(name.to_owned()))
}

/// The text at `row`, `None` where null.
pub fn text_at(column: &datafusion::arrow::array::StringArray, row: usize) -> Option<&str> {
    column.is_valid(row).then(|| column.value(row))
}
