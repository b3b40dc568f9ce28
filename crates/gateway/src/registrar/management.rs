//! What management systems are ordered by what is concluded here, what facts say of that, and whom an emergency call keeps.

use super::{Registrar, incidents::unless_tampered};
use crate::{
    evidence::Known,
    management::{
        Ours, UnitSays,
        radio::{Shown, call_goes_on, only_if, shown},
    },
    sessions::Session,
};
use events::admission::EndWaits;
use ids::{AccessLine, DeviceId, SessionId, UnixTime};
use ledger::{
    LedgerError, Tx,
    management::{End, ManagementOrder, NewManagementOrder, OnlyIf, Side, Task},
};
use std::time::Instant;

/// Who orders by verdict.
const BY: &str = "admission";

/// One who was found out, as the copy or in wrong hands, and goes.
pub(super) struct FoundOut {
    /// Its tunnel, or the one that it asked for.
    pub(super) tunnel: Ours,
    /// Its sessions, and those that go with it.
    pub(super) sessions: Vec<SessionId>,
    /// The incident, and which of its two it is.
    pub(super) incident: Option<(u64, Option<Side>)>,
    /// Why.
    pub(super) why: String,
}

impl Registrar {
    /// Has the radio of one who was found out turned off, where management is known to see that very box. No more of them
    /// within an hour than holders may be ended, in one region and of one realm.
    ///
    /// # Errors
    /// The transient ones.
    pub(super) fn order_radio_off(
        &mut self,
        tx: &mut Tx<'_>,
        known: &Known,
        found_out: FoundOut,
        now: UnixTime,
    ) -> Result<(), LedgerError> {
        let Some(device) = known.device.as_ref() else { return Ok(()) };
        let Some((only_if, says)) = self.box_of(known, &found_out, now) else { return Ok(()) };
        let (credential, limit) = (known.credential.as_ref(), self.policy.ends_per_hour);
        if !self.radios.has_room(Some(device), credential, limit, Instant::now()) {
            self.tallies.orders.count("ceiling");
            return Ok(());
        }
        let within = self.policy.emergency_call();
        let waits = call_goes_on(&found_out.tunnel, &says, now, within).then(|| now.after(within));
        let FoundOut { incident, why, .. } = found_out;
        let (task, only_if) = (Task::RadioOff, Some(only_if));
        let new = NewManagementOrder { device: device.id, task, only_if, why, incident, waits_until: waits };
        if unless_tampered(tx.order_management(new, BY, now))?.flatten().is_some() {
            self.radios.spend(Some(device), credential, Instant::now());
            self.tallies.orders.count(task.as_str());
        }
        Ok(())
    }

    /// Whether [`Self::order_radio_off`] would order anything.
    pub(super) fn sees_box(&self, known: &Known, found_out: &FoundOut, now: UnixTime) -> bool {
        self.box_of(known, found_out, now).is_some()
    }

    fn box_of(&self, known: &Known, found_out: &FoundOut, now: UnixTime) -> Option<(OnlyIf, UnitSays)> {
        let device = known.device.as_ref()?;
        let says = self.unit_says(device.id, device.access_line.as_ref(), now)?;
        let sessions = self.sessions.of_device(device.id);
        let others = sessions.iter().any(|session| !found_out.sessions.contains(&session.id));
        Some((only_if(&found_out.tunnel, &says, others)?, says))
    }

    fn unit_says(&self, device: DeviceId, line: Option<&AccessLine>, now: UnixTime) -> Option<UnitSays> {
        self.outside.origins.unit(device, line, now).value().cloned()
    }

    /// The unit is let in: what was ordered of its radio by an earlier verdict is not to be done any more.
    ///
    /// # Errors
    /// The transient ones.
    pub(super) fn take_back_radio_off(
        &self,
        tx: &mut Tx<'_>,
        device: DeviceId,
        now: UnixTime,
    ) -> Result<(), LedgerError> {
        for order in unless_tampered(tx.management_orders_standing(device))?.unwrap_or_default() {
            if order.task == Task::RadioOff && order.by == BY {
                let ended = tx.end_management_order(order, End::Withdrawn, BY, "the unit is let in", now);
                unless_tampered(ended)?;
                self.tallies.orders.count("withdrawn");
            }
        }
        Ok(())
    }

    /// What the unit says of itself by now ends orders that are for it.
    ///
    /// # Errors
    /// The transient ones; and rows that can't be believed.
    pub(super) fn orders_by_facts(&self, device: DeviceId) -> Result<(), LedgerError> {
        let now = self.clock.for_attached();
        if self.unit_says(device, None, now).is_none() {
            return Ok(());
        }
        let mut tx = self.ledger.begin()?;
        let standing = tx.management_orders_standing(device)?;
        if standing.is_empty() {
            return Ok(());
        }
        let line = tx.device(device)?.and_then(|device| device.access_line);
        let Some(says) = self.unit_says(device, line.as_ref(), now) else { return Ok(()) };
        for order in standing {
            let spis = self.spis_of(&order);
            match shown(&order, &spis, &says, now) {
                Some(Shown::Done) => {
                    tx.end_management_order(order, End::Done, "facts", "the unit shows it", now)?;
                    self.tallies.orders.count("done-by-facts");
                }
                Some(Shown::AnotherBox) => {
                    let why = "another box speaks for the unit now";
                    tx.end_management_order(order, End::Withdrawn, "facts", why, now)?;
                    self.tallies.orders.count("withdrawn");
                }
                Some(Shown::CallIsOver) => tx.management_order_is_due(order, "facts", now)?,
                None => {}
            }
        }
        tx.commit()
    }

    /// Of the IKE SA of the box that an order is for: it goes on while a call does, and may be rekeyed.
    fn spis_of(&self, order: &ManagementOrder) -> Vec<ids::IkeSpi> {
        let Some(OnlyIf::Tunnel(own)) = order.only_if else { return Vec::new() };
        let sessions = self.sessions.of_device(order.device).into_iter();
        let tunnel = sessions.map(|session| session.ike_spis()).find(|spis| spis.contains(&own));
        tunnel.unwrap_or_else(|| vec![own])
    }

    /// Whether a session that was found out goes on for now, as an emergency call does.
    ///
    /// # Errors
    /// The journal's: it has not begun to wait.
    pub(super) fn waits_for_call(&mut self, session: &Session) -> Result<bool, LedgerError> {
        let (device, now) = (session.device, Instant::now());
        if self.calls.waits(device, session.id, now) {
            return Ok(true);
        }
        if !self.would_wait(session) {
            return Ok(false);
        }
        let (wall, within) = (self.clock.for_attached(), self.policy.emergency_call());
        self.append(&EndWaits { device, session: session.id, until: wall.after(within) })?;
        self.tallies.orders.count("call-let-finish");
        self.calls.begin(device, session.id, now + within, now);
        Ok(true)
    }

    /// Whether it waits, or would if it were to end now.
    pub(super) fn would_wait(&self, session: &Session) -> bool {
        let (device, now) = (session.device, Instant::now());
        let may = self.calls.waits(device, session.id, now) || self.calls.may_begin(device, session.id, now);
        may && self.has_call(session)
    }

    /// It waits now.
    pub(super) fn has_a_wait(&self, session: SessionId) -> bool {
        let session = self.sessions.get(session);
        session.is_some_and(|session| self.calls.waits(session.device, session.id, Instant::now()))
    }

    fn has_call(&self, session: &Session) -> bool {
        let now = self.clock.for_attached();
        let says = self.unit_says(session.device, None, now);
        let within = self.policy.emergency_call();
        says.is_some_and(|says| call_goes_on(&Ours::of(session), &says, now, within))
    }

    /// Calls that are over: who waited is judged anew.
    pub(super) fn look_for_calls(&mut self) {
        let mut calls = std::mem::take(&mut self.calls);
        let goes_on = |id| self.sessions.get(id).is_some_and(|session| self.has_call(&session));
        let over = calls.over(Instant::now(), goes_on);
        self.calls = calls;
        self.reviews.extend(over);
    }
}
