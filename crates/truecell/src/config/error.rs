use serde::Serialize;
use std::{fmt, io, path::Path};

/// One thing wrong with the configuration: where, what, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ConfigError {
    /// As it was given.
    pub(crate) file: String,
    /// Counted from 1; `None` when the file as a whole is meant.
    pub(crate) line: Option<usize>,
    /// What is wrong.
    pub(crate) what: String,
    /// What a person does next.
    pub(crate) next: String,
}

impl ConfigError {
    pub(crate) fn unreadable(file: &Path, error: &io::Error) -> Self {
        let what = format!("cannot be read: {error}");
        let next = if error.kind() == io::ErrorKind::NotFound {
            "name the file with -c FILE, or start from truecell.example.toml"
        } else {
            "let the user that the gateway runs as read it"
        };
        Self { file: file.display().to_string(), line: None, what, next: next.into() }
    }

    /// What the TOML reader or a type refused, at the line it points to.
    pub(crate) fn from_toml(error: &toml::de::Error, text: &str, file: &Path) -> Self {
        let line = error.span().map(|span| line_of(text, span.start));
        let what = error.message().lines().collect::<Vec<_>>().join(", ");
        Self { file: file.display().to_string(), line, next: next_after(&what).into(), what }
    }
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
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}\n  next: {}", self.what, self.next)
    }
}
