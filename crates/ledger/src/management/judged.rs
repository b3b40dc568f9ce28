//! What orders follow a person's judgement of an incident.
//!
//! An order to turn a radio off was about one of the two. Where that one is no copy, it is withdrawn; where it may have been
//! done, the radio is to be turned on again. Where it is a copy, that goes on, and what was ordered for an earlier judgement
//! is withdrawn. That the copy's radio be turned off is not ordered here: whether management sees the copy's box, the
//! registrar knows, which ends its tunnel by the judgement.
//!
//! Where both look alike from one place nothing but a new key tells the unit from its copy: then it is to enrol anew. That
//! lets nobody enrol: it takes an install order, and the line that it names.

use super::{End, ManagementOrder, NewManagementOrder, Side, Task};
use crate::{Appearance, ClosedIncident, Genuine, Incident, LedgerError, Tx};
use ids::DeviceId;

impl Side {
    fn is_copy(self, genuine: Genuine) -> bool {
        let (newcomer, holder) = genuine.copies();
        match self {
            Self::Newcomer => newcomer,
            Self::Holder => holder,
        }
    }
}

impl Tx<'_> {
    /// `are_alike`: nothing but a new key tells the two apart.
    ///
    /// # Errors
    /// As [`Self::device`].
    pub(crate) fn management_follows(
        &mut self,
        incident: &Incident,
        (genuine, are_alike): (Genuine, bool),
        closed: &ClosedIncident,
    ) -> Result<(), LedgerError> {
        for device in &incident.devices {
            self.radio_follows(incident.number, *device, genuine, closed)?;
            let is_one_the_unit = matches!(genuine, Genuine::Newcomer | Genuine::Holder);
            if is_one_the_unit && are_alike {
                self.follow((incident.number, None), *device, Task::EnrolAnew, closed)?;
            } else {
                self.take_back(incident.number, *device, Task::EnrolAnew, closed)?;
            }
        }
        Ok(())
    }

    /// Which of those who an incident is about looks like this one; `None` where none does, or it is not about who holds a key.
    ///
    /// # Errors
    /// As [`Self::device`]; [`LedgerError::NotFound`].
    pub fn side_of(&mut self, incident: u64, who: &Appearance) -> Result<Option<Side>, LedgerError> {
        let Some(sides) = self.known_incident(incident)?.sides() else { return Ok(None) };
        let sides = [(Some(sides.newcomer), Side::Newcomer), (sides.holder, Side::Holder)];
        let is_it = |seen: &Option<Appearance>| seen.as_ref().is_some_and(|seen| seen.is_like(who));
        Ok(sides.into_iter().find(|(seen, _)| is_it(seen)).map(|(_, side)| side))
    }

    fn radio_follows(
        &mut self,
        incident: u64,
        device: DeviceId,
        genuine: Genuine,
        closed: &ClosedIncident,
    ) -> Result<(), LedgerError> {
        let all: Vec<ManagementOrder> = self.all(Some(("device", &device.to_string())))?;
        let radio = all.into_iter().rfind(|order| matches!(order.task, Task::RadioOff | Task::RadioOn));
        let Some(last) = radio.filter(|order| order.incident == Some(incident)) else { return Ok(()) };
        // Whom a person's own order is about, that person knows.
        let Some(about) = last.about else { return Ok(()) };
        let is_copy = about.is_copy(genuine);
        match last.task {
            Task::RadioOn if is_copy => self.take_back(incident, device, Task::RadioOn, closed),
            Task::RadioOff if !is_copy && last.may_be_done() => {
                self.follow((incident, Some(about)), device, Task::RadioOn, closed)
            }
            Task::RadioOff if !is_copy => self.take_back(incident, device, Task::RadioOff, closed),
            Task::RadioOff | Task::RadioOn | Task::EnrolAnew => Ok(()),
        }
    }

    fn follow(
        &mut self,
        incident: (u64, Option<Side>),
        device: DeviceId,
        task: Task,
        closed: &ClosedIncident,
    ) -> Result<(), LedgerError> {
        let new = NewManagementOrder {
            device,
            task,
            only_if: None,
            why: closed.why.clone(),
            incident: Some(incident),
            waits_until: None,
        };
        self.order_management(new, &closed.by, closed.at).map(drop)
    }

    fn take_back(
        &mut self,
        incident: u64,
        device: DeviceId,
        task: Task,
        closed: &ClosedIncident,
    ) -> Result<(), LedgerError> {
        let standing = self.management_orders_standing(device)?;
        let is_it = |order: &ManagementOrder| order.task == task && order.incident == Some(incident);
        for order in standing.into_iter().filter(is_it) {
            self.end_management_order(order, End::Withdrawn, &closed.by, &closed.why, closed.at)?;
        }
        Ok(())
    }
}

impl ManagementOrder {
    /// A management system has or had it, and did not say that it failed.
    fn may_be_done(&self) -> bool {
        match &self.ended {
            Some(ended) => ended.how == End::Done || ended.how == End::Withdrawn && self.taken.is_some(),
            None => self.taken.is_some(),
        }
    }
}
