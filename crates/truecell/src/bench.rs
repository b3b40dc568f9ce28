//! Measurements of this machine: each a set of rows, ours beside a named peer's in the same run.

mod charon;
mod claims;
mod costs;
mod detect;
mod enrol;
mod esp;
mod estate;
mod flood;
mod handshake;
mod http;
mod network;
mod ocsp;
mod open_files;
mod process;
mod revoke;
mod serve;
mod signatures;
mod storm;
mod tunnel;
mod verdict;
mod work;

pub(crate) use claims::Claims;
pub(crate) use detect::Detect;
pub(crate) use enrol::Enrol;
pub(crate) use esp::Esp;
pub(crate) use flood::Flood;
pub(crate) use handshake::Handshake;
pub(crate) use ocsp::Ocsp;
pub(crate) use revoke::Revoke;
pub(crate) use storm::Storm;
pub(crate) use tunnel::Tunnel;
pub(crate) use verdict::Verdict;

use crate::failure::allow_files;
use serde::Serialize;
use std::fmt;

/// What this machine lacks for a measurement; as the context of what the system said about it.
#[derive(Debug)]
pub(crate) enum Lacks {
    /// Network name spaces.
    Root,
    /// So many open files; this process may have `limit`, and may not raise that.
    Files { needed: u64, limit: u64 },
    /// A program of this name.
    Tool(&'static str),
}

impl Lacks {
    /// What a person does next.
    pub(crate) fn next(&self) -> String {
        match self {
            Self::Root => "run it as root".into(),
            Self::Files { needed, .. } => allow_files(*needed),
            Self::Tool(name) => format!("install {name}"),
        }
    }
}

impl std::error::Error for Lacks {}

impl fmt::Display for Lacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("it makes network name spaces, which takes root"),
            Self::Files { needed, limit } => write!(
                f,
                "it needs {needed} open files and may have {limit}; to raise that takes CAP_SYS_RESOURCE, which this process \
                 does not have: so it is for users, and for root in many containers"
            ),
            Self::Tool(name) => write!(f, "{name} does not run"),
        }
    }
}

/// One figure.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    /// The bench.
    pub(crate) bench: &'static str,
    /// What was measured.
    pub(crate) case: String,
    /// Median over the runs.
    pub(crate) value: Option<f64>,
    /// Of all values in the row.
    pub(crate) unit: &'static str,
    /// Of a simulated share or rate: its exact bound, one-sided, 95 %, on the side that a goal is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bound: Option<f64>,
    /// What it is compared with, where that could run.
    pub(crate) peer: Option<String>,
    /// Median over the peer's runs.
    pub(crate) peer_value: Option<f64>,
    /// `value` by `peer_value`.
    pub(crate) ratio: Option<f64>,
    /// What each run gave.
    pub(crate) runs: Runs,
    /// What each run of the peer gave.
    pub(crate) peer_runs: Runs,
}

impl Row {
    pub(crate) fn new(bench: &'static str, case: impl Into<String>, unit: &'static str, runs: Runs) -> Self {
        let (value, case) = (runs.median(), case.into());
        let peer_runs = Runs::default();
        Self {
            bench,
            case,
            value,
            unit,
            bound: None,
            peer: None,
            peer_value: None,
            ratio: None,
            runs,
            peer_runs,
        }
    }

    pub(crate) fn beside(mut self, peer: String, runs: Runs) -> Self {
        self.peer_value = runs.median();
        self.ratio = self.value.zip(self.peer_value).map(|(ours, its)| ours / its);
        (self.peer, self.peer_runs) = (Some(peer), runs);
        self
    }
}

/// One value for each run.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Runs(Vec<f64>);

impl Runs {
    pub(crate) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }

    /// The middle one; of an even number, the mean of the two in the middle.
    pub(crate) fn median(&self) -> Option<f64> {
        let sorted = self.sorted();
        let (low, high) = (sorted.get(sorted.len().saturating_sub(1) / 2)?, sorted.get(sorted.len() / 2)?);
        Some((low + high) / 2.0)
    }

    /// That which so many of 100 do not exceed (nearest rank).
    pub(crate) fn most_of(&self, percent: usize) -> Option<f64> {
        let sorted = self.sorted();
        sorted.get((sorted.len() * percent).div_ceil(100).saturating_sub(1)).copied()
    }

    /// The least and the most of several.
    pub(crate) fn spread(&self) -> Option<(f64, f64)> {
        match self.sorted()[..] {
            [least, .., most] => Some((least, most)),
            _ => None,
        }
    }
}

impl FromIterator<f64> for Runs {
    fn from_iter<T: IntoIterator<Item = f64>>(values: T) -> Self {
        Self(values.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle_and_the_spread_around_it() {
        let runs = Runs::from_iter([4.0, 1.0, 2.0]);
        assert_eq!((runs.median(), runs.spread()), (Some(2.0), Some((1.0, 4.0))));
        assert_eq!(Runs::from_iter([4.0, 1.0]).median(), Some(2.5));
        assert_eq!((Runs::default().median(), Runs::default().spread()), (None, None));
        let one = Runs::from_iter([3.0]);
        assert_eq!((one.median(), one.spread()), (Some(3.0), None), "one run has no spread");
    }

    #[test]
    fn ninety_nine_of_a_hundred_leave_the_worst_out_and_of_fewer_nobody() {
        let hundred = Runs::from_iter((1..=100).map(f64::from));
        assert_eq!((hundred.most_of(99), hundred.most_of(100)), (Some(99.0), Some(100.0)));
        assert_eq!(Runs::from_iter([2.0, 9.0]).most_of(99), Some(9.0));
        assert_eq!(Runs::default().most_of(99), None);
    }

    #[test]
    fn a_ratio_needs_both_sides() {
        let row = Row::new("b", "c", "ms", Runs::from_iter([1.0]));
        assert_eq!(row.ratio, None);
        assert_eq!(row.beside("other".into(), Runs::from_iter([4.0])).ratio, Some(0.25));
    }
}
