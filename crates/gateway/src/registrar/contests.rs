//! A device under contest, from the answer to its second claim until the outcome is in the ledger. While
//! it has a [`Newcomer`] here every other claim on it is left unanswered.

use super::{Registrar, judging::open_incident, quarantine::Told, shadow::LetIn};
use crate::{
    contest::{Contest, Outcome},
    evidence::{Known, as_json, weighed},
    hand_off::{Admitted, Answer, Authenticated, Quarantined, Why},
    sessions::Session,
};
use admission::{Decision, Holder, Probe, Reason, judge};
use events::{
    Durability,
    admission::{ContestResolved, Voided, Weighed},
};
use ids::{EventRef, SessionId, UnixTime};
use ledger::{Lease, LedgerError, NewIncident, Tx};
use serde_json::{Value, json};
use std::sync::Arc;

/// Who makes a second claim, and how far its outcome is written.
pub(super) struct Newcomer {
    authenticated: Authenticated,
    session: Arc<Session>,
    written: Written,
    let_in: Option<LetIn>,
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
        Self { authenticated, session, written: Written::Nothing, let_in: None }
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
        if let Decision::Admit(_) = decision {
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
        let stays = outcome.holder_lives().then_some(contest.holder.session);
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

    /// The claim as it was made, the ledger as it is now, and what the holder did.
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
        let claim = |session| self.claims.get(&session).map(|claim| &**claim);
        let known = match Known::read(tx, contest.device, newcomer.session.cert_sha256, now) {
            Err(error) if error.is_transient() => return Err(error),
            known => known.ok(),
        };
        let (Some(known), Some(claim_of_newcomer)) = (known, claim(newcomer.session())) else {
            return Ok((Decision::Refuse(Reason::RowTampered), Weighed::default()));
        };
        let session = contest.holder.session;
        let holder = Holder { session, claim: claim(session).cloned(), probe, outer: None, asked_ago: None };
        let verdict = judge(
            claim_of_newcomer,
            &self.facts(&known),
            Some(&holder),
            &self.policy,
            &self.shadow.modes,
            now,
        );
        let weighed = weighed(&verdict);
        newcomer.let_in = Some(LetIn::new(&verdict, claim_of_newcomer.outer.address.ip()));
        Ok((verdict.decision, weighed))
    }

    fn hand_over(
        &self,
        mut tx: Tx<'_>,
        newcomer: &Newcomer,
        contest: &Contest,
        event: EventRef,
        now: UnixTime,
    ) -> Result<Settled, LedgerError> {
        let lease = self.lease(&newcomer.session, now);
        tx.take_lease(&lease, Some(contest.holder.session), event)?;
        tx.commit()?;
        Ok(Settled::Newcomer(Box::new(lease)))
    }

    /// Opened once, however often the settlement is tried.
    fn incident(
        &self,
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
        let opened = open_incident(&mut tx, self.two_claims(contest, outcome, reason), now);
        let done = opened.and_then(|number| tx.commit().map(|()| number));
        if matches!(done, Ok(_) | Err(LedgerError::Unfinished { .. })) {
            newcomer.written = Written::Incident;
        }
        done
    }

    fn act_on(&mut self, settled: Settled, newcomer: Newcomer, contest: &Contest, outcome: Outcome) {
        self.tallies.settled.count(outcome.code());
        let Newcomer { authenticated, session, let_in, .. } = newcomer;
        match settled {
            Settled::Newcomer(lease) => {
                if let Some(let_in) = let_in {
                    self.let_in(session.device, &let_in, self.clock.now());
                }
                // Gone already, unless it was silent.
                self.answer(Answer::End { session: contest.holder.session, why: Why::HolderSilent });
                if let Some(admitted) = Admitted::new(&authenticated, *lease, &session) {
                    self.answer(Answer::Moved(admitted));
                }
            }
            Settled::Quarantine => {
                let quarantined = Quarantined::new(&authenticated, &session);
                quarantined.into_iter().for_each(|one| self.answer(Answer::Confined(one)));
            }
            Settled::Holder(reason) => {
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

    fn two_claims(&self, contest: &Contest, outcome: Outcome, reason: Reason) -> NewIncident {
        let side = |session: SessionId| {
            let claim = self.claims.get(&session).map_or(Value::Null, |claim| as_json(claim));
            json!({ "session": session.to_string(), "claim": claim })
        };
        let answered = outcome.round_trip().map(|span| format!("{:.1} ms", span.as_secs_f64() * 1000.0));
        NewIncident {
            kind: reason.code(),
            devices: vec![contest.device],
            summary: format!("{}: {reason}", contest.device),
            evidence: json!({
                "newcomer": side(contest.newcomer.session),
                "holder": side(contest.holder.session),
                "probe": { "answered": outcome.holder_lives(), "round_trip": answered },
            }),
            more: 0,
        }
    }
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
