use super::{BadRow, Offset, Options, Ready, SourceError, batch::Batches, files::STANDARD};
use crate::{field::word::words, guard::guarded, run::without_name};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::{
    ProjectionMask,
    arrow_reader::{
        ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
    },
};
use std::{
    collections::VecDeque,
    env,
    fs::File,
    io::{self, Seek},
    path::PathBuf,
    sync::Arc,
};

/// Rows that are read at once.
const CHUNK: usize = 1 << 13;

/// A Parquet file.
pub(super) struct Parquet {
    path: PathBuf,
    reader: ParquetRecordBatchReader,
    batches: Batches,
    done: u64,
}

impl Parquet {
    pub(super) fn open(path: PathBuf, options: &Options, offset: &Offset) -> Result<Self, SourceError> {
        let file = File::open(&path).map_err(SourceError::io(&path))?;
        Self::new(file, path, options, offset)
    }

    /// Parquet is read from its end, so all of standard input is put aside first.
    pub(super) fn standard(options: &Options, offset: &Offset) -> Result<Self, SourceError> {
        let path = PathBuf::from(STANDARD);
        let spooled = || {
            let mut file = without_name(&env::temp_dir())?;
            io::copy(&mut io::stdin().lock(), &mut file)?;
            file.rewind()?;
            Ok(file)
        };
        let file = spooled().map_err(SourceError::io(&path))?;
        Self::new(file, path, options, offset)
    }

    fn new(file: File, path: PathBuf, options: &Options, offset: &Offset) -> Result<Self, SourceError> {
        let reader = guarded(No::Damaged, || reader(file, options, offset.done)).map_err(|no| match no {
            No::Damaged(why) => SourceError::Damaged { path: path.clone(), why },
            No::Columns(why) => SourceError::Columns { path: path.clone(), why },
            No::Shorter => SourceError::Shorter { path: path.clone() },
        })?;
        Ok(Self { path, reader, batches: Batches::new(options), done: offset.done })
    }

    pub(super) fn fill(&mut self, ready: &mut VecDeque<Ready>) -> Result<bool, SourceError> {
        let Self { path, reader, batches, done } = self;
        let damaged = |why: String| SourceError::Damaged { path: path.clone(), why };
        let batch = || reader.next().transpose().map_err(|error| damaged(error.to_string()));
        let Some(batch) = guarded(damaged, batch)? else { return Ok(false) };
        let mut rows = batches.of(&batch).map_err(|why| SourceError::Columns { path: path.clone(), why })?;
        ready.reserve(batch.num_rows());
        for row in 0..batch.num_rows() {
            *done += 1;
            let bad = |why| Box::new(BadRow { file: path.clone(), line: *done, why, text: String::new() });
            ready.push_back(Ready { given: rows.get(row).map_err(bad), done: *done, lines: *done });
        }
        Ok(batch.num_rows() > 0)
    }
}

enum No {
    Damaged(String),
    Columns(String),
    Shorter,
}

/// Reads the columns that are known, from that row on.
fn reader(file: File, options: &Options, done: u64) -> Result<ParquetRecordBatchReader, No> {
    let damaged = |error: parquet::errors::ParquetError| No::Damaged(error.to_string());
    // What the file says of Arrow's types is not needed, and not trusted.
    let plain = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let metadata = ArrowReaderMetadata::load(&file, plain.clone()).map_err(damaged)?;
    let names: Vec<String> = metadata.schema().fields().iter().map(|field| field.name().clone()).collect();
    let used = super::columns::used(&names, options).map_err(No::Columns)?;
    let rows = u64::try_from(metadata.metadata().file_metadata().num_rows()).unwrap_or_default();
    if done > rows {
        return Err(No::Shorter);
    }
    let keyed = plain.with_schema(Arc::new(keyed(metadata.schema())));
    let metadata = ArrowReaderMetadata::try_new(metadata.metadata().clone(), keyed).map_err(damaged)?;
    let mask = ProjectionMask::roots(metadata.parquet_schema(), used);
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata).with_projection(mask);
    let builder = builder.with_batch_size(CHUNK).with_offset(usize::try_from(done).unwrap_or(usize::MAX));
    builder.build().map_err(damaged)
}

/// Text with its dictionary, so that few words are parsed once.
fn keyed(schema: &Schema) -> Schema {
    let field = |field: &Arc<Field>| {
        let is_text = *field.data_type() == DataType::Utf8;
        if is_text { Arc::new(field.as_ref().clone().with_data_type(words())) } else { field.clone() }
    };
    Schema::new(schema.fields().iter().map(field).collect::<Vec<_>>())
}
