use crate::{Lines, TooLong};
use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// Octets that are read at once.
const CHUNK: usize = 64 << 10;
/// Files of a folder that are followed.
const FILES: usize = 10_000;

/// A feed in files that others write: one file, or all `*.jsonl` of a folder in the order of their names. Each is read from
/// its beginning, then followed; one that is renamed or removed is read to its end first.
#[derive(Debug)]
pub struct Tail {
    path: PathBuf,
    longest: usize,
    followed: Vec<Followed>,
    chunk: Vec<u8>,
}

/// One line of a feed, as it stands there.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    /// The file, as it was called when it was found.
    pub file: &'a Path,
    /// Counted from 1.
    pub number: u64,
    /// Without its end.
    pub line: Result<&'a [u8], TooLong>,
}

#[derive(Debug)]
struct Followed {
    path: PathBuf,
    id: Id,
    /// The newest is kept open, so that it is read to its end whatever it is called by then.
    open: Option<File>,
    length: u64,
    offset: u64,
    lines: Lines,
    is_listed: bool,
}

/// Device and inode: what stays when a file is renamed.
type Id = (u64, u64);

/// A file as it is found: its name, itself, and its octets.
type Found = (PathBuf, Id, u64);

impl Tail {
    /// `longest`: octets of a line at most.
    pub fn new(path: PathBuf, longest: usize) -> Self {
        Self { path, longest, followed: Vec::new(), chunk: vec![0; CHUNK] }
    }

    /// Reads some of what has come; `each` gets the lines. Returns whether there is more.
    ///
    /// # Errors
    /// File or folder cannot be read. What could be was given.
    pub fn read(&mut self, mut each: impl FnMut(Piece<'_>)) -> io::Result<bool> {
        let mut listed = self.look();
        let newest = self.followed.iter().rposition(|file| file.is_listed);
        for (index, file) in self.followed.iter_mut().enumerate() {
            match file.read(&mut self.chunk, &mut each) {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(error) => listed = listed.and(file.failed(error)),
            }
            if !file.is_listed {
                let Followed { path, lines, .. } = file;
                lines.finish(|number, line| each(Piece { file: path, number, line }));
            } else if newest != Some(index) {
                file.open = None;
            }
        }
        self.followed.retain(|file| file.is_listed);
        listed.map(|()| false)
    }

    /// Finds files that are new, and those that are gone.
    fn look(&mut self) -> io::Result<()> {
        let found = self.found()?;
        self.followed.iter_mut().for_each(|file| file.is_listed = false);
        for (path, id, length) in found {
            match self.followed.iter_mut().find(|file| file.id == id) {
                Some(file) => file.is_still(path, length, self.longest),
                None => self.followed.push(Followed::new(path, id, length, self.longest)),
            }
        }
        Ok(())
    }

    fn found(&self) -> io::Result<Vec<Found>> {
        if !self.path.is_dir() {
            return Ok(vec![found(self.path.clone())?]);
        }
        let mut all = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let path = entry?.path();
            if path.extension().is_some_and(|end| end == "jsonl") {
                // It may be gone by now.
                all.extend(found(path).ok());
            }
        }
        if all.len() > FILES {
            return Err(io::Error::other(format!("there are {} files, and {FILES} are read", all.len())));
        }
        all.sort();
        Ok(all)
    }
}

fn found(path: PathBuf) -> io::Result<Found> {
    let meta = fs::metadata(&path)?;
    Ok((path, (meta.dev(), meta.ino()), meta.len()))
}

impl Followed {
    fn new(path: PathBuf, id: Id, length: u64, longest: usize) -> Self {
        Self { path, id, open: None, length, offset: 0, lines: Lines::new(longest), is_listed: true }
    }

    /// One that has become shorter was written anew.
    fn is_still(&mut self, path: PathBuf, length: u64, longest: usize) {
        if length < self.offset {
            *self = Self::new(path, self.id, length, longest);
        } else {
            (self.path, self.length, self.is_listed) = (path, length, true);
        }
    }

    /// One that was gone before it was opened has nothing more; another error is told, and the others are read all the same.
    fn failed(&mut self, error: io::Error) -> io::Result<()> {
        if error.kind() != io::ErrorKind::NotFound {
            return Err(error);
        }
        self.is_listed = false;
        Ok(())
    }

    /// A chunk of it; returns whether there may be more.
    fn read(&mut self, chunk: &mut [u8], each: &mut impl FnMut(Piece<'_>)) -> io::Result<bool> {
        let Self { path, open, length, offset, lines, .. } = self;
        let file = match open {
            Some(file) => file,
            None if *offset == *length => return Ok(false),
            None => open.insert(File::open(&*path)?),
        };
        file.seek(SeekFrom::Start(*offset))?;
        let read = file.read(chunk)?;
        *offset += read as u64;
        let octets = chunk.get(..read).unwrap_or_default();
        lines.take(octets, |number, line| each(Piece { file: path, number, line }));
        Ok(read > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn all(tail: &mut Tail) -> Vec<String> {
        let mut found = Vec::new();
        let each = |piece: Piece<'_>, found: &mut Vec<String>| {
            let text = piece.line.map_or("too long".into(), String::from_utf8_lossy);
            found.push(format!("{}:{} {text}", piece.file.file_name().unwrap().display(), piece.number));
        };
        while tail.read(|piece| each(piece, &mut found)).unwrap() {}
        found
    }

    fn add(path: &Path, text: &str) {
        let file = File::options().create(true).append(true).open(path);
        file.unwrap().write_all(text.as_bytes()).unwrap();
    }

    #[test]
    fn a_file_is_followed_over_its_renaming_and_none_of_its_lines_comes_twice() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("feed");
        let mut tail = Tail::new(path.clone(), 8);
        assert_eq!(tail.read(|_| ()).unwrap_err().kind(), io::ErrorKind::NotFound);
        add(&path, "a\nb");
        assert_eq!(all(&mut tail), ["feed:1 a"]);
        add(&path, "b\n");
        assert_eq!(all(&mut tail), ["feed:2 bb"]);
        fs::rename(&path, dir.path().join("feed.1")).unwrap();
        assert!(tail.read(|_| ()).is_err(), "there is none of that name now");
        add(&dir.path().join("feed.1"), "last\n");
        add(&path, "c\n");
        assert_eq!(all(&mut tail), ["feed:3 last", "feed:1 c"]);
        fs::write(&path, "").unwrap();
        assert!(all(&mut tail).is_empty());
        add(&path, "anew\n");
        assert_eq!(all(&mut tail), ["feed:1 anew"]);
    }

    #[test]
    fn what_was_gone_before_it_was_opened_or_is_no_file_holds_up_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let [first, folder, last] = ["1.jsonl", "2.jsonl", "3.jsonl"].map(|name| dir.path().join(name));
        add(&first, "a\nb\nc\nd\n");
        add(&last, "e\n");
        let mut tail = Tail::new(dir.path().to_owned(), 8);
        tail.look().unwrap();
        fs::remove_file(&first).unwrap();
        assert_eq!(all(&mut tail), ["3.jsonl:1 e"]);
        fs::create_dir(&folder).unwrap();
        add(&last, "f\n");
        let mut found = Vec::new();
        while tail.read(|piece| found.push(piece.number)).unwrap_or(false) {}
        assert_eq!(found, [2], "the folder is told, and the file behind it is read");
    }

    #[test]
    fn a_folder_is_read_in_the_order_of_names_and_what_is_written_to_an_older_file_is_read_too() {
        let dir = tempfile::tempdir().unwrap();
        let [first, second, other] = ["1.jsonl", "2.jsonl", "note.txt"].map(|name| dir.path().join(name));
        add(&second, "c\nmuch too long\n");
        add(&first, "a\n");
        add(&other, "no feed\n");
        let mut tail = Tail::new(dir.path().to_owned(), 8);
        assert_eq!(all(&mut tail), ["1.jsonl:1 a", "2.jsonl:1 c", "2.jsonl:2 too long"]);
        add(&first, "b\n");
        assert_eq!(all(&mut tail), ["1.jsonl:2 b"]);
        fs::remove_file(&first).unwrap();
        add(&second, "without end");
        assert!(all(&mut tail).is_empty());
        fs::remove_file(&second).unwrap();
        assert_eq!(all(&mut tail), ["2.jsonl:3 too long"]);
    }
}
