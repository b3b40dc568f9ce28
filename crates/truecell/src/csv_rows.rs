//! Rows of a CSV file whose first line names the columns.

use crate::{
    failure::{Failure, Problem},
    output::count,
    table::Table,
};
use ledger::{Change, ChangedRow, Imported, RefusedRow};
use std::{fs::File, io, path::Path};

/// Which columns a file may have.
pub(crate) struct Columns {
    /// Those that it must have; the first is the row's name.
    pub(crate) required: &'static [&'static str],
    /// Those that it may have.
    pub(crate) others: &'static [&'static str],
}

/// One row by the names of its columns.
pub(crate) struct CsvRow<'a> {
    head: &'a csv::StringRecord,
    record: &'a csv::StringRecord,
}

/// The rows that can be sent, each with its line, and those refused here because they cannot be read.
pub(crate) struct CsvRows<T> {
    pub(crate) rows: Vec<(u64, T)>,
    pub(crate) refused: Vec<RefusedRow>,
}

impl<T> CsvRows<T> {
    /// Reads a file, or standard input for `-`.
    ///
    /// # Errors
    /// Nothing can be read, or the first line does not name the columns.
    pub(crate) fn read(
        file: &Path,
        columns: &Columns,
        row: impl Fn(&CsvRow<'_>) -> Result<T, String>,
    ) -> Result<Self, Failure> {
        let source: Box<dyn io::Read> = if file == Path::new("-") {
            Box::new(io::stdin())
        } else {
            Box::new(File::open(file).map_err(|error| unreadable(file, &error))?)
        };
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(source);
        let head = reader.headers().map_err(|error| unreadable(file, &error))?.clone();
        columns.fit(&head).map_err(|why| columns.bad_head(file, &why))?;
        let mut rows = Self { rows: Vec::new(), refused: Vec::new() };
        for record in reader.records() {
            match record {
                Ok(record) => rows.add(&CsvRow { head: &head, record: &record }, columns, &row),
                Err(error) => rows.refuse(&error).ok_or_else(|| unreadable(file, &error))?,
            }
        }
        Ok(rows)
    }

    fn add(&mut self, csv: &CsvRow<'_>, columns: &Columns, row: impl Fn(&CsvRow<'_>) -> Result<T, String>) {
        let line = csv.record.position().map_or(0, csv::Position::line);
        match csv.whole().and_then(|()| row(csv)) {
            Ok(row) => self.rows.push((line, row)),
            Err(why) => {
                let name = columns.required.first().map(|name| csv.text(name)).unwrap_or_default();
                self.refused.push(RefusedRow { line, id: name, why });
            }
        }
    }

    /// Only this row cannot be read; `None` when nothing behind it can be either.
    fn refuse(&mut self, error: &csv::Error) -> Option<()> {
        let csv::ErrorKind::Utf8 { pos, .. } = error.kind() else { return None };
        let line = pos.as_ref().map_or(0, csv::Position::line);
        self.refused.push(RefusedRow { line, id: String::new(), why: "it is not in UTF-8".into() });
        Some(())
    }
}

impl CsvRow<'_> {
    /// Whether the file has such a column.
    pub(crate) fn has(&self, column: &str) -> bool {
        self.head.iter().any(|name| name == column)
    }

    /// What stands in a column; `None` for nothing, or without such a column.
    pub(crate) fn value(&self, column: &str) -> Option<&str> {
        let at = self.head.iter().position(|name| name == column);
        at.and_then(|at| self.record.get(at)).filter(|value| !value.is_empty())
    }

    /// The same; nothing is an empty text.
    pub(crate) fn text(&self, column: &str) -> String {
        self.value(column).unwrap_or_default().to_owned()
    }

    /// The same as another type, where something stands there.
    ///
    /// # Errors
    /// It is none of that type.
    pub(crate) fn parsed<V: std::str::FromStr<Err: std::fmt::Display>>(
        &self,
        column: &str,
    ) -> Result<Option<V>, String> {
        self.value(column).map(str::parse).transpose().map_err(|error: V::Err| error.to_string())
    }

    /// The same for a column in which something must stand.
    ///
    /// # Errors
    /// It is empty, or none of that type.
    pub(crate) fn needed<V: std::str::FromStr<Err: std::fmt::Display>>(
        &self,
        column: &str,
    ) -> Result<V, String> {
        self.parsed(column)?.ok_or_else(|| format!("`{column}` is empty"))
    }

    fn whole(&self) -> Result<(), String> {
        if self.record.len() == self.head.len() {
            return Ok(());
        }
        let has = count(self.record.len() as u64, "field");
        Err(format!("it has {has}, and the first line names {}", self.head.len()))
    }
}

/// What spreadsheets write in the place of commas.
const OTHER_SEPARATORS: [char; 3] = [';', '\t', '|'];

impl Columns {
    fn fit(&self, head: &csv::StringRecord) -> Result<(), String> {
        if let (1, Some(only)) = (head.len(), head.get(0))
            && let Some(other) = only.chars().find(|c| OTHER_SEPARATORS.contains(c))
        {
            return Err(format!("its columns are separated by `{}`, not by commas", other.escape_default()));
        }
        let is_known = |column: &str| self.required.contains(&column) || self.others.contains(&column);
        if let Some(unknown) = head.iter().find(|column| !is_known(column)) {
            return Err(format!("unknown column `{unknown}`"));
        }
        let missing = self.required.iter().find(|required| !head.iter().any(|column| column == **required));
        missing.map_or(Ok(()), |missing| Err(format!("there is no column `{missing}`")))
    }

    fn bad_head(&self, file: &Path, why: &str) -> Failure {
        let problem = Problem::new("import-file", format!("{} cannot be imported", file.display()));
        let next = format!(
            "let its first line name the columns, in lower case and with commas between them: `{}` and any of {}",
            self.required.join("`, `"),
            self.others.join(" ")
        );
        Failure::Usage(problem.because(why).next(next))
    }
}

fn unreadable(file: &Path, error: &dyn std::fmt::Display) -> Failure {
    let problem = Problem::new("import-file", format!("{} cannot be read", file.display()));
    Failure::Usage(problem.because(error).next("name a CSV file in UTF-8 that this user may read"))
}

/// Rows that a text shows; the JSON answer has all.
pub(crate) const SHOWN: usize = 1_000;

/// What became of an import, as text. `name`: of what a row is about, in capitals.
pub(crate) fn imported(sum: &Imported, name: &str) -> String {
    let mut text = format!("{}, {} refused\n", taken(sum), sum.refused.len());
    if !sum.changed.is_empty() {
        let mut table = Table::new(&["LINE", name, "CHANGED", "WAS", "IS"]);
        for ChangedRow { line, id, particulars } in sum.changed.iter().take(SHOWN) {
            for Change { name, was, is } in particulars {
                table.row([
                    line.to_string(),
                    id.to_string(),
                    name.name().to_owned(),
                    was.clone(),
                    is.clone(),
                ]);
            }
        }
        text += &table.to_string();
        text += &more(sum.changed.len());
    }
    if !sum.refused.is_empty() {
        let mut table = Table::new(&["LINE", name, "WHY"]);
        for row in sum.refused.iter().take(SHOWN) {
            table.row([row.line.to_string(), row.id.clone(), row.why.clone()]);
        }
        text += &table.to_string();
        text += &more(sum.refused.len());
    }
    text
}

fn more(rows: usize) -> String {
    let more = rows.saturating_sub(SHOWN);
    if more > 0 { format!("and {more} more, which --json has\n") } else { String::new() }
}

fn taken(sum: &Imported) -> String {
    let changed = sum.changed.len();
    let changed = if changed > 0 { format!("{changed} changed, ") } else { String::new() };
    format!("{} added, {changed}{} unchanged", sum.added, sum.unchanged)
}

/// What stopped an import, with what was acknowledged before. `what`: one of what is imported.
pub(crate) fn interrupted(failure: Failure, sum: &Imported, what: &str) -> Failure {
    let all = sum.added + sum.unchanged + sum.changed.len() as u64;
    let done = format!("{} acknowledged before: {}", count(all, what), taken(sum));
    let add = |mut problem: Problem| {
        problem.detail =
            if problem.detail.is_empty() { done.clone() } else { format!("{}; {done}", problem.detail) };
        problem.next = "run the same import again: what is there already stays as it is".into();
        problem
    };
    match failure {
        Failure::No(problem) => Failure::No(add(problem)),
        Failure::Usage(problem) => Failure::Usage(add(problem)),
        Failure::Ours(problem) => Failure::Ours(add(problem)),
        Failure::Config(errors) => Failure::Config(errors),
    }
}
