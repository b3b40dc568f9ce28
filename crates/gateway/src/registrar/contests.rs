//! A device under contest, from the answer to its second claim until the outcome is in the ledger. While
//! it has a [`Newcomer`] here every other claim on it is left unanswered.

use super::{
    Registrar,
    judging::{note, open_incident, unless_tampered},
    quarantine::Told,
    shadow::LetIn,
    trust::{Attach, End, record},
    two::Two,
};
use crate::{
    contest::{Contest, Outcome},
    evidence::{Known, as_json, weighed},
    hand_off::{Admitted, Answer, Authenticated, Quarantined, Why},
    sessions::Session,
};
use admission::{Admit, Appraisal, Case, Decision, Holder, Probe, Reason, appearance, judge};
use events::{
    Durability,
    admission::{ContestResolved, Voided, Weighed},
};
use ids::{EventRef, SessionId, UnixTime};
use ledger::{Appearance, Device, Lease, LedgerError, NewIncident, Tx, trust::TrustEvidence};
use serde_json::{Value, json};
use std::{sync::Arc, time::Instant};

/// Who makes a second claim, and how far its outcome is written.
pub(super) struct Newcomer {
    authenticated: Authenticated,
    session: Arc<Session>,
    written: Written,
    let_in: Option<LetIn>,
    /// As what the newcomer is written down when it is let in.
    seen: Option<Appearance>,
    /// Its unit, what is known of it, and whether it is let in though something speaks against it.
    unit: Option<(Device, Appraisal, bool)>,
    two: Option<Two>,
    /// The holder's session ends by the verdict.
    holder_goes: bool,
}

/// What stands already when the settlement of a contest is tried again.
enum Written {
    Nothing,
    /// The incident is opened, or will be: its intent is in the journal.
    Incident,
    /// The newcomer's success is in the journal, its lease is not in the ledger yet.
    Resolved(EventRef),
    /// That the newcomer gets no lease is in the journal, that it is in quarantine is not.
    Denied(Told),
}

/// Who goes on.
enum Settled {
    Newcomer(Box<Lease>),
    /// The newcomer stays without a lease.
    Quarantine,
    /// The newcomer goes, for this reason; `None` when it has left.
    Holder(Option<Reason>),
}

impl Newcomer {
    pub(super) fn new(authenticated: Authenticated, session: Arc<Session>) -> Self {
        Self {
            authenticated,
            session,
            written: Written::Nothing,
            let_in: None,
            seen: None,
            unit: None,
            two: None,
            holder_goes: false,
        }
    }

    pub(super) fn session(&self) -> SessionId {
        self.session.id
    }
}

impl Registrar {
    /// Writes down how a contest ended, and has the IKE thread act on it.
    ///
    /// # Errors
    /// The transient ones; to be tried again.
    pub(super) fn resolve(&mut self, contest: &Contest, outcome: Outcome) -> Result<(), LedgerError> {
        let Some(mut newcomer) = self.newcomers.remove(&contest.device) else { return Ok(()) };
        match self.settle(&mut newcomer, contest, outcome) {
            Ok(settled) => self.act_on(settled, newcomer, contest, outcome),
            Err(error) if error.is_transient() => {
                self.newcomers.insert(contest.device, newcomer);
                return Err(error);
            }
            Err(error) => {
                self.tampered(contest.device, &error);
                if let Written::Resolved(_) = newcomer.written {
                    self.voided.push_back(Voided { device: contest.device, session: newcomer.session() });
                }
                newcomer.holder_goes = false;
                let refused = Settled::Holder(Some(Reason::RowTampered));
                self.act_on(refused, newcomer, contest, outcome);
            }
        }
        Ok(())
    }

    fn settle(
        &mut self,
        newcomer: &mut Newcomer,
        contest: &Contest,
        outcome: Outcome,
    ) -> Result<Settled, LedgerError> {
        let Some(probe) = outcome.probe() else {
            self.append(&resolved(contest, outcome, Some(contest.holder.session), Weighed::default()))?;
            return Ok(Settled::Holder(None));
        };
        if let Written::Denied(told) = &newcomer.written {
            return self.confine(newcomer, told);
        }
        let now = self.clock.for_attached();
        let ledger = self.ledger.clone();
        let mut tx = ledger.begin()?;
        if let Written::Resolved(event) = &newcomer.written {
            return self.hand_over(tx, newcomer, contest, event.clone(), now);
        }
        let (decision, weighed) = self.judge_again(&mut tx, newcomer, contest, probe, now)?;
        if let Decision::Admit(how) = decision {
            if how == Admit::HolderIsClone {
                self.incident(tx, newcomer, contest, outcome, Reason::Clone, now)?;
                tx = ledger.begin()?;
            }
            let event = resolved(contest, outcome, Some(newcomer.session()), weighed);
            let event = self.ledger.journal().append(&event, now, Durability::Grouped)?;
            newcomer.written = Written::Resolved(event.clone());
            return self.hand_over(tx, newcomer, contest, event, now);
        }
        let reason = match decision {
            Decision::Refuse(reason) | Decision::Quarantine(reason) => reason,
            Decision::Admit(_) | Decision::Contest | Decision::Drop(_) => Reason::SecondClaim,
        };
        let incident = self.incident(tx, newcomer, contest, outcome, reason, now)?;
        let stays = outcome.holder_lives() && !newcomer.holder_goes;
        let stays = stays.then_some(contest.holder.session);
        let event = resolved(contest, outcome, stays, weighed.clone());
        let code = Some(reason.code().to_owned());
        self.append(&ContestResolved { reason: code, incident, ..event })?;
        if !matches!(decision, Decision::Quarantine(_)) {
            return Ok(Settled::Holder(Some(reason)));
        }
        let told = Told { reason, incident, weighed };
        newcomer.written = Written::Denied(told.clone());
        self.confine(newcomer, &told)
    }

    /// One that has left, or finds no place, is refused.
    fn confine(&mut self, newcomer: &Newcomer, told: &Told) -> Result<Settled, LedgerError> {
        let session = &newcomer.session;
        let stands = self.sessions.get(session.id).is_some();
        let claim = self.claims.get(&session.id).filter(|_| stands).cloned();
        let is_in = claim.map(|claim| self.quarantine(session, &claim, told)).transpose()?;
        Ok(if is_in == Some(true) { Settled::Quarantine } else { Settled::Holder(Some(told.reason)) })
    }

    /// The claim as it was made, the ledger and what is said of the unit as it is now, and what the holder did.
    ///
    /// # Errors
    /// The transient ones; a row that can't be believed speaks against the newcomer.
    fn judge_again(
        &self,
        tx: &mut Tx<'_>,
        newcomer: &mut Newcomer,
        contest: &Contest,
        probe: Probe,
        now: UnixTime,
    ) -> Result<(Decision, Weighed), LedgerError> {
        let here = (newcomer.session.outer(), &*self.outside.origins);
        let known = match Known::read(tx, contest.device, newcomer.session.cert_sha256, here, now) {
            Err(error) if error.is_transient() => return Err(error),
            known => known.ok(),
        };
        let (Some(known), Some(claim)) = (known, self.claims.get(&newcomer.session())) else {
            return Ok((Decision::Refuse(Reason::RowTampered), Weighed::default()));
        };
        let said = self.facts_now(&newcomer.session, &known, now);
        let claim_of_newcomer = &admission::Claim { facts: said, ..(**claim).clone() };
        let session = contest.holder.session;
        let holder = Holder {
            session,
            claim: self.claim_now(session, &known, now),
            probe,
            outer: None,
            asked_ago: None,
        };
        let (facts, policy, modes) = (self.facts(&known), &self.policy, &self.shadow.modes);
        let verdict = judge(claim_of_newcomer, &facts, Some(&holder), policy, modes, now);
        let weighed = weighed(&verdict);
        newcomer.two =
            Two::of(&verdict, || Case::new(claim_of_newcomer, &facts, Some(&holder), policy, modes, now));
        newcomer.seen = appearance(claim_of_newcomer, &facts, verdict.own.marks(), now);
        newcomer.holder_goes = verdict.holder_goes;
        let is_observed = !verdict.observed.is_empty();
        newcomer.unit = known.device.clone().map(|device| (device, verdict.own.clone(), is_observed));
        newcomer.let_in = Some(LetIn::new(&verdict, claim_of_newcomer.outer.address.ip()));
        Ok((verdict.decision, weighed))
    }

    fn hand_over(
        &mut self,
        mut tx: Tx<'_>,
        newcomer: &Newcomer,
        contest: &Contest,
        event: EventRef,
        now: UnixTime,
    ) -> Result<Settled, LedgerError> {
        let lease = self.lease(&newcomer.session, now);
        let in_turn = newcomer.two.as_ref().filter(|_| !newcomer.holder_goes);
        if let Some((device, own, is_observed)) = newcomer.unit.as_ref().filter(|_| !newcomer.holder_goes) {
            let (end, conclusion) = (End::In, in_turn.and_then(Two::conclusion));
            let attach = Attach {
                end,
                conclusion,
                own,
                other: None,
                is_observed: *is_observed,
                evidence: record(&event),
            };
            unless_tampered(self.tell_cells(&mut tx, device, attach, now))?;
        }
        tx.take_lease(&lease, Some(contest.holder.session), event)?;
        if let Some(seen) = &newcomer.seen {
            let noted = tx
                .profile(contest.device)
                .and_then(|profile| note(&mut tx, (contest.device, profile), seen.clone(), now));
            unless_tampered(noted)?;
        }
        in_turn.map_or(Ok(()), |two| self.tell_let_in(&mut tx, two, now))?;
        tx.commit()?;
        Ok(Settled::Newcomer(Box::new(lease)))
    }

    /// Opened once, however often the settlement is tried; and told no more often than refusals are, while it is open.
    fn incident(
        &mut self,
        mut tx: Tx<'_>,
        newcomer: &mut Newcomer,
        contest: &Contest,
        outcome: Outcome,
        reason: Reason,
        now: UnixTime,
    ) -> Result<Option<u64>, LedgerError> {
        if !reason.opens_incident() {
            return Ok(None);
        }
        if let Written::Incident = newcomer.written {
            return tx.incident_that_is_open(reason.code(), &[contest.device]);
        }
        let kind = (contest.device, reason);
        let more = self.refused.would_admit(kind, Instant::now());
        if more.is_none()
            && let open @ Some(_) = tx.incident_that_is_open(reason.code(), &[contest.device])?
        {
            self.refused.leave_out(kind, Instant::now());
            return Ok(open);
        }
        let more = more.unwrap_or(0);
        let opened = match &newcomer.two {
            Some(two) => self.tell_two(&mut tx, two, self.told(two, outcome, reason, more), now),
            None => open_incident(&mut tx, self.two_claims(contest, outcome, reason, more), now),
        };
        let opened = opened.and_then(|number| {
            let told = newcomer.two.as_ref().zip(newcomer.unit.as_ref()).zip(number);
            if let Some(((two, (device, own, _)), number)) = told {
                let (end, conclusion, is_observed) = (End::Out, two.conclusion(), false);
                let other = two.other();
                let evidence = TrustEvidence::Incident(number);
                let attach = Attach { end, conclusion, own, other, is_observed, evidence };
                unless_tampered(self.tell_cells(&mut tx, device, attach, now))?;
            }
            Ok(number)
        });
        let done = opened.and_then(|number| tx.commit().map(|()| number));
        if matches!(done, Ok(_) | Err(LedgerError::Unfinished { .. })) {
            newcomer.written = Written::Incident;
            self.refused.admit(kind, Instant::now());
        }
        done
    }

    fn act_on(&mut self, settled: Settled, newcomer: Newcomer, contest: &Contest, outcome: Outcome) {
        self.tallies.settled.count(outcome.code());
        let Newcomer { authenticated, session, let_in, two, holder_goes, unit, .. } = newcomer;
        if let Some(two) = two.filter(|_| holder_goes) {
            let Case { device, credential, .. } = two.case();
            self.ceiling.spend(device.as_ref(), credential.as_ref(), Instant::now());
        }
        match settled {
            Settled::Newcomer(lease) => {
                if let Some(let_in) = let_in {
                    self.let_in(session.device, &let_in, self.clock.now());
                }
                // Gone already, unless it was silent, or is the copy.
                let clone = || Why::Device(Reason::Clone.code().to_owned());
                let why = if holder_goes { clone() } else { Why::HolderSilent };
                self.answer(Answer::End { session: contest.holder.session, why });
                if let Some(line) = self.claims.get(&session.id).map(|claim| claim.outer.line.clone()) {
                    self.watch_line(session.id, &line, unit.as_ref().map(|(device, ..)| device));
                }
                if let Some(admitted) = Admitted::new(&authenticated, *lease, &session) {
                    self.answer(Answer::Moved(admitted));
                }
            }
            Settled::Quarantine => {
                let quarantined = Quarantined::new(&authenticated, &session);
                quarantined.into_iter().for_each(|one| self.answer(Answer::Confined(one)));
            }
            Settled::Holder(reason) => {
                if holder_goes {
                    let why = Why::Device(Reason::WrongHands.code().to_owned());
                    self.answer(Answer::End { session: contest.holder.session, why });
                }
                let why = match reason {
                    None | Some(Reason::SecondClaim) => Why::SecondClaim,
                    Some(reason) => Why::Device(reason.code().to_owned()),
                };
                self.answer(Answer::End { session: session.id, why });
            }
        }
        if self.sessions.get(session.id).is_none() {
            self.claims.remove(&session.id);
        }
    }

    fn told(&self, two: &Two, outcome: Outcome, reason: Reason, more: u64) -> NewIncident {
        let mut new = two.incident(reason.code(), &reason.to_string(), more);
        if let Some(evidence) = new.evidence.as_object_mut() {
            evidence.insert("probe".to_owned(), probed(outcome));
        }
        new
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

/// What the holder did when it was asked whether it lives.
fn probed(outcome: Outcome) -> Value {
    let round_trip = outcome.round_trip().map(|span| format!("{:.1} ms", span.as_secs_f64() * 1000.0));
    json!({ "answered": outcome.holder_lives(), "round_trip": round_trip })
}

fn resolved(
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
