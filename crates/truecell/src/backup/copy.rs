use super::{Entry, Manifest};
use aws_lc_rs::digest::{Context, SHA256};
use ids::Sha256;
use rustix::{
    fs::{Dir, Mode, OFlags, openat},
    io::Errno,
};
use std::{
    fmt,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, BufRead, BufReader, Write},
    os::{
        fd::OwnedFd,
        unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    },
    path::{Path, PathBuf},
};

/// Files on their way from one folder to another: each hashed, on disk, and for others no more than it was before.
/// Below the one that they come from no link is followed: whoever may write there could have root copy what is
/// not theirs.
pub(crate) struct Copy<'a> {
    from: &'a Path,
    to: &'a Path,
    pub(crate) files: Vec<Entry>,
    /// Folders that may have no file.
    pub(crate) folders: Vec<String>,
}

/// What a copy failed on.
#[derive(Debug)]
pub(crate) struct Error {
    path: PathBuf,
    pub(crate) source: io::Error,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.source)
    }
}

impl Error {
    pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self { path: path.to_owned(), source }
    }
}

const NOT_SO: &str = "it is not what was backed up: it is damaged";

/// A file of a backup is what its manifest says.
pub(super) fn as_backed_up(dir: &Path, entry: &Entry) -> Result<(), Error> {
    let read = || {
        let (mut file, _) = open_file(dir, &entry.path)?;
        let mut hashed = Hashed { to: io::sink(), context: Context::new(&SHA256), size: 0 };
        io::copy(&mut file, &mut hashed)?;
        let found = hashed.entry(&entry.path);
        if found.sha256 == entry.sha256 { Ok(()) } else { Err(io::Error::other(NOT_SO)) }
    };
    read().map_err(Error::at(&dir.join(&entry.path)))
}

impl Error {
    /// Whether it is about this file.
    pub(crate) fn is_about(&self, name: &str) -> bool {
        self.path.ends_with(name)
    }
}

impl<'a> Copy<'a> {
    pub(crate) fn new(from: &'a Path, to: &'a Path) -> Self {
        Self { from, to, files: Vec::new(), folders: Vec::new() }
    }

    /// One file.
    pub(crate) fn file(&mut self, name: &str) -> Result<(), Error> {
        self.part(name, None)
    }

    /// All files below a folder but those that are just being written; none where there is no such folder.
    pub(crate) fn tree(&mut self, name: &str) -> Result<(), Error> {
        for entry in self.names(name)? {
            let name = format!("{name}/{entry}");
            let path = self.from.join(&name);
            if fs::symlink_metadata(&path).is_ok_and(|found| found.is_dir()) {
                self.folder(&name)?;
                self.tree(&name)?;
                self.folders.push(name);
            } else if !entry.ends_with(".new") {
                match self.file(&name) {
                    // The gateway's certificate may be renewed meanwhile.
                    Err(gone) if gone.source.kind() == io::ErrorKind::NotFound => {}
                    done => done?,
                }
            }
        }
        Ok(())
    }

    /// A journal up to record `head`, while it grows: each segment is named by its first record.
    pub(crate) fn journal(&mut self, name: &str, head: u64) -> Result<(), Error> {
        let first = |file: &String| file.strip_suffix(".jsonl")?.parse::<u64>().ok();
        let files = self.names(name)?;
        let segments = files.iter().filter_map(|file| Some((first(file)?, file)));
        for (first, file) in segments.filter(|(first, _)| *first <= head) {
            self.part(&format!("{name}/{file}"), Some(head + 1 - first))?;
        }
        Ok(())
    }

    /// Takes a file that was made at its place.
    pub(crate) fn made(&mut self, name: &str) -> Result<(), Error> {
        let path = self.to.join(name);
        let read = || {
            let mut hash = Hashed { to: io::sink(), context: Context::new(&SHA256), size: 0 };
            io::copy(&mut File::open(&path)?, &mut hash)?;
            Ok(hash.entry(name))
        };
        self.files.push(read().map_err(Error::at(&path))?);
        Ok(())
    }

    /// All that a backup says it holds, and nothing else.
    ///
    /// # Errors
    /// Also a file that is not what the manifest says, or that no backup has.
    pub(crate) fn all_of(&mut self, manifest: &Manifest) -> Result<(), Error> {
        let files = manifest.files.iter().map(|entry| &entry.path);
        if let Some(odd) = files.chain(&manifest.folders).find(|name| !manifest.may_have(name)) {
            return Err(Error::at(&self.from.join(odd))(io::Error::other("no backup has that")));
        }
        manifest.folders.iter().try_for_each(|name| self.folder(name))?;
        for entry in &manifest.files {
            let path = self.from.join(&entry.path);
            self.file(&entry.path)?;
            if self.files.last().map(|copied| copied.sha256) != Some(entry.sha256) {
                return Err(Error::at(&path)(io::Error::other(NOT_SO)));
            }
        }
        Ok(())
    }

    /// So many lines of a file, or all of it.
    fn part(&mut self, name: &str, lines: Option<u64>) -> Result<(), Error> {
        let (from, to) = (self.from.join(name), self.to.join(name));
        let (source, mode) = open_file(self.from, name).map_err(Error::at(&from))?;
        self.folder(name.rsplit_once('/').map_or("", |(folder, _)| folder))?;
        let write = || {
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&to)?;
            let mut hashed = Hashed { to: &file, context: Context::new(&SHA256), size: 0 };
            copy(source, &mut hashed, lines)?;
            let entry = hashed.entry(name);
            file.set_permissions(fs::Permissions::from_mode(kept(name, mode)))?;
            file.sync_all().map(|()| entry)
        };
        self.files.push(write().map_err(Error::at(&to))?);
        Ok(())
    }

    fn folder(&self, name: &str) -> Result<(), Error> {
        let (path, mode) = (self.to.join(name), if name == "keys" { 0o700 } else { 0o755 });
        DirBuilder::new().recursive(true).mode(mode).create(&path).map_err(Error::at(&path))
    }

    /// The names in a folder; none where there is no folder.
    fn names(&self, name: &str) -> Result<Vec<String>, Error> {
        let path = self.from.join(name);
        let mut names = match open_below(self.from, name, OFlags::DIRECTORY).and_then(names_in) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            names => names.map_err(Error::at(&path))?,
        };
        names.sort_unstable();
        Ok(names)
    }
}

/// Of a copy: keys are their owner's alone, and nobody else writes to the rest, whatever carried it meanwhile.
fn kept(name: &str, mode: u32) -> u32 {
    if name.starts_with("keys/") || name.ends_with(".key") { 0o600 } else { mode & 0o644 | 0o400 }
}

/// A file below a folder, and its mode.
fn open_file(root: &Path, name: &str) -> io::Result<(File, u32)> {
    let file = File::from(open_below(root, name, OFlags::empty())?);
    let metadata = file.metadata()?;
    if metadata.is_file() { Ok((file, metadata.permissions().mode())) } else { Err(no_file()) }
}

/// Opens what is below a folder, without following a link on the way; `last`: what it must be.
fn open_below(root: &Path, name: &str, last: OFlags) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mut at = OwnedFd::from(File::open(root)?);
    let mut parts = name.split('/').peekable();
    while let Some(part) = parts.next() {
        let kind = if parts.peek().is_some() { OFlags::DIRECTORY } else { last };
        at = openat(&at, part, flags | kind, Mode::empty()).map_err(|error| match error {
            Errno::LOOP | Errno::NOTDIR => no_file(),
            error => error.into(),
        })?;
    }
    Ok(at)
}

fn no_file() -> io::Error {
    io::Error::other("a link, or something else that is no file of a data directory")
}

fn names_in(folder: OwnedFd) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in Dir::new(folder)? {
        let name = entry?.file_name().to_owned();
        let odd = |name: &std::ffi::CStr| io::Error::other(format!("a name that is no text: {name:?}"));
        let name = name.into_string().map_err(|error| odd(&error.into_cstring()))?;
        if name != "." && name != ".." {
            names.push(name);
        }
    }
    Ok(names)
}

fn copy(source: File, to: &mut impl Write, lines: Option<u64>) -> io::Result<()> {
    let mut reader = BufReader::new(source);
    let Some(lines) = lines else { return io::copy(&mut reader, to).map(drop) };
    let mut line = Vec::new();
    for _ in 0..lines {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        to.write_all(&line)?;
    }
    Ok(())
}

/// Nothing is at `path`, or a folder with nothing in it.
pub(crate) fn empty_or_missing(path: &Path) -> Result<bool, Error> {
    match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        entries => Ok(entries.map_err(Error::at(path))?.next().is_none()),
    }
}

/// Brings the folders of `path` to disk, itself last.
pub(crate) fn sync_folders(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_folders(&entry.path())?;
        }
    }
    File::open(path)?.sync_all()
}

struct Hashed<W> {
    to: W,
    context: Context,
    size: u64,
}

impl<W> Hashed<W> {
    fn entry(self, name: &str) -> Entry {
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(self.context.finish().as_ref());
        Entry { path: name.to_owned(), size: self.size, sha256: Sha256(sha256) }
    }
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let written = self.to.write(octets)?;
        self.context.update(&octets[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
