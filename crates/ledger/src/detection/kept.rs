//! How many findings are kept.

use crate::{Row, trust::day};
use ids::UnixTime;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};

/// How many findings are in rows, and what came of today.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// Rows.
    pub rows: u64,
    /// Which day `today` is of (UTC, days since 1970-01-01).
    pub day: u32,
    /// Of each detector: findings that the ledger took that day.
    pub today: BTreeMap<String, u64>,
}

impl Kept {
    /// Findings of one detector that are taken on one day (UTC).
    pub const A_DAY: u64 = 10_000;
    /// Findings in all; beyond it those go that were taken first.
    pub const ROWS: u64 = 200_000;
    /// For how long one is kept: 400 days.
    pub const LONG: Duration = Duration::from_secs(400 * 24 * 3600);
    /// Detectors that are told apart on one day; ours are fewer.
    pub const DETECTORS: usize = 64;
    pub(super) const KEY: &'static str = "all";

    /// Whether one more finding of a detector is taken.
    pub(super) fn admits(&mut self, detector: &str, now: UnixTime) -> bool {
        if self.day != day(now) {
            (self.day, self.today) = (day(now), BTreeMap::new());
        }
        if !self.today.contains_key(detector) && self.today.len() >= Self::DETECTORS {
            return false;
        }
        let taken = self.today.entry(detector.to_owned()).or_default();
        let has_room = *taken < Self::A_DAY;
        if has_room {
            *taken += 1;
            self.rows += 1;
        }
        has_room
    }

    /// How many have to go because there are too many.
    pub(super) fn beyond(&self) -> u64 {
        self.rows.saturating_sub(Self::ROWS)
    }
}

impl Row for Kept {
    const TABLE: &'static str = "findings_kept";

    fn key(&self) -> String {
        Self::KEY.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_detector_has_its_day_and_takes_nothing_from_another() {
        let (mut kept, today) = (Kept::default(), UnixTime::from_secs(1_790_000_000));
        let taken = (0..Kept::A_DAY + 7).filter(|_| kept.admits("war_driving", today)).count();
        assert_eq!((taken as u64, kept.rows), (Kept::A_DAY, Kept::A_DAY));
        assert!(kept.admits("handset_trail", today));
        assert!(kept.admits("war_driving", today.after(Duration::from_secs(24 * 3600))));
        assert_eq!((kept.rows, kept.today.len()), (Kept::A_DAY + 2, 1));
    }

    #[test]
    fn names_without_end_have_one() {
        let (mut kept, today) = (Kept::default(), UnixTime::from_secs(1_790_000_000));
        let taken = (0..1000).filter(|number| kept.admits(&format!("d{number}"), today)).count();
        assert_eq!((taken, kept.today.len()), (Kept::DETECTORS, Kept::DETECTORS));
    }
}
