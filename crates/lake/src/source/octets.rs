//! The octets of a source, unpacked.

use flate2::read::MultiGzDecoder;
use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Stdin},
    path::Path,
};

/// Octets that are read at once.
const CHUNK: usize = 1 << 16;

pub(super) enum Octets {
    Plain(BufReader<File>),
    Packed(Box<BufReader<MultiGzDecoder<BufReader<File>>>>),
    Standard(BufReader<Stdin>),
    #[cfg(feature = "fuzz")]
    Memory(io::Cursor<Vec<u8>>),
}

impl Octets {
    pub(super) fn open(path: &Path, is_compressed: bool) -> io::Result<Self> {
        let file = BufReader::with_capacity(CHUNK, File::open(path)?);
        Ok(match is_compressed {
            true => Self::Packed(Box::new(BufReader::with_capacity(CHUNK, MultiGzDecoder::new(file)))),
            false => Self::Plain(file),
        })
    }

    pub(super) fn standard() -> Self {
        Self::Standard(BufReader::with_capacity(CHUNK, io::stdin()))
    }

    /// Goes on that many octets from the beginning, of which `read` were read. False where there are fewer.
    pub(super) fn go_to(&mut self, offset: u64, read: u64) -> io::Result<bool> {
        if let Self::Plain(file) = self {
            let is_there = offset <= file.get_ref().metadata()?.len();
            return if is_there { file.seek(SeekFrom::Start(offset)).map(|_| true) } else { Ok(false) };
        }
        let ahead = offset.saturating_sub(read);
        Ok(io::copy(&mut self.take(ahead), &mut io::sink())? == ahead)
    }

    /// How long the file is now, where that can be known.
    pub(super) fn length(&self) -> io::Result<Option<u64>> {
        match self {
            Self::Plain(file) => file.get_ref().metadata().map(|meta| Some(meta.len())),
            Self::Packed(_) | Self::Standard(_) => Ok(None),
            #[cfg(feature = "fuzz")]
            Self::Memory(_) => Ok(None),
        }
    }
}

impl Read for Octets {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.read(to),
            Self::Packed(file) => file.read(to),
            Self::Standard(file) => file.read(to),
            #[cfg(feature = "fuzz")]
            Self::Memory(octets_of) => octets_of.read(to),
        }
    }
}

impl BufRead for Octets {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match self {
            Self::Plain(file) => file.fill_buf(),
            Self::Packed(file) => file.fill_buf(),
            Self::Standard(file) => file.fill_buf(),
            #[cfg(feature = "fuzz")]
            Self::Memory(octets_of) => octets_of.fill_buf(),
        }
    }

    fn consume(&mut self, octets: usize) {
        match self {
            Self::Plain(file) => file.consume(octets),
            Self::Packed(file) => file.consume(octets),
            Self::Standard(file) => file.consume(octets),
            #[cfg(feature = "fuzz")]
            Self::Memory(octets_of) => octets_of.consume(octets),
        }
    }
}
