//! The ceiling's part in what becomes of sessions: who loses service by what is concluded of it, and who was found out, stays, and
//! is looked at again once there is room.

use super::{Registrar, review::Anew, two::Two};
use crate::{
    OffLine,
    evidence::Known,
    hand_off::{Answer, Why},
    sessions::{Session, State},
};
use admission::{Case, Conclusion, Holder, Probe, Reason, judge};
use ids::{SessionId, UnixTime};
use ledger::LedgerError;
use std::time::Instant;

impl Registrar {
    /// What the ceiling has to do with how two were judged.
    pub(super) fn reckon(&mut self, two: &Two, holder: SessionId) {
        let Case { device, credential, claim, .. } = two.case();
        if two.takes_service() {
            self.ceiling.spend(device.as_ref(), credential.as_ref(), Instant::now());
        }
        if let Some(device) = device.as_ref().filter(|_| two.is_held_back()) {
            self.ceiling.hold_back(holder, (device, credential.as_ref()), Some(Box::new(claim.clone())));
        }
    }

    /// Whether the ceiling lets a session be ended by what is known of it, which then counts; else it is held back.
    fn may_end(&mut self, session: &Session, known: &Known) -> bool {
        let has_room = self.has_room_for(session, known);
        if has_room {
            self.spend(known);
        }
        has_room
    }

    /// Whether the ceiling has room for that; else the session is held back.
    pub(super) fn has_room_for(&mut self, session: &Session, known: &Known) -> bool {
        let (device, credential, now) = (known.device.as_ref(), known.credential.as_ref(), Instant::now());
        let has_room = self.ceiling.has_room(device, credential, self.policy.ends_per_hour, now);
        if let Some(device) = device.filter(|_| !has_room) {
            self.ceiling.hold_back(session.id, (device, credential), None);
        }
        has_room
    }

    /// One loses service.
    pub(super) fn spend(&mut self, known: &Known) {
        self.ceiling.spend(known.device.as_ref(), known.credential.as_ref(), Instant::now());
    }

    /// Whether one who is not on its line may be treated so. Who has moved there, or is held already, loses nothing by it;
    /// for who was let in before anybody knew, it is an end as any.
    pub(super) fn may_be_held(&mut self, session: &Session, known: &Known, anew: Anew) -> bool {
        let takes_nothing = matches!(anew, Anew::Moved(_))
            || session.state() == State::Held
            || self.terms.off_line == OffLine::Keep;
        takes_nothing || self.may_end(session, known)
    }

    /// A holder that was found out beside another and was held back is weighed against that one again. Ends it where that
    /// still says so and there is room by now; then whoever waits in quarantine begins anew.
    ///
    /// # Errors
    /// The transient ones, before anything is done.
    pub(super) fn ends_beside(
        &mut self,
        session: &Session,
        claim: &admission::Claim,
        now: UnixTime,
    ) -> Result<bool, LedgerError> {
        let Some(beside) = self.ceiling.beside(session.id).cloned() else {
            self.ceiling.let_go(session.id);
            return Ok(false);
        };
        let known = self.known_of(session.device, beside.cert_sha256, beside.outer.address)?;
        let Some(known) = known else { return Ok(false) };
        let (id, claim) = (session.id, Some(claim.clone()));
        let (probe, outer, asked_ago, heard_ago) = (Probe::Answered, None, None, None);
        let holder = Holder { session: id, claim, probe, outer, asked_ago, heard_ago };
        let (facts, policy, modes) = (self.facts(&known), &self.policy, &self.shadow.modes);
        let verdict = judge(&beside, &facts, Some(&holder), policy, modes, now);
        let two = Two::of(&verdict, || Case::new(&beside, &facts, Some(&holder), policy, modes, now));
        if let Some(two) = two.as_ref().filter(|_| verdict.holder_goes) {
            self.end_beside(session, two, now)?;
        }
        self.ceiling.let_go(id);
        let Some(two) = two else { return Ok(false) };
        self.reckon(&two, id);
        Ok(verdict.holder_goes)
    }

    fn end_beside(&mut self, session: &Session, two: &Two, now: UnixTime) -> Result<(), LedgerError> {
        let is_untrusted = two.conclusion() == Some(Conclusion::GenuineKeyUntrusted);
        let reason = if is_untrusted { Reason::WrongHands } else { Reason::Clone };
        let ledger = self.ledger.clone();
        let mut tx = ledger.begin()?;
        self.tell_two(&mut tx, two, two.incident(reason.code(), "there is room under the ceiling", 0), now)?;
        tx.commit()?;
        self.answer(Answer::End { session: session.id, why: Why::Device(reason.code().to_owned()) });
        let of_unit = self.sessions.of_device(session.device);
        for waiting in of_unit.into_iter().filter(|one| one.confinement().is_some()) {
            let (by, why) = ("admission".to_owned(), "its place is free: it may attach anew".to_owned());
            self.answer(Answer::End { session: waiting.id, why: Why::Cut { by, why } });
        }
        Ok(())
    }
}
