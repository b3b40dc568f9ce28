use super::{
    CheckpointLine, WitnessError,
    drop_folder::{files, read, sync},
};
use crate::PublicKey;
use ids::{NodeId, UnixTime};
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

/// The witness's own folder for one node, which that node can't reach. It only grows.
pub struct Kept {
    checkpoints: Lines,
    contradictions: Lines,
    last: Option<CheckpointLine>,
    key: PublicKey,
}

/// What was taken out of a drop.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Intake {
    /// Checkpoints that are new.
    pub new: u64,
    /// Those that contradict what was kept before; kept too.
    pub contradictions: Vec<Contradiction>,
    /// Files that were left in the drop.
    pub refused: Vec<Refused>,
}

/// A checkpoint that its node signed although it had signed another one before: there are two journals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// Its number.
    pub seq: u64,
    /// When it was signed.
    pub at: UnixTime,
}

/// A file that is no checkpoint which the node has signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

/// Where a folder stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The checkpoint with the highest number; `None` when there is none yet.
    pub last: Option<CheckpointLine>,
    /// All that contradict others.
    pub contradictions: Vec<Contradiction>,
}

const CHECKPOINTS: &str = "checkpoints.jsonl";
const CONTRADICTIONS: &str = "contradictions.jsonl";

impl Kept {
    /// Opens the folder of the witness for what `key` signs. The folder must be there.
    ///
    /// # Errors
    /// [`WitnessError`]
    pub fn open(dir: &Path, key: PublicKey) -> Result<Self, WitnessError> {
        let mut checkpoints = Lines::open(dir.join(CHECKPOINTS))?;
        let last = checkpoints.last()?;
        let contradictions = Lines::open(dir.join(CONTRADICTIONS))?;
        sync(dir)?;
        Ok(Self { checkpoints, contradictions, last, key })
    }

    /// Takes in what a drop holds, and clears away there what is on disk here.
    ///
    /// # Errors
    /// [`WitnessError`]: what is in neither file is still in the drop.
    pub fn take_in(&mut self, drop: &Path) -> Result<Intake, WitnessError> {
        let (mut intake, mut done) = (Intake::default(), Vec::new());
        for (_, path) in files(drop)? {
            match self.acceptable(&path) {
                Ok(checkpoint) => {
                    self.take(checkpoint, &mut intake)?;
                    done.push(path);
                }
                Err(why) => intake.refused.push(Refused { path, why }),
            }
        }
        self.checkpoints.sync()?;
        self.contradictions.sync()?;
        done.iter().try_for_each(|path| fs::remove_file(path).map_err(WitnessError::io(path)))?;
        Ok(intake)
    }

    fn acceptable(&self, path: &Path) -> Result<CheckpointLine, String> {
        let checkpoint = read(path).map_err(|error| error.to_string())?;
        if let Some(node) = self.node().filter(|node| **node != checkpoint.node) {
            return Err(format!("it is of node {}, what is kept here of {node}", checkpoint.node));
        }
        if !checkpoint.is_signed_by(&self.key) {
            return Err("the key has not signed it".into());
        }
        Ok(checkpoint)
    }

    fn node(&self) -> Option<&NodeId> {
        self.last.as_ref().map(|last| &last.node)
    }

    fn take(&mut self, checkpoint: CheckpointLine, intake: &mut Intake) -> Result<(), WitnessError> {
        if self.last.as_ref().is_none_or(|last| checkpoint.seq > last.seq) {
            self.checkpoints.append(&checkpoint)?;
            self.last = Some(checkpoint);
            intake.new += 1;
        } else if !self.checkpoints.hold(&checkpoint)? {
            intake.contradictions.push(Contradiction { seq: checkpoint.seq, at: checkpoint.at });
            if !self.contradictions.hold(&checkpoint)? {
                self.contradictions.append(&checkpoint)?;
            }
        }
        Ok(())
    }
}

impl Standing {
    /// Looks at a folder of a witness, or at a drop.
    ///
    /// # Errors
    /// [`WitnessError`]
    pub fn read(dir: &Path) -> Result<Self, WitnessError> {
        let dropped = files(dir)?.pop().map(|(_, path)| read(&path)).transpose()?;
        let kept = Lines::look(dir.join(CHECKPOINTS))?.map(|mut lines| lines.last()).transpose()?.flatten();
        let last = [dropped, kept].into_iter().flatten().max_by_key(|line| line.seq);
        let mut contradictions = Vec::new();
        if let Some(lines) = Lines::look(dir.join(CONTRADICTIONS))? {
            lines.each(|line| contradictions.push(Contradiction { seq: line.seq, at: line.at }))?;
        }
        Ok(Self { last, contradictions })
    }
}

/// Every checkpoint of a folder of either kind, contradictions included.
pub(super) fn each(dir: &Path, mut found: impl FnMut(&Path, CheckpointLine)) -> Result<(), WitnessError> {
    for name in [CHECKPOINTS, CONTRADICTIONS] {
        let path = dir.join(name);
        if let Some(lines) = Lines::look(path.clone())? {
            lines.each(|line| found(&path, line))?;
        }
    }
    files(dir)?.into_iter().try_for_each(|(_, path)| read(&path).map(|line| found(&path, line)))
}

/// A file of checkpoints, one on each line.
struct Lines {
    path: PathBuf,
    file: File,
}

impl Lines {
    /// For this process to write: what a crash left unfinished is cut off. It was not acknowledged.
    fn open(path: PathBuf) -> Result<Self, WitnessError> {
        let opened = OpenOptions::new().read(true).append(true).create(true).open(&path);
        let file = opened.map_err(WitnessError::io(&path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(WitnessError::InUse(path)),
            Err(TryLockError::Error(source)) => return Err(WitnessError::Io { path, source }),
        }
        let (end, whole) = whole(&file).map_err(WitnessError::io(&path))?;
        if whole < end {
            file.set_len(whole).map_err(WitnessError::io(&path))?;
        }
        Ok(Self { path, file })
    }

    /// To look at only; `None` when it is not there.
    fn look(path: PathBuf) -> Result<Option<Self>, WitnessError> {
        match File::open(&path) {
            Ok(file) => Ok(Some(Self { path, file })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(WitnessError::Io { path, source }),
        }
    }

    fn append(&mut self, checkpoint: &CheckpointLine) -> Result<(), WitnessError> {
        self.file.write_all(checkpoint.line()).map_err(WitnessError::io(&self.path))
    }

    fn sync(&self) -> Result<(), WitnessError> {
        self.file.sync_all().map_err(WitnessError::io(&self.path))
    }

    fn last(&mut self) -> Result<Option<CheckpointLine>, WitnessError> {
        let read = last_line(&self.file).map_err(WitnessError::io(&self.path))?;
        if read.is_empty() { Ok(None) } else { self.parse(&read).map(Some) }
    }

    fn hold(&self, checkpoint: &CheckpointLine) -> Result<bool, WitnessError> {
        let mut held = false;
        self.each(|line| held |= line == *checkpoint)?;
        Ok(held)
    }

    /// A last line without an end is just being written.
    fn each(&self, mut found: impl FnMut(CheckpointLine)) -> Result<(), WitnessError> {
        let mut reader = BufReader::new(&self.file);
        reader.rewind().map_err(WitnessError::io(&self.path))?;
        let mut line = Vec::new();
        loop {
            line.clear();
            reader.read_until(b'\n', &mut line).map_err(WitnessError::io(&self.path))?;
            if line.last() != Some(&b'\n') {
                return Ok(());
            }
            found(self.parse(&line)?);
        }
    }

    fn parse(&self, line: &[u8]) -> Result<CheckpointLine, WitnessError> {
        let path = &self.path;
        CheckpointLine::parse(line).map_err(|why| WitnessError::Line { path: path.clone(), why })
    }
}

/// Octets read from the end of a file: more than two lines.
const END: u64 = 4096;

/// The end of a file, and where that begins.
fn end(mut file: &File) -> io::Result<(u64, Vec<u8>)> {
    let length = file.seek(SeekFrom::End(0))?;
    let from = length.saturating_sub(END);
    file.seek(SeekFrom::Start(from))?;
    let mut octets = Vec::new();
    file.read_to_end(&mut octets)?;
    Ok((from, octets))
}

/// Length of a file, and of its whole lines.
fn whole(file: &File) -> io::Result<(u64, u64)> {
    let (from, octets) = end(file)?;
    let whole = octets.iter().rposition(|octet| *octet == b'\n').map_or(0, |last| last + 1);
    Ok((from + octets.len() as u64, from + whole as u64))
}

/// The last whole line; empty when there is none.
fn last_line(file: &File) -> io::Result<Vec<u8>> {
    let (_, mut octets) = end(file)?;
    octets.truncate(octets.iter().rposition(|octet| *octet == b'\n').map_or(0, |last| last + 1));
    Ok(octets.split_inclusive(|octet| *octet == b'\n').next_back().unwrap_or_default().to_vec())
}
