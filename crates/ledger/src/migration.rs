//! Migrations: an estate whose units share one vendor key ([`LegacyGroup`](crate::LegacyGroup)) gets a certificate for each,
//! in waves.
//!
//! Nothing here touches what a unit has. Its wave opens its way to a certificate of its own, an install order from its own line
//! by the group's key, and that is all; until it has taken that way it keeps its old tunnel. So to roll back is to close
//! the ways that are still open.
//!
//! - **The order is the truth** about a unit. What became of a wave is read from its orders each time; no second book
//!   is kept, and none can differ.
//! - **One wave is open at a time.** It ends with its window, or once each of its units has its certificate. Then what came of it
//!   is judged, and only then the next one opens.
//! - **It halts by itself** as soon as more of a wave have failed than was agreed. From then on nothing opens until a person
//!   says so. What is open stays so: units that are on their way shall arrive.
//! - **Each step is a row**, with its event before it, and each step is found again from the rows: whoever
//!   [advances](Ledger::advance_migration) a migration goes on where another was cut off, wherever that was.

mod advance;
mod plan;
mod report;

pub use plan::{Chosen, LeftOut, NewMigration, Planned};
pub use report::{Counts, MigrationReport, UnitReport, UnitState, WaveReport, WaveState};

use crate::{Approval, Ledger, LedgerError, Page, Row, Tx};
use ids::{DeviceId, Label, OrderId, UnixTime};
use serde::{Deserialize, Serialize};
use std::{fmt, time::Duration};

/// An estate on its way to certificates of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Migration {
    /// What people call it.
    pub name: Label,
    /// The legacy group of its units.
    pub group: Label,
    /// Where it is.
    pub state: MigrationState,
    /// How many units it has.
    pub units: u32,
    /// How many waves.
    pub waves: u32,
    /// The wave that is open, or comes next.
    pub wave: u32,
    /// For how long a wave is open, in seconds.
    pub window_s: u64,
    /// When it halts by itself.
    pub halt: HaltRule,
    /// Why.
    pub why: String,
    /// Who planned it.
    pub by: String,
    /// Who agreed.
    pub approver: Approval,
    /// Since when it is planned.
    pub since: UnixTime,
    /// What brought it to its state.
    pub last: Step,
}

/// Where a migration is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MigrationState {
    /// Nothing has been opened.
    Planned,
    /// A wave is open, or the next one opens.
    Running,
    /// No wave opens until a person says so.
    Halted,
    /// The last wave is over.
    Done,
    /// What was open was closed, for good.
    RolledBack,
}

/// When a migration halts by itself: once more than this part of a wave has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HaltRule {
    /// The part, in thousandths of the wave.
    pub above_permille: u32,
    /// Not for fewer failures than this.
    pub at_least: u32,
}

/// A change of a migration's state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// When.
    pub at: UnixTime,
    /// By whom, or what.
    pub by: String,
    /// Why.
    pub why: String,
}

/// Units whose turn comes at the same time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wave {
    /// Of which migration.
    pub migration: Label,
    /// Its place, from 0, which is the canary.
    pub number: u32,
    /// Its units, [`Self::MOST`] at most.
    pub units: Vec<DeviceId>,
    /// Since when its units may enrol.
    pub opened_at: Option<UnixTime>,
    /// Since when no more.
    pub closed_at: Option<UnixTime>,
}

impl MigrationState {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Running => "running",
            Self::Halted => "halted",
            Self::Done => "done",
            Self::RolledBack => "rolled-back",
        }
    }

    /// Nothing more will come of it.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::RolledBack)
    }
}

impl fmt::Display for MigrationState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl HaltRule {
    /// Whether so many of a wave of so many are too many.
    pub fn is_met(self, failed: u32, units: u32) -> bool {
        let (failed_of_1000, above) =
            (u64::from(failed) * 1000, u64::from(self.above_permille) * u64::from(units));
        failed >= self.at_least.max(1) && failed_of_1000 > above
    }
}

impl Migration {
    /// For how long a wave is open.
    pub fn window(&self) -> Duration {
        Duration::from_secs(self.window_s)
    }
}

impl Wave {
    /// Units of one wave.
    pub const MOST: usize = 10_000;

    fn key_of(migration: &Label, number: u32) -> String {
        format!("{migration}/{number:05}")
    }

    /// Its units may enrol.
    pub fn is_open(&self) -> bool {
        self.opened_at.is_some() && self.closed_at.is_none()
    }

    /// The name of the order of one of its units.
    fn order(&self, unit: DeviceId) -> Result<OrderId, LedgerError> {
        let name = format!("{}.{}.{unit}", self.migration, self.number);
        name.parse().map_err(|_| LedgerError::Conflict(format!("`{name}` names no order")))
    }
}

impl Row for Migration {
    const TABLE: &'static str = "migration";

    fn key(&self) -> String {
        self.name.to_string()
    }
}

impl Row for Wave {
    const TABLE: &'static str = "migration_wave";

    fn key(&self) -> String {
        Self::key_of(&self.migration, self.number)
    }

    fn entries(&self) -> Vec<(&'static str, String)> {
        vec![("migration", self.migration.to_string())]
    }
}

impl Tx<'_> {
    fn known_migration(&mut self, name: &Label) -> Result<Migration, LedgerError> {
        let none = || LedgerError::NotFound { table: Migration::TABLE, key: name.to_string() };
        Ok(self.row(name.as_str())?.ok_or_else(none)?.0)
    }
}

impl Ledger {
    /// One migration.
    ///
    /// # Errors
    /// As [`Self::device`].
    pub fn migration(&self, name: &Label) -> Result<Option<Migration>, LedgerError> {
        self.row(name.as_str())
    }

    /// All migrations.
    ///
    /// # Errors
    /// The transient ones.
    pub fn migrations(&self) -> Result<Page<Migration>, LedgerError> {
        self.every(None)
    }

    /// The waves of one, in their order.
    ///
    /// # Errors
    /// [`LedgerError::Tampered`] when one of the rows was; and the transient ones.
    pub fn waves(&self, migration: &Label) -> Result<Vec<Wave>, LedgerError> {
        self.every(Some(("migration", migration.as_str())))?.whole()
    }

    fn wave(&self, migration: &Label, number: u32) -> Result<Option<Wave>, LedgerError> {
        self.row(&Wave::key_of(migration, number))
    }
}

#[cfg(test)]
mod tests;
