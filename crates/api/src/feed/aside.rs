use records::Piece;
use serde::Serialize;
use std::{
    fmt::Display,
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// Octets of a file of bad lines; then it becomes the older one of two.
const FULL: u64 = 1 << 20;
/// Octets of a bad line that are kept.
const SHOWN: usize = 256;

/// Lines of a feed that are no records, each with its reason.
pub(super) struct Aside {
    path: PathBuf,
    older: PathBuf,
    /// The last one could not be written: that is said once.
    is_lost: bool,
}

#[derive(Serialize)]
struct Bad<'a> {
    file: &'a Path,
    line: u64,
    why: String,
    text: String,
}

impl Aside {
    /// `name`: of the feed.
    pub(super) fn new(folder: &Path, name: &str) -> Self {
        let path = |end: &str| folder.join(format!("{name}-{end}"));
        Self { path: path("bad.jsonl"), older: path("bad.1.jsonl"), is_lost: false }
    }

    pub(super) fn keep(&mut self, piece: &Piece<'_>, bad: &impl Display) {
        let written = self.write(piece, bad);
        if let Err(error) = &written
            && !self.is_lost
        {
            tracing::error!(path = %self.path.display(), %error, "bad lines of a feed are not kept");
        }
        self.is_lost = written.is_err();
    }

    fn write(&self, piece: &Piece<'_>, bad: &impl Display) -> io::Result<()> {
        let text = piece.line.unwrap_or_default();
        let text = String::from_utf8_lossy(text.get(..SHOWN).unwrap_or(text)).into_owned();
        let bad = Bad { file: piece.file, line: piece.number, why: bad.to_string(), text };
        let mut line = serde_json::to_vec(&bad)?;
        line.push(b'\n');
        if fs::metadata(&self.path).is_ok_and(|meta| meta.len() + line.len() as u64 > FULL) {
            fs::rename(&self.path, &self.older)?;
        }
        OpenOptions::new().create(true).append(true).mode(0o600).open(&self.path)?.write_all(&line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use records::line::Record;

    #[test]
    fn bad_lines_without_end_take_two_files_and_no_more() {
        let dir = tempfile::tempdir().unwrap();
        let mut aside = Aside::new(dir.path(), "line");
        let line = [b'x'; 1000];
        let piece = Piece { file: Path::new("feed"), number: 7, line: Ok(&line) };
        let bad = Record::parse(&line).unwrap_err();
        for _ in 0..10_000 {
            aside.keep(&piece, &bad);
        }
        let sizes: Vec<_> =
            fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().metadata().unwrap().len()).collect();
        assert_eq!(sizes.len(), 2);
        assert!(sizes.iter().all(|size| *size <= FULL));
        let text = fs::read_to_string(&aside.path).unwrap();
        let last: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        assert_eq!((&last["line"], last["text"].as_str().unwrap().len()), (&7.into(), SHOWN));
    }
}
