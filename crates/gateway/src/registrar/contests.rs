//! A device under contest, from the answer to its second claim until the outcome is in the ledger. While
//! it has a [`Newcomer`] here every other claim on it is left unanswered.

mod settlement;

use super::{Registrar, quarantine::Told, two::Two};
use crate::{
    contest::{Contest, Outcome},
    hand_off::{Admitted, Answer, Authenticated, Quarantined, Why},
    sessions::Session,
};
use admission::Reason;
use events::admission::{Voided, Weighed};
use ids::SessionId;
use ledger::{Lease, LedgerError};
use settlement::{Settlement, resolved};
use std::sync::Arc;

/// Who makes a second claim, and how that is settled, as far as it is.
pub(super) struct Newcomer {
    authenticated: Authenticated,
    session: Arc<Session>,
    settlement: Option<Settlement>,
}

/// Who goes on.
enum GoesOn {
    Newcomer(Box<Lease>),
    /// The newcomer stays without a lease.
    Quarantine,
    /// The newcomer goes, for this reason; `None` when it has left.
    Holder(Option<Reason>),
}

impl Newcomer {
    pub(super) fn new(authenticated: Authenticated, session: Arc<Session>) -> Self {
        Self { authenticated, session, settlement: None }
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
                let settlement = newcomer.settlement.take();
                if settlement.is_some_and(|settlement| settlement.is_resolved()) {
                    self.voided.push_back(Voided { device: contest.device, session: newcomer.session() });
                }
                let refused = GoesOn::Holder(Some(Reason::RowTampered));
                self.act_on(refused, newcomer, contest, outcome);
            }
        }
        Ok(())
    }

    /// What is in the journal of a settlement stands: it goes on from there, and nothing that is known since then changes it.
    fn settle(
        &mut self,
        newcomer: &mut Newcomer,
        contest: &Contest,
        outcome: Outcome,
    ) -> Result<GoesOn, LedgerError> {
        let Some(probe) = outcome.probe() else {
            self.append(&resolved(contest, outcome, Some(contest.holder.session), Weighed::default()))?;
            return Ok(GoesOn::Holder(None));
        };
        let ledger = self.ledger.clone();
        let mut tx = ledger.begin()?;
        let begun = newcomer.settlement.take().filter(Settlement::is_begun);
        let mut settlement = match begun {
            Some(settlement) => settlement,
            None => self.judge_contest(&mut tx, newcomer, contest, probe)?,
        };
        let settled = match self.let_call_finish(&settlement, contest) {
            Ok(()) => self.write_down(tx, &mut settlement, newcomer, contest, outcome),
            Err(error) => Err(error),
        };
        newcomer.settlement = Some(settlement);
        settled
    }

    /// A holder that would go by the verdict goes on while an emergency call does.
    fn let_call_finish(&mut self, settlement: &Settlement, contest: &Contest) -> Result<(), LedgerError> {
        let is_held_back = settlement.two.as_ref().is_some_and(Two::is_held_back);
        match self.sessions.get(contest.holder.session).filter(|_| is_held_back) {
            Some(holder) => self.waits_for_call(&holder).map(drop),
            None => Ok(()),
        }
    }

    /// One that has left, or finds no place, is refused.
    fn confine(&mut self, session: &Session, told: &Told) -> Result<GoesOn, LedgerError> {
        let stands = self.sessions.get(session.id).is_some();
        let claim = self.claims.get(&session.id).filter(|_| stands).cloned();
        let is_in = claim.map(|claim| self.quarantine(session, &claim, told)).transpose()?;
        Ok(if is_in == Some(true) { GoesOn::Quarantine } else { GoesOn::Holder(Some(told.reason)) })
    }

    fn act_on(&mut self, settled: GoesOn, newcomer: Newcomer, contest: &Contest, outcome: Outcome) {
        self.tallies.settled.count(outcome.code());
        let Newcomer { authenticated, session, settlement } = newcomer;
        let holder_goes = settlement.as_ref().is_some_and(|settlement| settlement.holder_goes);
        if let Some(two) = settlement.as_ref().and_then(|settlement| settlement.two.as_ref()) {
            self.reckon(two, contest.holder.session);
        }
        match settled {
            GoesOn::Newcomer(lease) => {
                if let Some(Settlement { let_in: Some(let_in), .. }) = &settlement {
                    self.let_in(session.device, let_in, self.clock.now());
                }
                // Gone already, unless it was silent, or is the copy.
                let clone = || Why::Device(Reason::Clone.code().to_owned());
                let why = if holder_goes { clone() } else { Why::HolderSilent };
                self.answer(Answer::End { session: contest.holder.session, why });
                if let Some(line) = self.claims.get(&session.id).map(|claim| claim.outer.line.clone()) {
                    let unit = settlement.as_ref().and_then(Settlement::unit);
                    self.watch_line(session.id, &line, unit);
                }
                if let Some(admitted) = Admitted::new(&authenticated, *lease, &session) {
                    self.answer(Answer::Moved(admitted));
                }
            }
            GoesOn::Quarantine => {
                let quarantined = Quarantined::new(&authenticated, &session);
                quarantined.into_iter().for_each(|one| self.answer(Answer::Confined(one)));
            }
            GoesOn::Holder(reason) => {
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
}
