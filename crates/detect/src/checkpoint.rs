mod blocks;

use crate::{
    detectors::ABOUT,
    engine::Engine,
    ledger_change::{Change, LedgerChange},
    reorder::{Item, Reorder, Waiting},
    world::{FeedId, Setup, World},
};
use blocks::{BlockReader, BlockWriter};
use ids::{CellKey, SubscriberKey, UnixTime};
use postcard::{Deserializer, Serializer};
use records::row::{Access, AccessEvent, NasCipher, NasIntegrity, Row, Stamp};
use serde::{Deserialize, Serialize};
use std::{
    io::{self, Read, Write},
    net::IpAddr,
};

/// Version of the form of a checkpoint: raised whenever the state of anything but a detector changes its form.
const FORMAT: u16 = 2;

/// Why octets are no checkpoint for this engine. History has to be judged again.
#[derive(Debug, thiserror::Error)]
pub enum BadCheckpoint {
    /// Cut off, or changed.
    #[error("the checkpoint is damaged")]
    Damaged,
    /// Made by another version.
    #[error("the checkpoint is of form {0}, this Truecell reads {FORMAT}")]
    Format(u16),
    /// With other detectors, or other versions of them.
    #[error("the checkpoint is of other detectors than these")]
    Detectors,
    /// For other feeds or bounds.
    #[error("the checkpoint is of an engine that was set up otherwise")]
    Setup,
    /// Something of the state has no such form.
    #[error("the state cannot be written: {0}")]
    Form(String),
    /// Where it is written to, or read from, says no.
    #[error("the checkpoint cannot be written or read")]
    Storage(#[source] io::Error),
}

/// A row that waits: of access records, nearly all of them, the fields; of others its line, or the change.
#[derive(Serialize, Deserialize)]
enum Kept {
    Access {
        at: UnixTime,
        seq: u64,
        subscriber: SubscriberKey,
        cell: CellKey,
        event: AccessEvent,
        peer: Option<CellKey>,
        inner: Option<IpAddr>,
        cipher: Option<NasCipher>,
        integrity: Option<NasIntegrity>,
    },
    Row(String),
    Ledger(UnixTime, u64, Change),
}

impl Engine {
    /// The whole state in octets: the same for the same inputs.
    ///
    /// # Errors
    /// [`BadCheckpoint::Form`], which no state has caused yet.
    pub fn checkpoint(&self) -> Result<Vec<u8>, BadCheckpoint> {
        let mut octets = Vec::new();
        self.checkpoint_to(&mut octets)?;
        Ok(octets)
    }

    /// The same, written as it is made: it takes 2 MiB and 8 octets for each row that waits, however large the state is.
    ///
    /// # Errors
    /// [`BadCheckpoint::Storage`]; what was written until then is no checkpoint. Else as of [`Self::checkpoint`].
    pub fn checkpoint_to(&self, to: &mut dyn Write) -> Result<(), BadCheckpoint> {
        let output = BlockWriter::new(to).map_err(BadCheckpoint::Storage)?;
        let mut to = Serializer { output };
        match self.write(&mut to) {
            Ok(()) => to.output.end().map_err(BadCheckpoint::Storage),
            Err(error) => Err(to.output.why(&error)),
        }
    }

    fn write(&self, to: &mut Serializer<BlockWriter<'_>>) -> postcard::Result<()> {
        let Self { setup, feeds, until, world, timers, detectors, counts, waiting, gaps: _ } = self;
        (versions(), setup, feeds, until, world).serialize(&mut *to)?;
        (timers, detectors, counts, waiting.len()).serialize(&mut *to)?;
        waiting.all().into_iter().try_for_each(|waiting| (waiting.feed, kept(waiting)?).serialize(&mut *to))
    }

    /// The engine as it was at a checkpoint.
    ///
    /// # Errors
    /// [`BadCheckpoint`]; `setup` has to be that of before.
    pub fn restore(setup: Setup, mut octets: &[u8]) -> Result<Self, BadCheckpoint> {
        let engine = Self::restore_from(setup, &mut octets)?;
        if octets.is_empty() { Ok(engine) } else { Err(BadCheckpoint::Damaged) }
    }

    /// The same, read as it is needed. What follows the checkpoint is not read.
    ///
    /// # Errors
    /// [`BadCheckpoint`]; `setup` has to be that of before.
    pub fn restore_from(setup: Setup, from: &mut dyn Read) -> Result<Self, BadCheckpoint> {
        let mut blocks = BlockReader::new(from)?;
        let engine = Self::read(setup, &mut Deserializer::from_flavor(&mut blocks));
        let engine = engine.map_err(|bad| bad.unwrap_or_else(|| blocks.why()))?;
        blocks.end()?;
        Ok(engine)
    }

    /// The error is none where the octets are at fault.
    fn read<'de, 'a: 'de>(
        setup: Setup,
        from: &mut Deserializer<'de, &'de mut BlockReader<'a>>,
    ) -> Result<Self, Option<BadCheckpoint>> {
        let damaged = |_| None;
        if Vec::<(String, u16)>::deserialize(&mut *from).map_err(damaged)? != versions() {
            return Err(Some(BadCheckpoint::Detectors));
        }
        let setup = setup.in_order();
        if Setup::deserialize(&mut *from).map_err(damaged)? != setup {
            return Err(Some(BadCheckpoint::Setup));
        }
        let (feeds, until, world) = Deserialize::deserialize(&mut *from).map_err(damaged)?;
        let (timers, detectors, counts, len): (_, _, _, usize) =
            Deserialize::deserialize(&mut *from).map_err(damaged)?;
        let (waiting, gaps) = (Reorder::default(), Vec::new());
        let mut engine = Self { setup, feeds, waiting, until, world, timers, detectors, counts, gaps };
        for _ in 0..len {
            let (feed, kept) = Deserialize::deserialize(&mut *from).map_err(damaged)?;
            let item = item(feed, kept, &engine.world).ok_or(None)?;
            engine.waiting.insert(Waiting { feed, item });
        }
        Ok(engine)
    }
}

fn versions() -> Vec<(String, u16)> {
    ABOUT.iter().map(|about| (about.id.to_owned(), about.version)).collect()
}

fn kept(waiting: &Waiting) -> postcard::Result<Kept> {
    Ok(match &waiting.item {
        Item::Access(row) => {
            let Access {
                stamp: Stamp { at, seq, .. },
                subscriber,
                cell,
                event,
                peer,
                inner,
                cipher,
                integrity,
            } = *row;
            Kept::Access { at, seq, subscriber, cell, event, peer, inner, cipher, integrity }
        }
        Item::Row(row) => Kept::Row(row.to_line().map_err(|_| postcard::Error::SerdeSerCustom)?),
        Item::Ledger(change) => Kept::Ledger(change.stamp.at, change.stamp.seq, change.change.clone()),
    })
}

fn item(feed: FeedId, kept: Kept, world: &World) -> Option<Item> {
    let stamp = |at, seq| Some(Stamp { at, feed: world.name(feed)?.clone(), seq });
    Some(match kept {
        Kept::Access { at, seq, subscriber, cell, event, peer, inner, cipher, integrity } => {
            let stamp = stamp(at, seq)?;
            Item::Access(Access { stamp, subscriber, cell, event, peer, inner, cipher, integrity })
        }
        Kept::Row(line) => Item::from(Row::parse(line.as_bytes()).ok()?),
        Kept::Ledger(at, seq, change) => {
            Item::Ledger(Box::new(LedgerChange { stamp: stamp(at, seq)?, change }))
        }
    })
}
