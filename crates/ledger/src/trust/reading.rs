//! What a reader gets: the trust in a cell at a time, and why.

use super::{
    CellTrust, Signal, SignalKind, TrustEvidence, TrustState,
    rules::{DAYS, KINDS, RULES, STALE},
};
use ids::{CellKey, DeviceId, UnixTime};
use serde::{Deserialize, Serialize};

/// The trust in one cell at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reading {
    /// Which cell.
    pub cell: CellKey,
    /// At which time.
    pub at: UnixTime,
    /// How far it could be trusted then.
    pub state: TrustState,
    /// Since when; none where nothing is known of it.
    pub since: Option<UnixTime>,
    /// Why.
    pub reasons: Vec<TrustReason>,
    /// Up to when something was known of it, at least; none where it had never been seen.
    pub data_at: Option<UnixTime>,
    /// Version of the rules that said so.
    pub rules: u32,
}

/// One reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustReason {
    /// Word of a [`SignalKind`], or `stale`, `no-data`, `not-kept`, `earning`, `earned`.
    pub what: String,
    /// When it was so.
    pub at: Option<UnixTime>,
    /// The unit that it is about.
    pub device: Option<DeviceId>,
    /// Which stage says so.
    pub source: String,
    /// Where it is written down.
    pub evidence: Option<TrustEvidence>,
    /// In words.
    pub detail: String,
}

impl TrustReason {
    pub(super) fn word(what: &str, at: Option<UnixTime>, detail: String) -> Self {
        Self { what: what.to_owned(), at, device: None, source: "rules".into(), evidence: None, detail }
    }

    pub(super) fn of(signal: &Signal) -> Self {
        let Signal { kind, device, at, source, evidence, detail, .. } = signal.clone();
        let (what, evidence) = (kind.as_str().to_owned(), Some(evidence));
        Self { what, at: Some(at), device, source, evidence, detail }
    }
}

impl Reading {
    /// Of a cell that no row is of.
    pub(super) fn unknown(cell: CellKey, at: UnixTime, reason: TrustReason) -> Self {
        let (state, reasons) = (TrustState::Unknown, vec![reason]);
        Self { cell, at, state, since: None, reasons, data_at: None, rules: RULES }
    }

    /// Nothing is known of the cell.
    pub(super) fn no_data(cell: CellKey, at: UnixTime, detail: &str) -> Self {
        Self::unknown(cell, at, TrustReason::word("no-data", None, detail.to_owned()))
    }
}

impl CellTrust {
    /// What it comes to at a time, not before [`Self::since`]: what is too old is not trusted.
    pub fn read(&self, at: UnixTime) -> Reading {
        let Self { cell, since, data_at, rules, .. } = *self;
        let stale = self.stale_since().filter(|since| *since < at);
        let (state, since) = match stale {
            Some(stale_since) => (TrustState::Unsure, stale_since),
            None => (self.state, since),
        };
        let mut reasons: Vec<_> = self.standing().map(|fall| TrustReason::of(&fall.signal)).collect();
        reasons.extend(stale.map(|since| {
            TrustReason::word(
                "stale",
                Some(since),
                format!("nothing has been heard of it for {} days", STALE.as_secs() / 86_400),
            )
        }));
        if reasons.is_empty() {
            reasons = self.reasons_of_good();
        }
        Reading { cell, at, state, since: Some(since), reasons, data_at, rules }
    }

    /// When the data become too old for what they say.
    fn stale_since(&self) -> Option<UnixTime> {
        match self.state {
            TrustState::Trusted | TrustState::Probation => self.data_at.map(|data_at| data_at.after(STALE)),
            TrustState::Unknown | TrustState::Unsure | TrustState::Suspect | TrustState::Blocked => None,
        }
    }

    fn reasons_of_good(&self) -> Vec<TrustReason> {
        let (days, kinds) = self.earned();
        let words = kinds.iter().map(|kind| SignalKind::as_str(*kind)).collect::<Vec<_>>().join(", ");
        match self.state {
            TrustState::Unknown => {
                vec![TrustReason::word("no-data", None, "no unit has been seen at it".to_owned())]
            }
            TrustState::Trusted => vec![TrustReason::word("earned", Some(self.since), words)],
            TrustState::Probation | TrustState::Unsure | TrustState::Suspect | TrustState::Blocked => {
                let trouble =
                    self.falls.iter().max_by_key(|fall| fall.signal.at.max(fall.lifted.unwrap_or_default()));
                let earning = format!(
                    "{days} of {DAYS} good days, {} of {KINDS} kinds of evidence{}{words}",
                    kinds.len(),
                    if words.is_empty() { "" } else { ": " }
                );
                let earning = TrustReason::word("earning", self.trouble_at, earning);
                trouble.map(|fall| TrustReason::of(&fall.signal)).into_iter().chain([earning]).collect()
            }
        }
    }
}
