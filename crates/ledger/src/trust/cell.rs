//! What is kept of one cell.

use super::{
    Signal, SignalKind, TrustState,
    rules::{DAYS, KINDS, RULES, Weight},
};
use crate::Row;
use ids::{CellKey, UnixTime};
use serde::{Deserialize, Serialize};
use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

/// The trust in one cell, as the signals that are known make it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CellTrust {
    /// Which cell.
    pub cell: CellKey,
    /// How far it can be trusted while the data count: [`Self::read`] says that for a time.
    pub state: TrustState,
    /// Since when it is so.
    pub since: UnixTime,
    /// Up to when something is known of it, to the day; none before it was seen.
    pub data_at: Option<UnixTime>,
    /// Version of the rules that said so.
    pub rules: u32,
    /// What spoke against it: each kind of each unit once, the newest; [`Self::MAX_FALLS`] at most, and one more of each
    /// kind for the units that there is no room for.
    pub falls: Vec<Fall>,
    /// The last moment of trouble: what was earned up to that day counts no more.
    pub trouble_at: Option<UnixTime>,
    /// The last [`DAYS`] days (UTC, from 1970-01-01) of good signals.
    pub days: BTreeSet<u32>,
    /// The last day of each kind by which it was seen.
    pub seen: BTreeMap<SignalKind, u32>,
    /// How many changes there were: each is a row of its own, the last ones are kept.
    pub changes: u64,
}

/// Something that spoke against a cell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fall {
    /// What.
    pub signal: Signal,
    /// What was before this time stands no more.
    pub lifted: Option<UnixTime>,
}

impl Fall {
    /// It keeps the cell down.
    pub fn stands(&self) -> bool {
        self.signal.kind.stays() && self.lifted.is_none_or(|lifted| lifted <= self.signal.at)
    }

    fn falls_to(&self) -> TrustState {
        self.signal.kind.rule().falls_to.unwrap_or(TrustState::Trusted)
    }

    fn is_lifted_by(&self, signal: &Signal) -> bool {
        let is_its_own = self.signal.device == signal.device && signal.kind.lifts(self.signal.kind);
        let is_nobodys = self.signal.device.is_none() && signal.kind == SignalKind::JudgedGenuine;
        (is_its_own || is_nobodys) && self.stands() && self.signal.at < signal.data_at
    }

    fn is_of(&self, signal: &Signal) -> bool {
        (self.signal.kind, self.signal.device) == (signal.kind, signal.device)
    }
}

impl CellTrust {
    /// Units and kinds that are told apart.
    pub const MAX_FALLS: usize = 16;

    /// A cell of which nothing is known; `now` is when that is said.
    pub fn unknown(cell: CellKey, now: UnixTime) -> Self {
        Self {
            cell,
            state: TrustState::Unknown,
            since: now,
            data_at: None,
            rules: RULES,
            falls: Vec::new(),
            trouble_at: None,
            days: BTreeSet::new(),
            seen: BTreeMap::new(),
            changes: 0,
        }
    }

    /// What keeps it down.
    pub fn standing(&self) -> impl Iterator<Item = &Fall> {
        self.falls.iter().filter(|fall| fall.stands())
    }

    /// Good days and good kinds behind the last trouble.
    pub fn earned(&self) -> (usize, Vec<SignalKind>) {
        let trouble = self.trouble_at.map(day);
        let is_behind = |day: &u32| trouble.is_none_or(|trouble| *day > trouble);
        let kinds = self.seen.iter().filter(|(kind, day)| is_behind(day) && kind.is_good());
        (self.days.iter().filter(|day| is_behind(day)).count(), kinds.map(|(kind, _)| *kind).collect())
    }

    /// Whether the unit of a signal is known to be silent.
    pub(super) fn is_silent(&self, signal: &Signal) -> bool {
        let is_older = |fall: &&Fall| fall.signal.kind == SignalKind::Silent && fall.signal.at < signal.at;
        self.standing().filter(is_older).any(|fall| fall.signal.device == signal.device)
    }

    /// One more signal, which is known since `now`.
    pub(super) fn with(&self, signal: &Signal, now: UnixTime) -> Self {
        let mut next = Self { rules: RULES, ..self.clone() };
        let rule = signal.kind.rule();
        next.lift(signal, now);
        if rule.falls_to.is_some() {
            next.fall(signal);
        }
        if rule.weight != Weight::None {
            next.see(signal);
        }
        if next.falls != self.falls && next.data_at.is_some() {
            next.data_at = next.data_at.max(Some(signal.data_at));
        }
        next.state = next.says();
        match next.state.cmp(&self.state) {
            Ordering::Equal => (),
            Ordering::Greater => next.since = signal.at,
            // What comes late raises nothing of the time before it was known.
            Ordering::Less => next.since = now,
        }
        next
    }

    fn says(&self) -> TrustState {
        let worst = self.standing().map(Fall::falls_to).max();
        let earned = || match self.has_earned() {
            true => TrustState::Trusted,
            false if self.seen.is_empty() => TrustState::Unknown,
            false => TrustState::Probation,
        };
        worst.unwrap_or_else(earned)
    }

    fn has_earned(&self) -> bool {
        let (days, kinds) = self.earned();
        let independent = kinds.iter().any(|kind| kind.rule().weight == Weight::Independent);
        days >= DAYS && kinds.len() >= KINDS && independent
    }

    fn lift(&mut self, signal: &Signal, now: UnixTime) {
        for fall in self.falls.iter_mut().filter(|fall| fall.is_lifted_by(signal)) {
            fall.lifted = Some(signal.data_at);
            // While it was in doubt nothing was earned, also where the doubt was settled earlier than we know.
            self.trouble_at = self.trouble_at.max(Some(now));
        }
    }

    fn fall(&mut self, signal: &Signal) {
        match self.falls.iter_mut().find(|fall| fall.is_of(signal)) {
            // Trust is earned by days: again on the same one makes no difference, and units attach often.
            Some(known) if !signal.kind.stays() && day(known.signal.at) >= day(signal.at) => return,
            Some(known) if known.signal.at >= signal.at => return,
            Some(known) => known.signal = signal.clone(),
            None => self.falls.push(Fall { signal: signal.clone(), lifted: None }),
        }
        self.trouble_at = self.trouble_at.max(Some(signal.at));
        self.make_room();
    }

    /// What stands no more goes first, the oldest; what stands is then nobody's, and a person's judgement lifts it.
    fn make_room(&mut self) {
        let is_of_unit = |fall: &Fall| fall.signal.device.is_some();
        if self.falls.iter().filter(|fall| is_of_unit(fall)).count() <= Self::MAX_FALLS {
            return;
        }
        let least = |fall: &Fall| (fall.stands().then(|| fall.falls_to()), fall.signal.at);
        let places = self.falls.iter().enumerate().filter(|(_, fall)| is_of_unit(fall));
        let Some((place, _)) = places.min_by_key(|(_, fall)| least(fall)) else { return };
        let fall = self.falls.remove(place);
        if fall.stands() {
            let nobodys = Signal { device: None, ..fall.signal };
            self.fall(&nobodys);
        }
    }

    /// Nothing changes but once a day and kind.
    fn see(&mut self, signal: &Signal) {
        let day = day(signal.data_at);
        let seen = self.seen.get(&signal.kind).is_some_and(|seen| *seen >= day);
        let is_new = signal.kind.is_good() && self.days.insert(day);
        if self.days.len() > DAYS {
            self.days.pop_first();
        }
        if !seen {
            self.seen.insert(signal.kind, day);
        }
        if !seen || is_new {
            self.data_at = self.data_at.max(Some(signal.data_at));
        }
    }
}

impl SignalKind {
    pub(super) fn is_good(self) -> bool {
        matches!(self.rule().weight, Weight::Copyable | Weight::Independent)
    }
}

/// Days since 1970-01-01, UTC.
pub(crate) fn day(time: UnixTime) -> u32 {
    u32::try_from(time.secs().div_euclid(24 * 3600)).unwrap_or(0)
}

impl Row for CellTrust {
    const TABLE: &'static str = "cell_trust";

    fn key(&self) -> String {
        self.cell.to_string()
    }

    fn entries(&self) -> Vec<(&'static str, String)> {
        vec![(Self::STATE, self.state.to_string())]
    }
}

impl CellTrust {
    pub(super) const STATE: &'static str = "state";
}
