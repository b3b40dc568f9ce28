use super::{Entry, Manifest};
use aws_lc_rs::digest::{Context, SHA256};
use ids::Sha256;
use std::{
    fmt,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, BufRead, BufReader, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Component, Path, PathBuf},
};

/// Files on their way from one folder to another: each hashed, on disk and with the mode that it had.
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
        for entry in names(&self.from.join(name))? {
            let path = self.from.join(name).join(&entry);
            let name = format!("{name}/{entry}");
            if path.is_dir() {
                self.folder(&name)?;
                self.tree(&name)?;
                self.folders.push(name);
            } else if !entry.ends_with(".new") {
                match self.file(&name) {
                    // A pending issuance is over by now.
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
        let files = names(&self.from.join(name))?;
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
    /// Also a file that is not what the manifest says.
    pub(crate) fn all_of(&mut self, manifest: &Manifest) -> Result<(), Error> {
        let files = manifest.files.iter().map(|entry| &entry.path);
        for name in files.chain(&manifest.folders) {
            let is_below = |part: Component<'_>| matches!(part, Component::Normal(_));
            if !Path::new(name).components().all(is_below) {
                let path = self.from.join(name);
                return Err(Error::at(&path)(io::Error::other("it leads out of the backup")));
            }
        }
        manifest.folders.iter().try_for_each(|name| self.folder(name))?;
        for entry in &manifest.files {
            let path = self.from.join(&entry.path);
            self.file(&entry.path)?;
            if self.files.last().map(|copied| copied.sha256) != Some(entry.sha256) {
                return Err(Error::at(&path)(io::Error::other(
                    "it is not what was backed up: it is damaged",
                )));
            }
        }
        Ok(())
    }

    /// So many lines of a file, or all of it.
    fn part(&mut self, name: &str, lines: Option<u64>) -> Result<(), Error> {
        let (from, to) = (self.from.join(name), self.to.join(name));
        let source = File::open(&from).map_err(Error::at(&from))?;
        let mode = source.metadata().map_err(Error::at(&from))?.permissions().mode() & 0o777;
        self.folder(name.rsplit_once('/').map_or("", |(folder, _)| folder))?;
        let write = || {
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&to)?;
            let mut hashed = Hashed { to: &file, context: Context::new(&SHA256), size: 0 };
            copy(source, &mut hashed, lines)?;
            let entry = hashed.entry(name);
            file.set_permissions(fs::Permissions::from_mode(mode))?;
            file.sync_all().map(|()| entry)
        };
        self.files.push(write().map_err(Error::at(&to))?);
        Ok(())
    }

    fn folder(&self, name: &str) -> Result<(), Error> {
        let (path, mode) = (self.to.join(name), if name == "keys" { 0o700 } else { 0o755 });
        DirBuilder::new().recursive(true).mode(mode).create(&path).map_err(Error::at(&path))
    }
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

/// The names in a folder, in order; none where there is no folder.
fn names(dir: &Path) -> Result<Vec<String>, Error> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(Error::at(dir))?,
    };
    let odd = |name| io::Error::other(format!("a name that is no text: {}", PathBuf::from(name).display()));
    let name = |entry: io::Result<fs::DirEntry>| entry?.file_name().into_string().map_err(odd);
    let names: io::Result<Vec<_>> = entries.map(name).collect();
    let mut names = names.map_err(Error::at(dir))?;
    // What is pending is there before what is issued.
    names.sort_unstable_by(|a, b| b.cmp(a));
    Ok(names)
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
