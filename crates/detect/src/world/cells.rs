use super::units::UnitId;
use crate::keyed::{Dense, Key};
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use ids::{CellKey, Position, Rat, UnixTime};
use records::row::MacroCell;
use serde::{Deserialize, Deserializer, Serialize};

/// A cell, by the order in which it was first named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CellId(pub(crate) u32);

/// What is known of a cell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// Its name.
    pub key: CellKey,
    /// The unit that may carry it, by the ledger.
    pub unit: Option<UnitId>,
    plan: Option<(Site, UnixTime, Option<UnixTime>)>,
}

/// Where a macro cell is, and how far it reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// Where its antenna stands.
    pub position: Position,
    /// How far it reaches, metres.
    pub radius_m: u32,
}

/// Cells by name and by number, bounded; none is forgotten.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Cells {
    all: Vec<Cell>,
    bound: usize,
    pub(crate) beyond: u64,
    pub(crate) knows_plan: bool,
    /// Looked up, never walked: its order is nobody's. Hashed with a seed of the process, since strangers may choose identities.
    #[serde(skip)]
    index: HashMap<u64, u32, RandomState>,
}

#[derive(Deserialize)]
struct Written {
    all: Vec<Cell>,
    bound: usize,
    beyond: u64,
    knows_plan: bool,
}

impl CellId {
    /// No cell.
    pub const NONE: Self = Self(u32::MAX);

    /// As a key of timers.
    pub fn number(self) -> u64 {
        self.0.into()
    }

    /// The cell of a timer's key.
    pub fn of(number: u64) -> Self {
        u32::try_from(number).map_or(Self::NONE, Self)
    }
}

impl Key for CellId {
    type Index = Dense;

    fn number(self) -> u64 {
        self.0.into()
    }
}

impl Cell {
    /// The plan of macro cells has it, or had.
    pub(crate) fn is_planned(&self) -> bool {
        self.plan.is_some()
    }

    pub(crate) fn planned(&self, now: UnixTime) -> Option<Site> {
        let holds =
            |(_, from, to): &(Site, UnixTime, Option<UnixTime>)| *from <= now && to.is_none_or(|to| now < to);
        self.plan.filter(holds).map(|(site, ..)| site)
    }
}

impl Cells {
    pub(crate) fn new(bound: usize) -> Self {
        Self { all: Vec::new(), bound, beyond: 0, knows_plan: false, index: HashMap::default() }
    }

    pub(crate) fn get(&self, CellId(at): CellId) -> Option<&Cell> {
        self.all.get(at as usize)
    }

    /// The number of a cell that was named before.
    pub(crate) fn find(&self, key: CellKey) -> Option<CellId> {
        self.index.get(&name(key)).copied().map(CellId)
    }

    /// The number of a cell, new if it was never named; `None` where there is no room.
    pub(crate) fn id(&mut self, key: CellKey) -> Option<CellId> {
        if let Some(id) = self.find(key) {
            return Some(id);
        }
        if self.all.len() >= self.bound {
            self.beyond += 1;
            return None;
        }
        let at = u32::try_from(self.all.len()).ok()?;
        self.all.push(Cell { key, unit: None, plan: None });
        self.index.insert(name(key), at);
        Some(CellId(at))
    }

    pub(crate) fn plan(&mut self, row: &MacroCell) {
        self.knows_plan = true;
        let site = Site { position: row.position, radius_m: row.radius_m };
        if let Some(cell) = self.id(row.cell).and_then(|CellId(at)| self.all.get_mut(at as usize)) {
            cell.plan = Some((site, row.from, row.to));
        }
    }

    /// A unit may carry these now, and no others.
    pub(crate) fn carry(&mut self, unit: UnitId, before: &[CellKey], after: &[CellKey]) {
        for key in before.iter().filter(|key| !after.contains(key)) {
            self.set(*key, |now| now.filter(|other| *other != unit));
        }
        for key in after {
            self.set(*key, |_| Some(unit));
        }
    }

    fn set(&mut self, key: CellKey, to: impl FnOnce(Option<UnitId>) -> Option<UnitId>) {
        if let Some(cell) = self.id(key).and_then(|CellId(at)| self.all.get_mut(at as usize)) {
            cell.unit = to(cell.unit);
        }
    }

    /// Each, in the order in which they were first named.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Cell> {
        self.all.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }
}

/// A cell's name in one word: [`CellKey::number`] has 57 bits.
fn name(key: CellKey) -> u64 {
    let rat = match key.rat() {
        Rat::Umts => 1,
        Rat::Lte => 2,
        Rat::Nr => 3,
    };
    rat << 60 | key.number()
}

impl<'de> Deserialize<'de> for Cells {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Written { all, bound, beyond, knows_plan } = Written::deserialize(deserializer)?;
        let index = (0..).zip(&all).map(|(at, cell)| (name(cell.key), at)).collect();
        Ok(Self { all, bound, beyond, knows_plan, index })
    }
}
