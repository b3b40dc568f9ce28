//! The world, day by day: who was where, and what became of units. Each unit's day is drawn by itself.

use super::{
    admit::Admit,
    country::Country,
    draws::{Draws, Share},
    estate::{Estate, Net, On, Removal},
    event::{DAY, Event, Guard, HOUR, Hours, SECOND, What},
    file::Scenario,
    habit::Customs,
    handset::Makes,
    names::{CellNo, Person},
    rare::Rare,
    stay::Ways,
    truth::Truth,
    unit::Room,
};
use ids::UnixTime;
use ledger::LifeCycle;
use records::row::Purpose;
use std::collections::BTreeMap;

/// All that there is, and the rows that are to come of it.
pub(super) struct World {
    pub(super) seed: u64,
    pub(super) begins: UnixTime,
    pub(super) country: Country,
    pub(super) estate: Estate,
    pub(super) ways: Ways,
    pub(super) hours: Hours,
    pub(super) rare: Rare,
    pub(super) truth: Truth,
    pub(super) admit: Option<Admit>,
    /// Of units whose identity a box has: when they are on today.
    pub(super) today: BTreeMap<u32, Vec<On>>,
    /// Access networks that are renumbered today.
    pub(super) renumberings: Vec<Renumbering>,
    pub(super) customs: Customs,
    pub(super) rates: Rates,
    pub(super) room: Room,
}

/// All lines of a town get new addresses within a while.
#[derive(Clone, Copy, Debug)]
pub(super) struct Renumbering {
    pub(super) town: u32,
    pub(super) from: u64,
    pub(super) for_s: u32,
    pub(super) is_cgnat: bool,
}

/// How often things happen.
#[derive(Clone, Copy)]
pub(super) struct Rates {
    pub(super) outages: Share,
    pub(super) regional: Share,
    pub(super) addresses: Share,
    pub(super) moves: Share,
    pub(super) moves_untold: Share,
    pub(super) lost: Share,
    pub(super) found: Share,
    pub(super) found_untold: Share,
}

impl World {
    pub(super) fn new(scenario: &Scenario, seed: u64) -> Self {
        let given = &scenario.estate;
        let country = Country::new(given, seed);
        let estate = Estate::new(scenario, &country, seed);
        let makes = Makes { seed, plain: Share::percent(given.ims_plain_pct()), keepers: Vec::new() };
        let ways = Ways {
            makes,
            periodic: u64::from(given.periodic_min()) * 60 * SECOND,
            service_s: 12 * 3600 / given.service_per_d(),
            codes: Share::percent(given.codes_pct()),
            unasked: Share::percent(given.codes_unasked_pct()),
        };
        let customs = Customs {
            seed,
            guests: Share::percent(given.guests_pct()),
            holidays: Share::percent(given.holidays_pct()),
            passers_per_d: given.passers_per_d(),
        };
        let rates = Rates {
            outages: Share::percent(given.outages_pct()),
            regional: Share::percent(given.regional_outages_pct()),
            addresses: Share::percent(given.addresses_pct()),
            moves: Share::a_day_of(given.moves_pct_y()),
            moves_untold: Share::a_day_of(given.moves_untold_pct_y()),
            found_untold: Share::percent(given.found_untold_pct()),
            lost: Share::a_day_of(given.lost_pct_y()),
            found: Share::percent(given.found_pct()),
        };
        let truth = Truth::of(scenario, &estate);
        let mut world = Self {
            seed,
            begins: scenario.begins(),
            country,
            estate,
            ways,
            hours: Hours::default(),
            rare: Rare::default(),
            truth,
            admit: None,
            today: BTreeMap::new(),
            renumberings: Vec::new(),
            customs,
            rates,
            room: Room::default(),
        };
        world.begin();
        world.watch(scenario);
        world
    }

    /// The plan and the ledger, as they are at first.
    fn begin(&mut self) {
        let nobody = Person(0);
        for mast in (0..self.country.masts()).filter(|mast| self.country.is_planned(*mast)) {
            self.hours.push(0, Event { who: mast, ..Event::of(What::Mast, nobody, CellNo::NONE) });
        }
        for unit in 0..self.estate.units.len() as u32 {
            self.hours.push(0, Event { who: unit, ..Event::of(What::Unit, nobody, CellNo::NONE) });
        }
    }

    /// Keeps when units are on whose identity a box has.
    fn watch(&mut self, scenario: &Scenario) {
        let identities = scenario.actors.iter().filter_map(|actor| scenario.actor(actor.identity.as_ref()?));
        for units in identities.filter_map(|at| self.estate.of_actor.get(at).cloned()) {
            self.today.extend(units.map(|unit| (unit, Vec::new())));
        }
    }

    /// What is at a place of the plan.
    pub(super) fn mast_at(&self, on: &On) -> u32 {
        self.country.mast_at(on.town, on.spot)
    }

    /// One day of all units.
    pub(super) fn live(&mut self, day: u32) {
        let began = u64::from(day) * DAY;
        self.estate.forget(began);
        let towns = self.country.towns();
        let regional: Vec<_> = (0..towns).map(|town| self.regional_outage(town, day)).collect();
        for unit in 0..self.estate.units.len() as u32 {
            self.live_unit(unit, day, &regional);
        }
    }

    fn regional_outage(&self, town: u32, day: u32) -> Option<(u64, u64)> {
        let mut draws = self.country.draws(town, day);
        let happens = draws.happens(self.rates.regional);
        let from = u64::from(day) * DAY + draws.micros(0, 20 * 3600);
        happens.then(|| (from, from + draws.micros(1800, 3 * 3600)))
    }

    /// What of note may become of any unit.
    pub(super) fn happen(&mut self, number: u32, began: u64, draws: &mut Draws) {
        for (rate, is_booked) in [(self.rates.moves, true), (self.rates.moves_untold, false)] {
            if draws.happens(rate) && !self.estate.removals.contains_key(&number) {
                let from = began + draws.micros(9 * 3600, 14 * 3600);
                let to = from + draws.micros(2 * 3600, 5 * 3600);
                let Some(unit) = self.estate.units.get(number as usize) else { return };
                let town = u32::from(unit.town);
                let spot = self.country.somewhere(town, draws);
                self.remove(number, Removal { from, to, spot, town, carries: true }, is_booked);
            }
        }
        if draws.happens(self.rates.lost) {
            let from = began + draws.micros(0, 86_000);
            let reported = from + draws.micros(86_400, 30 * 86_400);
            let is_found = draws.happens(self.rates.found);
            let found = reported + draws.micros(86_400, 30 * 86_400);
            self.lose(number, from, is_found.then_some(found));
            self.state(number, reported, LifeCycle::Lost);
            if is_found && !draws.happens(self.rates.found_untold) {
                self.state(number, found.saturating_sub(HOUR), LifeCycle::Live);
            }
        }
    }

    /// A unit is off from then on, until it is found.
    pub(super) fn lose(&mut self, number: u32, from: u64, found: Option<u64>) {
        self.estate.darken(number, from, found.unwrap_or(u64::MAX));
    }

    /// The ledger has it in another state from then on.
    pub(super) fn state(&mut self, number: u32, at: u64, after: LifeCycle) {
        let Some(unit) = self.estate.units.get_mut(number as usize) else { return };
        let (before, spot) = (std::mem::replace(&mut unit.state, after), unit.spot);
        let [before, after] = [before, after].map(|state| self.estate.row(number, state, spot));
        let change = detect::Change::Unit { before: Some(before), after: Some(after) };
        let event = self.rare.change(change);
        self.hours.push(at, event);
    }

    /// A unit goes elsewhere; booked: there is an order, and the ledger has the new place when it is there.
    pub(super) fn remove(&mut self, number: u32, removal: Removal, is_booked: bool) {
        let Some(unit) = self.estate.units.get(number as usize).copied() else { return };
        if is_booked {
            let order = super::rare::Booking {
                unit: number,
                purpose: Purpose::Move,
                from: removal.from,
                to: removal.to,
                spot: removal.spot,
            };
            let known = removal.from.saturating_sub(12 * HOUR).max(removal.from / DAY * DAY);
            let event = self.rare.order(order);
            self.hours.push(known, event);
            let [before, after] =
                [unit.spot, removal.spot].map(|spot| self.estate.row(number, unit.state, spot));
            let change = detect::Change::Unit { before: Some(before), after: Some(after) };
            let event = self.rare.change(change);
            self.hours.push(removal.to, event);
        }
        self.estate.removals.insert(number, removal);
    }
}

/// A tunnel comes, goes, or is replaced: its outer address and where that is, until now and from now on.
pub(super) fn tunnel(unit: u32, before: Option<(u32, Net)>, after: Option<(u32, Net)>) -> Event {
    let code = |net: Option<(u32, Net)>| net.map_or(0, |(_, net)| net as u8);
    let address = |net: Option<(u32, Net)>| net.map_or(0, |(outer, _)| outer);
    Event {
        who: unit,
        guard: Guard(code(before) << 4 | code(after)),
        other: address(after),
        by: address(before),
        ..Event::of(What::Tunnel, Person(unit), CellNo::NONE)
    }
}
