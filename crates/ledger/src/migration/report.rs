//! How far a migration is: read from orders, units and what was written down of their claims.

use super::{Migration, Wave};
use crate::{Device, Enrolment, InstallOrder, Ledger, LedgerError, LegacyGroup, LegacyUse, OrderState, Row};
use ids::{DeviceId, Label, UnixTime};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};

/// A migration, its waves, and who is not there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MigrationReport {
    /// The migration.
    pub migration: Migration,
    /// The legacy group of its units.
    pub group: LegacyGroup,
    /// All units.
    pub counts: Counts,
    /// Each wave, in their order.
    pub waves: Vec<WaveReport>,
    /// Why units that had their turn have no certificate of their own, and how many for each reason.
    pub reasons: BTreeMap<String, u32>,
    /// Those units, [`Self::NAMED`] at most.
    pub failed: Vec<UnitReport>,
    /// When the last wave will be over, if each of those to come takes as long as those that are over, or a window where none is.
    /// None where it does not run, and once it is over.
    pub projected_end: Option<UnixTime>,
}

/// One wave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaveReport {
    /// Its place, from 0, which is the canary.
    pub number: u32,
    /// Where it is.
    pub state: WaveState,
    /// Since when its units may enrol.
    pub opened_at: Option<UnixTime>,
    /// Since when no more.
    pub closed_at: Option<UnixTime>,
    /// Its units.
    pub counts: Counts,
}

/// Where a wave is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WaveState {
    /// It has not had its turn.
    Waits,
    /// Its units may enrol.
    Open,
    /// It is over.
    Closed,
}

/// Units by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// All of them.
    pub units: u32,
    /// Their turn has not come: they have the legacy credential, and their old service.
    pub waiting: u32,
    /// They may enrol, and have not yet.
    pub open: u32,
    /// They have a certificate of their own.
    pub enrolled: u32,
    /// They were refused, from behind their own line.
    pub refused: u32,
    /// A person has to look.
    pub held: u32,
    /// Their time is over, and nobody has heard of them.
    pub missed: u32,
    /// No order could be opened for them.
    pub barred: u32,
    /// Their order was withdrawn.
    pub withdrawn: u32,
}

/// What became of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnitState {
    /// Its turn has not come.
    Waiting,
    /// It may enrol.
    Open,
    /// It has a certificate of its own.
    Enrolled,
    /// It was refused.
    Refused,
    /// A person has to look.
    Held,
    /// Its time is over.
    Missed,
    /// It could not be ordered.
    Barred,
    /// Its order was withdrawn.
    Withdrawn,
}

/// One unit that had its turn and has no certificate of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitReport {
    /// Which.
    pub device: DeviceId,
    /// In which wave.
    pub wave: u32,
    /// What became of it.
    pub state: UnitState,
    /// Why.
    pub why: String,
}

impl MigrationReport {
    /// Units that are named.
    pub const NAMED: usize = 1000;
}

impl UnitState {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Open => "open",
            Self::Enrolled => "enrolled",
            Self::Refused => "refused",
            Self::Held => "held",
            Self::Missed => "missed",
            Self::Barred => "barred",
            Self::Withdrawn => "withdrawn",
        }
    }
}

impl Counts {
    fn add(&mut self, state: UnitState) {
        self.units += 1;
        *match state {
            UnitState::Waiting => &mut self.waiting,
            UnitState::Open => &mut self.open,
            UnitState::Enrolled => &mut self.enrolled,
            UnitState::Refused => &mut self.refused,
            UnitState::Held => &mut self.held,
            UnitState::Missed => &mut self.missed,
            UnitState::Barred => &mut self.barred,
            UnitState::Withdrawn => &mut self.withdrawn,
        } += 1;
    }

    fn plus(self, other: Self) -> Self {
        Self {
            units: self.units + other.units,
            waiting: self.waiting + other.waiting,
            open: self.open + other.open,
            enrolled: self.enrolled + other.enrolled,
            refused: self.refused + other.refused,
            held: self.held + other.held,
            missed: self.missed + other.missed,
            barred: self.barred + other.barred,
            withdrawn: self.withdrawn + other.withdrawn,
        }
    }

    /// Of a wave that had its turn: those that will not come by themselves, or too late.
    pub fn failed(&self) -> u32 {
        self.refused + self.held + self.missed + self.barred
    }

    /// Those whose only credential is still the one that all share.
    pub fn legacy(&self) -> u32 {
        self.units - self.enrolled
    }
}

impl Ledger {
    /// How far a migration is.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`]; and as [`Self::device`].
    pub fn migration_report(&self, name: &Label, now: UnixTime) -> Result<MigrationReport, LedgerError> {
        let none = |table: &'static str, name: &Label| LedgerError::NotFound { table, key: name.to_string() };
        let migration = self.migration(name)?.ok_or_else(|| none(Migration::TABLE, name))?;
        let group = &migration.group;
        let group = self.legacy_group(group)?.ok_or_else(|| none(LegacyGroup::TABLE, group))?;
        let (mut waves, mut reasons, mut failed) = (Vec::new(), BTreeMap::new(), Vec::new());
        for wave in self.waves(name)? {
            let mut counts = Counts::default();
            for unit in &wave.units {
                let (state, why) = self.unit_state(&migration, &wave, *unit, now)?;
                counts.add(state);
                if !matches!(state, UnitState::Waiting | UnitState::Open | UnitState::Enrolled) {
                    *reasons.entry(why.clone()).or_default() += 1;
                    if failed.len() < MigrationReport::NAMED {
                        failed.push(UnitReport { device: *unit, wave: wave.number, state, why });
                    }
                }
            }
            let Wave { number, opened_at, closed_at, .. } = wave;
            let state = WaveState::of(&wave);
            waves.push(WaveReport { number, state, opened_at, closed_at, counts });
        }
        let counts = waves.iter().fold(Counts::default(), |all, wave| all.plus(wave.counts));
        let projected_end = projected_end(&migration, &waves, now);
        Ok(MigrationReport { migration, group, counts, waves, reasons, failed, projected_end })
    }

    /// What became of the units of a wave.
    pub(super) fn tally(
        &self,
        migration: &Migration,
        wave: &Wave,
        now: UnixTime,
    ) -> Result<Counts, LedgerError> {
        let mut counts = Counts::default();
        for unit in &wave.units {
            counts.add(self.unit_state(migration, wave, *unit, now)?.0);
        }
        Ok(counts)
    }

    fn unit_state(
        &self,
        migration: &Migration,
        wave: &Wave,
        unit: DeviceId,
        now: UnixTime,
    ) -> Result<(UnitState, String), LedgerError> {
        let Some(opened_at) = wave.opened_at else { return Ok((UnitState::Waiting, String::new())) };
        let order = self.row::<InstallOrder>(&wave.order(unit)?.to_string())?;
        let state = order.as_ref().map(|order| order.state(now));
        if state == Some(OrderState::Used) {
            return Ok((UnitState::Enrolled, String::new()));
        }
        let device = self.device(unit)?;
        if device.as_ref().is_some_and(|device| device.enrolment == Enrolment::Held) {
            return Ok((UnitState::Held, "held until a person has looked".to_owned()));
        }
        // By another order, of a person who has looked.
        if state != Some(OrderState::Open) && self.has_own(unit, now)? {
            return Ok((UnitState::Enrolled, String::new()));
        }
        let used = self.legacy_use(&migration.group, unit)?;
        let denied = used.as_ref().and_then(|used| used.denied_at_home(opened_at));
        let denied = denied.map(|denied| (UnitState::Refused, format!("refused: {}", denied.reason)));
        Ok(match (state, order) {
            (Some(OrderState::Open | OrderState::Waiting), _) => {
                denied.unwrap_or((UnitState::Open, String::new()))
            }
            (Some(_), Some(order)) => match order.closed {
                Some(closed) if !super::advance::is_end(&closed) => (UnitState::Withdrawn, closed.why),
                Some(_) | None => denied.unwrap_or((UnitState::Missed, why_missed(used.as_ref()))),
            },
            (_, _) => (UnitState::Barred, self.why_barred(device.as_ref(), now)?),
        })
    }

    fn why_barred(&self, device: Option<&Device>, now: UnixTime) -> Result<String, LedgerError> {
        let Some(device) = device else { return Ok("it is not in the ledger".to_owned()) };
        let why = self.own_bar(device, now)?;
        Ok(format!("not ordered: {}", why.as_deref().unwrap_or(SHARED_LINE)))
    }
}

/// Why a unit was not ordered that could be by itself.
const SHARED_LINE: &str = "another unit may enrol from its line, or another line has its addresses too";

/// A unit that asked from elsewhere may not be where the ledger has it; a copy of the key looks the same.
fn why_missed(used: Option<&LegacyUse>) -> String {
    let mut denials = used.iter().flat_map(|used| &used.denials);
    match denials.any(|denial| !denial.at_home) {
        true => "not heard of from its line in its time, but from elsewhere".to_owned(),
        false => "not heard of in its time".to_owned(),
    }
}

impl WaveState {
    fn of(wave: &Wave) -> Self {
        match (wave.opened_at, wave.closed_at) {
            (_, Some(_)) => Self::Closed,
            (Some(_), None) => Self::Open,
            (None, None) => Self::Waits,
        }
    }

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waits => "waits",
            Self::Open => "open",
            Self::Closed => "closed",
        }
    }
}

fn projected_end(migration: &Migration, waves: &[WaveReport], now: UnixTime) -> Option<UnixTime> {
    if migration.state != super::MigrationState::Running {
        return None;
    }
    let lasted: Vec<Duration> =
        waves.iter().filter_map(|wave| Some(wave.closed_at?.since(wave.opened_at?))).collect();
    let each = match u32::try_from(lasted.len()) {
        Ok(count @ 1..) => lasted.iter().sum::<Duration>() / count,
        Ok(0) | Err(_) => migration.window(),
    };
    let open = waves.iter().find(|wave| wave.state == WaveState::Open).and_then(|wave| wave.opened_at);
    let waiting = waves.iter().filter(|wave| wave.state == WaveState::Waits).count();
    let begins = open.map_or(now, |opened| opened.after(each).max(now));
    Some(begins.after(each * u32::try_from(waiting).unwrap_or(u32::MAX)))
}
