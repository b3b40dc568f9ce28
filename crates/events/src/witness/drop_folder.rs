use super::{
    CheckpointLine, WitnessError,
    checkpoint_line::{MAX_LINE, seq_in},
};
use rustix::fs::OFlags;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// A folder of the witness into which a node puts its checkpoints. The witness's people make it: where
/// it is missing, its volume is not mounted, and nothing is made up in its place.
#[derive(Clone, Debug)]
pub struct DropFolder {
    dir: PathBuf,
}

impl DropFolder {
    /// The folder; it need not be there yet.
    pub fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// Puts a checkpoint there: whole and on disk when this returns, or not at all. Again is no harm.
    ///
    /// # Errors
    /// [`WitnessError::Io`]; [`WitnessError::Taken`], and that file stays as it is.
    pub fn put(&self, checkpoint: &CheckpointLine) -> Result<(), WitnessError> {
        let name = checkpoint.file_name();
        let (path, new) = (self.dir.join(&name), self.dir.join(format!(".{name}.new")));
        write(&new, checkpoint.line()).map_err(WitnessError::io(&new))?;
        // A link, unlike a rename, never takes the place of what is there; NFS has it too.
        let linked = fs::hard_link(&new, &path);
        let _ = fs::remove_file(&new);
        match linked {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => same(&path, checkpoint)?,
            linked => linked.map_err(WitnessError::io(&path))?,
        }
        sync(&self.dir)
    }
}

fn write(path: &Path, octets: &[u8]) -> io::Result<()> {
    // Left behind by a crash, it has never had its name.
    let _ = fs::remove_file(path);
    // Another host's user reads it; what it says is no secret.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(path)?;
    file.write_all(octets)?;
    file.sync_all()
}

fn same(path: &Path, checkpoint: &CheckpointLine) -> Result<(), WitnessError> {
    let there = fs::read(path).map_err(WitnessError::io(path))?;
    if there == checkpoint.line() { Ok(()) } else { Err(WitnessError::Taken(path.to_owned())) }
}

pub(super) fn sync(dir: &Path) -> Result<(), WitnessError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(WitnessError::io(dir))
}

/// The checkpoint files of a folder by their number.
pub(super) fn files(dir: &Path) -> Result<Vec<(u64, PathBuf)>, WitnessError> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(WitnessError::io(dir))? {
        let path = entry.map_err(WitnessError::io(dir))?.path();
        let seq = path.file_name().and_then(|name| name.to_str()).and_then(seq_in);
        files.extend(seq.map(|seq| (seq, path)));
    }
    files.sort();
    Ok(files)
}

/// What one file of a drop holds.
pub(super) fn read(path: &Path) -> Result<CheckpointLine, WitnessError> {
    let octets = octets(path).map_err(WitnessError::io(path))?;
    CheckpointLine::parse(&octets).map_err(|why| WitnessError::Line { path: path.to_owned(), why })
}

/// Whoever writes there decides what a name leads to and how long it is.
fn octets(path: &Path) -> io::Result<Vec<u8>> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("no plain file"));
    }
    let mut octets = Vec::new();
    file.take(MAX_LINE + 1).read_to_end(&mut octets)?;
    Ok(octets)
}
