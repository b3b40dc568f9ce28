//! What people do at a place on a day: who is there from when to when.

use super::{
    draws::{Draws, Share},
    event::{HOUR, SECOND},
    names::mix,
    word::Place,
};

/// Somebody is there, within a day; times in microseconds of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Presence {
    pub(super) who: Who,
    pub(super) from: u64,
    pub(super) to: u64,
    /// Was not there before, but came.
    pub(super) comes: bool,
    /// Goes, and does not stay on.
    pub(super) goes: bool,
}

/// Whom a place knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// Lives or works there.
    Regular(u32),
    /// A friend of the house.
    Friend(u32),
    /// Anybody who comes by.
    Passer,
}

/// People at a place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Habit {
    pub(super) place: Place,
    pub(super) regulars: u32,
    pub(super) visitors_per_d: u32,
}

/// How often things happen at homes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Customs {
    pub(super) seed: u64,
    pub(super) guests: Share,
    pub(super) holidays: Share,
    pub(super) passers_per_d: u32,
}

const MINUTE: u64 = 60 * SECOND;
const DAY: u64 = 24 * HOUR;
/// Of people who live somewhere, on a day of work.
const WORKS: Share = Share::thousandths(750);
/// Of those who do not, who goes out for a while.
const ERRAND: Share = Share::thousandths(600);
/// Friends of a house, of whom some come.
const FRIENDS: u32 = 6;

impl Habit {
    /// Who is there on a day. `week` spreads over units; a day is one of work from Monday to Friday.
    pub(super) fn day(
        &self,
        unit: u32,
        day: u32,
        customs: &Customs,
        draws: &mut Draws,
        there: &mut Vec<Presence>,
    ) {
        let is_weekend = day % 7 >= 5;
        match self.place {
            Place::Home | Place::BusStop => {
                let spread = mix(customs.seed ^ mix(u64::from(unit) << 16 | u64::from(day / 7))) >> 32;
                let is_away = customs.holidays.has(spread as u32);
                self.live(is_away.then_some(day % 7), is_weekend, draws, there);
                if !is_away && draws.happens(customs.guests) {
                    guests(draws, there);
                }
            }
            Place::Office if is_weekend => {}
            Place::Office => self.work([8, 10], [16, 19], draws, there),
            Place::Shop => self.work([9, 10], [18, 20], draws, there),
            Place::Hotel => self.work([6, 9], [15, 22], draws, there),
            Place::Stadium => self.work([9, 11], [16, 18], draws, there),
        }
        self.visits(customs, draws, there);
    }

    /// People at home: they sleep there, and most go to work. `holiday`: which day of a week that they are away.
    fn live(&self, holiday: Option<u32>, is_weekend: bool, draws: &mut Draws, there: &mut Vec<Presence>) {
        for member in 0..self.regulars {
            let who = Who::Regular(member);
            let until = |to: u64| Presence { who, from: 0, to, comes: false, goes: true };
            let since = |from: u64| Presence { who, from, to: DAY, comes: true, goes: false };
            match holiday {
                Some(0) => there.push(until(draws.micros(7 * 3600, 11 * 3600))),
                Some(6) => there.push(since(draws.micros(15 * 3600, 21 * 3600))),
                Some(_) => {}
                None => {
                    let out = if !is_weekend && draws.happens(WORKS) {
                        Some((draws.micros(6 * 3600, 9 * 3600), draws.micros(16 * 3600, 21 * 3600)))
                    } else if draws.happens(ERRAND) {
                        let from = draws.micros(10 * 3600, 17 * 3600);
                        Some((from, from + draws.micros(1800, 3 * 3600)))
                    } else {
                        None
                    };
                    match out {
                        Some((from, to)) => there.extend([until(from), since(to)]),
                        None => there.push(Presence { who, from: 0, to: DAY, comes: false, goes: false }),
                    }
                }
            }
        }
    }

    /// People at work.
    fn work(&self, from_h: [u32; 2], to_h: [u32; 2], draws: &mut Draws, there: &mut Vec<Presence>) {
        for member in 0..self.regulars {
            let [from, to] = [from_h, to_h].map(|[least, most]| draws.micros(least * 3600, most * 3600));
            there.push(Presence { who: Who::Regular(member), from, to, comes: true, goes: true });
        }
    }

    /// People who come by.
    fn visits(&self, customs: &Customs, draws: &mut Draws, there: &mut Vec<Presence>) {
        let (visitors, open_h, stay_s) = match self.place {
            Place::Home => (self.visitors_per_d + customs.passers_per_d, [7, 23], [20, 180]),
            Place::BusStop => (self.visitors_per_d, [6, 23], [60, 420]),
            Place::Office => (self.visitors_per_d, [9, 17], [600, 5400]),
            Place::Shop => (self.visitors_per_d, [10, 19], [300, 1800]),
            Place::Hotel | Place::Stadium => return,
        };
        for _ in 0..visitors {
            let from = draws.micros(open_h[0] * 3600, open_h[1] * 3600);
            let to = from + draws.micros(stay_s[0], stay_s[1]);
            there.push(Presence { who: Who::Passer, from, to, comes: true, goes: true });
        }
    }
}

fn guests(draws: &mut Draws, there: &mut Vec<Presence>) {
    let from = draws.micros(16 * 3600, 19 * 3600);
    for _ in 0..draws.between(1, 4) {
        let from = from + draws.micros(0, 1800);
        let to = from + draws.micros(2 * 3600, 4 * 3600);
        let who = Who::Friend(draws.below(FRIENDS));
        there.push(Presence { who, from, to, comes: true, goes: true });
    }
}

/// When a hotel's guests of one night come and, on the day after, go.
pub(super) fn night(draws: &mut Draws) -> (u64, u64) {
    (draws.micros(15 * 3600, 23 * 3600), draws.micros(7 * 3600, 11 * 3600) + MINUTE)
}
