//! The units: what is kept of each, some 40 octets, and what becomes of them.

use super::{
    country::Country,
    draws::{Drawer, Draws, Share},
    event::DAY,
    file::Scenario,
    habit::Habit,
    names::{self, CellNo, Spot},
    word::{ActorKind, Place},
};
use ids::{Plmn, SourceClass};
use ledger::LifeCycle;
use std::collections::BTreeMap;

/// A unit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unit {
    pub(super) spot: Spot,
    pub(super) number: u32,
    pub(super) town: u16,
    pub(super) visitors_per_d: u16,
    pub(super) place: Place,
    pub(super) regulars: u8,
    /// How many households lived with it before.
    pub(super) family: u8,
    pub(super) state: LifeCycle,
    /// Where its outer address is: of its line, or of a CGNAT.
    pub(super) net: Net,
    /// How many addresses its line had before.
    pub(super) addresses: u8,
    pub(super) is_up: bool,
    /// An actor is this unit: nothing of note happens to it but what the file says.
    pub(super) is_actor: bool,
}

/// What is known of an outer address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Net {
    /// The unit's own line.
    #[default]
    Own = 1,
    /// A line of the carrier's, and nobody knows whose.
    Unknown = 2,
    /// Somebody else's line of the carrier.
    OtherLine = 3,
    OtherFixed = 4,
    Mobile = 5,
    Foreign = 6,
    Hosting = 7,
}

/// A unit is on, at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct On {
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) spot: Spot,
    pub(super) town: u32,
}

/// A unit goes to another place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Removal {
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) spot: Spot,
    pub(super) town: u32,
    pub(super) carries: bool,
}

/// All units.
#[derive(Clone, Debug)]
pub(super) struct Estate {
    pub(super) units: Vec<Unit>,
    /// When a unit of note is off, by unit.
    pub(super) dark: BTreeMap<u32, Vec<(u64, u64)>>,
    pub(super) removals: BTreeMap<u32, Removal>,
    /// The units of each actor.
    pub(super) of_actor: Vec<std::ops::Range<u32>>,
    pub(super) network: Plmn,
    seed: u64,
    misplaced: Share,
}

/// The first outer address: 20.0.0.0, of lines in the order of units; each renumbering has 2,097,152 of them.
const OUTER: u32 = 0x1400_0000;
const RENUMBERING: u32 = 1 << 21;
/// 192.0.2.0: the outer address of a town's CGNAT.
const CGNAT: u32 = 0xc000_0200;

impl Net {
    pub(super) fn of(code: u8) -> Option<Self> {
        let all = [
            Self::Own,
            Self::Unknown,
            Self::OtherLine,
            Self::OtherFixed,
            Self::Mobile,
            Self::Foreign,
            Self::Hosting,
        ];
        all.into_iter().find(|net| *net as u8 == code)
    }

    pub(super) fn class(self) -> SourceClass {
        match self {
            Self::Own | Self::Unknown | Self::OtherLine => SourceClass::OwnFixed,
            Self::OtherFixed => SourceClass::OtherFixed,
            Self::Mobile => SourceClass::Mobile,
            Self::Foreign => SourceClass::Foreign,
            Self::Hosting => SourceClass::Hosting,
        }
    }
}

impl Unit {
    /// Its outer address, and what is known of that.
    pub(super) fn outer(&self) -> (u32, Net) {
        let outer = match self.net {
            Net::Unknown => CGNAT + u32::from(self.town),
            Net::Own | Net::OtherLine | Net::OtherFixed | Net::Mobile | Net::Foreign | Net::Hosting => {
                OUTER + self.number + u32::from(self.addresses % 64) * RENUMBERING
            }
        };
        (outer, self.net)
    }

    pub(super) fn habit(&self) -> Habit {
        Habit {
            place: self.place,
            regulars: self.regulars.into(),
            visitors_per_d: self.visitors_per_d.into(),
        }
    }
}

impl Estate {
    pub(super) fn new(scenario: &Scenario, country: &Country, seed: u64) -> Self {
        let network = scenario.estate.network.or_else(|| "001-01".parse().ok());
        let mut units: Vec<_> =
            (0..scenario.estate.units()).map(|number| drawn(scenario, country, seed, number)).collect();
        let mut next = 0;
        let mut of_actor = Vec::new();
        for actor in &scenario.actors {
            let count = if actor.kind == ActorKind::Unit { actor.count() } else { 0 };
            for number in next..next + count {
                let Some(unit) = units.get_mut(number as usize) else { break };
                let place = actor.place.unwrap_or(Place::Home);
                let mut draws = Draws::new(seed, Drawer::Site(number), 1);
                let (regulars, visitors) = people(place, scenario.estate.people_per_home(), &mut draws);
                let visitors = match actor.visitors_per_d() {
                    0 => visitors,
                    given => given.min(65_535) as u16,
                };
                unit.town = actor.town() as u16;
                unit.spot = if actor.x_km.is_some() || actor.y_km.is_some() {
                    country.middle(actor.town()).plus(Spot::km(actor.x_km(), actor.y_km()))
                } else {
                    country.somewhere(actor.town(), &mut draws)
                };
                (unit.place, unit.regulars, unit.visitors_per_d, unit.is_actor) =
                    (place, regulars, visitors, true);
            }
            of_actor.push(next..next + count);
            next += count;
        }
        let misplaced = Share::percent(scenario.estate.misplaced_pct());
        let network = network.unwrap_or_else(|| unreachable!("001-01 is a network"));
        Self { units, dark: BTreeMap::new(), removals: BTreeMap::new(), of_actor, network, seed, misplaced }
    }

    /// The ledger's row of a unit.
    pub(super) fn row(&self, number: u32, state: LifeCycle, spot: Spot) -> detect::Unit {
        detect::Unit {
            device: names::device(number),
            state,
            position: spot.plus(self.error(number)).position(),
            line: names::line(number),
            mode: None,
            cells: CellNo::unit(number).key(self.network).into_iter().collect(),
        }
    }

    /// From where a unit is to where the ledger has it.
    fn error(&self, number: u32) -> Spot {
        let drawn = names::mix(self.seed ^ names::mix(u64::from(number) << 8 | 5));
        if !self.misplaced.has(drawn as u32)
            || self.units.get(number as usize).is_some_and(|unit| unit.is_actor)
        {
            return Spot::default();
        }
        let metres = 2000 + (drawn >> 32 & 0xfff) as i32;
        if drawn >> 44 & 1 == 0 { Spot { east: metres, north: 0 } } else { Spot { east: 0, north: metres } }
    }

    /// It is off then.
    pub(super) fn darken(&mut self, unit: u32, from: u64, to: u64) {
        self.dark.entry(unit).or_default().push((from, to));
    }

    /// It is on again from then on.
    pub(super) fn light(&mut self, unit: u32, at: u64) {
        self.dark.entry(unit).or_default().iter_mut().for_each(|(_, to)| *to = (*to).min(at));
    }

    /// When a unit is on, on a day that has those outages, and where.
    pub(super) fn on(&self, number: u32, day: u64, outages: &[(u64, u64)], on: &mut Vec<On>) {
        on.clear();
        let Some(unit) = self.units.get(number as usize) else { return };
        let (from, to) = (day, day + DAY);
        let (spot, town) = (unit.spot, u32::from(unit.town));
        match self.removals.get(&number) {
            Some(removal) => {
                on.push(On { from, to: to.min(removal.from), spot, town });
                on.push(On { from: from.max(removal.to), to, spot: removal.spot, town: removal.town });
            }
            None => on.push(On { from, to, spot, town }),
        }
        let dark = self.dark.get(&number).into_iter().flatten().chain(outages);
        dark.for_each(|dark| cut(on, *dark));
        on.retain(|on| on.from < on.to);
    }

    /// Forgets what is over.
    pub(super) fn forget(&mut self, before: u64) {
        self.dark.retain(|_, dark| {
            dark.retain(|(_, to)| *to > before);
            !dark.is_empty()
        });
        let units = &mut self.units;
        self.removals.retain(|number, removal| {
            if removal.to > before {
                return true;
            }
            if let Some(unit) = units.get_mut(*number as usize) {
                (unit.spot, unit.town) = (removal.spot, removal.town as u16);
                unit.family = (unit.family + u8::from(!removal.carries)) % 100;
            }
            false
        });
    }
}

/// Takes a time out of others.
fn cut(on: &mut Vec<On>, (from, to): (u64, u64)) {
    for at in 0..on.len() {
        let Some(piece) = on.get_mut(at) else { return };
        let (whole, overlaps) = (*piece, piece.from < to && from < piece.to);
        if overlaps {
            piece.to = from.max(piece.from);
            on.push(On { from: to, ..whole });
        }
    }
    on.retain(|on| on.from < on.to);
    on.sort_unstable_by_key(|on| on.from);
}

fn drawn(scenario: &Scenario, country: &Country, seed: u64, number: u32) -> Unit {
    let estate = &scenario.estate;
    let mut draws = Draws::new(seed, Drawer::Site(number), 0);
    let town = number % estate.towns();
    let spot = country.somewhere(town, &mut draws);
    let kinds = [
        (estate.offices_pct(), Place::Office),
        (estate.shops_pct(), Place::Shop),
        (estate.hotels_pct(), Place::Hotel),
    ];
    let (spread, mut sum, mut place) = (draws.word(), 0.0, Place::Home);
    for (percent, kind) in kinds.into_iter().rev() {
        sum += percent;
        if place == Place::Home && Share::percent(sum).has(spread) {
            place = kind;
        }
    }
    let (regulars, visitors_per_d) = people(place, estate.people_per_home(), &mut draws);
    Unit {
        spot,
        number,
        town: town as u16,
        visitors_per_d,
        place,
        regulars,
        family: 0,
        state: LifeCycle::Live,
        net: Net::Own,
        addresses: 0,
        is_up: false,
        is_actor: false,
    }
}

/// Who lives or works at a place, and how many come on a day; of a hotel, how many stay the night.
fn people(place: Place, per_home: u32, draws: &mut Draws) -> (u8, u16) {
    let (regulars, visitors) = match place {
        Place::Home => (draws.between(1, 2 * per_home - 1), 0),
        Place::BusStop => (draws.between(1, 2 * per_home - 1), 600),
        Place::Office => (draws.between(4, 12), 3),
        Place::Shop => (draws.between(2, 5), 40),
        Place::Hotel => (draws.between(3, 8), 30),
        Place::Stadium => (draws.between(2, 4), 0),
    };
    (regulars.min(names::HOUSEHOLD - 1) as u8, visitors)
}
