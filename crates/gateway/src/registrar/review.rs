//! Sessions that stand are judged anew, as something else is known of their unit, or they have moved.

use super::Registrar;
use crate::{
    evidence::{self, Known, revocation},
    hand_off::{Answer, Why},
    sessions::{Session, State},
};
use admission::{Decision, Evidence, Reason, Revocation, Verdict, judge};
use ids::{DeviceId, UnixTime};
use ledger::LedgerError;
use std::net::SocketAddr;
use x509::Standing;

/// Why a session is judged anew.
#[derive(Clone, Copy)]
pub(super) enum Anew {
    /// Its unit is at another address, where nothing has passed yet.
    Moved(SocketAddr),
    /// Something else is known of it where it is.
    Stays,
}

impl Anew {
    fn outer(self, session: &Session) -> SocketAddr {
        match self {
            Self::Moved(to) => to,
            Self::Stays => session.outer(),
        }
    }
}

impl Registrar {
    /// Judges those who are attached anew, after something about their unit has changed.
    pub(super) fn review(&mut self, device: DeviceId) -> Result<(), LedgerError> {
        match self.orders_by_facts(device) {
            Err(error) if error.is_transient() => return Err(error),
            Err(error) => self.tampered(device, &error),
            Ok(()) => {}
        }
        for session in self.sessions.of_device(device) {
            if let Some(known) = self.known(&session)? {
                self.look_again(&session, &known, Anew::Stays)?;
            }
        }
        Ok(())
    }

    /// Judges a session by what is known now: it goes on, is held off its line, or ends.
    ///
    /// # Errors
    /// The transient ones, before anything is done.
    pub(super) fn look_again(
        &mut self,
        session: &Session,
        known: &Known,
        anew: Anew,
    ) -> Result<(), LedgerError> {
        let now = self.clock.for_attached();
        let Some(claim) = self.claim_anew(session, known, anew, now) else { return Ok(()) };
        self.note_home(session, &claim, known);
        let verdict = judge(&claim, &self.facts(known), None, &self.policy, &self.shadow.modes, now);
        if session.confinement().is_some() {
            self.look_again_at_quarantined(session, verdict.decision);
            return Ok(());
        }
        if let Decision::Refuse(reason) | Decision::Quarantine(reason) = verdict.decision {
            self.hit(reason, session.device, claim.outer.address.ip(), now);
        } else {
            self.shadow.note(session.device, &verdict.observed);
        }
        self.watch_line(session.id, &claim.outer.line, known.device.as_ref());
        // The newcomer of a contest serves nothing: by its end nobody loses service, and its cells hear nothing of it.
        if let Some(reason) = verdict.told.filter(|_| !self.is_newcomer(session)) {
            self.tell_found_out(&claim, reason, &verdict, known, now)?;
        }
        if self.ends_beside(session, &claim, now)? {
            return Ok(());
        }
        self.follow_review(session, known, anew, (&claim, &verdict), now)
    }

    /// Its claim as it would make it now.
    fn claim_anew(
        &self,
        session: &Session,
        known: &Known,
        anew: Anew,
        now: UnixTime,
    ) -> Option<admission::Claim> {
        let claim = self.claims.get(&session.id)?;
        let outer = evidence::outer(anew.outer(session), known, &*self.outside.origins, now);
        let revocation = self.revocation_now(claim, known, now);
        let facts = self.facts_now(session, known, now);
        Some(admission::Claim { outer, revocation, facts, ..(**claim).clone() })
    }

    fn follow_review(
        &mut self,
        session: &Session,
        known: &Known,
        anew: Anew,
        (claim, verdict): (&admission::Claim, &Verdict),
        now: UnixTime,
    ) -> Result<(), LedgerError> {
        match verdict.decision {
            Decision::Refuse(Reason::ForeignNetwork | Reason::LineUnknown) => {
                self.watch(session.id, claim.outer.line.value().cloned(), known.device.as_ref());
                if self.may_be_held(session, known, anew) {
                    self.seen_at(session.id, true);
                }
            }
            Decision::Refuse(reason) | Decision::Quarantine(reason) => {
                if matches!(reason, Reason::WrongHands | Reason::Clone)
                    && !self.is_newcomer(session)
                    && !self.may_go(session, (claim, reason, verdict), known, now)?
                {
                    return Ok(());
                }
                let why = Why::Device(reason.code().to_owned());
                self.answer(Answer::End { session: session.id, why });
            }
            _ if !self.is_still_of(session, known) => {
                self.answer(Answer::End { session: session.id, why: Why::ClassChanged });
            }
            Decision::Admit(_) | Decision::Contest | Decision::Drop(_) => self.seen_at(session.id, false),
        }
        Ok(())
    }

    /// On its line, and not known to be another's tunnel: what the unit hears now is what is heard there.
    fn note_home(&self, session: &Session, claim: &admission::Claim, known: &Known) {
        let line = known.device.as_ref().and_then(|device| device.access_line.as_ref());
        let here =
            line.filter(|line| claim.outer.is_behind(line) == Some(true) && session.state() == State::Open);
        let is_anothers = claim.facts.value().is_some_and(|facts| facts.tunnel == Some(false));
        if let Some(line) = here.filter(|_| !is_anothers) {
            self.outside.origins.is_at_home(session.device, line, session.since);
        }
    }

    /// One in quarantine gets nothing more by whatever has changed, and ends where it would be refused.
    fn look_again_at_quarantined(&self, session: &Session, decision: Decision) {
        match decision {
            Decision::Refuse(reason) => {
                let why = Why::Device(reason.code().to_owned());
                self.answer(Answer::End { session: session.id, why });
            }
            _ if !self.is_quarantine_of(session) => {
                self.answer(Answer::End { session: session.id, why: Why::ClassChanged });
            }
            Decision::Admit(_) | Decision::Contest | Decision::Quarantine(_) | Decision::Drop(_) => {
                self.answer(Answer::Line { session: session.id, outside: false });
            }
        }
    }

    /// It may reach what others may in quarantine now.
    fn is_quarantine_of(&self, session: &Session) -> bool {
        let own = session.confinement().map(|confinement| &confinement.class);
        own.is_none_or(|own| self.terms.quarantine.as_ref() == Some(own))
    }

    /// What its CA says by now. While that says nothing, what it said when the tunnel began counts until the unit
    /// authenticates anew.
    fn revocation_now(&self, claim: &admission::Claim, known: &Known, now: UnixTime) -> Evidence<Revocation> {
        match self.outside.issuers.standing(&claim.path, &claim.serial, None, now) {
            Some(Standing::Asking | Standing::Unknown { .. }) => claim.revocation.clone(),
            standing => revocation(known.credential.as_ref(), standing, now),
        }
    }

    /// What a tunnel may reach is agreed when it begins: under another class it has to begin anew.
    fn is_still_of(&self, session: &Session, known: &Known) -> bool {
        session.class == *self.terms.classes.of(known.device.as_ref())
    }
}
