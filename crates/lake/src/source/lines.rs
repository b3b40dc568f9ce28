//! Lines of bounded length, each with the octet behind it.

use records::TooLong;
use std::io::{self, BufRead};

/// Octets of a line of a source at most.
pub const LONGEST: usize = 4096;

/// Octets as lines. One that is too long is passed over, and named once.
pub(super) struct Lines<R> {
    input: R,
    /// The octet behind the last line that was given.
    done: u64,
    number: u64,
    /// What was read of the next line, and how many octets it has so far.
    line: Vec<u8>,
    read: u64,
    is_given: bool,
}

/// One line.
pub(super) struct Line<'a> {
    /// Without its end; empty ones are given, too.
    pub(super) text: Result<&'a [u8], TooLong>,
    /// Its number, from 1.
    pub(super) number: u64,
    /// The octet behind it.
    pub(super) done: u64,
}

impl<R: BufRead> Lines<R> {
    /// `done` octets and `number` lines were read before.
    pub(super) fn new(input: R, done: u64, number: u64) -> Self {
        Self { input, done, number, line: Vec::new(), read: 0, is_given: false }
    }

    pub(super) fn done(&self) -> u64 {
        self.done
    }

    pub(super) fn input(&mut self) -> &mut R {
        &mut self.input
    }

    /// Where the input goes on, whatever was read of it.
    pub(super) fn go_on(&mut self, done: u64, number: u64) {
        (self.done, self.number) = (done, number);
    }

    /// The next line that has its end; `None` where there is none yet.
    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.forget();
        loop {
            let octets = match self.input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                octets => octets?,
            };
            if octets.is_empty() {
                return Ok(None);
            }
            let end = octets.iter().position(|octet| *octet == b'\n');
            let part = octets.get(..end.unwrap_or(octets.len())).unwrap_or_default();
            // One octet more than a line has, so that it is known to be too long.
            let room = (LONGEST + 2).saturating_sub(self.line.len());
            self.line.extend_from_slice(part.get(..room).unwrap_or(part));
            let used = part.len() + usize::from(end.is_some());
            self.read += used as u64;
            self.input.consume(used);
            if end.is_some() {
                return Ok(Some(self.give()));
            }
        }
    }

    /// Nothing comes any more: what has no end is a line all the same.
    pub(super) fn last(&mut self) -> Option<Line<'_>> {
        self.forget();
        (self.read > 0).then(|| self.give())
    }

    fn give(&mut self) -> Line<'_> {
        self.done += self.read;
        self.number += 1;
        (self.read, self.is_given) = (0, true);
        let text = self.line.strip_suffix(b"\r").unwrap_or(&self.line);
        let text = if text.len() > LONGEST { Err(TooLong(LONGEST)) } else { Ok(text) };
        Line { text, number: self.number, done: self.done }
    }

    fn forget(&mut self) {
        if std::mem::take(&mut self.is_given) {
            self.line.clear();
        }
    }
}
