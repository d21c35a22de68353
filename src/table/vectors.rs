//! Tables with vectors: row groups encoded side by side.
//!
//! Parquet keeps an f16 as a byte string of its own, and the crate encodes them one by one: on one thread
//! that is most of what a night with few new texts costs.

use std::fs::File;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::arrow::arrow_writer::{
    ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves,
};
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::writer::SerializedFileWriter;
use rayon::prelude::*;

use super::BATCH_ROWS;

/// Rows per row group, and groups encoded at once: what memory holds.
const GROUP_ROWS: usize = 2 * BATCH_ROWS;
const GROUPS: usize = 4;

/// Writes batches in row groups of `GROUP_ROWS`, whatever the size of the batches.
pub struct VectorWriter {
    schema: SchemaRef,
    file: SerializedFileWriter<File>,
    groups: ArrowRowGroupWriterFactory,
    written: usize,
    waiting: Vec<RecordBatch>,
    rows: usize,
}

impl VectorWriter {
    /// Goes on where `plain`, which has written nothing, would begin.
    pub fn new(plain: ArrowWriter<File>, schema: SchemaRef) -> Result<VectorWriter, ParquetError> {
        let (file, groups) = plain.into_serialized_writer()?;
        Ok(VectorWriter { schema, file, groups, written: 0, waiting: Vec::new(), rows: 0 })
    }

    /// Appends a batch of the schema.
    pub fn write(&mut self, batch: RecordBatch) -> Result<(), ParquetError> {
        self.rows += batch.num_rows();
        self.waiting.push(batch);
        if self.rows >= GROUPS * GROUP_ROWS { self.write_groups(false) } else { Ok(()) }
    }

    /// Writes what waits and the footer.
    pub fn finish(mut self) -> Result<File, ParquetError> {
        self.write_groups(true)?;
        self.file.into_inner()
    }

    /// Writes the whole row groups that wait; a begun one too if it is the `last`.
    fn write_groups(&mut self, last: bool) -> Result<(), ParquetError> {
        let mut groups = cut(std::mem::take(&mut self.waiting));
        let whole = |group: &Vec<RecordBatch>| count(group) == GROUP_ROWS;
        if !last {
            self.waiting = groups.pop_if(|group| !whole(group)).unwrap_or_default();
        }
        self.rows = count(&self.waiting);
        let first = self.written;
        self.written += groups.len();
        let encode = |(place, group): (usize, &Vec<RecordBatch>)| self.encode(first + place, group);
        let encoded: Vec<_> = groups.par_iter().enumerate().map(encode).collect();
        for chunks in encoded {
            let mut group = self.file.next_row_group()?;
            for chunk in chunks? {
                chunk.append_to_row_group(&mut group)?;
            }
            group.close()?;
        }
        Ok(())
    }

    /// Column chunks of one row group.
    fn encode(&self, number: usize, group: &[RecordBatch]) -> Result<Vec<ArrowColumnChunk>, ParquetError> {
        let mut writers = self.groups.create_column_writers(number)?;
        for batch in group {
            let mut leaves = writers.iter_mut();
            for (field, column) in self.schema.fields().iter().zip(batch.columns()) {
                for (leaf, writer) in compute_leaves(field, column)?.iter().zip(&mut leaves) {
                    writer.write(leaf)?;
                }
            }
        }
        writers.into_iter().map(ArrowColumnWriter::close).collect()
    }
}

fn count(batches: &[RecordBatch]) -> usize {
    batches.iter().map(RecordBatch::num_rows).sum()
}

/// The same rows in groups of `GROUP_ROWS`; the last may be smaller.
fn cut(batches: Vec<RecordBatch>) -> Vec<Vec<RecordBatch>> {
    let (mut groups, mut room) = (Vec::<Vec<RecordBatch>>::new(), 0);
    for mut batch in batches {
        while batch.num_rows() > 0 {
            if room == 0 {
                groups.push(Vec::new());
                room = GROUP_ROWS;
            }
            let taken = batch.num_rows().min(room);
            groups.last_mut().map(|group| group.push(batch.slice(0, taken)));
            batch = batch.slice(taken, batch.num_rows() - taken);
            room -= taken;
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{ArrayRef, AsArray, FixedSizeListArray, Float16Array, Int32Array};
    use datafusion::arrow::datatypes::{DataType, Field, Float16Type, Int32Type};
    use half::f16;

    use crate::table::{TableWriter, batches, schema};

    /// Rows `first..first + rows`: their number, and a vector of two that says it again.
    fn columns(first: usize, rows: usize) -> Vec<ArrayRef> {
        let numbers = Int32Array::from_iter_values((first..first + rows).map(|row| row as i32));
        let values = (first..first + rows).flat_map(|row| [row as f32 % 512.0, -1.0].map(f16::from_f32));
        let item = Arc::new(Field::new_list_field(DataType::Float16, false));
        let values = Arc::new(Float16Array::from_iter_values(values));
        vec![Arc::new(numbers), Arc::new(FixedSizeListArray::new(item, 2, values, None))]
    }

    #[test]
    fn rows_come_back_in_order_whatever_the_batches() {
        let folder = tempfile::tempdir().unwrap();
        let item = Arc::new(Field::new_list_field(DataType::Float16, false));
        let fields = vec![
            Field::new("row", DataType::Int32, false),
            Field::new("vector", DataType::FixedSizeList(item, 2), true),
        ];
        let total = 20_001;
        let write = |name: &str, batch: usize| {
            let path = folder.path().join(name);
            let mut writer = TableWriter::create(&path, schema(fields.clone())).unwrap();
            for first in (0..total).step_by(batch) {
                writer.write_columns(columns(first, batch.min(total - first))).unwrap();
            }
            assert_eq!(writer.finish().unwrap(), total as u64);
            path
        };
        let (small, large) = (write("small", 700), write("large", 9_000));
        let mut next = 0;
        for batch in batches(&small).unwrap() {
            let batch = batch.unwrap();
            let vectors = batch.column(1).as_fixed_size_list();
            let values = vectors.values().as_primitive::<Float16Type>();
            for (row, number) in batch.column(0).as_primitive::<Int32Type>().values().iter().enumerate() {
                assert_eq!(*number, next);
                assert_eq!(values.value(2 * row).to_f32(), next as f32 % 512.0);
                next += 1;
            }
        }
        assert_eq!(next, total as i32);
        assert_eq!(std::fs::read(small).unwrap(), std::fs::read(large).unwrap());
    }
}
