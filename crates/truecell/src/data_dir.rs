//! DATA: everything that a node keeps, and the lock that makes one process its only writer.

use crate::failure::{Failure, Problem};
use rustix::fs::{FlockOperation, flock};
use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// The folder given by `--data` or by `data` in the configuration.
#[derive(Clone, Debug)]
pub(crate) struct DataDir(PathBuf);

impl DataDir {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Name of the node, written once by `truecell init`: a folder without it is not a data directory.
    pub(crate) fn node_file(&self) -> PathBuf {
        self.0.join("node")
    }

    pub(crate) fn lock_file(&self) -> PathBuf {
        self.0.join("lock")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.0.join("control.sock")
    }

    pub(crate) fn journals(&self) -> PathBuf {
        self.0.join("journal")
    }

    pub(crate) fn ledger(&self) -> PathBuf {
        self.0.join("ledger.sqlite")
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.0.join("ca")
    }

    /// Secrets of this node: `journal.key`, `row.key`, `gateway.key`.
    pub(crate) fn keys(&self) -> PathBuf {
        self.0.join("keys")
    }

    pub(crate) fn gateway_certificate(&self) -> PathBuf {
        self.0.join("gateway.pem")
    }
}

/// Proof that no other process writes to DATA; the lock falls with the value, or with the process.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

/// Why the lock was not taken.
#[derive(Debug)]
pub(crate) enum NotTaken {
    /// Another process holds it; what it wrote about itself.
    Held(String),
    /// The file cannot be opened or locked.
    Io(io::Error),
}

impl Lock {
    /// Takes DATA/lock without waiting, and writes there who did: process id and `command`.
    ///
    /// # Errors
    /// [`NotTaken`], at once.
    pub(crate) fn take(data: &DataDir, command: &str) -> Result<Self, NotTaken> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o640);
        let mut file = options.open(data.lock_file()).map_err(NotTaken::Io)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => (),
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(NotTaken::Held(holder(&mut file))),
            Err(error) => return Err(NotTaken::Io(error.into())),
        }
        sign(&mut file, command).map_err(NotTaken::Io)?;
        Ok(Self { _file: file })
    }
}

fn sign(file: &mut File, command: &str) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "pid {}: truecell {command}, since {}", std::process::id(), ids::UnixTime::now())
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    match file.read_to_string(&mut text) {
        Ok(length) if length > 0 => text.trim_end().to_owned(),
        Ok(_) | Err(_) => "a process that has not yet written its name".into(),
    }
}

impl NotTaken {
    pub(crate) fn failure(self, data: &DataDir) -> Failure {
        let lock = data.lock_file();
        match self {
            Self::Held(who) => Failure::Ours(
                Problem::new("locked", format!("{} is in use", data.path().display()))
                    .because(format!("{} is held by {who}", lock.display()))
                    .next("wait for it to end, or stop it; one process at a time writes a data directory"),
            ),
            Self::Io(error) => Failure::system(format!("{} cannot be locked", lock.display()), &error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_taker_learns_who_holds_the_lock_and_gets_it_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path().into());
        let lock = Lock::take(&data, "serve").unwrap();
        let NotTaken::Held(who) = Lock::take(&data, "device list").unwrap_err() else { panic!("not held") };
        assert!(who.starts_with(&format!("pid {}: truecell serve, since 20", std::process::id())), "{who}");
        drop(lock);
        assert!(Lock::take(&data, "device list").is_ok());
    }

    #[test]
    fn a_shorter_name_leaves_nothing_of_a_longer_one() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path().into());
        drop(Lock::take(&data, &"x".repeat(500)).unwrap());
        let lock = Lock::take(&data, "serve").unwrap();
        assert_eq!(std::fs::read_to_string(data.lock_file()).unwrap().lines().count(), 1);
        drop(lock);
    }
}
