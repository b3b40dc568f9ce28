//! One part of the lake: a Parquet file of rows of one kind and one UTC day.

use crate::{guard::guarded, kind::V, lake::LakeError};
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use ids::{ParseTimeError, UnixTime};
use parquet::{
    arrow::{
        ArrowWriter,
        arrow_reader::{
            ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
            ParquetRecordBatchReaderBuilder,
        },
    },
    basic::{Compression, Encoding},
    errors::ParquetError,
    file::{
        metadata::{KeyValue, ParquetMetaData, SortingColumn},
        properties::{EnabledStatistics, WriterProperties},
        statistics::Statistics,
    },
    schema::types::ColumnPath,
};
use std::{
    fmt,
    fs::{File, OpenOptions},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    str::FromStr,
};

/// Rows of a part at most, and of all that a commit has not written yet.
pub const PART: usize = 1 << 20;
/// The end of the name of a part that is not published.
pub(crate) const UNFINISHED: &str = "new";

const DAY: i64 = 86_400_000_000;
const KIND: &str = "truecell.kind";
const VERSION: &str = "truecell.v";

/// A UTC day. Text: `2026-11-30`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Day(i64);

impl Day {
    pub(crate) fn of(time: UnixTime) -> Self {
        Self(time.micros().div_euclid(DAY))
    }

    pub(crate) fn begins(self) -> UnixTime {
        UnixTime::from_micros(self.0 * DAY)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.begins().to_string();
        f.write_str(text.split('T').next().unwrap_or_default())
    }
}

impl FromStr for Day {
    type Err = ParseTimeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let day = Self::of(format!("{text}T00:00:00Z").parse()?);
        if day.to_string() == text { Ok(day) } else { Err(ParseTimeError) }
    }
}

/// Which part: `<commit>-<part>.parquet`, 12 digits and 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    pub(crate) commit: u64,
    pub(crate) part: u32,
}

impl Name {
    pub(crate) const COMMITS: u64 = 1_000_000_000_000;
    pub(crate) const PARTS: u32 = 10_000;

    pub(crate) fn of(path: &Path) -> Result<Self, LakeError> {
        let name = path.file_name().and_then(|name| Self::parse(name.to_str()?));
        name.ok_or_else(|| LakeError::Name { path: path.to_owned() })
    }

    fn parse(text: &str) -> Option<Self> {
        let (commit, part) = text.strip_suffix(".parquet")?.split_once('-')?;
        let name = Self { commit: commit.parse().ok()?, part: part.parse().ok()? };
        (name.to_string() == text).then_some(name)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012}-{:04}.parquet", self.commit, self.part)
    }
}

/// Writes a part, or what stands beside one, of batches that come one by one.
pub(crate) struct PartWriter(ArrowWriter<File>);

impl PartWriter {
    pub(crate) fn new(path: &Path, kind: &str, schema: SchemaRef) -> Result<Self, LakeError> {
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
        let properties = properties(kind, &schema);
        let writer = ArrowWriter::try_new(file.map_err(LakeError::io(path))?, schema, Some(properties));
        writer.map(Self).map_err(LakeError::parquet(path))
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<(), ParquetError> {
        self.0.write(batch)
    }

    pub(crate) fn finish(self) -> Result<(), ParquetError> {
        self.0.close().map(drop)
    }
}

/// Numbers and times are differences of what stands before them, as rows are sorted; people are too many for a dictionary. What is asked for by
/// statistics is time and cell.
fn properties(kind: &str, schema: &SchemaRef) -> WriterProperties {
    let say = |key: &str, value: String| KeyValue::new(key.to_owned(), value);
    let mut properties = WriterProperties::builder()
        .set_created_by(concat!("truecell ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::SNAPPY)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_max_row_group_row_count(Some(PART))
        .set_key_value_metadata(Some(vec![say(KIND, kind.to_owned()), say(VERSION, V.to_string())]));
    for name in ["at", "feed_seq"] {
        let path = || ColumnPath::from(name);
        properties = properties
            .set_column_dictionary_enabled(path(), false)
            .set_column_encoding(path(), Encoding::DELTA_BINARY_PACKED);
    }
    for name in ["subscriber", "payer", "msisdn_key"] {
        properties = properties.set_column_dictionary_enabled(ColumnPath::from(name), false);
    }
    for name in ["at", "cell"] {
        properties =
            properties.set_column_statistics_enabled(ColumnPath::from(name), EnabledStatistics::Page);
    }
    let order = ["cell", "rat", "at"].into_iter().filter_map(|name| schema.index_of(name).ok());
    let order = order.filter_map(|index| i32::try_from(index).ok());
    let sorting = order.map(|column_idx| SortingColumn { column_idx, descending: false, nulls_first: true });
    properties.set_sorting_columns(Some(sorting.collect())).build()
}

/// A part that is read: known to be one, of that kind, with columns that are known here.
pub(crate) struct Part {
    file: File,
    metadata: ArrowReaderMetadata,
    pub(crate) rows: usize,
}

impl Part {
    pub(crate) fn open(path: &Path, kind: &str, schema: SchemaRef) -> Result<Self, LakeError> {
        guarded(LakeError::damaged(path), || Self::opened(path, kind, schema))
    }

    fn opened(path: &Path, kind: &str, schema: SchemaRef) -> Result<Self, LakeError> {
        let file = File::open(path).map_err(LakeError::io(path))?;
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let metadata = ArrowReaderMetadata::load(&file, options.clone()).map_err(LakeError::parquet(path))?;
        let other =
            |found| LakeError::Schema { path: path.to_owned(), found, known: format!("{kind}, version {V}") };
        let (found, version) = (said(metadata.metadata(), KIND), said(metadata.metadata(), VERSION));
        if found.as_deref() != Some(kind) || version != Some(V.to_string()) {
            let none = || "none".to_owned();
            return Err(other(format!(
                "{}, version {}",
                found.unwrap_or_else(none),
                version.unwrap_or_else(none)
            )));
        }
        let names =
            |schema: &SchemaRef| schema.fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
        if names(metadata.schema()) != names(&schema) {
            return Err(other(format!("the columns {}", names(metadata.schema()).join(", "))));
        }
        let rows = usize::try_from(metadata.metadata().file_metadata().num_rows()).ok();
        let rows = rows.filter(|rows| *rows <= PART);
        let rows = rows.ok_or_else(|| other(format!("more than {PART} rows")))?;
        let metadata = ArrowReaderMetadata::try_new(metadata.metadata().clone(), options.with_schema(schema));
        Ok(Self { file, rows, metadata: metadata.map_err(|error| other(error.to_string()))? })
    }

    /// The times of its rows, first and last.
    pub(crate) fn times(&self) -> Option<(UnixTime, UnixTime)> {
        let times = self.metadata.metadata().row_groups().iter().map(|group| {
            let Some(Statistics::Int64(times)) = group.columns().first()?.statistics() else { return None };
            Some((*times.min_opt()?, *times.max_opt()?))
        });
        let both = times.reduce(|a, b| Some((a?.0.min(b?.0), a?.1.max(b?.1)))).flatten()?;
        Some((UnixTime::from_micros(both.0), UnixTime::from_micros(both.1)))
    }

    /// All of its rows, in batches of that many at most.
    pub(crate) fn read(self, at_once: usize, path: &Path) -> Result<PartReader, LakeError> {
        let Self { file, metadata, .. } = self;
        guarded(LakeError::damaged(path), || {
            let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata);
            let reader = builder.with_batch_size(at_once.max(1)).build();
            reader.map(PartReader).map_err(LakeError::parquet(path))
        })
    }
}

/// Rows of a part that is read, batch by batch. After an error there is nothing more.
pub(crate) struct PartReader(ParquetRecordBatchReader);

impl PartReader {
    pub(crate) fn next(&mut self, path: &Path) -> Result<Option<RecordBatch>, LakeError> {
        let batch = || self.0.next().transpose().map_err(LakeError::arrow(path));
        guarded(LakeError::damaged(path), batch)
    }
}

fn said(metadata: &ParquetMetaData, key: &str) -> Option<String> {
    let all = metadata.file_metadata().key_value_metadata()?;
    all.iter().find(|said| said.key == key)?.value.clone()
}
