//! Files that are whole or not there, also after a loss of power.

use crate::PkiError;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Mode of what everyone may read.
pub(crate) const PUBLIC: u32 = 0o644;
/// Mode of what only its owner may read.
pub(crate) const SECRET: u32 = 0o600;

/// Writes beside, fsyncs, renames into place, fsyncs the directory. Replaces an older file.
pub(crate) fn write(path: &Path, mode: u32, bytes: &[u8]) -> Result<(), PkiError> {
    let beside = path.with_added_extension("new");
    let io = || PkiError::io(path);
    // A leftover of an earlier crash may have another mode.
    remove(&beside)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside).map_err(io())?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io())?;
    fs::rename(&beside, path).map_err(io())?;
    sync_directory_of(path)
}

/// Removes a file, if it is there, for good.
pub(crate) fn remove(path: &Path) -> Result<(), PkiError> {
    match fs::remove_file(path) {
        Ok(()) => sync_directory_of(path),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(PkiError::io(path)(error)),
    }
}

pub(crate) fn create_directory(path: &Path) -> Result<(), PkiError> {
    fs::create_dir_all(path).map_err(PkiError::io(path))?;
    sync_directory_of(path)
}

fn sync_directory_of(path: &Path) -> Result<(), PkiError> {
    let Some(directory) = path.parent() else { return Ok(()) };
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(PkiError::io(directory))
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, PkiError> {
    fs::read(path).map_err(PkiError::io(path))
}
