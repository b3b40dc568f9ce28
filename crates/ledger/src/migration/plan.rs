//! Which units go, and when.

use super::{HaltRule, Migration, MigrationState, Step, Wave};
use crate::{
    Approval, Credential, Device, Enrolment, Ledger, LedgerError, LifeCycle, Origin, Row, Tx,
    access_line::Lines, allows, transaction::Because,
};
use ids::{DeviceId, Label, Sha256, UnixTime};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

/// A migration to be planned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewMigration {
    /// What people call it.
    pub name: Label,
    /// The legacy group of its units.
    pub group: Label,
    /// Which units.
    pub chosen: Chosen,
    /// How many go first.
    pub canary: u32,
    /// How many go at a time after that.
    pub wave: u32,
    /// For how long a wave is open, in seconds.
    pub window_s: u64,
    /// When it halts by itself.
    pub halt: HaltRule,
}

/// Which units are to go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Chosen {
    /// These.
    Units(Vec<DeviceId>),
    /// All of a class.
    Class(String),
}

/// A plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The migration.
    pub migration: Migration,
    /// Its waves.
    pub waves: Vec<Wave>,
    /// Who was chosen and can't go.
    pub left_out: Vec<LeftOut>,
}

/// A unit that can't be migrated as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Which.
    pub device: DeviceId,
    /// Why not.
    pub why: String,
}

/// Windows: an hour is less than a unit's own patience, a month more than a plan is good for.
const WINDOW_S: std::ops::RangeInclusive<u64> = 3600..=31 * 24 * 3600;

impl Ledger {
    /// Plans a migration: assigns each unit that can go to a wave, always in the same way, and names those that can't. Opens
    /// nothing. `check`: nothing is written either.
    ///
    /// # Errors
    /// [`LedgerError::NeedsApprover`] without a second person; [`LedgerError::NotFound`] without the group;
    /// [`LedgerError::Exists`] for a name that was used; [`LedgerError::Conflict`] for a group that has ended, sizes that are
    /// none, and where nobody can go; and the transient ones.
    pub fn plan_migration(
        &self,
        new: &NewMigration,
        because: (&str, &str, Option<&str>),
        check: bool,
        now: UnixTime,
    ) -> Result<Planned, LedgerError> {
        let (by, why, approver) = because;
        let because = Because { by, why, approver };
        let approver = because.approval(|| format!("migration {}", new.name))?;
        new.is_sound()?;
        self.change(|tx| tx.legacy_group_in_force(&new.group, now))?;
        let (units, left_out) = self.sorted_out(new, now)?;
        if units.is_empty() && !check {
            let (why, count) = (left_out.first().map_or("none was chosen", |one| &one.why), left_out.len());
            return Err(LedgerError::Conflict(format!("of {count} units none can go; the first: {why}")));
        }
        let count = u32::try_from(units.len()).unwrap_or(u32::MAX);
        let waves = new.waves(units);
        let migration = new.migration((count, waves.len()), (by, why, approver), now);
        if !check {
            self.change(|tx| tx.put_plan(&migration, &waves, &because, now))?;
        }
        Ok(Planned { migration, waves, left_out })
    }

    /// Those that can go, and those that can't.
    fn sorted_out(
        &self,
        new: &NewMigration,
        now: UnixTime,
    ) -> Result<(Vec<Device>, Vec<LeftOut>), LedgerError> {
        let (lines, taken) = (self.change(|tx| tx.lines())?, self.taken()?);
        let (mut can, mut left_out) = (Vec::new(), Vec::new());
        for (id, device) in self.chosen(&new.chosen)? {
            let why = match &device {
                None => Some("it is not in the ledger".to_owned()),
                Some(device) => match taken.get(&id) {
                    Some(other) => Some(format!("it is in migration {other}")),
                    None => self.bar(device, &lines, now)?,
                },
            };
            match (device, why) {
                (Some(device), None) => can.push(device),
                (_, why) => left_out.push(LeftOut { device: id, why: why.unwrap_or_default() }),
            }
        }
        Ok((can, left_out))
    }

    /// Each once, by name.
    fn chosen(&self, chosen: &Chosen) -> Result<BTreeMap<DeviceId, Option<Device>>, LedgerError> {
        match chosen {
            Chosen::Units(units) => units.iter().map(|id| Ok((*id, self.device(*id)?))).collect(),
            Chosen::Class(class) => {
                let all = self.every::<Device>(None)?.whole()?.into_iter();
                let of_class = all.filter(|device| device.class == *class && !device.is_gone());
                Ok(of_class.map(|device| (device.id, Some(device))).collect())
            }
        }
    }

    /// Units of other migrations that are not over.
    fn taken(&self) -> Result<HashMap<DeviceId, Label>, LedgerError> {
        let mut taken = HashMap::new();
        for migration in self.migrations()?.whole()?.into_iter().filter(|other| !other.state.is_over()) {
            let units = self.waves(&migration.name)?.into_iter().flat_map(|wave| wave.units);
            taken.extend(units.map(|unit| (unit, migration.name.clone())));
        }
        Ok(taken)
    }

    /// Why a unit can't go as things are.
    fn bar(&self, device: &Device, lines: &Lines, now: UnixTime) -> Result<Option<String>, LedgerError> {
        if let Some(why) = self.own_bar(device, now)? {
            return Ok(Some(why));
        }
        let Some(line) = &device.access_line else { return Ok(Some("its line is not known".to_owned())) };
        if self.line(line)?.is_none_or(|line| line.prefixes.is_empty()) {
            return Ok(Some(format!("nobody knows what is behind its line {line}")));
        }
        if let Some(other) = lines.that_shares_with(line) {
            return Ok(Some(format!("its line {line} has addresses that line {other} has too")));
        }
        let behind = self.every::<Device>(Some(("line", &line.to_string())))?.whole()?;
        let other = behind.iter().find(|other| other.id != device.id && !other.is_gone());
        Ok(other.map(|other| format!("{} is behind its line {line} too", other.id)))
    }

    /// The same by what the unit itself is and has.
    pub(super) fn own_bar(&self, device: &Device, now: UnixTime) -> Result<Option<String>, LedgerError> {
        if device.enrolment == Enrolment::Held {
            return Ok(Some("its enrolment is held until a person has looked".to_owned()));
        }
        if !allows(device.state, Enrolment::Ordered).enrol {
            return Ok(Some(format!("it is {}", device.state)));
        }
        if self.has_own(device.id, now)? {
            return Ok(Some("it has a certificate of its own".to_owned()));
        }
        let orders = self.every::<crate::InstallOrder>(Some(("stands", &device.id.to_string())))?.whole()?;
        let standing = orders.iter().find(|order| now <= order.until);
        Ok(standing.map(|order| format!("order {} stands for it until {}", order.id, order.until)))
    }

    /// Whether a unit has a certificate of our CA that counts.
    pub(super) fn has_own(&self, device: DeviceId, now: UnixTime) -> Result<bool, LedgerError> {
        let all = self.every::<Credential>(Some(("device", &device.to_string())))?.whole()?;
        Ok(all.iter().any(|one| one.origin == Origin::Issued && one.is_last() && now <= one.not_after))
    }
}

impl Device {
    /// No unit that can be behind its line.
    fn is_gone(&self) -> bool {
        matches!(self.state, LifeCycle::Lost | LifeCycle::Stolen | LifeCycle::Retired)
    }
}

impl NewMigration {
    fn is_sound(&self) -> Result<(), LedgerError> {
        let wrong = |why: String| Err(LedgerError::Conflict(why));
        let sizes = 1..=u32::try_from(Wave::MOST).unwrap_or(u32::MAX);
        if !sizes.contains(&self.canary) || !sizes.contains(&self.wave) {
            return wrong(format!("canary and wave have 1 to {} units", Wave::MOST));
        }
        if !WINDOW_S.contains(&self.window_s) {
            return wrong("a wave is open for an hour to 31 days".to_owned());
        }
        match self.halt.above_permille < 1000 {
            true => Ok(()),
            false => wrong("it would never halt: name less than all of a wave".to_owned()),
        }
    }

    fn migration(
        &self,
        (units, waves): (u32, usize),
        (by, why, approver): (&str, &str, Approval),
        now: UnixTime,
    ) -> Migration {
        let (why, by) = (why.to_owned(), by.to_owned());
        Migration {
            name: self.name.clone(),
            group: self.group.clone(),
            state: MigrationState::Planned,
            units,
            waves: u32::try_from(waves).unwrap_or(u32::MAX),
            wave: 0,
            window_s: self.window_s,
            halt: self.halt,
            why: why.clone(),
            by: by.clone(),
            approver,
            since: now,
            last: Step { at: now, by, why },
        }
    }

    /// The canary has units of every region, in turns; then come all others. Which of them comes when is drawn from the
    /// hash of its name with the migration's: so regions, lines and makes are in each wave as they are in the estate.
    fn waves(&self, units: Vec<Device>) -> Vec<Wave> {
        let mut drawn: Vec<_> = units.into_iter().map(|unit| (self.draw(unit.id), unit)).collect();
        drawn.sort_by_key(|(draw, unit)| (*draw, unit.id));
        let canary = first_of_each(&drawn, self.canary as usize);
        let rest = drawn.iter().map(|(_, unit)| unit.id).filter(|unit| !canary.contains(unit));
        let rest: Vec<_> = rest.collect();
        let mut canary: Vec<_> = canary.into_iter().collect();
        canary.sort_unstable();
        let groups = std::iter::once(canary).chain(rest.chunks(self.wave as usize).map(<[_]>::to_vec));
        let groups = groups.filter(|units| !units.is_empty());
        let wave = |(number, units)| Wave {
            migration: self.name.clone(),
            number,
            units,
            opened_at: None,
            closed_at: None,
        };
        (0..).zip(groups).map(wave).collect()
    }

    fn draw(&self, unit: DeviceId) -> [u8; 32] {
        Sha256::of(format!("{} {unit}", self.name).as_bytes()).0
    }
}

/// So many, one of each region after the other.
fn first_of_each(drawn: &[([u8; 32], Device)], many: usize) -> HashSet<DeviceId> {
    let mut regions: BTreeMap<&str, VecDeque<DeviceId>> = BTreeMap::new();
    for (_, unit) in drawn {
        regions.entry(&unit.region).or_default().push_back(unit.id);
    }
    let (mut first, many) = (HashSet::new(), many.min(drawn.len()));
    while first.len() < many {
        for region in regions.values_mut() {
            if first.len() < many {
                first.extend(region.pop_front());
            }
        }
    }
    first
}

impl Tx<'_> {
    fn put_plan(
        &mut self,
        migration: &Migration,
        waves: &[Wave],
        because: &Because<'_>,
        now: UnixTime,
    ) -> Result<(), LedgerError> {
        self.legacy_group_in_force(&migration.group, now)?;
        if self.row::<Migration>(migration.name.as_str())?.is_some() {
            return Err(LedgerError::Exists { table: Migration::TABLE, key: migration.name.to_string() });
        }
        // Behind its waves: a plan that is there is whole.
        for wave in waves {
            self.put_row(wave, because, now)?;
        }
        self.put_row(migration, because, now).map(drop)
    }
}
