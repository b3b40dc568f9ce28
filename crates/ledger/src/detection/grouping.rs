//! Which findings belong together: those that a chain of [`Link`]s connects. No clock, no store: the same findings in any order, in any
//! portions, come to the same parts.
//!
//! What a finding links by depends on the finding and on what the ledger says of its cells and lines, never on other findings, so that
//! nothing that comes later takes a link back. What very many share links nothing: one broad thing must not make one incident of all.

use super::{Detected, Subject};
use ids::{AccessLine, CellKey, DeviceId, Label};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// What findings have in common that belong together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Link {
    /// A cell.
    Cell(CellKey),
    /// A unit.
    Device(DeviceId),
    /// An access line.
    Line(AccessLine),
    /// A feed.
    Feed(Label),
    /// Nothing but the detector.
    Detector(String),
}

/// What the ledger says of what findings name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Register {
    /// Cells that no unit has.
    pub of_no_unit: BTreeSet<CellKey>,
    /// Lines that more than [`Register::FEW`] units have.
    pub shared: BTreeSet<AccessLine>,
}

/// Findings that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Which, by their place in the list, in order.
    pub findings: Vec<usize>,
    /// Open incidents that they belong to: none is a new one, several are one from now on.
    pub incidents: BTreeSet<u64>,
}

impl Register {
    /// Units that a home or a shop has at one line. A line of more is one of a campus or a hotel.
    pub const FEW: usize = 4;
}

/// Below this confidence a finding links by its own key alone: what may well be nothing joins nothing.
pub const JOINS_FROM: u8 = 60;

/// What a finding links by.
///
/// - A feed alone, where it is about one: a gap is everybody's.
/// - Its own key, but a subscriber: handsets go everywhere.
/// - Its cells, units and lines, from [`JOINS_FROM`] on. A list that is full links nothing: there may be many more. A line that many units
///   have links nothing.
/// - Of cells of which some have a unit and some have none, those without alone, and no unit: a cell that nobody registered may be a macro
///   cell that the plan lacks, with many homes beside it.
/// - Where nothing of these is left, its detector.
pub fn links(found: &Detected, register: &Register) -> BTreeSet<Link> {
    let has_none = |cell: &CellKey| register.of_no_unit.contains(cell);
    let is_mixed = found.cells.iter().any(has_none) && !found.cells.iter().all(has_none);
    let joins = found.confidence >= JOINS_FROM;
    let is_whole = |entries: usize| joins && entries < Detected::MOST;
    if let Subject::Feed(feed) = &found.key {
        return BTreeSet::from([Link::Feed(feed.clone())]);
    }
    let own = match &found.key {
        Subject::Cell(cell) => (!is_mixed).then_some(Link::Cell(*cell)),
        Subject::Device(device) => Some(Link::Device(*device)),
        Subject::Line(line) => Some(Link::Line(line.clone())),
        Subject::Subscriber(_) | Subject::Feed(_) => None,
    };
    let mut links: BTreeSet<Link> = own.into_iter().collect();
    if is_mixed {
        links.extend(found.cells.iter().filter(|cell| has_none(cell)).copied().map(Link::Cell));
        return links;
    }
    if is_whole(found.cells.len()) {
        links.extend(found.cells.iter().copied().map(Link::Cell));
    }
    if is_whole(found.devices.len()) {
        links.extend(found.devices.iter().copied().map(Link::Device));
    }
    if is_whole(found.lines.len()) {
        let lines = found.lines.iter().filter(|line| !register.shared.contains(line));
        links.extend(lines.cloned().map(Link::Line));
    }
    if links.is_empty() {
        links.insert(Link::Detector(found.detector.clone()));
    }
    links
}

/// The parts into which findings fall by what they link by; `open`: the incident that a link leads to, where it is open.
pub fn group(findings: &[&BTreeSet<Link>], open: &BTreeMap<Link, u64>) -> Vec<Group> {
    let mut parts = Parts::of(findings.len());
    let mut first_by_link = BTreeMap::<&Link, usize>::new();
    let mut first_of_incident = BTreeMap::<u64, usize>::new();
    for (place, links) in findings.iter().enumerate() {
        for link in *links {
            parts.join(place, *first_by_link.entry(link).or_insert(place));
            if let Some(number) = open.get(link) {
                parts.join(place, *first_of_incident.entry(*number).or_insert(place));
            }
        }
    }
    let mut groups = BTreeMap::<usize, Group>::new();
    for place in 0..findings.len() {
        let group = groups.entry(parts.root(place));
        let group = group.or_insert_with(|| Group { findings: Vec::new(), incidents: BTreeSet::new() });
        group.findings.push(place);
    }
    for (number, place) in first_of_incident {
        if let Some(group) = groups.get_mut(&parts.root(place)) {
            group.incidents.insert(number);
        }
    }
    groups.into_values().collect()
}

/// Disjoint sets; the root of each is its lowest.
struct Parts(Vec<usize>);

impl Parts {
    fn of(places: usize) -> Self {
        Self((0..places).collect())
    }

    fn root(&mut self, place: usize) -> usize {
        let mut root = place;
        while let Some(above) = self.0.get(root).copied().filter(|above| *above != root) {
            // Each look makes the way shorter.
            let higher = self.0.get(above).copied().unwrap_or(above);
            if let Some(entry) = self.0.get_mut(root) {
                *entry = higher;
            }
            root = higher;
        }
        root
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.root(one), self.root(other));
        if let Some(entry) = self.0.get_mut(one.max(other)) {
            *entry = one.min(other);
        }
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cell(cell) => write!(f, "cell {cell}"),
            Self::Device(device) => write!(f, "device {device}"),
            Self::Line(line) => write!(f, "line {line}"),
            Self::Feed(feed) => write!(f, "feed {feed}"),
            Self::Detector(detector) => write!(f, "detector {detector}"),
        }
    }
}

#[cfg(test)]
mod tests;
