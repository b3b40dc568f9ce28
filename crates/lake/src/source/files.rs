//! Which files a source has.

use super::{Format, Input, Options, SourceError};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// What standard input is called.
pub(super) const STANDARD: &str = "-";

/// The ends of names, each with its format, and whether it is compressed.
const ENDS: [(&str, Format, bool); 5] = [
    (".parquet", Format::Parquet, false),
    (".csv", Format::Csv, false),
    (".csv.gz", Format::Csv, true),
    (".jsonl", Format::JsonLines, false),
    (".jsonl.gz", Format::JsonLines, true),
];

/// The format of a file by its name, and whether it is compressed.
pub(super) fn format(name: &str) -> Option<(Format, bool)> {
    ENDS.into_iter()
        .find(|(end, ..)| name.ends_with(end))
        .map(|(_, format, is_compressed)| (format, is_compressed))
}

/// The name of the file that comes behind that one.
pub(super) fn after(
    input: &Input,
    options: &Options,
    file: Option<&str>,
) -> Result<Option<String>, SourceError> {
    let path = match input {
        Input::Standard => return Ok(file.is_none().then(|| STANDARD.to_owned())),
        Input::Path(path) if path.is_dir() => path,
        Input::Path(path) => return Ok(file.is_none().then(|| path.to_string_lossy().into_owned())),
    };
    let mut next: Option<String> = None;
    for entry in fs::read_dir(path).map_err(SourceError::io(path))? {
        let Ok(name) = entry.map_err(SourceError::io(path))?.file_name().into_string() else { continue };
        let is_one = !name.starts_with('.') && (format(&name).is_some() || options.format.is_some());
        let is_behind = file.is_none_or(|file| name.as_str() > file);
        if is_one && is_behind && next.as_ref().is_none_or(|next| name < *next) && path.join(&name).is_file()
        {
            next = Some(name);
        }
    }
    Ok(next)
}

/// Where a file is.
pub(super) fn path(input: &Input, file: &str) -> PathBuf {
    match input {
        Input::Standard => PathBuf::from(STANDARD),
        Input::Path(path) if path.is_dir() => path.join(file),
        Input::Path(path) => path.clone(),
    }
}

/// How a file is written: as was said, or by its name.
pub(super) fn of(path: &Path, options: &Options) -> Result<(Format, bool), SourceError> {
    let by_name = format(&path.to_string_lossy());
    let is_compressed = path.extension().is_some_and(|end| end == "gz");
    let said = options.format.map(|format| (format, is_compressed));
    said.or(by_name).ok_or_else(|| SourceError::NoFormat { path: path.to_owned() })
}
