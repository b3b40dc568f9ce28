//! How a contest was judged, and what of it is written down already. It is judged once: the incident and the end that it comes to
//! stand together, whatever fails in between.

use super::{GoesOn, Newcomer};
use crate::{
    contest::{Contest, Outcome},
    evidence::{Known, as_json, weighed},
    management::Ours,
    registrar::{
        Registrar,
        judging::{note, open_incident, unless_tampered},
        management::FoundOut,
        quarantine::Told,
        shadow::LetIn,
        trust::{Attach, End, record},
        two::Two,
    },
};
use admission::{Admit, Appraisal, Case, Conclusion, Decision, Holder, Probe, Reason, appearance, judge};
use events::{
    Durability,
    admission::{ContestResolved, Weighed},
};
use ids::{EventRef, SessionId, UnixTime};
use ledger::{Appearance, Device, LedgerError, NewIncident, Tx, management::Side, trust::TrustEvidence};
use serde_json::{Value, json};
use std::time::Instant;

/// A contest that was judged.
pub(super) struct Settlement {
    decision: Decision,
    weighed: Weighed,
    pub(super) let_in: Option<LetIn>,
    /// As what the newcomer is written down when it is let in.
    seen: Option<Appearance>,
    /// Its unit, what is known of it, and whether it is let in though something speaks against it.
    unit: Option<(Device, Appraisal, bool)>,
    pub(super) two: Option<Two>,
    /// The holder's session ends by it.
    pub(super) holder_goes: bool,
    /// The rows of it stand, or will: their intents are in the journal. Then also the number of the incident, if there is one.
    written: Option<Option<u64>>,
    /// The newcomer's success is in the journal.
    resolved: Option<EventRef>,
    /// That the newcomer gets no lease is in the journal, that it is in quarantine is not.
    denied: Option<Told>,
}

impl Settlement {
    fn new(decision: Decision) -> Self {
        Self {
            decision,
            weighed: Weighed::default(),
            let_in: None,
            seen: None,
            unit: None,
            two: None,
            holder_goes: false,
            written: None,
            resolved: None,
            denied: None,
        }
    }

    /// Something of it is in the journal, so the rest of it must be.
    pub(super) fn is_begun(&self) -> bool {
        self.written.is_some() || self.is_resolved() || self.denied.is_some()
    }

    /// The journal has that the newcomer was let in.
    pub(super) fn is_resolved(&self) -> bool {
        self.resolved.is_some()
    }

    /// The unit that it is about, where its row can be believed.
    pub(super) fn unit(&self) -> Option<&Device> {
        self.unit.as_ref().map(|(device, ..)| device)
    }

    /// For which reason an incident is told.
    fn reason(&self) -> Option<Reason> {
        match self.decision {
            Decision::Admit(Admit::HolderIsClone) => Some(Reason::Clone),
            Decision::Admit(Admit::First | Admit::Reconnect | Admit::MadeRoom) => None,
            Decision::Refuse(reason) | Decision::Quarantine(reason) => Some(reason),
            Decision::Contest | Decision::Drop(_) => Some(Reason::SecondClaim),
        }
    }
}

impl Registrar {
    /// The claim as it was made, the ledger and what is said of the unit as it is now, and what the holder did.
    ///
    /// # Errors
    /// The transient ones; a row that can't be believed speaks against the newcomer.
    pub(super) fn judge_contest(
        &self,
        tx: &mut Tx<'_>,
        newcomer: &Newcomer,
        contest: &Contest,
        probe: Probe,
    ) -> Result<Settlement, LedgerError> {
        let now = self.clock.for_attached();
        let here = (newcomer.session.outer(), &*self.outside.origins);
        let known = match Known::read(tx, contest.device, newcomer.session.cert_sha256, here, now) {
            Err(error) if error.is_transient() => return Err(error),
            known => known.ok(),
        };
        let (Some(known), Some(claim)) = (known, self.claims.get(&newcomer.session())) else {
            return Ok(Settlement::new(Decision::Refuse(Reason::RowTampered)));
        };
        let said = self.facts_now(&newcomer.session, &known, now);
        let claim = &admission::Claim { facts: said, ..(**claim).clone() };
        let session = contest.holder.session;
        let of_holder = self.claim_now(session, &known, now);
        let (outer, asked_ago, heard_ago) = (None, None, None);
        let holder = Holder { session, claim: of_holder, probe, outer, asked_ago, heard_ago };
        let (facts, policy, modes) = (self.facts(&known), &self.policy, &self.shadow.modes);
        let verdict = judge(claim, &facts, Some(&holder), policy, modes, now);
        let is_observed = !verdict.observed.is_empty();
        Ok(Settlement {
            weighed: weighed(&verdict),
            two: Two::of(&verdict, || Case::new(claim, &facts, Some(&holder), policy, modes, now)),
            seen: appearance(claim, &facts, verdict.own.marks(), now),
            let_in: Some(LetIn::new(&verdict, claim.outer.address.ip())),
            holder_goes: verdict.holder_goes,
            unit: known.device.clone().map(|device| (device, verdict.own.clone(), is_observed)),
            ..Settlement::new(verdict.decision)
        })
    }

    /// Writes down what is not written yet. The rows are one transaction.
    pub(super) fn write_down(
        &mut self,
        tx: Tx<'_>,
        settlement: &mut Settlement,
        newcomer: &Newcomer,
        contest: &Contest,
        outcome: Outcome,
    ) -> Result<GoesOn, LedgerError> {
        match settlement.decision {
            Decision::Admit(_) => self.hand_over(tx, settlement, newcomer, contest, outcome),
            Decision::Quarantine(_) | Decision::Refuse(_) | Decision::Contest | Decision::Drop(_) => {
                self.deny(tx, settlement, newcomer, contest, outcome)
            }
        }
    }

    fn deny(
        &mut self,
        mut tx: Tx<'_>,
        settlement: &mut Settlement,
        newcomer: &Newcomer,
        contest: &Contest,
        outcome: Outcome,
    ) -> Result<GoesOn, LedgerError> {
        if let Some(told) = &settlement.denied {
            return self.confine(&newcomer.session, told);
        }
        let reason = settlement.reason().unwrap_or(Reason::SecondClaim);
        if settlement.written.is_none() {
            let incident = self.tell(&mut tx, settlement, newcomer, contest, outcome)?;
            self.commit(tx, settlement, contest, incident)?;
        }
        let incident = settlement.written.flatten();
        let stays = outcome.holder_lives() && !settlement.holder_goes;
        let stays = stays.then_some(contest.holder.session);
        let event = resolved(contest, outcome, stays, settlement.weighed.clone());
        let code = Some(reason.code().to_owned());
        self.append(&ContestResolved { reason: code, incident, ..event })?;
        if !matches!(settlement.decision, Decision::Quarantine(_)) {
            return Ok(GoesOn::Holder(Some(reason)));
        }
        let told = Told { reason, incident, weighed: settlement.weighed.clone() };
        settlement.denied = Some(told.clone());
        self.confine(&newcomer.session, &told)
    }

    /// The incident, if there is one, and the lease stand together.
    fn hand_over(
        &mut self,
        mut tx: Tx<'_>,
        settlement: &mut Settlement,
        newcomer: &Newcomer,
        contest: &Contest,
        outcome: Outcome,
    ) -> Result<GoesOn, LedgerError> {
        let now = self.clock.for_attached();
        let incident = match settlement.written {
            Some(incident) => incident,
            None => self.tell(&mut tx, settlement, newcomer, contest, outcome)?,
        };
        let event = match settlement.resolved.clone() {
            Some(event) => event,
            None => {
                let event = resolved(contest, outcome, Some(newcomer.session()), settlement.weighed.clone());
                self.ledger.journal().append(&event, now, Durability::Grouped)?
            }
        };
        settlement.resolved = Some(event.clone());
        let lease = self.lease(&newcomer.session, now);
        tx.take_lease(&lease, Some(contest.holder.session), event.clone())?;
        if settlement.written.is_none() {
            self.tell_handed_over(&mut tx, settlement, contest, &event, now)?;
        }
        self.commit(tx, settlement, contest, incident)?;
        Ok(GoesOn::Newcomer(Box::new(lease)))
    }

    /// What else is written of who is let in.
    fn tell_handed_over(
        &mut self,
        tx: &mut Tx<'_>,
        settlement: &Settlement,
        contest: &Contest,
        event: &EventRef,
        now: UnixTime,
    ) -> Result<(), LedgerError> {
        let in_turn = settlement.two.as_ref().filter(|_| !settlement.holder_goes);
        let unit = settlement.unit.as_ref().filter(|_| !settlement.holder_goes);
        if let Some((device, own, is_observed)) = unit {
            let (end, conclusion) = (End::In, in_turn.and_then(Two::conclusion));
            let (other, is_observed, evidence) = (None, *is_observed, record(event));
            let attach = Attach { end, conclusion, own, other, is_observed, evidence };
            unless_tampered(self.tell_cells(tx, device, attach, now))?;
        }
        if let Some(seen) = &settlement.seen {
            let noted = tx
                .profile(contest.device)
                .and_then(|(profile, _)| note(tx, (contest.device, profile), seen.clone(), now));
            unless_tampered(noted)?;
        }
        in_turn.map_or(Ok(()), |two| self.tell_let_in(tx, two, now))?;
        self.take_back_radio_off(tx, contest.device, now)
    }

    /// Makes the rows of a settlement stand, with its incident.
    fn commit(
        &mut self,
        tx: Tx<'_>,
        settlement: &mut Settlement,
        contest: &Contest,
        incident: Option<u64>,
    ) -> Result<(), LedgerError> {
        let done = tx.commit();
        if matches!(done, Ok(()) | Err(LedgerError::Unfinished { .. })) {
            settlement.written = Some(incident);
            if let Some(reason) = settlement.reason().filter(|_| incident.is_some()) {
                self.refused.admit((contest.device, reason), Instant::now());
            }
        }
        done
    }

    /// The incident of a contest, told no more often than refusals are while it is open.
    fn tell(
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
            let (end, conclusion, other) = (End::Out, two.conclusion(), two.other());
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

pub(super) fn resolved(
    contest: &Contest,
    outcome: Outcome,
    stays: Option<SessionId>,
    weighed: Weighed,
) -> ContestResolved {
    let newcomer = contest.newcomer.session;
    let goes = if stays == Some(newcomer) { contest.holder.session } else { newcomer };
    ContestResolved {
        device: contest.device,
        stays,
        goes,
        how: outcome.code().to_owned(),
        reason: None,
        incident: None,
        rules: admission::RULES.to_owned(),
        weighed,
    }
}
