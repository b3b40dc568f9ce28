//! What one run comes to: what the gang had, and what the detectors found of it when.

use super::door::Attempts;
use crate::scenario::{Counts, Player, Truth};
use detect::{Engine, Finding, Input, Subject};
use ids::{CellKey, Sha256, SubscriberKey, UnixTime};
use records::row::Row;
use serde::Serialize;
use std::{
    collections::{BTreeMap, HashSet},
    ops::RangeInclusive,
    time::Duration,
};

/// What one run came to.
#[derive(Clone, Debug)]
pub struct Noted {
    /// What was played.
    pub counts: Counts,
    /// Rows that came too late to be judged.
    pub late: u64,
    /// Seconds that were judged before their time, as too much waited: none, or the run counts for nothing.
    pub pressed: u64,
    /// Of all that arrived.
    pub digest: Sha256,
    /// What the gang had, over time.
    pub points: Vec<Point>,
    /// Subscribers exposed of whom an access record at one of its cells arrived.
    pub recorded: u64,
    /// Tunnels that boxes asked for.
    pub attempts: Attempts,
    /// Its cells.
    pub cells: BTreeMap<CellKey, CellNote>,
    /// What each detector found.
    pub detectors: BTreeMap<&'static str, DetectorNote>,
    /// What the gang would have had, had somebody acted on what was found.
    pub stopped: Vec<Stopped>,
}

/// What the gang had by then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Point {
    /// By when.
    pub at: UnixTime,
    /// Subscribers who were at one of its cells.
    pub exposed: u64,
    /// Codes that came to them there, and were not asked for.
    pub codes: u64,
    /// Subscribers on whose bills somebody paid.
    pub victims: u64,
    /// How often.
    pub payments: u64,
    /// For how much.
    pub amount_minor: i64,
}

/// A cell of the gang.
#[derive(Clone, Debug, Default)]
pub struct CellNote {
    /// The box that has it.
    pub actor: String,
    /// The first handset there.
    pub from: Option<UnixTime>,
    /// The first code that nobody had asked for.
    pub first_code: Option<UnixTime>,
    /// The first payment that followed.
    pub first_payment: Option<UnixTime>,
    /// The first finding that names it, by detector.
    pub found: BTreeMap<&'static str, UnixTime>,
}

/// What a detector found.
#[derive(Clone, Debug, Default)]
pub struct DetectorNote {
    /// The first finding about the gang.
    pub first: Option<Blamed>,
    /// Findings about it.
    pub findings: u64,
    /// Findings about anybody else.
    pub others: u64,
    /// About how many others.
    pub subjects: HashSet<Subject>,
    /// Of them, those of which it is sure to 70 of 100.
    pub sure: HashSet<Subject>,
}

/// A finding about the gang.
#[derive(Clone, Debug, Serialize)]
pub struct Blamed {
    /// When.
    pub at: UnixTime,
    /// What it says.
    pub what: String,
    /// How sure it is.
    pub confidence: u8,
}

/// What the gang would have had, had all tunnels of a box been cut some time after each of its cells was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Stopped {
    /// How long that takes, hours.
    pub after_h: u32,
    /// Subscribers, counted once for each box.
    pub exposed: u64,
    /// Codes.
    pub codes: u64,
    /// Payments.
    pub payments: u64,
    /// For how much.
    pub amount_minor: i64,
}

/// Of this confidence a finding about an honest unit is worth a count of its own.
const SURE: u8 = 70;
/// How fast people are, hours.
const REACTIONS_H: [u32; 2] = [1, 24];

/// The same as it grows.
pub(super) struct Notes {
    pub(super) late: u64,
    points: Vec<Point>,
    exposed: HashSet<SubscriberKey>,
    recorded: HashSet<SubscriberKey>,
    /// Identities of cells of the gang are within.
    ids: Option<RangeInclusive<u64>>,
    boxes: BTreeMap<String, Vec<Point>>,
    cells: BTreeMap<CellKey, CellNote>,
    detectors: BTreeMap<&'static str, DetectorNote>,
}

impl Notes {
    pub(super) fn new(begins: UnixTime) -> Self {
        Self {
            late: 0,
            points: vec![Point { at: begins, ..Point::default() }],
            exposed: HashSet::new(),
            recorded: HashSet::new(),
            ids: None,
            boxes: BTreeMap::new(),
            cells: BTreeMap::new(),
            detectors: BTreeMap::new(),
        }
    }

    pub(super) fn arrival(&mut self, input: &Input) {
        let Input::Row(Row::Access(row)) = input else { return };
        if self.ids.as_ref().is_some_and(|ids| ids.contains(&row.cell.id()))
            && self.cells.contains_key(&row.cell)
        {
            self.recorded.insert(row.subscriber);
        }
    }

    /// An hour is over.
    pub(super) fn hour(&mut self, at: UnixTime, truth: &Truth) {
        let mut now = Point { at, ..Point::default() };
        for attack in &truth.attacks {
            let point = Point {
                at,
                exposed: attack.handsets.len() as u64,
                codes: attack.codes,
                victims: attack.payers.len() as u64,
                payments: attack.payments,
                amount_minor: attack.amount_minor,
            };
            let points = self.boxes.entry(attack.actor.clone()).or_default();
            if points.last().map_or(0, |last| last.exposed) != point.exposed {
                self.exposed.extend(&attack.handsets);
            }
            if points.last().is_none_or(|last| Point { at, ..*last } != point) {
                points.push(point);
            }
            now.codes += point.codes;
            now.victims += point.victims;
            now.payments += point.payments;
            now.amount_minor += point.amount_minor;
        }
        self.see_cells(truth);
        now.exposed = self.exposed.len() as u64;
        if self.points.last().is_none_or(|last| Point { at, ..*last } != now) {
            self.points.push(now);
        }
    }

    fn see_cells(&mut self, truth: &Truth) {
        for attack in &truth.attacks {
            for (key, cell) in &attack.cells {
                let note = self.cells.entry(*key).or_default();
                if note.actor.is_empty() {
                    note.actor.clone_from(&attack.actor);
                }
                (note.from, note.first_code, note.first_payment) =
                    (cell.from, cell.first_code, cell.first_payment);
            }
        }
        let ids = self.cells.keys().map(|cell| cell.id());
        self.ids = ids.clone().min().zip(ids.max()).map(|(least, most)| least..=most);
    }

    pub(super) fn finding(&mut self, finding: &Finding, truth: &Truth) {
        let note = self.detectors.entry(finding.detector).or_default();
        if truth.blame(finding).is_none() {
            note.others += 1;
            note.subjects.insert(finding.key.clone());
            if finding.confidence >= SURE {
                note.sure.insert(finding.key.clone());
            }
            return;
        }
        note.findings += 1;
        note.first.get_or_insert_with(|| Blamed {
            at: finding.at,
            what: finding.what.clone(),
            confidence: finding.confidence,
        });
        self.see_cells(truth);
        for (key, cell) in &mut self.cells {
            if finding.cells.contains(key) || finding.key == Subject::Cell(*key) {
                cell.found.entry(finding.detector).or_insert(finding.at);
            }
        }
    }

    pub(super) fn finish(self, player: &Player, engine: &Engine, attempts: Attempts) -> Noted {
        let stopped = REACTIONS_H.iter().map(|after_h| self.stopped(*after_h)).collect();
        Noted {
            counts: player.counts(),
            late: self.late,
            pressed: engine.counts().pressed,
            digest: player.digest(),
            points: self.points,
            recorded: self.recorded.len() as u64,
            attempts,
            cells: self.cells,
            detectors: self.detectors,
            stopped,
        }
    }

    fn stopped(&self, after_h: u32) -> Stopped {
        let mut stopped = Stopped { after_h, exposed: 0, codes: 0, payments: 0, amount_minor: 0 };
        for (actor, points) in &self.boxes {
            let mut cells = self.cells.values().filter(|cell| cell.actor == *actor).peekable();
            let all_found = cells.peek().is_some()
                && cells.clone().all(|cell| cell.found_first().is_some() || cell.from.is_none());
            let last_found = cells.filter_map(|cell| cell.found_first().map(|(at, _)| at)).max();
            let ends = last_found
                .filter(|_| all_found)
                .map(|at| at.after(Duration::from_secs(3600 * u64::from(after_h))));
            // What it had when that hour was over.
            let before = points.iter().take_while(|point| ends.is_none_or(|ends| point.at < ends)).last();
            let then = points.iter().find(|point| ends.is_some_and(|ends| point.at >= ends));
            let within = then.filter(|then| ends.is_some_and(|ends| then.at.since(ends).as_secs() < 3600));
            let Some(had) = within.or(before) else { continue };
            stopped.exposed += had.exposed;
            stopped.codes += had.codes;
            stopped.payments += had.payments;
            stopped.amount_minor += had.amount_minor;
        }
        stopped
    }
}

impl CellNote {
    /// The first finding that names it, whoever found it; what is missing from a feed aside.
    pub fn found_first(&self) -> Option<(UnixTime, &'static str)> {
        let found = self.found.iter().filter(|(detector, _)| **detector != "feed_gap");
        found.map(|(detector, at)| (*at, *detector)).min()
    }
}
