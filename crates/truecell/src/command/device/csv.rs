//! Units as rows of CSV files.

use crate::{
    csv_rows::{Columns, CsvRow, CsvRows},
    failure::Failure,
};
use api::device::{DeviceChange, ImportUnit, Particular, RefusedRow};
use ids::{CellKey, DeviceId};
use ledger::{Device, LifeCycle};
use std::{collections::HashMap, path::Path};

const ID: &str = "id";
const STATE: &str = "state";

const COLUMNS: Columns = Columns { required: &[ID], others: &OTHERS };

const OTHERS: [&str; Particular::ALL.len() + 1] = {
    let mut names = [STATE; Particular::ALL.len() + 1];
    let mut column = 0;
    while column < Particular::ALL.len() {
        names[column + 1] = Particular::ALL[column].name();
        column += 1;
    }
    names
};

/// Of the columns that a file has, also those that are empty say something.
fn unit(row: &CsvRow<'_>) -> Result<ImportUnit, String> {
    let mut known = DeviceChange::default();
    for one in Particular::ALL.into_iter().filter(|one| row.has(one.name())) {
        one.put(&row.text(one.name()), &mut known).map_err(|why| format!("`{one}`: {why}"))?;
    }
    let id = DeviceId::typed(&row.text(ID)).map_err(|error| error.to_string())?;
    Ok(ImportUnit { id, state: row.parsed(STATE)?, known })
}

/// All rows of a file. A unit, or a cell, that stands twice is taken where it stands first.
///
/// # Errors
/// As [`CsvRows::read`].
pub(super) fn read(file: &Path) -> Result<CsvRows<ImportUnit>, Failure> {
    let CsvRows { rows, mut refused } = CsvRows::read(file, &COLUMNS, unit)?;
    let mut seen = Seen::default();
    let rows = rows.into_iter().filter_map(|(line, unit)| match seen.first(line, &unit) {
        Ok(()) => Some((line, unit)),
        Err(why) => {
            refused.push(RefusedRow { line, id: unit.id.to_string(), why });
            None
        }
    });
    Ok(CsvRows { rows: rows.collect(), refused })
}

/// On which line of a file what stands.
#[derive(Default)]
struct Seen {
    units: HashMap<DeviceId, u64>,
    cells: HashMap<CellKey, u64>,
}

impl Seen {
    fn first(&mut self, line: u64, unit: &ImportUnit) -> Result<(), String> {
        if let Some(before) = self.units.get(&unit.id) {
            return Err(format!("the unit stands in line {before} too"));
        }
        let has_cells = unit.state != Some(LifeCycle::Retired);
        let cells = unit.known.cells.iter().flatten().filter(|_| has_cells);
        if let Some((cell, before)) = cells.clone().find_map(|cell| Some((cell, self.cells.get(cell)?))) {
            return Err(format!("the cell {cell} is that of the unit in line {before} too"));
        }
        self.units.insert(unit.id, line);
        self.cells.extend(cells.map(|cell| (*cell, line)));
        Ok(())
    }
}

/// The first line of a file with everything.
pub(super) fn head() -> Vec<String> {
    [ID, STATE].into_iter().chain(Particular::ALL.map(Particular::name)).map(str::to_owned).collect()
}

/// A unit as a line below it.
pub(super) fn line(device: &Device) -> Vec<String> {
    let first = [device.id.to_string(), device.state.to_string()];
    first.into_iter().chain(Particular::ALL.map(|one| one.text(device))).collect()
}
