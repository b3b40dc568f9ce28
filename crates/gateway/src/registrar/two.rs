//! Two who hold one key, once they were judged: what an incident tells of them, and what the journal keeps so that
//! anyone can judge them again.

use super::{
    Registrar,
    incidents::{open_incident, unless_tampered},
};
use crate::evidence::as_json;
use admission::{Appraisal, Case, Conclusion, Reason, Verdict, appearance};
use events::{Durability, admission::Judged};
use ids::UnixTime;
use ledger::{LedgerError, NewIncident, Sides, Tx};
use serde_json::{
    Value, json,
    value::{RawValue, to_raw_value},
};
use std::time::Instant;

/// Kind of the incident about two who were never there at once.
const IN_TURN: &str = "alternating-use";

/// Two who hold one key.
pub(super) struct Two {
    case: Case,
    verdict: Verdict,
}

impl Two {
    /// Of a verdict that knows another.
    pub(super) fn of(verdict: &Verdict, case: impl FnOnce() -> Case) -> Option<Self> {
        verdict.other.as_ref()?;
        Some(Self { case: case(), verdict: verdict.clone() })
    }

    /// What they were judged by.
    pub(super) fn case(&self) -> &Case {
        &self.case
    }

    /// What is known of the other.
    pub(super) fn other(&self) -> Option<&Appraisal> {
        self.verdict.other.as_ref()
    }

    /// What it means.
    pub(super) fn conclusion(&self) -> Option<Conclusion> {
        self.verdict.conclusion
    }

    /// The holder ends by it, and that takes service from somebody who may be the unit.
    pub(super) fn takes_service(&self) -> bool {
        self.verdict.takes_service()
    }

    /// The holder is found out, and stays: the ceiling has no room, or an emergency call goes on there.
    pub(super) fn is_held_back(&self) -> bool {
        let is_found_out = matches!(
            self.verdict.conclusion,
            Some(Conclusion::HolderIsClone | Conclusion::GenuineKeyUntrusted)
        );
        is_found_out && self.case.holder_lives() && !self.verdict.holder_goes
    }

    fn sides(&self) -> Option<Sides> {
        let Self { case, verdict } = self;
        let other = verdict.other.as_ref()?;
        let facts = case.facts();
        let newcomer = appearance(&case.claim, &facts, verdict.own.marks(), case.at)?;
        let claim =
            case.holder.as_ref().filter(|_| case.holder_lives()).and_then(|holder| holder.claim.as_ref());
        let holder = match claim {
            Some(claim) => appearance(claim, &facts, other.marks(), case.at)?,
            None => case.profile.as_ref()?.seen.first()?.clone(),
        };
        Some(Sides { newcomer, holder: Some(holder) })
    }

    /// As what it is told.
    pub(super) fn incident(&self, kind: &'static str, what: &str, more: u64) -> NewIncident {
        let Self { case, verdict } = self;
        let device = case.claim.device;
        let conclusion = verdict.conclusion.map_or("no conclusion", |conclusion| conclusion.code());
        let holder = case.holder.as_ref();
        let claim = holder.and_then(|holder| holder.claim.as_ref()).map_or(Value::Null, as_json);
        NewIncident {
            kind,
            devices: vec![device],
            summary: format!("{device}: {what}: {conclusion}"),
            evidence: json!({
                "rules": admission::RULES,
                "conclusion": conclusion,
                "weighed": { "own": verdict.own, "other": verdict.other },
                "ceiling_reached": self.is_held_back() && !case.holder_may_go,
                "waits_for_call": self.is_held_back() && case.holder_has_call,
                Sides::NAME: self.sides(),
                "newcomer": { "claim": as_json(&case.claim) },
                "holder": { "session": holder.map(|holder| holder.session.to_string()), "claim": claim },
            }),
            more,
        }
    }
}

impl Registrar {
    /// Opens the incident, or counts on the one that is open, and writes down what it was judged by. Beyond so many of an open
    /// one's they are counted with the next.
    ///
    /// # Errors
    /// The transient ones.
    pub(super) fn tell_two(
        &mut self,
        tx: &mut Tx<'_>,
        two: &Two,
        mut new: NewIncident,
        now: UnixTime,
    ) -> Result<Option<u64>, LedgerError> {
        let of = (two.case.claim.device, new.kind, two.conclusion().map(Conclusion::code));
        let left_out = self.told.admit(of, Instant::now());
        if left_out.is_none()
            && let Some(open) = unless_tampered(tx.incident_that_is_open(new.kind, &new.devices))?.flatten()
        {
            self.told.leave_out_all(of, new.more, Instant::now());
            return Ok(Some(open));
        }
        new.more = new.more.saturating_add(left_out.unwrap_or(0));
        let Some(incident) = open_incident(tx, new, now)? else { return Ok(None) };
        let raw = |value: Result<Box<RawValue>, _>| {
            value.unwrap_or_else(|_: serde_json::Error| RawValue::NULL.to_owned())
        };
        let judged = Judged {
            device: two.case.claim.device,
            incident,
            rules: admission::RULES.to_owned(),
            verdict: raw(to_raw_value(&two.verdict)),
            case: raw(to_raw_value(&two.case)),
        };
        self.ledger.journal().append(&judged, now, Durability::Grouped)?;
        Ok(Some(incident))
    }

    /// Two of whom one was let in: nobody is told more often than of those who are refused. While an incident is open that names
    /// the copy, it counts there.
    ///
    /// # Errors
    /// The transient ones.
    pub(super) fn tell_let_in(
        &mut self,
        tx: &mut Tx<'_>,
        two: &Two,
        now: UnixTime,
    ) -> Result<(), LedgerError> {
        let device = two.case.claim.device;
        let refusal = (device, Reason::SecondClaim);
        let Some(more) = self.refused.admit(refusal, Instant::now()) else { return Ok(()) };
        let clone = Reason::Clone.code();
        let is_named = unless_tampered(tx.incident_that_is_open(clone, &[device]))?.flatten().is_some();
        let kind = if is_named { clone } else { IN_TURN };
        let new = two.incident(kind, "two take turns with one key", more);
        self.tell_two(tx, two, new, now).map(drop)
    }
}
