//! The incident of a contest, and whose radio goes off by it.

use super::Settlement;
use crate::{
    contest::{Contest, Outcome},
    evidence::{Known, as_json},
    management::Ours,
    registrar::{
        Registrar,
        contests::Newcomer,
        incidents::{open_incident, unless_tampered},
        management::FoundOut,
        trust::{Attach, AttachEnd},
        two::Two,
    },
};
use admission::{Conclusion, Reason};
use ids::{SessionId, UnixTime};
use ledger::{LedgerError, NewIncident, Tx, management::Side, trust::TrustEvidence};
use serde_json::{Value, json};
use std::time::Instant;

impl Registrar {
    /// The incident of a contest, told no more often than refusals are while it is open.
    pub(super) fn tell(
        &mut self,
        tx: &mut Tx<'_>,
        settlement: &Settlement,
        newcomer: &Newcomer,
        contest: &Contest,
        outcome: Outcome,
    ) -> Result<Option<u64>, LedgerError> {
        let Some(reason) = settlement.reason().filter(|reason| reason.opens_incident()) else {
            return Ok(None);
        };
        let (kind, now) = ((contest.device, reason), self.clock.for_attached());
        let more = self.refused.would_admit(kind, Instant::now());
        if more.is_none()
            && let open @ Some(_) = tx.incident_that_is_open(reason.code(), &[contest.device])?
        {
            return Ok(open);
        }
        let more = more.unwrap_or(0);
        let opened = match &settlement.two {
            Some(two) => self.tell_two(tx, two, told(two, outcome, reason, more), now)?,
            None => open_incident(tx, self.two_claims(contest, outcome, reason, more), now)?,
        };
        let told = settlement.two.as_ref().zip(settlement.unit.as_ref()).zip(opened);
        if let Some(((two, (device, own, _)), number)) = told {
            let (end, conclusion, other) = (AttachEnd::Out, two.conclusion(), two.other());
            let (is_observed, evidence) = (false, TrustEvidence::Incident(number));
            let attach = Attach { end, conclusion, own, other, is_observed, evidence };
            unless_tampered(self.tell_cells(tx, device, attach, now))?;
        }
        let newcomer_goes =
            settlement.two.as_ref().and_then(Two::conclusion) != Some(Conclusion::HolderIsClone);
        let is_found_out = newcomer_goes && matches!(reason, Reason::Clone | Reason::WrongHands);
        if let Some(number) = opened.filter(|_| is_found_out) {
            self.turn_off_those_who_go(tx, settlement, newcomer, contest, (number, reason), now)?;
        }
        Ok(opened)
    }

    /// Those of the two who go: the radio of the one whose box management sees.
    fn turn_off_those_who_go(
        &mut self,
        tx: &mut Tx<'_>,
        settlement: &Settlement,
        newcomer: &Newcomer,
        contest: &Contest,
        (number, reason): (u64, Reason),
        now: UnixTime,
    ) -> Result<(), LedgerError> {
        let here = (newcomer.session.outer(), &*self.outside.origins);
        let known = Known::read(tx, contest.device, newcomer.session.cert_sha256, here, now);
        let Some(known) = unless_tampered(known)? else { return Ok(()) };
        let holder = self.sessions.get(contest.holder.session).filter(|_| settlement.holder_goes);
        let goes = [(Some(newcomer.session.clone()), Side::Newcomer), (holder, Side::Holder)];
        let goes: Vec<_> = goes.into_iter().filter_map(|(session, side)| Some((session?, side))).collect();
        let sessions: Vec<_> = goes.iter().map(|(session, _)| session.id).collect();
        for (session, side) in goes {
            let (tunnel, sessions) = (Ours::of(&session), sessions.clone());
            let (incident, why) = (Some((number, Some(side))), reason.to_string());
            self.order_radio_off(tx, &known, FoundOut { tunnel, sessions, incident, why }, now)?;
        }
        Ok(())
    }

    fn two_claims(&self, contest: &Contest, outcome: Outcome, reason: Reason, more: u64) -> NewIncident {
        let side = |session: SessionId| {
            let claim = self.claims.get(&session).map_or(Value::Null, |claim| as_json(claim));
            json!({ "session": session.to_string(), "claim": claim })
        };
        NewIncident {
            kind: reason.code(),
            devices: vec![contest.device],
            summary: format!("{}: {reason}", contest.device),
            evidence: json!({
                "newcomer": side(contest.newcomer.session),
                "holder": side(contest.holder.session),
                "probe": probed(outcome),
            }),
            more,
        }
    }
}

fn told(two: &Two, outcome: Outcome, reason: Reason, more: u64) -> NewIncident {
    let mut new = two.incident(reason.code(), &reason.to_string(), more);
    if let Some(evidence) = new.evidence.as_object_mut() {
        evidence.insert("probe".to_owned(), probed(outcome));
    }
    new
}

/// What the holder did when it was asked whether it lives.
fn probed(outcome: Outcome) -> Value {
    let round_trip = outcome.round_trip().map(|span| format!("{:.1} ms", span.as_secs_f64() * 1000.0));
    json!({ "answered": outcome.holder_lives(), "round_trip": round_trip })
}
