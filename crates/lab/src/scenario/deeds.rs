//! What steps do to the world, on the day on which they are due.

use super::{
    draws::{Drawer, Draws, Share},
    estate::{Net, Removal},
    event::{DAY, HOUR, SECOND},
    file::{Scenario, Step},
    names::Spot,
    route::Route,
    stay::{Served, Stay},
    word::{ActorKind, Deed, Omits},
    world::{Renumbering, World},
};
use ledger::LifeCycle;

/// A step that is due.
#[derive(Clone, Copy)]
pub(super) struct Due<'a> {
    pub(super) number: u32,
    pub(super) step: &'a Step,
    pub(super) actor: usize,
    pub(super) at: u64,
}

/// How fast a van is, km/h, and how many handsets come in an hour to a unit that is on in it.
const VAN_KMH: u32 = 40;
const VAN_CATCHES: u32 = 120;

/// Steps that are due on a day, in the order of the file.
pub(super) fn due(scenario: &Scenario, day: u32) -> impl Iterator<Item = Due<'_>> {
    let due = move |(number, step): (usize, &'_ Step)| {
        let first = step.at.secs() * SECOND;
        let since = u64::from(day).checked_sub(first / DAY)?;
        let (every, times) = (u64::from(step.every_d()), u64::from(step.times()));
        let is_due = since.is_multiple_of(every) && since / every < times;
        is_due.then_some((number as u32, first + since * DAY))
    };
    scenario.steps.iter().enumerate().filter_map(move |(number, step)| {
        let ((number, at), actor) = (due((number, step))?, scenario.actor(&step.actor)?);
        Some(Due { number, step, actor, at })
    })
}

impl Due<'_> {
    pub(super) fn draws(&self, seed: u64) -> Draws {
        Draws::new(seed, Drawer::Step(self.number), (self.at / DAY) as u32)
    }

    fn spot(&self, world: &World) -> Spot {
        let step = self.step;
        world.country.middle(step.town()).plus(Spot::km(step.x_km(), step.y_km()))
    }
}

impl World {
    /// What is done to units, networks and records: before the day is lived.
    pub(super) fn prepare(&mut self, scenario: &Scenario, day: u32) {
        self.renumberings.clear();
        for due in due(scenario, day) {
            match due.step.deed.kind() {
                ActorKind::Unit => {
                    let units = self.estate.of_actor.get(due.actor).cloned();
                    units.into_iter().flatten().for_each(|unit| self.do_to(unit, &due));
                }
                ActorKind::Network => self.renumberings.push(Renumbering {
                    town: scenario.actors.get(due.actor).map_or(0, |actor| actor.town()),
                    from: due.at,
                    for_s: due.step.for_min() * 60,
                    is_cgnat: due.step.cgnat(),
                }),
                ActorKind::Ims => {
                    let Some(actor) = scenario.actors.get(due.actor) else { continue };
                    let omits = actor.omits.unwrap_or(Omits::Ealg);
                    self.ways.makes.keepers.push((due.at, Share::percent(actor.share_pct()), omits));
                }
                ActorKind::Box => {}
            }
        }
    }

    fn do_to(&mut self, unit: u32, due: &Due<'_>) {
        let (step, at) = (due.step, due.at);
        let hours = |hours: f64| (hours * 3600.0).round() as u64 * SECOND;
        match step.deed {
            Deed::Lose => self.lose(unit, at, None),
            Deed::ReportLost => self.state(unit, at, LifeCycle::Lost),
            Deed::Retire => {
                self.lose(unit, at, None);
                self.state(unit, at, LifeCycle::Retired);
            }
            Deed::Find => {
                self.estate.light(unit, at);
                if step.told() {
                    self.state(unit, at.saturating_sub(HOUR).max(at / DAY * DAY), LifeCycle::Live);
                }
            }
            Deed::Off => self.estate.darken(unit, at, at + hours(step.for_h())),
            Deed::Move => {
                let (spot, town) = (due.spot(self), step.town());
                let removal =
                    Removal { from: at, to: at + hours(step.for_h()), spot, town, carries: step.carries() };
                self.remove(unit, removal, step.booked());
            }
            Deed::Crowd | Deed::On | Deed::Renumber | Deed::Omit => {}
        }
    }

    /// What people and boxes do: after the day is lived.
    pub(super) fn act(&mut self, scenario: &Scenario, day: u32) {
        for due in due(scenario, day) {
            let units = self.estate.of_actor.get(due.actor).cloned().into_iter().flatten();
            match due.step.deed {
                Deed::Crowd => units.for_each(|unit| self.crowd(unit, &due)),
                Deed::Move if due.step.switched_on() => units.for_each(|unit| self.ride(unit, &due)),
                Deed::On => self.switch_on(scenario, &due),
                Deed::Lose | Deed::ReportLost | Deed::Find | Deed::Retire | Deed::Off | Deed::Move => {}
                Deed::Renumber | Deed::Omit => {}
            }
        }
    }

    /// Many people come to a unit's place, and go when it is over.
    fn crowd(&mut self, unit: u32, due: &Due<'_>) {
        let mut draws = due.draws(self.seed);
        let Some((town, spot)) = self.estate.units.get(unit as usize).map(|unit| (unit.town, unit.spot))
        else {
            return;
        };
        let (town, for_s) = (u32::from(town), due.step.for_min() * 60);
        let mast = self.country.mast_at(town, spot);
        let served = Served::unit(unit);
        for _ in 0..due.step.people() {
            let who = self.country.one_of(town, unit, 200_000, &mut draws);
            let from = due.at + draws.micros(0, for_s / 3);
            let to = due.at + draws.micros(for_s * 2 / 3, for_s);
            let comes = Some(self.country.beside(mast, &mut draws));
            let goes = Some(self.country.beside(mast, &mut draws));
            self.ways.stay(&served, &Stay { who, from, to, comes, goes }, &mut draws, &mut self.hours);
        }
    }

    /// A unit is on while it is carried to another place.
    fn ride(&mut self, unit: u32, due: &Due<'_>) {
        let mut draws = due.draws(self.seed);
        let Some(of) = self.estate.units.get(unit as usize).copied() else { return };
        let Some(removal) = self.estate.removals.get(&unit).copied() else { return };
        let from = removal.from + 120 * SECOND;
        let to = removal.to.saturating_sub(120 * SECOND).min(from + 2 * HOUR);
        // By the mobile network: a router in the van.
        let outer = (super::rogue::ROUTERS + unit, Net::Mobile);
        self.hours.push(from, super::world::tunnel(unit, None, Some(outer)));
        self.hours.push(to, super::world::tunnel(unit, Some(outer), None));
        let route =
            Route { town: of.town.into(), spot: of.spot, speed_kmh: VAN_KMH, from: from + 60 * SECOND, to };
        let served = Served::unit(unit);
        route.drive(&self.country.clone(), VAN_CATCHES, &mut draws, |caught, draws| {
            let to = (caught.at + draws.micros(20, 120)).min(to);
            let mast = Some(caught.mast);
            let stay = Stay { who: caught.who, from: caught.at, to, comes: mast, goes: mast };
            self.ways.stay(&served, &stay, draws, &mut self.hours);
        });
    }
}
