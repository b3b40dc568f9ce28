use crate::{
    detectors::{ABOUT, Detectors},
    engine::{Counts, Engine},
    feed::FeedState,
    ledger_change::{Change, LedgerChange},
    reorder::{Item, Reorder, Waiting},
    timers::Timers,
    world::{FeedId, Setup, World},
};
use ids::{Sha256, UnixTime};
use records::row::{Row, Stamp};
use serde::{Deserialize, Serialize};

/// Version of the form of a checkpoint: raised whenever the state of anything but a detector changes its form.
const FORMAT: u16 = 1;

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
}

#[derive(Serialize, Deserialize)]
struct Head {
    format: u16,
    detectors: Vec<(String, u16)>,
}

/// A row that waits, as its line, or a change.
#[derive(Serialize, Deserialize)]
enum Kept {
    Row(String),
    Ledger(UnixTime, u64, Change),
}

/// The state, in the order in which it is written.
type State = (Setup, Vec<FeedState>, i64, World, Timers, Detectors, Counts, Vec<(FeedId, Kept)>);

impl Engine {
    /// The whole state in octets: the same for the same inputs.
    ///
    /// # Errors
    /// [`BadCheckpoint::Form`], which no state has caused yet.
    pub fn checkpoint(&self) -> Result<Vec<u8>, BadCheckpoint> {
        let form = |error: postcard::Error| BadCheckpoint::Form(error.to_string());
        let waiting = self.waiting.all().into_iter().map(kept).collect::<Result<Vec<_>, _>>()?;
        let head = postcard::to_extend(&head(), Vec::new()).map_err(form)?;
        let state = (
            &self.setup,
            &self.feeds,
            self.until,
            &self.world,
            &self.timers,
            &self.detectors,
            &self.counts,
            waiting,
        );
        let mut octets = postcard::to_extend(&state, head).map_err(form)?;
        octets.extend(Sha256::of(&octets).0);
        Ok(octets)
    }

    /// The engine as it was when it wrote the checkpoint. Feed it what came after that.
    ///
    /// # Errors
    /// [`BadCheckpoint`]; `setup` has to be that of before.
    pub fn restore(setup: Setup, octets: &[u8]) -> Result<Self, BadCheckpoint> {
        let damaged = |_| BadCheckpoint::Damaged;
        let (octets, hash) = octets.split_last_chunk::<32>().ok_or(BadCheckpoint::Damaged)?;
        let (read, rest) = postcard::take_from_bytes::<Head>(octets).map_err(damaged)?;
        if read.format != FORMAT {
            return Err(BadCheckpoint::Format(read.format));
        }
        if Sha256::of(octets).0 != *hash {
            return Err(BadCheckpoint::Damaged);
        }
        if read.detectors != head().detectors {
            return Err(BadCheckpoint::Detectors);
        }
        let (of_setup, feeds, until, world, timers, detectors, counts, kept): State =
            postcard::from_bytes(rest).map_err(damaged)?;
        if of_setup != setup.in_order() {
            return Err(BadCheckpoint::Setup);
        }
        let mut waiting = Reorder::default();
        for (feed, kept) in kept {
            let item = item(feed, kept, &world).ok_or(BadCheckpoint::Damaged)?;
            waiting.insert(Waiting { feed, item });
        }
        Ok(Self {
            setup: of_setup,
            feeds,
            waiting,
            until,
            world,
            timers,
            detectors,
            counts,
            gaps: Vec::new(),
        })
    }
}

fn head() -> Head {
    let detectors = ABOUT.iter().map(|about| (about.id.to_owned(), about.version)).collect();
    Head { format: FORMAT, detectors }
}

fn kept(waiting: &Waiting) -> Result<(FeedId, Kept), BadCheckpoint> {
    let kept = match &waiting.item {
        Item::Access(row) => kept_row(&Row::Access(row.clone()))?,
        Item::Row(row) => kept_row(row)?,
        Item::Ledger(change) => Kept::Ledger(change.stamp.at, change.stamp.seq, change.change.clone()),
    };
    Ok((waiting.feed, kept))
}

fn kept_row(row: &Row) -> Result<Kept, BadCheckpoint> {
    row.to_line().map(Kept::Row).map_err(|error| BadCheckpoint::Form(error.to_string()))
}

fn item(feed: FeedId, kept: Kept, world: &World) -> Option<Item> {
    match kept {
        Kept::Row(line) => Row::parse(line.as_bytes()).ok().map(Item::from),
        Kept::Ledger(at, seq, change) => {
            let stamp = Stamp { at, feed: world.name(feed)?.clone(), seq };
            Some(Item::Ledger(Box::new(LedgerChange { stamp, change })))
        }
    }
}
