use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// A file that holds one secret, for its owner alone: mode 0600. It is made once, for a new data
/// directory; where it is missing later, another key would disown everything that the first one vouched
/// for.
pub struct KeyFile<'a> {
    /// Which key, in words: `row key`.
    pub what: &'static str,
    /// Where.
    pub path: &'a Path,
}

/// The key file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// Reading or writing failed, or it is not there.
    #[error("{what} {path}")]
    Io {
        /// Which key.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others may read it.
    #[error("{what} {path} can be read by others: chmod 600 it, and think about who did")]
    Exposed {
        /// Which key.
        what: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// It holds something else.
    #[error("{what} {path} is damaged: bring back the file from its backup")]
    Damaged {
        /// Which key.
        what: &'static str,
        /// The file.
        path: PathBuf,
    },
}

impl KeyFile<'_> {
    /// Makes the file, on disk when this returns: whole, or not at all.
    ///
    /// # Errors
    /// [`KeyFileError::Io`], also when it is there already.
    pub fn create(&self, secret: &[u8]) -> Result<(), KeyFileError> {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        let new = self.path.with_file_name(name);
        let made = || {
            // What was interrupted before it had its name is nobody's key.
            let _ = fs::remove_file(&new);
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
            file.write_all(secret)?;
            file.sync_all()?;
            renameat_with(CWD, &new, CWD, self.path, RenameFlags::NOREPLACE)?;
            let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
            File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
        };
        made().map_err(|source| self.io(source))
    }

    /// What it holds.
    ///
    /// # Errors
    /// [`KeyFileError::Io`], [`KeyFileError::Exposed`]
    pub fn read(&self) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
        let opened = || {
            let file = File::open(self.path)?;
            file.metadata().map(|metadata| (file, metadata))
        };
        let (mut file, metadata) = opened().map_err(|source| self.io(source))?;
        if metadata.permissions().mode() & 0o077 != 0 {
            return Err(KeyFileError::Exposed { what: self.what, path: self.path.to_owned() });
        }
        // Room for all of it: a buffer that grows leaves copies behind.
        let mut secret = Zeroizing::new(Vec::with_capacity(1 + usize::try_from(metadata.len()).unwrap_or(0)));
        file.read_to_end(&mut secret).map_err(|source| self.io(source))?;
        Ok(secret)
    }

    /// What it holds is no key of this kind.
    pub fn damaged(&self) -> KeyFileError {
        KeyFileError::Damaged { what: self.what, path: self.path.to_owned() }
    }

    /// The system did not do what this file needs.
    pub fn io(&self, source: io::Error) -> KeyFileError {
        KeyFileError::Io { what: self.what, path: self.path.to_owned(), source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;

    #[test]
    fn a_key_is_made_once_for_its_owner_alone_and_never_made_up_where_it_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.key");
        let file = KeyFile { what: "a key", path: &path };
        let Err(KeyFileError::Io { source, .. }) = file.read() else { panic!("there is none") };
        assert_eq!(source.kind(), io::ErrorKind::NotFound);
        assert!(!path.exists());
        file.create(b"secret").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(*file.read().unwrap(), b"secret");
        assert!(file.create(b"another").is_err());
        assert_eq!(*file.read().unwrap(), b"secret");
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(file.read(), Err(KeyFileError::Exposed { .. })));
    }

    #[test]
    fn a_key_whose_making_was_interrupted_is_none_and_stands_in_nobodys_way() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.key");
        let file = KeyFile { what: "a key", path: &path };
        for left in ["", "sec"] {
            fs::write(folder.path().join("a.key.new"), left).unwrap();
            assert!(file.read().is_err());
            file.create(b"secret").unwrap();
            assert_eq!(*file.read().unwrap(), b"secret");
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
            fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn no_moment_of_the_making_shows_a_key_without_its_octets() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.key");
        std::thread::scope(|scope| {
            let making = scope.spawn(|| {
                for _ in 0..200 {
                    KeyFile { what: "a key", path: &path }.create(&[7; 4096]).unwrap();
                    fs::remove_file(&path).unwrap();
                }
            });
            while !making.is_finished() {
                if let Ok(secret) = (KeyFile { what: "a key", path: &path }).read() {
                    assert_eq!(secret.len(), 4096);
                }
            }
        });
    }
}
