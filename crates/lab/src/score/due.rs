//! What each detector is for, in terms of the truth: what it must find, and what it is a miss not to find.

use super::{ANY, payments::PAYMENTS, said::Said, unknown_ids::UNKNOWN_IDS};
use crate::scenario::{Actor, Attack, Deed, Scenario, Step, Truth};
use detect::Subject;
use ids::{CellKey, DeviceId, UnixTime};
use std::collections::BTreeSet;

/// What a method must find.
#[derive(Clone, Copy, Debug)]
pub struct DueRule {
    /// Which method.
    pub by: &'static str,
    /// What, and each of what counts once in a run.
    pub what: &'static str,
    of: fn(&Known<'_>) -> Vec<Target>,
}

/// An attack and what is known of it.
pub(super) struct Known<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) actor: &'a Actor,
    pub(super) attack: &'a Attack,
    /// Cells of the ledger.
    pub(super) registered: &'a BTreeSet<CellKey>,
}

/// Something that must be found.
#[derive(Clone, Debug)]
pub(super) struct Target {
    kind: Kind,
    /// Since when it could be.
    pub(super) from: UnixTime,
}

#[derive(Clone, Debug)]
enum Kind {
    Cell(CellKey),
    Unit(DeviceId),
    Attack,
    Feed(&'static str),
}

/// Units behind one address from which [`DUE`] has them as many.
const MANY: usize = 3;

/// What each method must find.
pub const DUE: [DueRule; 14] = [
    DueRule { by: ANY, what: "each cell of an attack", of: |known| known.cells(|_| true) },
    DueRule { by: UNKNOWN_IDS, what: "each cell of an attack", of: |known| known.cells(|_| true) },
    DueRule { by: PAYMENTS, what: "each attack", of: |known| known.whole() },
    DueRule {
        by: "cell_unknown",
        what: "each cell of an attack that the ledger does not have",
        of: |known| known.cells(|cell| !known.registered.contains(cell)),
    },
    DueRule {
        by: "lost_unit_returns",
        what: "each unit that is lost or retired by the ledger, and whose identity a box has",
        of: |known| known.lost_units(),
    },
    DueRule {
        by: "impossible_movement",
        what: "each cell of a unit that a box has in another town",
        of: |known| if known.is_in_another_town() { known.own_cells() } else { Vec::new() },
    },
    DueRule {
        by: "handset_trail",
        what: "each cell of a unit that a box has elsewhere",
        of: |known| if known.stands_by_the_site() { Vec::new() } else { known.own_cells() },
    },
    DueRule {
        by: "war_driving",
        what: "each cell of a box that is driven",
        of: |known| known.if_so(known.steps().any(|step| step.speed_kmh() > 0)),
    },
    DueRule {
        by: "protection_lost",
        what: "each cell of a box that takes protection from handsets",
        of: |known| known.if_so(!known.actor.strips.is_empty()),
    },
    DueRule {
        by: "expected_absent",
        what: "each cell of an attack to which codes came that nobody had asked for",
        of: |known| {
            let codes = |cell: &CellKey| known.attack.cells.get(cell).and_then(|cell| cell.first_code);
            known.cells(|cell| codes(cell).is_some())
        },
    },
    DueRule {
        by: "shared_handsets",
        what: "each attack with several cells, between which handsets go",
        of: |known| {
            known.whole_if(known.attack.cells.len() > 1 && known.steps().any(|step| step.hop_pct() > 0.0))
        },
    },
    DueRule {
        by: "many_behind_one",
        what: "each attack with the identities of three units or more",
        of: |known| known.whole_if(known.attack.units.len() >= MANY),
    },
    DueRule {
        by: "regulars_replaced",
        what: "each cell of a unit that a box has for three days or more while who lives with it is not there",
        of: |known| if known.is_on_for_days() && known.is_away() { known.own_cells() } else { Vec::new() },
    },
    DueRule {
        by: "feed_gap",
        what: "each feed of which rows are missing, where it shows",
        of: |_| Vec::new(),
    },
];

/// What a method must find in a run, of all attacks.
pub(super) fn due(
    rule: &DueRule,
    scenario: &Scenario,
    truth: &Truth,
    registered: &BTreeSet<CellKey>,
) -> Vec<(Option<usize>, Target)> {
    if rule.by == "feed_gap" {
        return feeds(scenario).map(|target| (None, target)).collect();
    }
    let of = |(at, attack): (usize, &Attack)| {
        let actor = scenario.actors.iter().find(|actor| actor.name == attack.actor)?;
        attack.from?;
        let targets = (rule.of)(&Known { scenario, actor, attack, registered });
        Some(targets.into_iter().map(move |target| (Some(at), target)).collect::<Vec<_>>())
    };
    truth.attacks.iter().enumerate().filter_map(of).flatten().collect()
}

/// Feeds of which rows are missing, and their numbers show it, or a time of silence.
fn feeds(scenario: &Scenario) -> impl Iterator<Item = Target> {
    scenario.feeds.iter().filter_map(|feed| {
        let first = feed.gaps.iter().map(|gap| gap.from.since_start()).min();
        let from = if feed.lost_pct() > 0.0 { Some(std::time::Duration::ZERO) } else { first }?;
        Some(Target { kind: Kind::Feed(feed.name.as_str()), from: scenario.begins().after(from) })
    })
}

impl DueRule {
    /// It is about attacks of all kinds, not about what one detector sees.
    pub(super) fn is_of_all(&self) -> bool {
        [ANY, UNKNOWN_IDS, PAYMENTS].contains(&self.by)
    }
}

impl Target {
    /// Whether that is it.
    pub(super) fn is_found(&self, attack: Option<usize>, said: &Said) -> bool {
        match &self.kind {
            Kind::Feed(name) => matches!(&said.on, Subject::Feed(feed) if feed.as_str() == *name),
            _ if said.attack != attack => false,
            Kind::Cell(cell) => said.names(cell),
            Kind::Unit(unit) => said.names_unit(unit),
            Kind::Attack => true,
        }
    }
}

impl Known<'_> {
    /// What the box is switched on for.
    fn steps(&self) -> impl Iterator<Item = &Step> {
        self.scenario.steps.iter().filter(|step| step.actor == self.actor.name && step.deed == Deed::On)
    }

    fn cells(&self, is_due: impl Fn(&CellKey) -> bool) -> Vec<Target> {
        let used = self.attack.cells.iter().filter_map(|(cell, of)| Some((*cell, of.from?)));
        let target = |(cell, from)| Target { kind: Kind::Cell(cell), from };
        used.filter(|(cell, _)| is_due(cell)).map(target).collect()
    }

    fn if_so(&self, is_so: bool) -> Vec<Target> {
        self.cells(|_| is_so)
    }

    fn own_cells(&self) -> Vec<Target> {
        self.cells(|cell| self.registered.contains(cell))
    }

    fn whole(&self) -> Vec<Target> {
        self.attack.from.map(|from| Target { kind: Kind::Attack, from }).into_iter().collect()
    }

    fn whole_if(&self, is_so: bool) -> Vec<Target> {
        if is_so { self.whole() } else { Vec::new() }
    }

    /// What is done to the units whose identity it has, before it is on.
    fn is_done(&self, is_it: impl Fn(Deed) -> bool) -> bool {
        let Some(first) = self.steps().map(|step| step.at).min() else { return false };
        let mut steps = self.scenario.steps.iter();
        steps.any(|step| {
            Some(&step.actor) == self.actor.identity.as_ref() && step.at <= first && is_it(step.deed)
        })
    }

    fn lost_units(&self) -> Vec<Target> {
        let from =
            self.attack.from.filter(|_| self.is_done(|deed| matches!(deed, Deed::ReportLost | Deed::Retire)));
        let target = |unit: &DeviceId| Some(Target { kind: Kind::Unit(*unit), from: from? });
        self.attack.units.iter().filter_map(target).collect()
    }

    fn is_away(&self) -> bool {
        self.is_done(|deed| matches!(deed, Deed::Lose | Deed::Retire))
    }

    fn identity(&self) -> Option<&Actor> {
        let name = self.actor.identity.as_ref()?;
        self.scenario.actors.iter().find(|actor| actor.name == *name)
    }

    fn is_in_another_town(&self) -> bool {
        self.identity().is_some_and(|unit| self.steps().any(|step| step.town() != unit.town()))
    }

    /// It stands within a macro cell's reach of a site that the file gives.
    fn stands_by_the_site(&self) -> bool {
        let reach_km = f64::from(self.scenario.estate.macro_spacing_m()) / 1000.0;
        self.identity().filter(|unit| unit.x_km.is_some() || unit.y_km.is_some()).is_some_and(|unit| {
            let is_near = |step: &Step| {
                let apart = (step.x_km() - unit.x_km()).hypot(step.y_km() - unit.y_km());
                step.town() == unit.town() && step.speed_kmh() == 0 && apart <= reach_km
            };
            self.steps().all(is_near)
        })
    }

    fn is_on_for_days(&self) -> bool {
        self.steps().any(|step| step.every_d() == 1 && step.times() >= 3)
    }
}
