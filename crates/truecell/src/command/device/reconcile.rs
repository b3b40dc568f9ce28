//! The ledger beside another inventory of the same units: carriers do not have one.

use super::{csv, export::each_page};
use crate::{
    command::tampered,
    control::Control,
    csv_rows::{CsvRows, SHOWN},
    failure::Failure,
    output::{Output, count},
    table::Table,
};
use api::device::{ImportUnit, Particular, RefusedRow};
use clap::Args;
use ids::DeviceId;
use ledger::{Device, LifeCycle};
use serde::Serialize;
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::PathBuf,
};

#[derive(Debug, Args)]
pub(crate) struct Reconcile {
    /// CSV with a head line, as of `device import`; what it has no column for is not compared. `-` reads standard input
    file: PathBuf,
}

/// One thing that the two do not have in common.
#[derive(Debug, Serialize)]
#[serde(tag = "finding", rename_all = "snake_case")]
enum Finding {
    /// The file has a unit that the ledger has not, or only as retired.
    MissingHere { device: DeviceId, line: u64, retired: bool },
    /// The ledger has a unit that the file has not.
    MissingThere { device: DeviceId, state: LifeCycle },
    /// Both have it, and not the same of it.
    Differing { device: DeviceId, line: u64, column: &'static str, here: String, there: String },
    /// A line of the file that cannot be read.
    Unreadable(RefusedRow),
}

/// How much was found.
#[derive(Debug, Default, Serialize)]
struct Sum {
    same: u64,
    missing_here: u64,
    missing_there: u64,
    /// Units of which something differs, and in which columns how often.
    differing: u64,
    columns: BTreeMap<&'static str, u64>,
    unreadable: u64,
}

impl Reconcile {
    pub(super) async fn run(&self, control: &mut Control, output: &Output) -> Result<(), Failure> {
        let CsvRows { rows, refused } = csv::read(&self.file)?;
        let mut there: HashMap<_, _> = rows.into_iter().map(|(line, unit)| (unit.id, (line, unit))).collect();
        let mut report = Report::new(output, &refused);
        let mut bad = Vec::new();
        each_page(control, None, |page| {
            bad.extend(page.tampered);
            page.devices.iter().try_for_each(|device| report.compare(device, there.remove(&device.id)))
        })
        .await?;
        let mut rest: Vec<_> = there.into_values().collect();
        rest.sort_by_key(|(line, _)| *line);
        for (line, ImportUnit { id, .. }) in rest {
            report.add(&Finding::MissingHere { device: id, line, retired: false })?;
        }
        refused.into_iter().try_for_each(|row| report.add(&Finding::Unreadable(row)))?;
        report.end()?;
        tampered::conclude(&bad, output)
    }
}

const HEAD: [&str; 5] = ["DEVICE", "FINDING", "LINE", "HERE", "THERE"];

/// Says what is found as it is found, as JSON lines, or keeps a bounded part of it for a table.
struct Report<'a> {
    output: &'a Output,
    sum: Sum,
    shown: Table,
    left_out: u64,
    /// Units of lines that cannot be read: they are there.
    unreadable: HashSet<DeviceId>,
}

impl<'a> Report<'a> {
    fn new(output: &'a Output, refused: &[RefusedRow]) -> Self {
        let unreadable = refused.iter().filter_map(|row| DeviceId::typed(&row.id).ok()).collect();
        Self { output, sum: Sum::default(), shown: Table::new(&HEAD), left_out: 0, unreadable }
    }

    fn compare(&mut self, here: &Device, there: Option<(u64, ImportUnit)>) -> Result<(), Failure> {
        let (device, state) = (here.id, here.state);
        let is_gone = state == LifeCycle::Retired;
        match there {
            None if is_gone || self.unreadable.contains(&device) => Ok(()),
            None => self.add(&Finding::MissingThere { device, state }),
            Some((line, unit)) if is_gone && unit.state != Some(LifeCycle::Retired) => {
                self.add(&Finding::MissingHere { device, line, retired: true })
            }
            Some((line, unit)) => self.differences(here, line, &unit),
        }
    }

    fn differences(&mut self, here: &Device, line: u64, unit: &ImportUnit) -> Result<(), Failure> {
        let there = unit.known.applied_to(here);
        let state = unit.state.filter(|state| *state != here.state);
        let state = state.map(|state| ("state", here.state.to_string(), state.to_string()));
        let rest = Particular::ALL.into_iter().map(|one| (one.name(), one.text(here), one.text(&there)));
        let differing: Vec<_> =
            state.into_iter().chain(rest.filter(|(_, here, there)| here != there)).collect();
        match differing.is_empty() {
            true => self.sum.same += 1,
            false => self.sum.differing += 1,
        }
        differing.into_iter().try_for_each(|(column, here, there)| {
            self.add(&Finding::Differing { device: unit.id, line, column, here, there })
        })
    }

    fn add(&mut self, finding: &Finding) -> Result<(), Failure> {
        let found = self.sum.count(finding);
        if self.output.is_json() {
            return self.output.line(finding);
        }
        if found <= SHOWN as u64 {
            self.shown.row(finding.cells());
        } else {
            self.left_out += 1;
        }
        Ok(())
    }

    /// The sum; code 1 where anything was found.
    fn end(self) -> Result<(), Failure> {
        let Self { output, sum, shown, left_out, .. } = self;
        if output.is_json() {
            output.line(&serde_json::json!({ "finding": "sum", "sum": sum }))?;
        } else {
            let more =
                if left_out > 0 { format!("and {left_out} more, which --json has\n") } else { String::new() };
            let table = if sum.found() > 0 { shown.to_string() } else { String::new() };
            output.text(&format!("{}\n{table}{more}", sum.text()))?;
        }
        if sum.found() == 0 { Ok(()) } else { Err(Failure::answered()) }
    }
}

impl Sum {
    /// How much was found with this one.
    fn count(&mut self, finding: &Finding) -> u64 {
        match finding {
            Finding::MissingHere { .. } => self.missing_here += 1,
            Finding::MissingThere { .. } => self.missing_there += 1,
            Finding::Differing { column, .. } => *self.columns.entry(column).or_default() += 1,
            Finding::Unreadable(_) => self.unreadable += 1,
        }
        self.found()
    }

    fn found(&self) -> u64 {
        self.missing_here + self.missing_there + self.columns.values().sum::<u64>() + self.unreadable
    }

    fn text(&self) -> String {
        let Self { same, missing_here, missing_there, differing, columns, unreadable } = self;
        let columns: Vec<_> = columns.iter().map(|(column, units)| format!("{column} {units}")).collect();
        let columns = if columns.is_empty() { String::new() } else { format!(" ({})", columns.join(", ")) };
        format!(
            "{} the same, {missing_here} missing here, {missing_there} missing there, {differing} differing{columns}, \
             {} unreadable",
            count(*same, "unit"),
            count(*unreadable, "line")
        )
    }
}

impl Finding {
    fn cells(&self) -> [String; 5] {
        let none = String::new;
        match self {
            Self::MissingHere { device, line, retired } => {
                let here = if *retired { "retired".to_owned() } else { none() };
                [device.to_string(), "missing here".to_owned(), line.to_string(), here, none()]
            }
            Self::MissingThere { device, state } => {
                [device.to_string(), "missing there".to_owned(), none(), state.to_string(), none()]
            }
            Self::Differing { device, line, column, here, there } => {
                [device.to_string(), (*column).to_owned(), line.to_string(), here.clone(), there.clone()]
            }
            Self::Unreadable(RefusedRow { line, id, why }) => {
                [id.clone(), "unreadable".to_owned(), line.to_string(), none(), why.clone()]
            }
        }
    }
}
