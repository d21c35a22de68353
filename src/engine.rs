//! The DataFusion session that every row stage and every join runs in.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::DataFusionError;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use futures::StreamExt;

use crate::table::{BATCH_ROWS, TableError, TableWriter};

/// How the session runs.
#[derive(Debug, Clone, PartialEq)]
pub struct EngineParams {
    /// Worker threads and partitions, at least 1.
    pub threads: usize,
    /// Bytes DataFusion's operators may hold before they spill; `None` for no limit.
    pub memory_bytes: Option<usize>,
    /// Where spilled batches go.
    pub spill_dir: PathBuf,
}

/// A query that could not be planned or run.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The thread pool did not start.
    #[error("cannot start worker threads: {0}")]
    Threads(std::io::Error),
    /// DataFusion refused or failed.
    #[error(transparent)]
    Query(#[from] DataFusionError),
    /// The result could not be written.
    #[error(transparent)]
    Table(#[from] TableError),
}

/// A session with its threads, its registered tables and functions.
pub struct Engine {
    runtime: tokio::runtime::Runtime,
    context: SessionContext,
}

impl Engine {
    /// A session in this process.
    pub fn local(params: &EngineParams) -> Result<Engine, EngineError> {
        let threads = params.threads.max(1);
        std::fs::create_dir_all(&params.spill_dir)
            .map_err(|source| TableError::Io { path: params.spill_dir.clone(), source })?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_stack_size(8 << 20)
            .build()
            .map_err(EngineError::Threads)?;
        let mut config = SessionConfig::new()
            .with_target_partitions(threads)
            .with_batch_size(BATCH_ROWS)
            .with_information_schema(false);
        // Plain strings in and out: artifacts carry Utf8, and functions see one string type.
        config.options_mut().execution.parquet.schema_force_view_types = false;
        config.options_mut().sql_parser.map_string_types_to_utf8view = false;
        let mut environment = RuntimeEnvBuilder::new().with_temp_file_path(&params.spill_dir);
        if let Some(bytes) = params.memory_bytes {
            environment = environment.with_memory_limit(bytes, 1.0);
        }
        let context = SessionContext::new_with_config_rt(config, environment.build_arc()?);
        Ok(Engine { runtime, context })
    }

    /// Makes a Parquet file (or a folder of them) a table called `name`, replacing an earlier one.
    pub fn register(&self, name: &str, path: &Path) -> Result<(), EngineError> {
        self.context.deregister_table(name)?;
        let url = path.to_string_lossy();
        self.runtime.block_on(self.context.register_parquet(
            name,
            url.as_ref(),
            ParquetReadOptions::default().parquet_pruning(true),
        ))?;
        Ok(())
    }

    /// Makes rows held in memory a table called `name`, replacing an earlier one.
    pub fn register_rows(&self, name: &str, batch: RecordBatch) -> Result<(), EngineError> {
        self.context.deregister_table(name)?;
        self.context.register_batch(name, batch)?;
        Ok(())
    }

    /// Makes a row function callable from SQL by its name.
    pub fn register_function(&self, function: RowFunction) {
        self.context.register_udf(ScalarUDF::new_from_impl(function));
    }

    /// Runs a query and returns all its rows; for results that are small by nature.
    pub fn collect(&self, sql: &str) -> Result<Vec<RecordBatch>, EngineError> {
        let mut all = Vec::new();
        self.for_each(sql, |batch| {
            all.push(batch);
            Ok(())
        })?;
        Ok(all)
    }

    /// Runs a query and hands its batches, in order, to `visit`; holds one batch at a time.
    pub fn for_each(
        &self,
        sql: &str,
        mut visit: impl FnMut(RecordBatch) -> Result<(), EngineError>,
    ) -> Result<SchemaRef, EngineError> {
        self.runtime.block_on(async {
            let mut stream = self.context.sql(sql).await?.execute_stream().await?;
            let schema = stream.schema();
            while let Some(batch) = stream.next().await {
                visit(batch?)?;
            }
            Ok(schema)
        })
    }

    /// Runs a query and writes its rows, in order, to a Parquet file; returns their number.
    ///
    /// An `ORDER BY` over a unique key is what makes the file independent of threads.
    pub fn write(&self, sql: &str, path: &Path) -> Result<u64, EngineError> {
        self.runtime.block_on(async {
            let mut stream = self.context.sql(sql).await?.execute_stream().await?;
            let mut writer = TableWriter::create(path, stream.schema())?;
            while let Some(batch) = stream.next().await {
                writer.write(&batch?)?;
            }
            Ok(writer.finish()?)
        })
    }
}

type Body = dyn Fn(&[ArrayRef], usize) -> Result<ArrayRef, DataFusionError> + Send + Sync;

/// A row stage as DataFusion sees it: columns in, one column of as many rows out.
///
/// It keeps no memory between batches and gives equal rows for equal rows, so the same function
/// runs on one machine and on a cluster.
pub struct RowFunction {
    name: &'static str,
    signature: Signature,
    output: DataType,
    body: Arc<Body>,
}

impl RowFunction {
    /// `body` gets `inputs.len()` columns of `rows` rows each and returns one of type `output`.
    pub fn new(
        name: &'static str,
        inputs: Vec<DataType>,
        output: DataType,
        body: impl Fn(&[ArrayRef], usize) -> Result<ArrayRef, DataFusionError> + Send + Sync + 'static,
    ) -> RowFunction {
        let signature = Signature::exact(inputs, Volatility::Immutable);
        RowFunction { name, signature, output, body: Arc::new(body) }
    }

    /// The same for columns of lists and structs, whose types `body` checks itself: engines differ
    /// in how they mark nested fields nullable, and an exact signature would refuse them.
    pub fn nested(
        name: &'static str,
        arity: usize,
        output: DataType,
        body: impl Fn(&[ArrayRef], usize) -> Result<ArrayRef, DataFusionError> + Send + Sync + 'static,
    ) -> RowFunction {
        let signature = Signature::any(arity, Volatility::Immutable);
        RowFunction { name, signature, output, body: Arc::new(body) }
    }
}

impl fmt::Debug for RowFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowFunction").field("name", &self.name).finish_non_exhaustive()
    }
}

impl PartialEq for RowFunction {
    fn eq(&self, other: &RowFunction) -> bool {
        self.name == other.name && Arc::ptr_eq(&self.body, &other.body)
    }
}

impl Eq for RowFunction {}

impl Hash for RowFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for RowFunction {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType, DataFusionError> {
        Ok(self.output.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue, DataFusionError> {
        let columns = ColumnarValue::values_to_arrays(&args.args)?;
        let result = (self.body)(&columns, args.number_rows)?;
        Ok(ColumnarValue::Array(result))
    }
}

/// Turns any error of a row function into the engine's.
pub fn row_error(error: impl std::error::Error + Send + Sync + 'static) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}
