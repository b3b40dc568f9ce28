//! The incidents that the registrar opens, and rows that can't be believed.

use super::{
    Registrar,
    trust::{Attach, AttachEnd},
};
use crate::evidence::{Known, as_json};
use admission::{Appraisal, Conclusion, Reason, Verdict, appearance};
use ids::{DeviceId, UnixTime};
use ledger::{Finding, LedgerError, NewIncident, Sides, Tx, trust::TrustEvidence};
use serde_json::json;
use std::time::Instant;

impl Registrar {
    /// A row outside a claim's judgement can't be believed.
    pub(super) fn tampered(&mut self, device: DeviceId, error: &LedgerError) {
        tracing::error!(%device, %error, "the ledger refuses what happened");
        let new = NewIncident {
            kind: Reason::RowTampered.code(),
            devices: vec![device],
            summary: format!("{device}: {error}"),
            evidence: json!({}),
            more: 0,
        };
        if let Err(error) = self.ledger.open_incident(new, "admission", self.clock.now()) {
            tracing::error!(%device, %error, "no incident could be opened for that");
        }
    }

    /// One who was let in is found out without another: that is an incident, and its cells hear of it.
    pub(super) fn tell_found_out(
        &mut self,
        claim: &admission::Claim,
        reason: Reason,
        verdict: &Verdict,
        known: &Known,
        now: UnixTime,
    ) -> Result<(), LedgerError> {
        let (own, kind) = (&verdict.own, (claim.device, reason));
        let Some(more) = self.refused.would_admit(kind, Instant::now()) else {
            self.refused.leave_out(kind, Instant::now());
            return Ok(());
        };
        let ledger = self.ledger.clone();
        let mut tx = ledger.begin()?;
        let sides = alone(claim, known, own, now);
        let new = incident(claim, own, reason, &reason.to_string(), more, (verdict.conclusion, sides));
        let number = open_incident(&mut tx, new, now)?;
        if let Some((number, device)) = number.zip(known.device.as_ref()) {
            let (end, conclusion, other, is_observed) = (AttachEnd::In, verdict.conclusion, None, true);
            let evidence = TrustEvidence::Incident(number);
            let attach = Attach { end, conclusion, own, other, is_observed, evidence };
            unless_tampered(self.tell_cells(&mut tx, device, attach, now))?;
        }
        tx.commit()?;
        self.refused.admit(kind, Instant::now());
        Ok(())
    }
}

/// A row without which a claim is judged was tampered with: an incident, unless that is open.
///
/// # Errors
/// The transient ones.
pub(super) fn tell_tampered(tx: &mut Tx<'_>, found: &Finding, now: UnixTime) -> Result<(), LedgerError> {
    let new = NewIncident::of_row(found);
    let open = unless_tampered(tx.incident_that_is_open(new.kind, &new.devices))?;
    if open.flatten().is_some() {
        return Ok(());
    }
    tracing::error!(table = found.table, key = found.key, why = found.why, "tampered with, and left out");
    open_incident(tx, new, now).map(drop)
}

/// As what one is seen who was found out without another beside it, so that a person can say who it is.
pub(super) fn alone(
    claim: &admission::Claim,
    known: &Known,
    own: &Appraisal,
    now: UnixTime,
) -> Option<Sides> {
    let newcomer = appearance(claim, &known.facts(), own.marks(), now)?;
    Some(Sides { newcomer, holder: None })
}

pub(super) fn incident(
    evidence: &admission::Claim,
    own: &Appraisal,
    reason: Reason,
    detail: &str,
    more: u64,
    (conclusion, sides): (Option<Conclusion>, Option<Sides>),
) -> NewIncident {
    let conclusion = conclusion.map(Conclusion::code);
    NewIncident {
        kind: reason.code(),
        devices: vec![evidence.device],
        summary: format!("{}: {detail}", evidence.device),
        evidence: json!({
            "rules": admission::RULES,
            "conclusion": conclusion,
            "weighed": { "own": own },
            Sides::NAME: sides,
            "claim": as_json(evidence),
        }),
        more,
    }
}

/// Opens or repeats an incident; `None` when the one that stands can't be believed.
///
/// # Errors
/// The transient ones.
pub(super) fn open_incident(
    tx: &mut Tx<'_>,
    new: NewIncident,
    now: UnixTime,
) -> Result<Option<u64>, LedgerError> {
    let opened = unless_tampered(tx.open_incident(new, "admission", now))?;
    Ok(opened.map(|incident| incident.number))
}

/// `None` where a row that belongs to it can't be believed: what is judged stands without it.
///
/// # Errors
/// The transient ones.
pub(super) fn unless_tampered<T>(written: Result<T, LedgerError>) -> Result<Option<T>, LedgerError> {
    match written {
        Ok(written) => Ok(Some(written)),
        Err(error) if error.is_transient() => Err(error),
        Err(error) => {
            tracing::error!(%error, "an incident or a key that was seen is not written down");
            Ok(None)
        }
    }
}
