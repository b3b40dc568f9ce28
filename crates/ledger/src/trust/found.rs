//! What a finding does to the cells that it names: by its detector, how sure it is, and whether something of its past is missing.

use crate::detection::{Detected, Severity};

/// How bad the findings of one detector can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Which.
    pub detector: &'static str,
    /// However sure it is, no worse than this.
    pub at_most: Severity,
}

/// From this confidence on a finding is [`Severity::High`].
pub const HIGH: u8 = 80;
/// And from this on [`Severity::Medium`]; below it is [`Severity::Low`].
pub const MEDIUM: u8 = 50;

use Severity::{High, Medium, None};

/// Each detector. One that is not here leaves doubt at most.
pub const FOUND: &[Found] = &[
    at_most("feed_gap", None),
    at_most("cell_unknown", High),
    at_most("cell_without_tunnel", High),
    at_most("lost_unit_returns", High),
    at_most("impossible_movement", High),
    at_most("handset_trail", High),
    at_most("war_driving", High),
    at_most("protection_lost", High),
    at_most("expected_absent", Medium),
    at_most("shared_handsets", High),
    at_most("many_behind_one", Medium),
    at_most("regulars_replaced", Medium),
];

const fn at_most(detector: &'static str, at_most: Severity) -> Found {
    Found { detector, at_most }
}

/// How bad a finding is for the cells that it names, and for all cells of the units that it names.
pub fn severity(found: &Detected) -> Severity {
    let most = FOUND.iter().find(|known| known.detector == found.detector);
    let sure = match (found.confidence, found.partial) {
        (HIGH.., false) => High,
        (HIGH.., true) | (MEDIUM.., false) => Medium,
        _ => Severity::Low,
    };
    sure.min(most.map_or(Medium, |known| known.at_most))
}
