//! A session that stands and was found out: what is done before it ends, and whether it does now.

use super::{Registrar, judging::unless_tampered, management::FoundOut};
use crate::{evidence::Known, management::Ours, sessions::Session};
use admission::{Reason, Verdict, appearance};
use ids::UnixTime;
use ledger::{Appearance, Item, LedgerError, management::Side};

impl Registrar {
    /// Whether one who was found out ends now. Its radio goes off first, where that can be ordered. By what a person has said
    /// it ends at once; else the ceiling must let one more be ended, and an emergency call is let finish.
    pub(super) fn may_go(
        &mut self,
        session: &Session,
        (claim, reason, verdict): (&admission::Claim, Reason, &Verdict),
        known: &Known,
        now: UnixTime,
    ) -> Result<bool, LedgerError> {
        let by_a_person = verdict.own.of(Item::Judged).is_some();
        if !by_a_person && !self.has_a_wait(session.id) {
            self.tell_found_out(claim, reason, verdict, known, now)?;
            // Many are found out at once: a person has to say so, or there is room again.
            if !self.has_room_for(session, known) {
                return Ok(false);
            }
        }
        self.turn_off(session, (claim, reason), known, now)?;
        if by_a_person {
            return Ok(true);
        }
        if self.waits_for_call(session)? {
            return Ok(false);
        }
        self.spend(known);
        Ok(true)
    }

    fn turn_off(
        &mut self,
        session: &Session,
        (claim, reason): (&admission::Claim, Reason),
        known: &Known,
        now: UnixTime,
    ) -> Result<(), LedgerError> {
        let (tunnel, sessions) = (Ours::of(session), vec![session.id]);
        let mut found_out = FoundOut { tunnel, sessions, incident: None, why: reason.to_string() };
        if !self.sees_box(known, &found_out, now) {
            return Ok(());
        }
        let ledger = self.ledger.clone();
        let mut tx = ledger.begin()?;
        found_out.incident = match judged_in(claim, known, now) {
            Some((number, here)) => {
                let side = unless_tampered(tx.side_of(number, &here))?.flatten();
                Some((number, side))
            }
            None => tx
                .incident_that_is_open(reason.code(), &[session.device])?
                .map(|number| (number, Some(Side::Newcomer))),
        };
        self.order_radio_off(&mut tx, known, found_out, now)?;
        tx.commit()
    }
}

/// The incident by which a person has judged one who looks like this.
fn judged_in(claim: &admission::Claim, known: &Known, now: UnixTime) -> Option<(u64, Appearance)> {
    let here = appearance(claim, &known.facts(), &[], now)?;
    let judged = known.profile.as_ref()?.like(&here)?.judged.as_ref()?;
    Some((judged.incident?, here))
}
