use crate::{seqs::Seqs, world::FeedId};
use ids::{Label, UnixTime};
use records::row::GapWhy;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The terms of a feed: what it is called, and how late and how silent it may be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feed {
    /// Its name, as in the stamps of its rows.
    pub name: Label,
    /// Its rows come at most so much later, in event time, than its newest.
    pub lateness: Duration,
    /// It never says nothing, not even that it works, for longer than this: then it stops holding the others back, and there is a gap.
    pub silence: Duration,
}

/// What became of a feed's rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedCounts {
    /// Taken, and judged sooner or later.
    pub rows: u64,
    /// Came twice.
    pub duplicates: u64,
    /// Came after what is later had been judged: never judged, and kept aside by who drives the engine.
    pub late: u64,
    /// Known to be missing, by their numbers.
    pub missing: u64,
    /// Times in which it was silent.
    pub silences: u64,
}

/// A time of which a feed has not said all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lost {
    pub(crate) from: UnixTime,
    pub(crate) to: UnixTime,
    pub(crate) why: GapWhy,
    pub(crate) rows: Option<u64>,
    /// The number before it, or the first that is missing.
    pub(crate) seq: u64,
}

/// A feed at work.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct FeedState {
    pub(crate) feed: Feed,
    pub(crate) counts: FeedCounts,
    /// Nothing earlier is to come.
    pub(crate) mark: UnixTime,
    seqs: Seqs,
    /// The highest number that was judged, and when its row happened.
    high: Option<(u64, UnixTime)>,
    holes: Vec<Hole>,
    last: UnixTime,
    is_silent: bool,
}

/// Numbers that were passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Hole {
    first: u64,
    last: u64,
    from: UnixTime,
    to: UnixTime,
}

/// Holes that wait to be filled at most; beyond it the oldest is a gap at once.
const HOLES: usize = 1024;

impl FeedState {
    pub(crate) fn new(feed: Feed, start: UnixTime) -> Self {
        let (counts, seqs) = (FeedCounts::default(), Seqs::default());
        Self { feed, counts, mark: start, seqs, high: None, holes: Vec::new(), last: start, is_silent: false }
    }

    /// Whether the row of that number is new.
    pub(crate) fn is_new(&mut self, seq: u64) -> bool {
        self.seqs.insert(seq)
    }

    /// It has said all of the time before `at`. Whether it has come to another second.
    pub(crate) fn say(&mut self, at: UnixTime) -> bool {
        let before = self.mark;
        self.mark = before.max(at);
        self.mark.secs() > before.secs()
    }

    /// A row is judged, in order. Returns the time of silence that it ends, and a hole for which there is no room.
    pub(crate) fn judge(&mut self, at: UnixTime, seq: u64) -> [Option<Lost>; 2] {
        let (silence, before) =
            (std::mem::take(&mut self.is_silent).then_some((self.last, at)), self.newest());
        self.last = at;
        self.fill(seq);
        if let Some((high, from)) = self.high.filter(|(high, _)| seq > high.saturating_add(1)) {
            self.holes.push(Hole { first: high + 1, last: seq - 1, from, to: at });
        }
        if self.high.is_none_or(|(high, _)| seq > high) {
            self.high = Some((seq, at));
        }
        let pressed = if self.holes.len() > HOLES { Some(self.holes.remove(0)) } else { None };
        [
            silence.map(|(from, to)| Lost { from, to, why: GapWhy::Silent, rows: None, seq: before }),
            pressed.map(|hole| self.lose(hole)),
        ]
    }

    /// When to look again for holes that rows of this feed left until now; rows may still fill them for so long.
    pub(crate) fn settles(&self, at: UnixTime) -> Option<UnixTime> {
        self.holes.last().filter(|hole| hole.to == at).map(|hole| hole.to.after(self.feed.lateness))
    }

    /// Holes that nothing can fill any more.
    pub(crate) fn settle(&mut self, now: UnixTime) -> Vec<Lost> {
        let lateness = self.feed.lateness;
        let is_open = |hole: &Hole| hole.to.after(lateness) > now;
        let (open, closed): (Vec<_>, Vec<_>) = std::mem::take(&mut self.holes).into_iter().partition(is_open);
        self.holes = open;
        closed.into_iter().map(|hole| self.lose(hole)).collect()
    }

    /// Whether it is silent by now; if not, when to ask again.
    pub(crate) fn silent(&mut self, now: UnixTime) -> Result<Option<Lost>, UnixTime> {
        let due = self.last.after(self.feed.silence);
        if now < due {
            return Err(due);
        }
        if self.is_silent {
            return Ok(None);
        }
        self.is_silent = true;
        self.counts.silences += 1;
        Ok(Some(Lost { from: self.last, to: now, why: GapWhy::Silent, rows: None, seq: self.newest() }))
    }

    /// The highest number that was judged.
    fn newest(&self) -> u64 {
        self.high.map_or(0, |(high, _)| high)
    }

    fn fill(&mut self, seq: u64) {
        let Some(at) = self.holes.iter().position(|hole| (hole.first..=hole.last).contains(&seq)) else {
            return;
        };
        let hole = self.holes.remove(at);
        if seq < hole.last {
            self.holes.insert(at, Hole { first: seq + 1, ..hole });
        }
        if seq > hole.first {
            self.holes.insert(at, Hole { last: seq - 1, ..hole });
        }
    }

    fn lose(&mut self, hole: Hole) -> Lost {
        let rows = hole.last - hole.first + 1;
        self.counts.missing += rows;
        Lost { from: hole.from, to: hole.to, why: GapWhy::Missing, rows: Some(rows), seq: hole.first }
    }
}

/// Up to when all that is to come has come: the least of the feeds that are not silent.
pub(crate) fn horizon(feeds: &[FeedState]) -> UnixTime {
    let newest = feeds.iter().map(|state| state.mark).max().unwrap_or_default();
    let holds = |state: &&FeedState| state.mark >= newest.before(state.feed.silence);
    feeds.iter().filter(holds).map(|state| state.mark).min().unwrap_or_default()
}

/// The feed of that name. Feeds are in the order of their names.
pub(crate) fn find(feeds: &[FeedState], name: &Label) -> Option<FeedId> {
    let at = feeds.iter().position(|state| state.feed.name == *name)?;
    u8::try_from(at).ok().map(FeedId)
}
