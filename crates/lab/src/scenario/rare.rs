use super::{
    event::{Event, What},
    names::{CellNo, Person, Spot},
};
use detect::Change;
use records::row::Purpose;
use std::collections::BTreeMap;

/// What is too rare to have room in each event: kept beside, as long as the world lasts, since
/// a row may come twice.
#[derive(Clone, Debug, Default)]
pub(super) struct Rare {
    next: u32,
    kept: BTreeMap<u32, Kept>,
}

/// One of these.
#[derive(Clone, Debug)]
pub(super) enum Kept {
    /// The ledger changes.
    Change(Change),
    /// An order is written.
    Order(Booking),
}

/// Somebody is to move a unit; times in microseconds of the world.
#[derive(Clone, Copy, Debug)]
pub(super) struct Booking {
    pub(super) unit: u32,
    pub(super) purpose: Purpose,
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) spot: Spot,
}

impl Rare {
    pub(super) fn change(&mut self, change: Change) -> Event {
        self.keep(Kept::Change(change), false)
    }

    pub(super) fn order(&mut self, booking: Booking) -> Event {
        self.keep(Kept::Order(booking), true)
    }

    fn keep(&mut self, kept: Kept, is_order: bool) -> Event {
        let number = self.next;
        self.next += 1;
        self.kept.insert(number, kept);
        Event {
            who: number,
            other: u32::from(is_order),
            ..Event::of(What::Rare, Person(number), CellNo::NONE)
        }
    }

    pub(super) fn get(&self, number: u32) -> Option<&Kept> {
        self.kept.get(&number)
    }
}
