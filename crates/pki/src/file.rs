//! Files that are whole or not there, also after a loss of power.

use crate::PkiError;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Mode of what everyone may read.
pub(crate) const PUBLIC: u32 = 0o644;
/// Mode of what only its owner may read.
pub(crate) const SECRET: u32 = 0o600;

/// Makes a file or replaces it in one step, whole and durable on return: after a crash it is the old one or
/// the new one. `mode` holds from the first octet on.
///
/// # Errors
/// What the system says.
pub fn replace(path: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let beside = write_beside(path, mode, bytes)?;
    fs::rename(&beside, path)?;
    sync(directory_of(path))
}

/// The same where there must be none yet: whoever comes second has made nothing.
///
/// # Errors
/// What the system says; [`io::ErrorKind::AlreadyExists`].
pub(crate) fn create(path: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let beside = write_beside(path, mode, bytes)?;
    let linked = fs::hard_link(&beside, path);
    let removed = fs::remove_file(&beside);
    linked.and(removed)?;
    sync(directory_of(path))
}

fn write_beside(path: &Path, mode: u32, bytes: &[u8]) -> io::Result<PathBuf> {
    let beside = path.with_added_extension("new");
    // A leftover of an earlier crash may have another mode.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => (),
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(beside)
}

pub(crate) fn write(path: &Path, mode: u32, bytes: &[u8]) -> Result<(), PkiError> {
    replace(path, mode, bytes).map_err(PkiError::io(path))
}

pub(crate) fn create_directory(path: &Path) -> Result<(), PkiError> {
    fs::create_dir_all(path).map_err(PkiError::io(path))?;
    sync_directory_of(path)
}

fn sync_directory_of(path: &Path) -> Result<(), PkiError> {
    let directory = directory_of(path);
    sync(directory).map_err(PkiError::io(directory))
}

fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, PkiError> {
    fs::read(path).map_err(PkiError::io(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_new_content_comes_with_its_mode_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.key");
        fs::write(folder.path().join("a.key.new"), b"left by a crash, for everyone").unwrap();
        replace(&path, SECRET, b"one").unwrap();
        replace(&path, SECRET, b"2").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"2");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, SECRET);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_made_replaces_nothing_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.key");
        create(&path, SECRET, b"one").unwrap();
        assert_eq!(create(&path, SECRET, b"2").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, SECRET);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
