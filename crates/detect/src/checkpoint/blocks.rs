//! Octets in blocks, so that neither who writes nor who reads has all of them at once, and none is believed before it is proven.
//!
//! A block is its length (u32, little-endian), at most 1 MiB of octets, and SHA-256 over the hash of the block before and these octets;
//! before the first it is the hash of the form's number, with which all begins. An empty block is the end: what is cut off has none.

use super::{BadCheckpoint, FORMAT};
use ids::Sha256;
use postcard::{Error, Result};
use std::io::{self, Read, Write};

const BLOCK: usize = 1 << 20;
const HASH: usize = 32;

pub(super) struct BlockWriter<'a> {
    to: &'a mut dyn Write,
    /// The hash of the block before, and the octets of this one.
    block: Vec<u8>,
    failed: Option<io::Error>,
}

pub(super) struct BlockReader<'a> {
    from: &'a mut dyn Read,
    /// The hash of the newest block.
    hash: [u8; HASH],
    /// As above; what is before `at` is read.
    block: Vec<u8>,
    at: usize,
    /// A text that was read last: it may lie in two blocks.
    joined: Vec<u8>,
    failed: Option<io::Error>,
}

impl<'a> BlockWriter<'a> {
    pub(super) fn new(to: &'a mut dyn Write) -> io::Result<Self> {
        to.write_all(&FORMAT.to_le_bytes())?;
        let mut block = Vec::with_capacity(HASH + BLOCK);
        block.extend(Sha256::of(&FORMAT.to_le_bytes()).0);
        Ok(Self { to, block, failed: None })
    }

    /// The last block, and the end.
    pub(super) fn end(mut self) -> io::Result<()> {
        if self.block.len() > HASH {
            self.seal()?;
        }
        self.seal()
    }

    /// Why writing failed.
    pub(super) fn why(self, error: &Error) -> BadCheckpoint {
        self.failed.map_or_else(|| BadCheckpoint::Form(error.to_string()), BadCheckpoint::Storage)
    }

    fn seal(&mut self) -> io::Result<()> {
        let (hash, octets) = (Sha256::of(&self.block).0, self.block.get(HASH..).unwrap_or_default());
        self.to.write_all(&(octets.len() as u32).to_le_bytes())?;
        self.to.write_all(octets)?;
        self.to.write_all(&hash)?;
        self.block.clear();
        self.block.extend(hash);
        Ok(())
    }

    fn seal_full(&mut self) -> Result<()> {
        if self.block.len() < HASH + BLOCK {
            return Ok(());
        }
        self.seal().map_err(|error| {
            self.failed = Some(error);
            Error::SerializeBufferFull
        })
    }
}

impl postcard::ser_flavors::Flavor for BlockWriter<'_> {
    type Output = Self;

    fn try_push(&mut self, octet: u8) -> Result<()> {
        self.block.push(octet);
        self.seal_full()
    }

    fn try_extend(&mut self, mut octets: &[u8]) -> Result<()> {
        while !octets.is_empty() {
            let (fits, rest) = octets.split_at(octets.len().min(HASH + BLOCK - self.block.len()));
            self.block.extend_from_slice(fits);
            self.seal_full()?;
            octets = rest;
        }
        Ok(())
    }

    fn finalize(self) -> Result<Self> {
        Ok(self)
    }
}

impl<'a> BlockReader<'a> {
    pub(super) fn new(from: &'a mut dyn Read) -> std::result::Result<Self, BadCheckpoint> {
        let mut form = [0; 2];
        from.read_exact(&mut form).map_err(why)?;
        if form != FORMAT.to_le_bytes() {
            return Err(BadCheckpoint::Format(u16::from_le_bytes(form)));
        }
        let hash = Sha256::of(&form).0;
        Ok(Self { from, hash, block: hash.to_vec(), at: HASH, joined: Vec::new(), failed: None })
    }

    /// Nothing is left but the end.
    pub(super) fn end(&mut self) -> std::result::Result<(), BadCheckpoint> {
        let is_read = self.left().is_empty();
        self.next().map_err(why)?;
        if is_read && self.left().is_empty() { Ok(()) } else { Err(BadCheckpoint::Damaged) }
    }

    /// Why reading failed.
    pub(super) fn why(&mut self) -> BadCheckpoint {
        self.failed.take().map_or(BadCheckpoint::Damaged, why)
    }

    fn left(&self) -> &[u8] {
        self.block.get(self.at..).unwrap_or_default()
    }

    fn next(&mut self) -> io::Result<()> {
        let mut len = [0; 4];
        self.from.read_exact(&mut len)?;
        let len = u32::from_le_bytes(len) as usize;
        if len > BLOCK {
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.block.clear();
        self.block.extend(self.hash);
        self.block.resize(HASH + len, 0);
        self.from.read_exact(self.block.get_mut(HASH..).unwrap_or_default())?;
        self.from.read_exact(&mut self.hash)?;
        self.at = HASH;
        if Sha256::of(&self.block).0 == self.hash { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
    }

    /// The next block, where this one is read; the end has nothing to read.
    fn fill(&mut self) -> Result<()> {
        if self.left().is_empty() {
            self.next().map_err(|error| {
                self.failed = Some(error);
                Error::DeserializeUnexpectedEnd
            })?;
        }
        if self.left().is_empty() { Err(Error::DeserializeUnexpectedEnd) } else { Ok(()) }
    }
}

impl<'de, 'a: 'de> postcard::de_flavors::Flavor<'de> for &'de mut BlockReader<'a> {
    type Remainder = ();
    type Source = ();

    fn pop(&mut self) -> Result<u8> {
        self.fill()?;
        let octet = self.left().first().copied().ok_or(Error::DeserializeUnexpectedEnd);
        self.at += 1;
        octet
    }

    /// Nothing of the state is lent: a block goes when the next comes.
    fn try_take_n(&mut self, _: usize) -> Result<&'de [u8]> {
        Err(Error::WontImplement)
    }

    fn try_take_n_temp<'b>(&'b mut self, count: usize) -> Result<&'b [u8]>
    where
        'de: 'b,
    {
        if count > BLOCK {
            return Err(Error::DeserializeUnexpectedEnd);
        }
        self.joined.clear();
        while self.joined.len() < count {
            self.fill()?;
            let from = self.at;
            self.at = self.block.len().min(from + count - self.joined.len());
            self.joined.extend_from_slice(self.block.get(from..self.at).unwrap_or_default());
        }
        Ok(&self.joined)
    }

    fn finalize(self) -> Result<()> {
        Ok(())
    }
}

/// What is cut off or changed is damaged; all else is of who reads.
fn why(error: io::Error) -> BadCheckpoint {
    match error.kind() == io::ErrorKind::UnexpectedEof || error.kind() == io::ErrorKind::InvalidData {
        true => BadCheckpoint::Damaged,
        false => BadCheckpoint::Storage(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::{Deserialize, Serialize};

    /// Three blocks and a half, in texts and numbers that begin and end anywhere.
    fn parts() -> impl Iterator<Item = (u64, String)> {
        (0..60_000_u64).map(|part| (part.pow(3), "x".repeat(part as usize % 113)))
    }

    fn written() -> Vec<u8> {
        let mut octets = Vec::new();
        let mut to = postcard::Serializer { output: BlockWriter::new(&mut octets).unwrap() };
        parts().for_each(|part| part.serialize(&mut to).unwrap());
        to.output.end().unwrap();
        octets
    }

    fn is_whole(mut octets: &[u8]) -> bool {
        let Ok(mut blocks) = BlockReader::new(&mut octets) else { return false };
        let mut from = postcard::Deserializer::from_flavor(&mut blocks);
        let is_same =
            parts().all(|part| Deserialize::deserialize(&mut from).is_ok_and(|read: (_, _)| read == part));
        is_same && blocks.end().is_ok()
    }

    #[test]
    fn what_was_written_is_read_and_what_is_cut_or_changed_is_not() {
        let octets = written();
        assert!(octets.len() > 3 * BLOCK && is_whole(&octets));
        for at in (0..octets.len()).step_by(octets.len() / 12).chain([octets.len() - 36, octets.len() - 1]) {
            assert!(!is_whole(octets.get(..at).unwrap()), "cut at {at}");
            let mut changed = octets.clone();
            changed[at] ^= 1;
            assert!(!is_whole(&changed), "changed at {at}");
        }
    }

    #[test]
    fn blocks_cannot_change_places() {
        let octets = written();
        let (head, rest) = octets.split_at(2);
        let (one, rest) = rest.split_at(4 + BLOCK + HASH);
        let (two, rest) = rest.split_at(4 + BLOCK + HASH);
        assert!(is_whole(&[head, one, two, rest].concat()));
        assert!(!is_whole(&[head, two, one, rest].concat()) && !is_whole(&[head, one, rest].concat()));
    }
}
