//! One file of a source.

use super::{
    Format, Input, Offset, Options, Ready, SourceError, csv::Csv, files, json::Json, octets::Octets,
    parquet::Parquet,
};
use std::{collections::VecDeque, path::PathBuf};

pub(super) enum Open {
    Json(Box<Json>),
    Csv(Box<Csv>),
    Parquet(Box<Parquet>),
}

impl Open {
    /// Opens the file at hand where it was left.
    pub(super) fn new(input: &Input, options: &Options, offset: &Offset) -> Result<Self, SourceError> {
        let path = files::path(input, offset.file.as_deref().unwrap_or(files::STANDARD));
        let (format, is_compressed) = match input {
            Input::Standard => (
                options.format.ok_or(SourceError::Options("of standard input the format has to be said"))?,
                false,
            ),
            Input::Path(_) => files::of(&path, options)?,
        };
        let octets = |path: &PathBuf| match input {
            Input::Standard => Ok(Octets::standard()),
            Input::Path(_) => Octets::open(path, is_compressed).map_err(SourceError::io(path)),
        };
        Ok(match format {
            Format::JsonLines => Self::Json(Box::new(Json::new(octets(&path)?, path, options, offset)?)),
            Format::Csv => Self::Csv(Box::new(Csv::new(octets(&path)?, path, options, offset)?)),
            Format::Parquet if *input == Input::Standard => {
                Self::Parquet(Box::new(Parquet::standard(options, offset)?))
            }
            Format::Parquet => Self::Parquet(Box::new(Parquet::open(path, options, offset)?)),
        })
    }

    /// Reads some rows; false where there are none yet.
    pub(super) fn fill(&mut self, ready: &mut VecDeque<Ready>) -> Result<bool, SourceError> {
        match self {
            Self::Json(json) => json.fill(ready),
            Self::Csv(csv) => csv.fill(ready),
            Self::Parquet(parquet) => parquet.fill(ready),
        }
    }

    /// Nothing comes any more: a last line may have no end.
    pub(super) fn finish(&mut self, ready: &mut VecDeque<Ready>) -> Result<(), SourceError> {
        match self {
            Self::Json(json) => {
                json.finish(ready);
                Ok(())
            }
            Self::Csv(csv) => csv.finish(ready),
            Self::Parquet(_) => Ok(()),
        }
    }
}
