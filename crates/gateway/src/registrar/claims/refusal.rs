//! A claim that is refused for good: what is written of it, and what is said.

use super::Candidate;
use crate::{
    evidence::{Known, as_written},
    hand_off::{Answer, Claim},
    management::{Ours, radio::BEFORE_CLAIM},
    registrar::{
        Registrar,
        incidents::{alone, incident, open_incident, unless_tampered},
        management::FoundOut,
        trust::{Attach, AttachEnd},
        two::Two,
    },
};
use admission::{Appraisal, Conclusion, Reason};
use events::admission::{Refused as RefusedEvent, Weighed};
use ids::{Sha256, UnixTime};
use ike::Ticket;
use ledger::{KeyUse, LedgerError, Sides, Tx, management::Side, trust::TrustEvidence};
use std::time::Instant;

/// What a refusal tells.
pub(super) struct Refusal {
    ticket: Ticket,
    evidence: Box<admission::Claim>,
    reason: Reason,
    detail: String,
    weighed: Weighed,
    /// What is known of it, and another who has its key, if that is known.
    own: Appraisal,
    two: Option<Box<Two>>,
    /// What it means, and whose cells that is told.
    conclusion: Option<Conclusion>,
    sides: Option<Box<Sides>>,
    known: Box<Known>,
    /// The use of a key that somebody else may have, too.
    shown: Option<Box<ShownKey>>,
    /// How many more of the same were left out since it was last written down; `None` when this one is, too.
    more: Option<u64>,
}

/// The key that was shown, and by whom.
struct ShownKey {
    spki_sha256: Sha256,
    by: KeyUse,
}

impl Refusal {
    /// Nothing is known but the claim.
    pub(super) fn new(
        ticket: Ticket,
        evidence: Box<admission::Claim>,
        reason: Reason,
        detail: String,
    ) -> Self {
        Self {
            ticket,
            evidence,
            reason,
            detail,
            weighed: Weighed::default(),
            own: Appraisal::default(),
            two: None,
            conclusion: None,
            sides: None,
            known: Box::default(),
            shown: None,
            more: None,
        }
    }

    /// By the verdict about one of whom all is known.
    pub(super) fn of(
        candidate: Candidate,
        reason: Reason,
        conclusion: Option<Conclusion>,
        weighed: Weighed,
        now: UnixTime,
    ) -> Self {
        let Candidate { claim, evidence, own, two, known, .. } = candidate;
        let shown = reason.speaks_of_the_key().then(|| Box::new(ShownKey::of(&claim, now)));
        let sides = conclusion.and_then(|_| alone(&evidence, &known, &own, now)).map(Box::new);
        let known = Box::new(known);
        let plain = Self::new(claim.ticket, evidence, reason, reason.to_string());
        Self { weighed, own, two, conclusion, sides, known, shown, ..plain }
    }
}

impl ShownKey {
    fn of(claim: &Claim, now: UnixTime) -> Self {
        let (path, peer) = (claim.authenticated.path(), claim.authenticated.auth().path().peer);
        let by = KeyUse {
            device: claim.authenticated.device(),
            cert_sha256: path.cert_sha256(),
            realm: Some(path.name().realm.clone()),
            from: peer.ip(),
            by: "ike".to_owned(),
            at: now,
        };
        Self { spki_sha256: Sha256::of(path.spki()), by }
    }
}

impl Registrar {
    /// Writes what belongs into the transaction, unless the same was written lately.
    ///
    /// # Errors
    /// The transient ones.
    pub(super) fn write_refused(
        &mut self,
        tx: &mut Tx<'_>,
        mut refusal: Refusal,
        now: UnixTime,
    ) -> Result<Refusal, LedgerError> {
        let kind = (refusal.evidence.device, refusal.reason);
        refusal.more = self.refused.would_admit(kind, Instant::now());
        if let Some(more) = refusal.more.filter(|_| refusal.reason.opens_incident()) {
            self.tell_refused(tx, &refusal, more, now)?;
        }
        if let Some(shown) = refusal.shown.take().filter(|_| refusal.more.is_some()) {
            unless_tampered(tx.shown_at_the_gate(shown.spki_sha256, shown.by, now))?;
        }
        Ok(refusal)
    }

    /// The incident of a refusal, what it says of the unit's cells, and what of its radio.
    fn tell_refused(
        &mut self,
        tx: &mut Tx<'_>,
        refusal: &Refusal,
        more: u64,
        now: UnixTime,
    ) -> Result<(), LedgerError> {
        let Refusal { evidence, own, reason, detail, conclusion, sides, known, .. } = refusal;
        let alone = (*conclusion, sides.as_deref().cloned());
        let number = match &refusal.two {
            Some(two) => self.tell_two(tx, two, two.incident(reason.code(), detail, more), now)?,
            None => open_incident(tx, incident(evidence, own, *reason, detail, more, alone), now)?,
        };
        let Some((number, device)) = number.zip(known.device.as_ref()) else { return Ok(()) };
        let (end, conclusion, is_observed) = (AttachEnd::Out, *conclusion, false);
        let other = refusal.two.as_deref().and_then(Two::other);
        let attach =
            Attach { end, conclusion, own, other, is_observed, evidence: TrustEvidence::Incident(number) };
        unless_tampered(self.tell_cells(tx, device, attach, now))?;
        if !matches!(conclusion, Some(Conclusion::NewcomerIsClone | Conclusion::GenuineKeyUntrusted)) {
            return Ok(());
        }
        let found_out = FoundOut {
            tunnel: Ours::refused(evidence.ike_spis.initiator, now.before(BEFORE_CLAIM)),
            sessions: Vec::new(),
            incident: Some((number, Some(Side::Newcomer))),
            why: reason.to_string(),
        };
        self.order_radio_off(tx, known, found_out, now)
    }

    /// Writes it into the journal, which has no row for it, and says so.
    pub(super) fn say_refused(&mut self, refusal: Refusal) {
        let Refusal { ticket, evidence, reason, detail, weighed, more, .. } = refusal;
        self.refused.admit((evidence.device, reason), Instant::now());
        let Some(more) = more else { return self.refuse(ticket, reason) };
        let event = RefusedEvent {
            device: evidence.device,
            cert_sha256: evidence.cert_sha256,
            outer: evidence.outer.address,
            reason: reason.code().to_owned(),
            detail,
            next: reason.next().into(),
            rules: admission::RULES.to_owned(),
            weighed,
            claim: as_written(&evidence),
            more,
        };
        match self.append(&event).map_err(LedgerError::Journal) {
            Ok(()) => self.refuse(ticket, reason),
            Err(error) => self.left_unsaid(ticket, &error),
        }
    }

    fn refuse(&mut self, ticket: Ticket, reason: Reason) {
        self.tallies.attaches.count(reason.code());
        self.answer(Answer::Refused(ticket));
    }
}
