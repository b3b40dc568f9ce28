use crate::{failure::Failure, table::printable};
use ids::UnixTime;
use serde::Serialize;
use std::{
    cell::Cell,
    io::{self, Write},
};

/// Where a command's answer goes: text for people, or one JSON document (JSON lines for streams).
pub(crate) struct Output {
    json: bool,
    closed: Cell<bool>,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json, closed: Cell::new(false) }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// The reader has seen enough: what goes on without end need not go on.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// The one answer of a command, as text or as JSON from the same value.
    pub(crate) fn answer<T: Serialize>(
        &self,
        value: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<(), Failure> {
        if self.json { self.document(value) } else { self.text(&text(value)) }
    }

    /// One indented JSON document.
    pub(crate) fn document(&self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value).map_err(|error| Failure::system("no JSON", &error))?;
        self.text(&text)
    }

    /// One line of JSON lines.
    pub(crate) fn line(&self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(value).map_err(|error| Failure::system("no JSON", &error))?;
        self.text(&text)
    }

    /// Text as it is; its end of line is added when missing.
    pub(crate) fn text(&self, text: &str) -> Result<(), Failure> {
        let mut out = anstream::stdout().lock();
        let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        self.ended(write!(out, "{text}{end}").and_then(|()| out.flush()))
    }

    /// Octets as they are: lines of a stream, a certificate.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        self.ended(out.write_all(bytes).and_then(|()| out.flush()))
    }

    /// Something worth knowing beside the answer; never part of it.
    pub(crate) fn note(&self, text: &str) {
        // Standard error may be closed; the answer still counts.
        let _ = writeln!(anstream::stderr(), "{text}");
    }

    /// A reader that closed the pipe is no error.
    fn ended(&self, written: io::Result<()>) -> Result<(), Failure> {
        match written {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed.set(true);
                Ok(())
            }
            Err(error) => Err(Failure::system("standard output cannot be written", &error)),
        }
    }

    /// Says why nothing was done.
    pub(crate) fn failure(&self, failure: &Failure) {
        let Some(json) = failure.json() else { return };
        if self.json {
            let _ = self.document(&json);
        } else {
            failure.texts().iter().for_each(|text| self.note(&format!("{RED}error:{RED:#} {text}")));
        }
    }
}

const RED: anstyle::Style =
    anstyle::Style::new().bold().fg_color(Some(anstyle::Color::Ansi(anstyle::AnsiColor::Red)));

/// A number with its noun: `1 row`, `2 rows`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// A time for people; programs get its microseconds.
pub(crate) fn seconds(time: UnixTime) -> String {
    UnixTime::from_secs(time.secs()).to_string().replace(".000000Z", "Z")
}

/// `name: value` lines, aligned, for the one thing a command shows.
pub(crate) fn facts(pairs: &[(&str, String)]) -> String {
    let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0) + 2;
    pairs.iter().map(|(name, value)| format!("{:width$}{}\n", format!("{name}:"), printable(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_no_plural() {
        assert_eq!([0, 1, 2].map(|number| count(number, "row")), ["0 rows", "1 row", "2 rows"]);
    }
}
