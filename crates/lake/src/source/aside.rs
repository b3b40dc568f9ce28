use super::BadRow;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// Octets of a file of bad rows; then it becomes the older one of two.
const FULL: u64 = 1 << 20;

/// Bad rows of a source, each with its reason, as JSON lines: `<name>.jsonl`, and `<name>.1.jsonl` of before. Never more than 2 MiB.
#[derive(Debug)]
pub struct Aside {
    path: PathBuf,
    older: PathBuf,
    file: File,
    length: u64,
}

impl Aside {
    /// Goes on behind what is there. `name`: of the source.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open(folder: &Path, name: &str) -> io::Result<Self> {
        let (path, older) = (folder.join(format!("{name}.jsonl")), folder.join(format!("{name}.1.jsonl")));
        fs::create_dir_all(folder)?;
        let file = append(&path)?;
        let length = file.metadata()?.len();
        Ok(Self { path, older, file, length })
    }

    /// Adds one.
    ///
    /// # Errors
    /// It could not be written.
    pub fn keep(&mut self, bad: &BadRow) -> io::Result<()> {
        let mut line = serde_json::to_vec(bad)?;
        line.push(b'\n');
        if self.length + line.len() as u64 > FULL {
            fs::rename(&self.path, &self.older)?;
            (self.file, self.length) = (append(&self.path)?, 0);
        }
        self.length += line.len() as u64;
        self.file.write_all(&line)
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}
