//! charon's control socket: packets of the VICI protocol (strongSwan's src/libcharon/plugins/vici/README.md), one
//! request at a time. The clients that crates.io has are asynchronous.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;
use zeroize::Zeroizing;

/// Octets of an answer; those that are read here have a few hundred.
const MAX_ANSWER: usize = 64 * 1024;
/// How long charon may take for one answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why charon did not do it.
#[derive(Debug, thiserror::Error)]
pub enum ViciError {
    /// Its socket.
    #[error("{0}")]
    Socket(#[from] io::Error),
    /// It has no such command.
    #[error("charon does not know the command {0}")]
    Unknown(&'static str),
    /// It says no.
    #[error("{command}: {said}")]
    Refused {
        /// To what.
        command: &'static str,
        /// In its words.
        said: String,
    },
    /// What it answers is no VICI, or longer than an answer is.
    #[error("charon's answer is no VICI")]
    Malformed,
}

/// A connection to charon.
#[derive(Debug)]
pub struct Vici(UnixStream);

/// A request with values of its own, without sections.
#[derive(Clone, Debug)]
pub struct Request {
    command: &'static str,
    /// It may hold a key.
    packet: Zeroizing<Vec<u8>>,
}

/// What stands at the top of an answer; sections and lists are passed over.
pub type Answer = BTreeMap<String, Vec<u8>>;

// Types of packets.
const CMD_REQUEST: u8 = 0;
const CMD_RESPONSE: u8 = 1;
const CMD_UNKNOWN: u8 = 2;

// Types of what stands in them.
const SECTION_START: u8 = 1;
const SECTION_END: u8 = 2;
const KEY_VALUE: u8 = 3;
const LIST_START: u8 = 4;
const LIST_ITEM: u8 = 5;
const LIST_END: u8 = 6;

impl Request {
    /// Of this command.
    pub fn new(command: &'static str) -> Self {
        // Larger than one with a key, which is therefore not copied while it grows.
        let mut packet = Zeroizing::new(Vec::with_capacity(8 * 1024));
        packet.push(CMD_REQUEST);
        short(&mut packet, command);
        Self { command, packet }
    }

    /// With this value, of 65,535 octets at most.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref();
        let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
        self.packet.push(KEY_VALUE);
        short(&mut self.packet, key);
        self.packet.extend(length.to_be_bytes());
        self.packet.extend(value.iter().take(length.into()));
        self
    }

    /// With the length in front, as it goes over the socket.
    fn framed(&self) -> Zeroizing<Vec<u8>> {
        let length = u32::try_from(self.packet.len()).unwrap_or(u32::MAX);
        Zeroizing::new([&length.to_be_bytes()[..], &self.packet].concat())
    }
}

/// A name behind its length in one octet.
fn short(packet: &mut Vec<u8>, name: &str) {
    let length = u8::try_from(name.len()).unwrap_or(u8::MAX);
    packet.push(length);
    packet.extend(name.bytes().take(length.into()));
}

impl Vici {
    /// Connects to the socket at `path`.
    ///
    /// # Errors
    /// [`ViciError::Socket`].
    pub fn connect(path: &Path) -> Result<Self, ViciError> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self(stream))
    }

    /// Has charon do something, and returns what it says, when that is not no.
    ///
    /// # Errors
    /// [`ViciError`], see there.
    pub fn request(&mut self, request: &Request) -> Result<Answer, ViciError> {
        self.0.write_all(&request.framed())?;
        let mut length = [0; 4];
        self.0.read_exact(&mut length)?;
        let length = usize::try_from(u32::from_be_bytes(length)).map_err(|_| ViciError::Malformed)?;
        if length > MAX_ANSWER {
            return Err(ViciError::Malformed);
        }
        let mut packet = vec![0; length];
        self.0.read_exact(&mut packet)?;
        let answer = match packet.split_first() {
            Some((&CMD_RESPONSE, content)) => read(content).ok_or(ViciError::Malformed)?,
            Some((&CMD_UNKNOWN, _)) => return Err(ViciError::Unknown(request.command)),
            Some(_) | None => return Err(ViciError::Malformed),
        };
        match answer.get("success").map(Vec::as_slice) {
            Some(b"no") => Err(ViciError::Refused {
                command: request.command,
                said: text(&answer, "errmsg").unwrap_or_default(),
            }),
            Some(_) | None => Ok(answer),
        }
    }
}

/// A value as text.
pub fn text(answer: &Answer, key: &str) -> Option<String> {
    answer.get(key).map(|value| String::from_utf8_lossy(value).into_owned())
}

/// `None` when it is none.
pub(crate) fn read(mut content: &[u8]) -> Option<Answer> {
    let (mut answer, mut depth) = (Answer::new(), 0_usize);
    while let Some((&kind, rest)) = content.split_first() {
        content = rest;
        match kind {
            SECTION_START | LIST_START => {
                take(&mut content, 1)?;
                depth += 1;
            }
            SECTION_END | LIST_END => depth = depth.checked_sub(1)?,
            LIST_ITEM => drop(take(&mut content, 2)?),
            KEY_VALUE => {
                let key = take(&mut content, 1)?;
                let value = take(&mut content, 2)?;
                if depth == 0 {
                    answer.insert(String::from_utf8_lossy(key).into_owned(), value.to_vec());
                }
            }
            _ => return None,
        }
    }
    (depth == 0).then_some(answer)
}

/// What stands behind a length of so many octets.
fn take<'a>(content: &mut &'a [u8], octets: usize) -> Option<&'a [u8]> {
    let (length, rest) = content.split_at_checked(octets)?;
    let length = length.iter().fold(0, |sum, octet| sum << 8 | usize::from(*octet));
    let (taken, rest) = rest.split_at_checked(length)?;
    *content = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The message that the protocol's description shows, octet for octet.
    const EXAMPLE: &[u8] = &[
        3, 4, b'k', b'e', b'y', b'1', 0, 6, b'v', b'a', b'l', b'u', b'e', b'1', //
        1, 8, b's', b'e', b'c', b't', b'i', b'o', b'n', b'1', //
        1, 11, b's', b'u', b'b', b'-', b's', b'e', b'c', b't', b'i', b'o', b'n', //
        3, 4, b'k', b'e', b'y', b'2', 0, 6, b'v', b'a', b'l', b'u', b'e', b'2', //
        2,    //
        4, 5, b'l', b'i', b's', b't', b'1', //
        5, 0, 5, b'i', b't', b'e', b'm', b'1', //
        5, 0, 5, b'i', b't', b'e', b'm', b'2', //
        6, 2,
    ];

    #[test]
    fn the_example_of_the_protocols_description_reads() {
        let answer = read(EXAMPLE).unwrap();
        assert_eq!(answer, BTreeMap::from([("key1".to_owned(), b"value1".to_vec())]));
    }

    #[test]
    fn what_is_cut_off_anywhere_or_ends_in_a_section_is_no_answer() {
        for cut in 1..EXAMPLE.len() {
            // The first value is whole by itself.
            assert_eq!(read(&EXAMPLE[..cut]).is_some(), cut == 14, "{cut}");
        }
        assert!(read(&[2]).is_none());
        assert!(read(&[9]).is_none());
    }

    #[test]
    fn a_request_has_its_length_in_front() {
        let request = Request::new("rekey").with("ike", "a");
        let expected = [0, 0, 0, 15, 0, 5, b'r', b'e', b'k', b'e', b'y', 3, 3, b'i', b'k', b'e', 0, 1, b'a'];
        assert_eq!(*request.framed(), expected);
    }
}
