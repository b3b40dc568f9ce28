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

/// Events by the hour in which they happen, from one hour on: in pieces of one size, which go round, so that a day takes no more room
/// than it needs.
#[derive(Clone, Debug, Default)]
pub(super) struct Hours {
    first: u64,
    hours: VecDeque<Vec<Vec<Event>>>,
    /// Emptied pieces.
    spare: Vec<Vec<Event>>,
}

/// Events of a piece: 24 KiB.
const PIECE: usize = 1024;
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
        if self.hours.len() <= hour {
            self.hours.resize_with(hour + 1, Vec::new);
        }
        let Some(pieces) = self.hours.get_mut(hour) else { return };
        if pieces.last().is_none_or(|piece| piece.len() == PIECE) {
            pieces.push(self.spare.pop().unwrap_or_else(|| Vec::with_capacity(PIECE)));
        }
        if let Some(piece) = pieces.last_mut() {
            piece.push(Event { at: (at % HOUR) as u32, ..event });
        }
    }

    /// Puts the events of the hour that is next into `events`, in order.
    pub(super) fn next(&mut self, events: &mut Vec<Event>) {
        self.first += 1;
        events.clear();
        for mut piece in self.hours.pop_front().unwrap_or_default() {
            events.append(&mut piece);
            self.spare.push(piece);
        }
        events.sort_unstable();
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
