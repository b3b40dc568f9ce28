use super::names::{CellNo, Person};
use std::collections::VecDeque;

/// What happens, in few octets: of a country there are millions of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Event {
    /// Microseconds of its hour.
    pub(super) at: u32,
    pub(super) what: What,
    /// How it is protected.
    pub(super) guard: Guard,
    /// The actor whose attack it is of, from 1 on; 0: nobody's.
    pub(super) of: u16,
    /// Whose handset, or which unit.
    pub(super) who: u32,
    pub(super) cell: CellNo,
    /// The other cell of a handover; of a payment how much; of a tunnel its outer address from now on.
    pub(super) other: u32,
    /// The unit by whose tunnel the cell speaks, from 1 on; of a tunnel its outer address until now.
    pub(super) by: u32,
}

/// Which row it becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum What {
    /// A macro cell is in the plan.
    Mast,
    /// A unit is in the ledger.
    Unit,
    /// Something that is kept beside, as it is rare.
    Rare,
    /// A tunnel comes, goes, or is replaced.
    Tunnel,
    Update,
    Service,
    HandoverIn,
    Register,
    /// A code by text message, which was asked for.
    Code,
    /// By a call of a machine.
    CodeCall,
    /// By text message, and nobody asked.
    CodeUnasked,
    CodeCallUnasked,
    Payment,
    /// Agreed by a call.
    PaymentCall,
    Heartbeat,
}

/// How a row says that a handset is protected; or, of a tunnel, the networks that its outer addresses are in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Guard(pub(super) u8);

impl Guard {
    /// NAS is not ciphered.
    pub(super) const NO_NAS: u8 = 1;
    /// No security agreement with IMS.
    pub(super) const NO_AGREEMENT: u8 = 2;
    /// With IMS agreed, and null encryption.
    pub(super) const NULL: u8 = 4;
    /// The record omits the algorithm.
    pub(super) const NO_ALGORITHM: u8 = 8;

    pub(super) fn has(self, bit: u8) -> bool {
        self.0 & bit != 0
    }

    pub(super) fn with(self, bit: u8, is_so: bool) -> Self {
        Self(if is_so { self.0 | bit } else { self.0 })
    }
}

/// Events by the hour in which they happen, from one hour on.
#[derive(Clone, Debug, Default)]
pub(super) struct Hours {
    first: u64,
    hours: VecDeque<Vec<Event>>,
    /// Emptied, with room.
    spare: Vec<Vec<Event>>,
}

pub(super) const SECOND: u64 = 1_000_000;
pub(super) const HOUR: u64 = 3600 * SECOND;
pub(super) const DAY: u64 = 24 * HOUR;

impl Event {
    /// Something of a handset at a cell; `at` is filled by [`Hours::push`].
    pub(super) fn of(what: What, who: Person, cell: CellNo) -> Self {
        Self { at: 0, what, guard: Guard::default(), of: 0, who: who.0, cell, other: 0, by: 0 }
    }
}

impl Hours {
    /// Adds what happens at that time, in microseconds of the world; what was before the hour that is next is left out.
    pub(super) fn push(&mut self, at: u64, event: Event) {
        let Some(hour) = (at / HOUR).checked_sub(self.first) else { return };
        let hour = hour as usize;
        while self.hours.len() <= hour {
            let room = self.spare.pop().unwrap_or_default();
            self.hours.push_back(room);
        }
        if let Some(hour) = self.hours.get_mut(hour) {
            hour.push(Event { at: (at % HOUR) as u32, ..event });
        }
    }

    /// The events of the hour that is next, in order.
    pub(super) fn next(&mut self) -> Vec<Event> {
        self.first += 1;
        let mut events = self.hours.pop_front().unwrap_or_default();
        events.sort_unstable();
        events
    }

    /// The room of an hour, to be used again.
    pub(super) fn reuse(&mut self, mut hour: Vec<Event>) {
        hour.clear();
        self.spare.push(hour);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_small() {
        assert_eq!(size_of::<Event>(), 24);
    }
}
