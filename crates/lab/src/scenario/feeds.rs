//! From what happens to what arrives: each feed numbers its rows, is late, loses some, says some twice, and at times says nothing.

use super::{
    draws::{Drawer, Draws, Share},
    event::{DAY, Event, HOUR, Hours, SECOND, What},
    file::{FeedTerms, Scenario},
    names::{CellNo, Person},
    word::FeedKind,
};
use ids::Label;
use serde::Serialize;
use std::time::Duration;

/// A row on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Underway {
    /// When it arrives, in microseconds of the world.
    pub(super) arrives: u64,
    pub(super) feed: FeedKind,
    pub(super) seq: u64,
    /// The hour in which it happened.
    pub(super) hour: u64,
    pub(super) event: Event,
}

/// What became of rows on their way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OnTheWay {
    /// Never written.
    pub unrecorded: u64,
    /// Written, and lost: numbers are missing.
    pub lost: u64,
    /// Came twice.
    pub twice: u64,
    /// Not said in a gap, of them those that were said when it was over.
    pub in_gaps: u64,
    /// Said when a gap was over.
    pub after_gaps: u64,
}

/// A feed at work.
#[derive(Clone)]
pub(super) struct Feed {
    pub(super) name: Label,
    kind: FeedKind,
    heartbeat: u64,
    has_watermarks: bool,
    lag_s: u32,
    lag_most: u64,
    lost: Share,
    unrecorded: Share,
    twice: Share,
    gaps: Vec<(u64, u64, bool)>,
    seq: u64,
}

/// Rows whose lag is anything up to the most.
const SLOW: Share = Share::thousandths(10);

impl Feed {
    fn new(terms: &FeedTerms) -> Option<Self> {
        let gap = |gap: &super::file::GapTerms| {
            let from = gap.from.secs() * SECOND;
            (from, from + (gap.for_h * 3600.0).round() as u64 * SECOND, gap.late)
        };
        Some(Self {
            name: terms.name.as_str().parse().ok()?,
            kind: terms.name,
            heartbeat: u64::from(terms.heartbeat_s()) * SECOND,
            has_watermarks: terms.watermarks(),
            lag_s: terms.lag_s(),
            lag_most: u64::from(terms.lag_most_s()) * SECOND,
            lost: Share::percent(terms.lost_pct()),
            unrecorded: Share::percent(terms.unrecorded_pct()),
            twice: Share::percent(terms.twice_pct()),
            gaps: terms.gaps.iter().map(gap).collect(),
            seq: 0,
        })
    }

    /// The feeds of a scenario, each by its kind.
    pub(super) fn all(scenario: &Scenario) -> Vec<Self> {
        FeedKind::ALL.iter().filter_map(|kind| Self::new(&scenario.terms(*kind))).collect()
    }

    /// The terms that the engine has of it.
    pub(super) fn terms(scenario: &Scenario) -> Vec<detect::Feed> {
        let feed = |kind: &FeedKind| {
            let terms = scenario.terms(*kind);
            let lateness = Duration::from_secs(terms.lateness_s().into());
            let silence = Duration::from_secs(terms.silence_s().into());
            Some(detect::Feed { name: kind.as_str().parse().ok()?, lateness, silence })
        };
        FeedKind::ALL.iter().filter_map(feed).collect()
    }

    /// It says on that day that it works.
    pub(super) fn beat(&self, day: u32, hours: &mut Hours) {
        let began = u64::from(day) * DAY;
        let first = began.div_ceil(self.heartbeat);
        for at in (first..).map(|beat| beat * self.heartbeat).take_while(|at| *at < began + DAY) {
            let beat =
                Event { other: self.kind as u32, ..Event::of(What::Heartbeat, Person(0), CellNo::NONE) };
            hours.push(at, beat);
            if self.has_watermarks {
                hours.push(at, Event { by: 1, ..beat });
            }
        }
    }

    /// Draws for its rows of an hour.
    pub(super) fn draws(&self, seed: u64, hour: u64) -> Draws {
        Draws::new(seed, Drawer::Feed(self.kind as u32 + 8 * (hour / 24) as u32), (hour % 24) as u32)
    }

    /// What happened is written, and sent; what arrives is added to `underway`.
    pub(super) fn send(
        &mut self,
        event: &Event,
        hour: u64,
        draws: &mut Draws,
        counts: &mut OnTheWay,
        underway: &mut Vec<Underway>,
    ) {
        let at = hour * HOUR + u64::from(event.at);
        let is_beat = event.what == What::Heartbeat;
        let gap = self.gaps.iter().find(|(from, to, _)| (*from..*to).contains(&at)).copied();
        if is_beat && gap.is_some() {
            return;
        }
        if is_beat && event.by == 1 {
            let arrives = at + self.lag_most + 1;
            return underway.push(Underway { arrives, feed: self.kind, seq: 0, hour, event: *event });
        }
        // The estate as it is at first comes whole.
        let may_be_lost = !is_beat && at >= SECOND;
        if may_be_lost && draws.happens(self.unrecorded) {
            counts.unrecorded += 1;
            return;
        }
        self.seq += 1;
        if may_be_lost && draws.happens(self.lost) {
            counts.lost += 1;
            return;
        }
        let since = match gap {
            Some((_, _, false)) => {
                counts.in_gaps += 1;
                return;
            }
            Some((_, to, true)) => {
                (counts.in_gaps, counts.after_gaps) = (counts.in_gaps + 1, counts.after_gaps + 1);
                to
            }
            None => at,
        };
        let (feed, seq) = (self.kind, self.seq);
        let arrives = since + self.lag(draws);
        underway.push(Underway { arrives, feed, seq, hour, event: *event });
        if draws.happens(self.twice) {
            counts.twice += 1;
            let arrives = since + self.lag(draws);
            underway.push(Underway { arrives, feed, seq, hour, event: *event });
        }
    }

    fn lag(&self, draws: &mut Draws) -> u64 {
        let most_s = if draws.happens(SLOW) { (self.lag_most / SECOND) as u32 } else { 2 * self.lag_s };
        draws.micros(0, most_s.max(1)).min(self.lag_most)
    }
}

/// Which feed says it.
pub(super) fn feed_of(event: &Event) -> FeedKind {
    match event.what {
        What::Mast => FeedKind::Plan,
        What::Unit | What::Tunnel => FeedKind::Ledger,
        What::Rare if event.other == 1 => FeedKind::Plan,
        What::Rare => FeedKind::Ledger,
        What::Update | What::Service | What::HandoverIn => FeedKind::Core,
        What::Register => FeedKind::Ims,
        What::Code | What::CodeCall | What::CodeUnasked | What::CodeCallUnasked => FeedKind::Codes,
        What::Payment | What::PaymentCall => FeedKind::Payments,
        What::Heartbeat => {
            FeedKind::ALL.iter().copied().find(|kind| *kind as u32 == event.other).unwrap_or(FeedKind::Core)
        }
    }
}
