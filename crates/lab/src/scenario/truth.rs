use super::{
    estate::Estate,
    event::{Event, What},
    file::Scenario,
    names::{CellNo, Person, device},
    word::ActorKind,
};
use detect::{Finding, Subject};
use ids::{CellKey, DeviceId, Plmn, SubscriberKey, UnixTime};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What is really so: which cells, units and handsets are of whose attack since when, and what else there is of note. It grows as the
/// scenario is played, and knows what was lost on the way as well.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    /// Attacks, by the actor.
    pub attacks: Vec<Attack>,
    /// Honest actors.
    pub honest: Vec<Honest>,
}

/// An attack so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attack {
    /// The box.
    pub actor: String,
    /// The first row that it left.
    pub from: Option<UnixTime>,
    /// Its cells.
    pub cells: BTreeMap<CellKey, AttackedCell>,
    /// Units whose identity it has.
    pub units: Vec<DeviceId>,
    /// Handsets that were at its cells.
    pub handsets: BTreeSet<SubscriberKey>,
    /// Codes that came there, and were not asked for.
    pub codes: u64,
    /// Payments that followed.
    pub payments: u64,
    /// On whose bills.
    pub payers: BTreeSet<SubscriberKey>,
    /// Their sum, in the smallest unit of the currency.
    pub amount_minor: i64,
    /// Tunnels that it asked for and did not get.
    pub refused: u64,
}

/// A cell of an attack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AttackedCell {
    /// The first handset there.
    pub from: Option<UnixTime>,
    /// The first code there that was not asked for.
    pub first_code: Option<UnixTime>,
    /// The first payment that followed.
    pub first_payment: Option<UnixTime>,
}

/// An honest actor: what looks like an attack and is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Honest {
    /// Which.
    pub actor: String,
    /// Its cells.
    pub cells: BTreeSet<CellKey>,
    /// Its units.
    pub units: BTreeSet<DeviceId>,
}

impl Truth {
    /// Before anything has happened.
    pub(super) fn of(scenario: &Scenario, estate: &Estate) -> Self {
        let mut truth = Self::default();
        for (actor, units) in scenario.actors.iter().zip(&estate.of_actor) {
            match actor.kind {
                ActorKind::Box => truth.attacks.push(Attack::of(&actor.name)),
                ActorKind::Unit => truth.honest.push(Honest::of(&actor.name, units.clone(), estate)),
                ActorKind::Network => {
                    let is_there = |unit: &u32| {
                        let of = estate.units.get(*unit as usize);
                        of.is_some_and(|unit| u32::from(unit.town) == actor.town())
                    };
                    let units = (0..estate.units.len() as u32).filter(is_there);
                    truth.honest.push(Honest::of(&actor.name, units, estate));
                }
                ActorKind::Ims => {}
            }
        }
        truth
    }

    pub(super) fn see(&mut self, event: &Event, at: UnixTime, network: Plmn, seed: u64) {
        let Some(attack) = usize::from(event.of).checked_sub(1).and_then(|of| self.attacks.get_mut(of))
        else {
            return;
        };
        attack.from.get_or_insert(at);
        let Some(key) = event.cell.key(network).filter(|_| is_at_cell(event.what, event.cell)) else {
            return;
        };
        let cell = attack.cells.entry(key).or_default();
        match event.what {
            What::CodeUnasked | What::CodeCallUnasked => {
                attack.codes += 1;
                cell.first_code.get_or_insert(at);
            }
            What::Payment | What::PaymentCall => {
                attack.payments += 1;
                attack.payers.insert(Person(event.who).key(seed));
                attack.amount_minor += i64::from(event.other);
                cell.first_payment.get_or_insert(at);
            }
            What::Mast | What::Unit | What::Rare | What::Tunnel | What::Heartbeat => {}
            What::Update | What::Service | What::HandoverIn | What::Register => {
                cell.from.get_or_insert(at);
                attack.handsets.insert(Person(event.who).key(seed));
            }
            What::Code | What::CodeCall => {}
        }
    }

    /// Whose attack a finding is about: the one that has its key, else one of its cells or units.
    pub fn blame(&self, finding: &Finding) -> Option<&Attack> {
        self.attacks.iter().find(|attack| attack.is_meant(finding))
    }

    /// The honest actor that a finding is about, though it is about no attack.
    pub fn look_alike(&self, finding: &Finding) -> Option<&Honest> {
        self.honest.iter().find(|honest| honest.is_meant(finding)).filter(|_| self.blame(finding).is_none())
    }
}

fn is_at_cell(what: What, cell: CellNo) -> bool {
    what != What::Tunnel && cell != CellNo::NONE && !cell.is_macro()
}

impl Attack {
    fn of(actor: &str) -> Self {
        Self {
            actor: actor.to_owned(),
            from: None,
            cells: BTreeMap::new(),
            units: Vec::new(),
            handsets: BTreeSet::new(),
            codes: 0,
            payments: 0,
            payers: BTreeSet::new(),
            amount_minor: 0,
            refused: 0,
        }
    }

    /// Whether a finding is about it: its key, or one of its cells or units, is of it, since it began.
    pub fn is_meant(&self, finding: &Finding) -> bool {
        let has_begun = self.from.is_some_and(|from| from <= finding.at);
        let is_key = match &finding.key {
            Subject::Cell(cell) => self.has_cell(cell),
            Subject::Device(device) => self.units.contains(device),
            Subject::Subscriber(subscriber) => self.handsets.contains(subscriber),
            Subject::Line(_) | Subject::Feed(_) => false,
        };
        let has_cell = finding.cells.iter().any(|cell| self.has_cell(cell));
        has_begun && (is_key || has_cell || finding.devices.iter().any(|device| self.units.contains(device)))
    }

    fn has_cell(&self, cell: &CellKey) -> bool {
        self.cells.get(cell).is_some_and(|cell| cell.from.is_some())
    }
}

impl Honest {
    fn of(actor: &str, units: impl Iterator<Item = u32> + Clone, estate: &Estate) -> Self {
        Self {
            actor: actor.to_owned(),
            cells: units.clone().filter_map(|unit| CellNo::unit(unit).key(estate.network)).collect(),
            units: units.map(device).collect(),
        }
    }

    /// Whether a finding is about it.
    pub fn is_meant(&self, finding: &Finding) -> bool {
        let is_key = match &finding.key {
            Subject::Cell(cell) => self.cells.contains(cell),
            Subject::Device(device) => self.units.contains(device),
            Subject::Subscriber(_) | Subject::Line(_) | Subject::Feed(_) => false,
        };
        is_key || finding.cells.iter().any(|cell| self.cells.contains(cell))
    }
}
