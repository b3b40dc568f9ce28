//! Somebody at a cell, from coming to going: the rows that this leaves there and, just before and after, at macro cells.

use super::{
    draws::{Draws, Share},
    event::{Event, Guard, HOUR, Hours, SECOND, What},
    handset::Makes,
    names::{CellNo, Person},
};

/// What handsets do at any cell.
#[derive(Clone, Debug)]
pub(super) struct Ways {
    pub(super) makes: Makes,
    /// Longest time without a word, microseconds.
    pub(super) periodic: u64,
    /// Between two requests, on average, seconds.
    pub(super) service_s: u32,
    pub(super) codes: Share,
    pub(super) unasked: Share,
}

/// A cell at a place, as a handset sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Served {
    pub(super) cell: CellNo,
    /// By whose tunnel it speaks: a unit's number and one more; 0: no row says it.
    pub(super) by: u32,
    /// What it takes from handsets.
    pub(super) strips: Guard,
    /// Handsets that register with IMS as they come.
    pub(super) registers: Share,
    /// Whose attack it is.
    pub(super) of: u16,
}

/// Somebody comes and goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stay {
    pub(super) who: Person,
    pub(super) from: u64,
    pub(super) to: u64,
    /// The macro cell that it comes from; `None`: it was there.
    pub(super) comes: Option<u32>,
    /// The macro cell that it goes to; `None`: it stays.
    pub(super) goes: Option<u32>,
}

/// Handsets that speak as they come and go, and are handed over.
const IN_CALL: Share = Share::thousandths(120);
/// That register with IMS as they come to an honest cell, and as they go.
pub(super) const REGISTERS: Share = Share::thousandths(500);
/// People are awake from then on.
const MORNING: u64 = 7 * HOUR;
/// Least time in which somebody asks for a code.
const UNHURRIED: u64 = HOUR / 2;

impl Ways {
    /// All rows of a stay.
    pub(super) fn stay(&self, served: &Served, stay: &Stay, draws: &mut Draws, hours: &mut Hours) {
        let Stay { who, from, to, comes, goes } = *stay;
        let guard = self.makes.guard(who, from);
        let here = Guard(guard.0 | served.strips.0);
        let mut at_cell = |at: u64, what: What, other: u32| {
            let event = Event {
                guard: here,
                of: served.of,
                other,
                by: served.by,
                ..Event::of(what, who, served.cell)
            };
            hours.push(at, event);
        };
        let mut next = from + draws.micros(0, (self.periodic / SECOND) as u32);
        if let Some(mast) = comes {
            let is_in_call = draws.happens(IN_CALL);
            let what = if is_in_call { What::HandoverIn } else { What::Update };
            at_cell(from, what, if is_in_call { CellNo::mast(mast).0 } else { 0 });
            if draws.happens(served.registers) {
                at_cell(from + draws.micros(1, 5), What::Register, 0);
            }
            next = from + self.pause(from, draws);
        }
        while next < to {
            at_cell(next, What::Service, 0);
            next += self.pause(next, draws);
        }
        if to.saturating_sub(from) > UNHURRIED && draws.happens(self.codes) {
            self.ask_and_pay(stay, draws, &mut at_cell);
        }
        let mut at_mast = |at: u64, what: What, mast: u32| {
            hours.push(at, Event { guard, of: 0, ..Event::of(what, who, CellNo::mast(mast)) });
        };
        if let Some(mast) = comes {
            at_mast(from.saturating_sub(draws.micros(10, 50)), What::Update, mast);
        }
        if let Some(mast) = goes {
            let left = to + draws.micros(5, 40);
            at_mast(left, What::Update, mast);
            if draws.happens(REGISTERS) {
                at_mast(left + draws.micros(1, 5), What::Register, mast);
            }
        }
    }

    /// Until a handset speaks next: as its user likes, and at the latest when its period is over.
    fn pause(&self, at: u64, draws: &mut Draws) -> u64 {
        if at % (24 * HOUR) < MORNING {
            return self.periodic;
        }
        draws.micros(self.service_s / 5, self.service_s * 9 / 5).min(self.periodic)
    }

    /// Somebody asks for a code, gets it, and pays.
    fn ask_and_pay(&self, stay: &Stay, draws: &mut Draws, at_cell: &mut impl FnMut(u64, What, u32)) {
        let room = ((stay.to - stay.from) / SECOND) as u32 - 300;
        let at = stay.from + draws.micros(30, room.max(31));
        let (is_call, is_unasked) = (draws.below(5) == 0, draws.happens(self.unasked));
        let code = match (is_call, is_unasked) {
            (false, false) => What::Code,
            (true, false) => What::CodeCall,
            (false, true) => What::CodeUnasked,
            (true, true) => What::CodeCallUnasked,
        };
        at_cell(at - SECOND, What::Service, 0);
        at_cell(at, code, 0);
        let payment = if is_call { What::PaymentCall } else { What::Payment };
        at_cell(at + draws.micros(15, 120), payment, 1000 * draws.between(1, 60));
    }
}

impl Served {
    /// The cell of a unit at its own place.
    pub(super) fn unit(number: u32) -> Self {
        let (cell, by) = (CellNo::unit(number), number + 1);
        Self { cell, by, strips: Guard::default(), registers: REGISTERS, of: 0 }
    }
}
