//! One day of one unit: whether it is on, what its tunnel does, and who is at its cell.

use super::{
    draws::{Drawer, Draws},
    estate::{Net, On},
    event::{DAY, SECOND},
    habit::{Presence, Who, night},
    names::{self, Person},
    stay::{Served, Stay},
    word::Place,
    world::{World, tunnel},
};

/// Room that is used again for each unit.
#[derive(Default)]
pub(super) struct Room {
    pub(super) there: Vec<Presence>,
    pub(super) on: Vec<On>,
    pub(super) outages: Vec<(u64, u64)>,
}

/// From the end of a tunnel to its being known.
const KNOWN_AFTER: u64 = 20 * SECOND;
/// From a tunnel to the first handset.
const SERVES_AFTER: u64 = 60 * SECOND;

impl World {
    /// One day of a unit, and of who is about it.
    pub(super) fn live_unit(&mut self, number: u32, day: u32, regional: &[Option<(u64, u64)>]) {
        let Some(unit) = self.estate.units.get(number as usize).copied() else { return };
        let mut draws = Draws::new(self.seed, Drawer::Unit(number), day);
        let began = u64::from(day) * DAY;
        if !unit.is_actor && day > 0 && !self.estate.dark.contains_key(&number) {
            self.happen(number, began, &mut draws);
        }
        let mut room = std::mem::take(&mut self.room);
        room.outages.clear();
        room.outages.extend(regional.get(usize::from(unit.town)).copied().flatten());
        if draws.happens(self.rates.outages) {
            let from = began + draws.micros(60, 22 * 3600);
            room.outages.push((from, from + draws.micros(180, 3600)));
        }
        self.estate.on(number, began, &room.outages, &mut room.on);
        self.renumber(number, &room.on, &mut draws);
        self.tunnels(number, began, &mut room.on, &mut draws);
        room.there.clear();
        if !room.on.is_empty() {
            unit.habit().day(number, day, &self.customs, &mut draws, &mut room.there);
        }
        for presence in &room.there {
            self.be_there(number, began, presence, &room.on, &mut draws);
        }
        if unit.place == Place::Hotel {
            self.nights(number, day, &room.on, &mut draws);
        }
        if let Some(today) = self.today.get_mut(&number) {
            today.clone_from(&room.on);
        }
        self.room = room;
    }

    /// Its tunnels on a day; `on` begins as soon as handsets can come.
    fn tunnels(&mut self, number: u32, began: u64, on: &mut [On], draws: &mut Draws) {
        let addresses = self.rates.addresses;
        let Some(unit) = self.estate.units.get_mut(number as usize) else { return };
        let first = on.first().map_or(u64::MAX, |on| on.from);
        if unit.is_up && first > began {
            self.hours.push(began, tunnel(number, Some(unit.outer()), None));
            unit.is_up = false;
        }
        for on in on {
            if !unit.is_up {
                if draws.happens(addresses) {
                    unit.addresses = unit.addresses.wrapping_add(1);
                }
                self.hours.push(on.from + SECOND, tunnel(number, None, Some(unit.outer())));
                unit.is_up = true;
                on.from += SERVES_AFTER;
            }
            if on.to < began + DAY {
                self.hours.push(on.to + KNOWN_AFTER, tunnel(number, Some(unit.outer()), None));
                unit.is_up = false;
            }
        }
    }

    /// It gets another outer address, where its access network does.
    fn renumber(&mut self, number: u32, on: &[On], draws: &mut Draws) {
        let Some(unit) = self.estate.units.get_mut(number as usize) else { return };
        for renumbering in self.renumberings.iter().filter(|of| of.town == u32::from(unit.town)) {
            let at = renumbering.from + draws.micros(0, renumbering.for_s);
            let before = unit.outer();
            unit.addresses = unit.addresses.wrapping_add(1);
            unit.net = if renumbering.is_cgnat { Net::Unknown } else { Net::Own };
            if unit.is_up && on.iter().any(|on| on.from <= at && at < on.to) {
                self.hours.push(at, tunnel(number, Some(before), Some(unit.outer())));
            }
        }
    }

    /// Somebody is at a unit's place: at its cell as long as that is on.
    fn be_there(&mut self, number: u32, began: u64, presence: &Presence, on: &[On], draws: &mut Draws) {
        let Some(unit) = self.estate.units.get(number as usize).copied() else { return };
        let (from, to) = (began + presence.from, began + presence.to);
        let town = u32::from(unit.town);
        let who = match presence.who {
            Who::Regular(member) => {
                let units = self.estate.units.len() as u32;
                Person::of_unit(number + units * u32::from(unit.family), member)
            }
            Who::Friend(friend) => {
                Person::other(town, (names::mix(u64::from(number * 8 + friend)) >> 40) as u32)
            }
            Who::Passer => self.country.one_of(town, number, 3000, draws),
        };
        let served = Served::unit(number);
        for on in on.iter().filter(|on| on.from < to && from < on.to) {
            let mast = self.mast_at(on);
            let is_passer = presence.who == Who::Passer;
            let comes = presence.comes || on.from > began;
            let goes = presence.goes || on.to < began + DAY;
            let stay = Stay {
                who,
                from: if on.from > from { on.from + draws.micros(0, 120) } else { from },
                to: to.min(on.to),
                comes: comes.then(|| if is_passer { self.country.beside(mast, draws) } else { mast }),
                goes: goes.then(|| if is_passer { self.country.beside(mast, draws) } else { mast }),
            };
            if stay.from < stay.to {
                self.ways.stay(&served, &stay, draws, &mut self.hours);
            }
        }
    }

    /// Guests of a hotel: those of last night until they go, and those of tonight.
    fn nights(&mut self, number: u32, day: u32, on: &[On], draws: &mut Draws) {
        let began = u64::from(day) * DAY;
        for (evening, is_tonight) in [(day.checked_sub(1), false), (Some(day), true)] {
            let Some(evening) = evening else { continue };
            let mut of_night = Draws::new(self.seed, Drawer::Night(number), evening);
            let beds = self.estate.units.get(number as usize).map_or(0, |unit| unit.visitors_per_d);
            let town = self.estate.units.get(number as usize).map_or(0, |unit| u32::from(unit.town));
            for _ in 0..beds {
                let who = self.country.one_of(town, number, 100_000, &mut of_night);
                let (comes, goes) = night(&mut of_night);
                let (from, to) =
                    if is_tonight { (began + comes, began + DAY) } else { (began, began + goes) };
                let served = Served::unit(number);
                for on in on.iter().filter(|on| on.from < to && from < on.to) {
                    let mast = self.mast_at(on);
                    let stay = Stay {
                        who,
                        from: from.max(on.from),
                        to: to.min(on.to),
                        comes: (is_tonight || on.from > began).then_some(mast),
                        goes: (!is_tonight || on.to < began + DAY).then_some(mast),
                    };
                    self.ways.stay(&served, &stay, draws, &mut self.hours);
                }
            }
        }
    }
}
