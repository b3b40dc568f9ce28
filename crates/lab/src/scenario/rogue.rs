//! An attacker's box: it asks for a tunnel under a unit's identity, and handsets come to its cells. It is rows and nothing else.

use super::{
    admit::Attempt,
    deeds::Due,
    draws::{Draws, Share},
    estate::Net,
    event::{DAY, Event, Guard, HOUR, SECOND, What},
    file::{Actor, Scenario, Step},
    handset::stripped,
    names::{self, CellNo, Spot},
    route::{Caught, Route},
    stay::{REGISTERS, Served, Stay},
    word::Via,
    world::{World, tunnel},
};
use std::ops::Range;

/// 198.18.0.0: outer addresses of routers that are carried around, one for each box.
pub(super) const ROUTERS: u32 = 0xc612_0000;
/// Handsets that registered with IMS by a macro cell within the hours before.
const REGISTERED: Share = Share::thousandths(600);

/// A box as it is on.
struct Rogue<'a> {
    /// From 1 on, as events have it.
    of: u16,
    actor: &'a Actor,
    step: &'a Step,
    served: Vec<Served>,
    from: u64,
    to: u64,
}

impl World {
    /// A box is on for a while.
    pub(super) fn switch_on(&mut self, scenario: &Scenario, due: &Due<'_>) {
        let Some(actor) = scenario.actors.get(due.actor) else { return };
        let to = due.at + u64::from(due.step.for_min()) * 60 * SECOND;
        let boxes = scenario.actors.iter().take(due.actor).filter(|other| other.kind == actor.kind);
        let (before, first) = boxes.fold((0, 0), |(count, cells), other| (count + 1, cells + other.cells()));
        let of = before + 1;
        let identity = actor.identity.as_ref().and_then(|name| scenario.actor(name));
        let units = identity.and_then(|at| self.estate.of_actor.get(at).cloned()).unwrap_or(0..0);
        let mut rogue = Rogue { of, actor, step: due.step, served: Vec::new(), from: due.at, to };
        if units.is_empty() {
            rogue.served = (0..actor.cells()).map(|at| rogue.served(CellNo::own(first + at), None)).collect();
        }
        let mut draws = due.draws(self.seed);
        for (at, unit) in units.clone().enumerate() {
            let cells = rogue.cells(first, at, &units);
            if self.tunnels_for(&rogue, unit, &cells) {
                let served: Vec<_> = cells.into_iter().map(|cell| rogue.served(cell, Some(unit))).collect();
                rogue.served.extend(served);
            }
        }
        if !rogue.served.is_empty() {
            self.go_about(&rogue, &mut draws);
        }
    }

    /// Asks for a tunnel as a unit, and has it until the box is off; then the unit's own is back, if it was on.
    fn tunnels_for(&mut self, rogue: &Rogue<'_>, unit: u32, cells: &[CellNo]) -> bool {
        let Some(of) = self.estate.units.get(unit as usize).copied() else { return false };
        let is_on = |at: u64| {
            let on = self.today.get(&unit);
            on.is_some_and(|on| on.iter().any(|on| on.from <= at && at < on.to))
        };
        // What comes tomorrow is not drawn yet: it is as it is at midnight.
        let midnight = rogue.from / DAY * DAY + DAY;
        let [is_there, comes_back] = [is_on(rogue.from), is_on(rogue.to.min(midnight - 1))];
        let own = of.outer();
        let here = match rogue.actor.network.unwrap_or(Via::Mobile) {
            Via::OwnLine => own,
            Via::OwnFixed => (ROUTERS + u32::from(rogue.of), Net::OtherLine),
            Via::OtherFixed => (ROUTERS + u32::from(rogue.of), Net::OtherFixed),
            Via::Mobile => (ROUTERS + u32::from(rogue.of), Net::Mobile),
            Via::Foreign => (ROUTERS + u32::from(rogue.of), Net::Foreign),
            Via::Hosting => (ROUTERS + u32::from(rogue.of), Net::Hosting),
        };
        if !self.is_admitted(rogue, unit, here, cells, is_there) {
            return false;
        }
        let of = rogue.of;
        let device = names::device(unit);
        if let Some(attack) = self.truth.attacks.get_mut(usize::from(of) - 1)
            && !attack.units.contains(&device)
        {
            attack.units.push(device);
        }
        if !(is_there && here == own) {
            self.hours.push(rogue.from, Event { of, ..tunnel(unit, is_there.then_some(own), Some(here)) });
            self.hours.push(rogue.to, Event { of, ..tunnel(unit, Some(here), None) });
            if comes_back {
                self.hours.push(rogue.to + SECOND, tunnel(unit, None, Some(own)));
            }
        }
        true
    }

    fn is_admitted(
        &mut self,
        rogue: &Rogue<'_>,
        unit: u32,
        (outer, net): (u32, Net),
        cells: &[CellNo],
        is_there: bool,
    ) -> bool {
        let Some(admit) = &mut self.admit else { return true };
        let line = match net {
            Net::Own => names::line(unit),
            Net::OtherLine => names::line(unit + 1),
            Net::Unknown | Net::OtherFixed | Net::Mobile | Net::Foreign | Net::Hosting => None,
        };
        let attempt = Attempt {
            at: self.begins.after(std::time::Duration::from_micros(rogue.from)),
            actor: rogue.actor.name.clone(),
            device: names::device(unit),
            outer: names::outer(outer),
            line,
            class: net.class(),
            cells: cells.iter().filter_map(|cell| cell.key(self.estate.network)).collect(),
            is_there,
        };
        let is_admitted = admit(&attempt);
        if let Some(attack) = self.truth.attacks.get_mut(usize::from(rogue.of) - 1) {
            attack.refused += u64::from(!is_admitted);
        }
        is_admitted
    }

    fn go_about(&mut self, rogue: &Rogue<'_>, draws: &mut Draws) {
        let step = rogue.step;
        let route = Route {
            town: step.town(),
            spot: self.country.middle(step.town()).plus(Spot::km(step.x_km(), step.y_km())),
            speed_kmh: step.speed_kmh(),
            from: rogue.from + 60 * SECOND,
            to: rogue.to,
        };
        let country = self.country.clone();
        route.drive(&country, step.catch_per_h(), draws, |caught, draws| self.catch(rogue, &caught, draws));
    }

    /// A handset comes, stays, may go on to another cell of the box, and goes.
    fn catch(&mut self, rogue: &Rogue<'_>, caught: &Caught, draws: &mut Draws) {
        let Caught { at, who, mast } = *caught;
        if draws.happens(REGISTERED) {
            // No earlier than its day, which is written already.
            let before = at
                .saturating_sub(draws.micros(120, 6 * 3600))
                .max(at / DAY * DAY)
                .max(at.saturating_sub(6 * HOUR));
            let guard = self.ways.makes.guard(who, before);
            for (what, later) in [(What::Update, 0), (What::Register, 2 * SECOND)] {
                self.hours.push(before + later, Event { guard, ..Event::of(what, who, CellNo::mast(mast)) });
            }
        }
        let count = rogue.served.len() as u32;
        let first = draws.below(count);
        let hops = count > 1 && draws.happens(Share::percent(rogue.step.hop_pct()));
        let stay_s = rogue.step.stay_s();
        let to = (at + draws.micros(stay_s / 2, stay_s * 3 / 2)).min(rogue.to);
        let Some(served) = rogue.served.get(first as usize).copied() else { return };
        let goes = (!hops).then_some(mast);
        self.ways.stay(&served, &Stay { who, from: at, to, comes: Some(mast), goes }, draws, &mut self.hours);
        self.take_code(rogue, &served, at, to, who, draws);
        if !hops {
            return;
        }
        let Some(second) = rogue.served.get(((first + 1 + draws.below(count - 1)) % count) as usize).copied()
        else {
            return;
        };
        let from = to + draws.micros(1, 30);
        let to = from + draws.micros(stay_s / 2, stay_s * 3 / 2);
        let guard = Guard(self.ways.makes.guard(who, from).0 | second.strips.0);
        let event = Event { guard, of: rogue.of, by: second.by, ..Event::of(What::Update, who, second.cell) };
        self.hours.push(from, event);
        self.ways.stay(
            &second,
            &Stay { who, from, to, comes: None, goes: Some(mast) },
            draws,
            &mut self.hours,
        );
    }

    /// Codes come to a handset there, which its owner had not asked for, and somebody pays with each.
    fn take_code(
        &mut self,
        rogue: &Rogue<'_>,
        served: &Served,
        from: u64,
        to: u64,
        who: names::Person,
        draws: &mut Draws,
    ) {
        if !draws.happens(Share::percent(rogue.step.codes_pct())) {
            return;
        }
        let event = |what: What, other: u32| Event {
            of: rogue.of,
            by: served.by,
            other,
            ..Event::of(what, who, served.cell)
        };
        for _ in 0..rogue.step.codes_each() {
            let at = from + draws.micros(8, ((to - from) / SECOND).clamp(9, 3600) as u32);
            let (code, payment) = match draws.below(3) {
                0 => (What::CodeUnasked, What::Payment),
                _ => (What::CodeCallUnasked, What::PaymentCall),
            };
            self.hours.push(at, event(code, 0));
            self.hours.push(at + draws.micros(20, 60), event(payment, rogue.step.amount()));
        }
    }
}

impl Rogue<'_> {
    fn served(&self, cell: CellNo, unit: Option<u32>) -> Served {
        let by = unit.filter(|_| self.actor.tells_inner()).map_or(0, |unit| unit + 1);
        let strips = stripped(Guard::default(), &self.actor.strips);
        let registers = if self.actor.strips.is_empty() { REGISTERS } else { Share::thousandths(1000) };
        Served { cell, by, strips, registers, of: self.of }
    }

    /// The cells that speak by the tunnel of one of its units: each unit has its share of the box's own, and its own.
    fn cells(&self, first: u32, at: usize, units: &Range<u32>) -> Vec<CellNo> {
        let shared = (0..self.actor.cells()).filter(|cell| *cell as usize % units.len() == at);
        let own = self.actor.own_cell().then(|| CellNo::unit(units.start + at as u32));
        shared.map(|cell| CellNo::own(first + cell)).chain(own).collect()
    }
}
