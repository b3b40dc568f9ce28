mod judge;

pub(crate) use judge::is_encrypted;

use crate::{
    detectors::Detectors,
    feed::{self, FeedCounts, FeedState, Lost},
    finding::Finding,
    ledger_change::LedgerChange,
    reorder::{Item, Reorder, Second, Waiting},
    seen::{RowId, Seen, What},
    timers::Timers,
    world::{Ahead, FeedId, Setup, World},
};
use ids::{Label, UnixTime};
use records::row::{Gap, GapWhy, Row, Stamp};
use serde::{Deserialize, Serialize};

/// The detection engine: takes rows in the order of their arrival, and says what it finds in the order of time.
///
/// Give each input to [`Self::take`]; findings are added to `found` as soon as no feed can bring anything earlier. Rows from the
/// future would move everybody's time: whoever drives the engine has a clock and keeps them aside.
#[derive(Clone, Debug)]
pub struct Engine {
    pub(crate) setup: Setup,
    pub(crate) feeds: Vec<FeedState>,
    pub(crate) waiting: Reorder,
    /// All before this second is judged.
    pub(crate) until: i64,
    pub(crate) world: World,
    pub(crate) timers: Timers,
    pub(crate) detectors: Detectors,
    pub(crate) counts: Counts,
    pub(crate) gaps: Vec<Gap>,
}

/// What an engine takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A row of a feed.
    Row(Row),
    /// A change of the ledger.
    Ledger(LedgerChange),
    /// A feed has said all that it has to say of the time before.
    Watermark {
        /// Which feed.
        feed: Label,
        /// Which time.
        at: UnixTime,
    },
}

/// What became of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It has its turn.
    Kept,
    /// Its feed had a row of that number.
    Duplicate,
    /// What is later has been judged: it is not, and belongs aside.
    Late,
    /// No feed of the setup has that name.
    UnknownFeed,
}

/// What an engine did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Rows and changes judged.
    pub judged: u64,
    /// Findings.
    pub findings: u64,
    /// Inputs of feeds that are not set up.
    pub unknown_feed: u64,
    /// Seconds that were judged before their time, because too much waited.
    pub pressed: u64,
}

/// Rows that are looked at together before each is judged: more than the loads that a processor has under way at once.
const AHEAD: usize = 32;
/// Timers of feeds are the engine's own; those of detectors follow.
const OWN: u8 = 0;

impl Engine {
    /// An engine that has seen nothing. Of feeds with the same name the first counts, and none beyond 64.
    pub fn new(setup: Setup) -> Self {
        let setup = setup.in_order();
        let feeds: Vec<_> =
            setup.feeds.iter().map(|feed| FeedState::new(feed.clone(), setup.start)).collect();
        let mut timers = Timers::default();
        for (at, feed) in (0..).zip(&setup.feeds) {
            timers.set(setup.start.after(feed.silence), OWN, 2 * at);
        }
        let names = setup.feeds.iter().map(|feed| feed.name.clone()).collect();
        Self {
            feeds,
            waiting: Reorder::default(),
            until: setup.start.secs(),
            world: World::new(&setup, names),
            timers,
            detectors: Detectors::default(),
            counts: Counts::default(),
            gaps: Vec::new(),
            setup,
        }
    }

    /// Takes one input; what is found by it is added to `found`.
    pub fn take(&mut self, input: Input, found: &mut Vec<Finding>) -> Taken {
        let taken = match input {
            Input::Row(row) => self.keep(Item::from(row)),
            Input::Ledger(change) => self.keep(Item::Ledger(Box::new(change))),
            Input::Watermark { feed, at } => self.mark(&feed, at),
        };
        if let Ok(true) = taken {
            self.advance(feed::horizon(&self.feeds).secs(), found);
        }
        self.press(found);
        taken.err().unwrap_or(Taken::Kept)
    }

    /// Every feed has said all of the time before `at`: judges all that waits until then.
    pub fn finish(&mut self, at: UnixTime, found: &mut Vec<Finding>) {
        self.feeds.iter_mut().for_each(|state| state.mark = state.mark.max(at));
        self.advance(at.secs(), found);
    }

    /// Gaps of feeds that it noticed since the last call: rows for whoever keeps rows. A time of silence comes twice, when it is noticed and,
    /// with its end, when it is over; from one feed and `seq`, the later one counts. Ask before a checkpoint, which has none of them.
    pub fn take_gaps(&mut self) -> Vec<Gap> {
        std::mem::take(&mut self.gaps)
    }

    /// What it did.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// What became of each feed's rows.
    pub fn feed_counts(&self) -> impl Iterator<Item = (&Label, FeedCounts)> {
        self.feeds.iter().map(|state| (&state.feed.name, state.counts))
    }

    /// Rows that wait, and timers.
    pub fn pending(&self) -> (usize, usize) {
        (self.waiting.len(), self.timers.len())
    }

    /// All before this is judged.
    pub fn judged_until(&self) -> UnixTime {
        UnixTime::from_secs(self.until)
    }

    /// What all detectors know.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// States of detectors that were evicted so far, by detector.
    pub fn evicted(&self) -> Vec<(&'static str, u64)> {
        self.detectors.evicted()
    }

    fn feed(&mut self, name: &Label) -> Result<(FeedId, &mut FeedState), Taken> {
        let Self { feeds, counts, .. } = self;
        let Some(feed) = feed::find(feeds, name) else {
            counts.unknown_feed += 1;
            return Err(Taken::UnknownFeed);
        };
        feeds.get_mut(usize::from(feed.0)).map(|state| (feed, state)).ok_or(Taken::UnknownFeed)
    }

    /// A row or change waits for its turn. Whether its feed has come to another second by it; the error is what became of it else.
    fn keep(&mut self, item: Item) -> Result<bool, Taken> {
        let &Stamp { ref feed, at, seq } = item.stamp();
        let until = self.until;
        let (feed, state) = self.feed(feed)?;
        if !state.is_new(seq) {
            state.counts.duplicates += 1;
            return Err(Taken::Duplicate);
        }
        if at.secs() < until {
            state.counts.late += 1;
            return Err(Taken::Late);
        }
        state.counts.rows += 1;
        let is_later = state.say(at.before(state.feed.lateness));
        self.waiting.insert(Waiting { feed, item });
        Ok(is_later)
    }

    fn mark(&mut self, feed: &Label, at: UnixTime) -> Result<bool, Taken> {
        self.feed(feed).map(|(_, state)| state.say(at))
    }

    fn press(&mut self, found: &mut Vec<Finding>) {
        while self.waiting.len() > self.setup.bounds.waiting {
            self.counts.pressed += 1;
            let Some((at, second)) = self.waiting.next(i64::MAX) else { return };
            self.judge_second(second, found);
            self.until = self.until.max(at + 1);
        }
    }

    fn advance(&mut self, until: i64, found: &mut Vec<Finding>) {
        while let Some((_, second)) = self.waiting.next(until) {
            self.judge_second(second, found);
        }
        self.until = self.until.max(until);
        self.fire(UnixTime::from_secs(self.until), found);
    }

    fn judge_second(&mut self, second: Second, found: &mut Vec<Finding>) {
        for rows in second.chunks(AHEAD) {
            let ahead = self.look_ahead(rows.clone());
            rows.zip(ahead).for_each(|(waiting, ahead)| self.judge_one(waiting, ahead, found));
        }
        self.waiting.reuse(second);
    }

    /// Reads what the rows will need. Rows do not wait for each other here, as they do when they are judged: so the processor fetches for
    /// several at once from memory that is far larger than its caches.
    fn look_ahead<'a>(&self, rows: impl Iterator<Item = &'a Waiting>) -> [Ahead; AHEAD] {
        let mut all = [Ahead::default(); AHEAD];
        for (ahead, waiting) in all.iter_mut().zip(rows) {
            if let Item::Access(access) = &waiting.item {
                *ahead = self.world.glance(access);
            }
        }
        let cells = || all.iter().flat_map(|ahead| ahead.cells());
        cells().for_each(|cell| self.world.glance_at(cell));
        let of_units = cells().filter(|cell| self.world.unit_of(*cell).is_some());
        of_units.for_each(|cell| self.detectors.glance(cell, &self.world));
        all
    }

    fn judge_one(&mut self, Waiting { feed, item }: &Waiting, ahead: Ahead, found: &mut Vec<Finding>) {
        let (feed, &Stamp { at, seq, .. }) = (*feed, item.stamp());
        self.fire(at, found);
        self.hear(feed, at, seq, found);
        let row = RowId { feed, seq };
        match item {
            Item::Access(access) => self.judge_access(row, at, (access, ahead), found),
            Item::Row(row_of_feed) => self.judge(row, at, row_of_feed, found),
            Item::Ledger(change) => self.apply(row, at, &change.change, found),
        }
        self.counts.judged += 1;
    }

    /// Calls all timers that are due before that time.
    fn fire(&mut self, before: UnixTime, found: &mut Vec<Finding>) {
        while let Some((at, owner, key)) = self.timers.due(before) {
            if owner == OWN {
                self.look_at_feed(at, key, found);
            } else {
                let Self { detectors, world, timers, counts, .. } = self;
                let had = found.len();
                detectors.timer(owner, key, at, world, timers, found);
                counts.findings += (found.len() - had) as u64;
            }
        }
    }

    fn see(&mut self, seen: &Seen<'_>, found: &mut Vec<Finding>) {
        let Self { detectors, world, timers, counts, .. } = self;
        let had = found.len();
        detectors.see(seen, world, timers, found);
        counts.findings += (found.len() - had) as u64;
    }

    /// What the feed's number and time say of the feed itself.
    fn hear(&mut self, feed: FeedId, at: UnixTime, seq: u64, found: &mut Vec<Finding>) {
        let Some(state) = self.feeds.get_mut(usize::from(feed.0)) else { return };
        let (silence, key) = (state.feed.silence, 2 * u64::from(feed.0));
        let [ended, pressed] = state.judge(at, seq);
        if let Some(due) = state.settles(at) {
            self.timers.set(due, OWN, key + 1);
        }
        if let Some(lost) = ended {
            self.world.gaps.close(feed, lost.from, lost.to);
            self.timers.set(at.after(silence), OWN, key);
            let gap = self.gap(feed, at, lost);
            self.gaps.extend(gap);
        }
        pressed.into_iter().for_each(|lost| self.lose(feed, at, lost, found));
    }

    fn look_at_feed(&mut self, at: UnixTime, key: u64, found: &mut Vec<Finding>) {
        let feed = FeedId(u8::try_from(key / 2).unwrap_or(u8::MAX));
        let Some(state) = self.feeds.get_mut(usize::from(feed.0)) else { return };
        if key % 2 == 1 {
            let lost = state.settle(at);
            return lost.into_iter().for_each(|lost| self.lose(feed, at, lost, found));
        }
        match state.silent(at) {
            Err(due) => self.timers.set(due, OWN, key),
            Ok(lost) => lost.into_iter().for_each(|lost| self.lose(feed, at, lost, found)),
        }
    }

    /// Something of a feed is missing: that is a row.
    fn lose(&mut self, feed: FeedId, at: UnixTime, lost: Lost, found: &mut Vec<Finding>) {
        match lost.why {
            GapWhy::Silent => self.world.gaps.open(feed, lost.from),
            GapWhy::Missing | GapWhy::NotKept => self.world.gaps.add(feed, lost.from, lost.to),
        }
        let Some(gap) = self.gap(feed, at, lost) else { return };
        self.see(&Seen { at, row: RowId { feed, seq: lost.seq }, what: What::Gap(&gap) }, found);
        self.gaps.push(gap);
    }

    fn gap(&self, feed: FeedId, at: UnixTime, lost: Lost) -> Option<Gap> {
        let Lost { from, to, why, rows, seq } = lost;
        let stamp = Stamp { at, feed: self.world.name(feed)?.clone(), seq };
        Some(Gap { stamp, from, to, why, rows })
    }
}
