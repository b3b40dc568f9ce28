use crate::scenario::{Attack, Truth};
use detect::{Finding, Subject};
use ids::{CellKey, DeviceId, UnixTime};

/// What a detector or another method said, and whom it is about by the truth.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) by: &'static str,
    /// When it was said: when that arrived which brought it.
    pub(super) told: UnixTime,
    /// Whom it names.
    pub(super) on: Subject,
    pub(super) what: String,
    pub(super) cells: Vec<CellKey>,
    pub(super) units: Vec<DeviceId>,
    /// The attack that it is about; none: it accuses somebody honest.
    pub(super) attack: Option<usize>,
    /// The honest actor.
    pub(super) honest: Option<String>,
}

impl Said {
    pub(super) fn finding(finding: Finding, told: UnixTime, truth: &Truth) -> Self {
        let attack = truth.attacks.iter().position(|attack| attack.is_meant(&finding));
        let honest = truth.look_alike(&finding).map(|honest| honest.actor.clone());
        let Finding { detector, key, what, cells, devices, .. } = finding;
        Self { by: detector, told, on: key, what, cells, units: devices, attack, honest }
    }

    /// Of a method that names a cell.
    pub(super) fn cell(by: &'static str, told: UnixTime, cell: CellKey, what: String, truth: &Truth) -> Self {
        let has = |attack: &Attack| {
            attack.cells.get(&cell).and_then(|cell| cell.from).is_some_and(|from| from <= told)
        };
        let attack = truth.attacks.iter().position(has);
        let honest = truth.honest.iter().find(|honest| honest.cells.contains(&cell));
        let honest = honest.filter(|_| attack.is_none()).map(|honest| honest.actor.clone());
        Self { by, told, on: Subject::Cell(cell), what, cells: vec![cell], units: Vec::new(), attack, honest }
    }

    /// It names that cell.
    pub(super) fn names(&self, cell: &CellKey) -> bool {
        self.on == Subject::Cell(*cell) || self.cells.contains(cell)
    }

    /// It names that unit.
    pub(super) fn names_unit(&self, unit: &DeviceId) -> bool {
        self.on == Subject::Device(*unit) || self.units.contains(unit)
    }
}
