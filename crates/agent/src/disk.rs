//! Files that are whole or not there, also after a loss of power.

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Mode of what everyone may read.
pub(crate) const PUBLIC: u32 = 0o644;
/// Mode of what only its owner may read.
pub(crate) const SECRET: u32 = 0o600;

/// One folder, as the system has it: content is durable after [`Self::sync`], and names after [`Self::sync_folder`].
/// Names may have one folder in front.
pub trait Disk: Debug {
    /// The content, if the file is there.
    ///
    /// # Errors
    /// What the system says, here and below.
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>>;

    /// Makes a file anew, with this mode from the first octet on.
    ///
    /// # Errors
    /// As above.
    fn write(&self, name: &str, mode: u32, content: &[u8]) -> io::Result<()>;

    /// Makes the content of a file durable.
    ///
    /// # Errors
    /// As above.
    fn sync(&self, name: &str) -> io::Result<()>;

    /// Gives a file the name of another, which goes.
    ///
    /// # Errors
    /// As above.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file, if it is there.
    ///
    /// # Errors
    /// As above.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes durable which files are beside this one.
    ///
    /// # Errors
    /// As above.
    fn sync_folder(&self, name: &str) -> io::Result<()>;
}

/// Makes a file or replaces it, whole and durable on return: after a loss of power it is the old one or the new one.
pub(crate) fn replace(disk: &dyn Disk, name: &str, mode: u32, content: &[u8]) -> io::Result<()> {
    let beside = format!("{name}.new");
    disk.write(&beside, mode, content)?;
    disk.sync(&beside)?;
    disk.rename(&beside, name)?;
    disk.sync_folder(name)
}

/// Removes a file for good.
pub(crate) fn remove(disk: &dyn Disk, name: &str) -> io::Result<()> {
    disk.remove(name)?;
    disk.sync_folder(name)
}

/// A folder of the file system.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Makes it when it is missing, for its owner alone.
    ///
    /// # Errors
    /// What the system says.
    pub fn new(path: &Path) -> io::Result<Self> {
        let mut builder = fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(builder.recursive(true), 0o700);
        builder.create(path)?;
        Ok(Self(path.to_owned()))
    }

    /// Keeps other processes out for as long as the file that is returned stays open.
    ///
    /// # Errors
    /// `WouldBlock` when another has it.
    pub fn lock(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true).mode(SECRET);
        let file = options.open(self.0.join("lock"))?;
        file.try_lock()?;
        Ok(file)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Disk for Folder {
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.at(name)) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn write(&self, name: &str, mode: u32, content: &[u8]) -> io::Result<()> {
        // A leftover may have another mode.
        self.remove(name)?;
        let path = self.at(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?.write_all(content)
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        File::open(self.at(name))?.sync_all()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.at(from), self.at(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.at(name)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn sync_folder(&self, name: &str) -> io::Result<()> {
        match File::open(self.at(name).parent().unwrap_or(&self.0)) {
            Ok(folder) => folder.sync_all(),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}
