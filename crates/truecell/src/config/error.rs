use serde::Serialize;
use std::{fmt, io, path::Path};

/// One thing wrong with the configuration: where, what, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ConfigError {
    /// As it was given.
    pub(crate) file: String,
    /// Counted from 1; `None` when the file as a whole is meant.
    pub(crate) line: Option<usize>,
    /// Which key, as in `gateway.port`.
    pub(crate) key: Option<String>,
    /// What is wrong.
    pub(crate) what: String,
    /// What a person does next.
    pub(crate) next: String,
}

impl ConfigError {
    pub(crate) fn of_file(file: &Path, what: impl Into<String>, next: impl Into<String>) -> Self {
        let file = file.display().to_string();
        Self { file, line: None, key: None, what: what.into(), next: next.into() }
    }

    pub(crate) fn unreadable(file: &Path, error: &io::Error) -> Self {
        match UNREADABLE.iter().find(|(kind, ..)| *kind == error.kind()) {
            Some((_, what, next)) => Self::of_file(file, *what, *next),
            None => {
                let what = format!("cannot be read: {error}");
                Self::of_file(file, what, "let the user that the gateway runs as read it")
            }
        }
    }

    /// What the TOML reader or a type refused, at the line it points to.
    pub(crate) fn from_toml(error: &toml::de::Error, text: &str, file: &Path) -> Self {
        let line = error.span().map(|span| line_of(text, span.start));
        let what = error.message().lines().collect::<Vec<_>>().join(", ");
        Self { line, ..Self::of_file(file, what.as_str(), next_after(&what)) }
    }

    /// File, line and key, as far as they are known.
    pub(crate) fn place(&self) -> String {
        let line = self.line.map(|line| format!(":{line}")).unwrap_or_default();
        let key = self.key.as_ref().map(|key| format!(": {key}")).unwrap_or_default();
        format!("{}{line}{key}", self.file)
    }

    /// The same with the example's line for the key, where the value has not its form.
    pub(super) fn with_example(mut self) -> Self {
        let by_name = ["unknown field", "missing field", "unknown variant"];
        if by_name.iter().all(|known| !self.what.starts_with(known))
            && let Some(line) = self.key.as_deref().and_then(example)
        {
            self.next = format!("write it as in `{line}`");
        }
        self
    }
}

/// What is no configuration file, and what to do about it.
const UNREADABLE: [(io::ErrorKind, &str, &str); 3] = [
    (
        io::ErrorKind::NotFound,
        "there is no such file",
        "name the file with -c FILE, or start from truecell.example.toml",
    ),
    (io::ErrorKind::IsADirectory, "is a folder", "name the file in it"),
    (io::ErrorKind::InvalidData, "is no text in UTF-8", "name a TOML file, such as truecell.example.toml"),
];

const EXAMPLE: &str = include_str!("../../../../truecell.example.toml");

/// The example's line for a key.
fn example(key: &str) -> Option<&'static str> {
    let (section, key) = key.rsplit_once('.').unwrap_or(("", key));
    let mut here = "";
    EXAMPLE.lines().map(|line| line.strip_prefix('#').unwrap_or(line)).find(|line| {
        if line.starts_with('[') {
            here = line.trim_matches(['[', ']']);
        }
        here == section && line.split_once(" = ").is_some_and(|(name, _)| name == key)
    })
}

/// The line, counted from 1, of an offset in octets.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|octet| *octet == b'\n').count() + 1
}

fn next_after(what: &str) -> &'static str {
    if what.starts_with("unknown field") {
        "correct the key's name or remove the line; truecell.example.toml has every key"
    } else if what.starts_with("missing field") {
        "add the key; truecell.example.toml shows how"
    } else if what.starts_with("unknown variant") {
        "write one of the values named"
    } else {
        "correct the value; truecell.example.toml shows every key with its form and unit"
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place())?;
        write!(f, ": {}\n  next: {}", self.what, self.next)
    }
}
