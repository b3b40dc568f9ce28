use super::csv;
use crate::{
    command::policy::scope_in_words,
    control::Control,
    csv_rows::{CsvRows, imported, interrupted},
    failure::Failure,
    output::Output,
    progress::Progress,
};
use api::{
    Reason,
    device::{ImportDevices, ImportRow, ImportedDevices, Update},
};
use clap::Args;
use ledger::{Imported, Scope};
use std::{collections::BTreeSet, path::PathBuf};

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// CSV with a head line; `id` is required, `state` and what else is known of a unit is not, as `device export` names it.
    /// `-` reads standard input
    file: PathBuf,
    /// Say what would come of it, with every row that could not be taken, and change nothing
    #[arg(long, conflicts_with = "enforce")]
    dry_run: bool,
    /// Enforce every reason to refuse against them from the first attach on, also those that are observed first for a
    /// class and region that is new
    #[arg(long)]
    enforce: bool,
    /// Change the units that are there and are otherwise, in the columns that the file has, and not their state. Without it
    /// they are refused, and named
    #[arg(long, requires = "why")]
    update: bool,
    /// The reason for changes, for the record
    #[arg(long, value_name = "TEXT", requires = "update")]
    why: Option<Reason>,
    /// Who else agreed: another line of a unit that may attach from behind its own needs two
    #[arg(long, value_name = "NAME", requires = "update")]
    approver: Option<String>,
}

impl Import {
    pub(super) async fn run(&self, control: &mut Control, output: &Output) -> Result<(), Failure> {
        let CsvRows { rows, refused } = csv::read(&self.file)?;
        let mut sum = ImportedDevices {
            rows: Imported { refused, ..Imported::default() },
            ..ImportedDevices::default()
        };
        let progress = Progress::new(rows.len());
        for (index, batch) in rows.chunks(BATCH).enumerate() {
            progress.at(index * BATCH);
            let batch = batch.iter().map(|(line, unit)| ImportRow { line: *line, unit: unit.clone() });
            let request = ImportDevices {
                request_id: None,
                rows: batch.collect(),
                enforce: self.enforce,
                check: self.dry_run,
                checked_before: sum.rows.added,
                update: self.why.clone().map(|why| Update { why, approver: self.approver.clone() }),
            };
            let sent = control.client().post::<ImportedDevices>("/v1/devices/import", &request).await;
            let answer = sent.map_err(|error| interrupted(error.into(), &sum.rows, "unit"))?;
            sum.rows.add(answer.rows);
            sum.unknown_lines.extend(answer.unknown_lines);
            sum.observed.extend(answer.observed);
            sum.unknown_classes.extend(answer.unknown_classes);
        }
        progress.at(rows.len());
        drop(progress);
        sum.rows.refused.sort_by_key(|row| row.line);
        let would = if self.dry_run { "would be: " } else { "" };
        output.answer(&sum, |sum| would.to_owned() + &imported(&sum.rows, "DEVICE"))?;
        super::note_unknown(&sum.unknown_lines, &sum.unknown_classes, output);
        note_observed(&sum.observed, output);
        if sum.rows.refused.is_empty() { Ok(()) } else { Err(Failure::answered()) }
    }
}

fn note_observed(scopes: &BTreeSet<Scope>, output: &Output) {
    for scope in scopes.iter().filter(|_| !output.is_json()) {
        let scope = scope_in_words(scope);
        output.note(&format!(
            "note: {scope}: new, so what a list may be wrong about is observed first, not enforced; see `truecell policy readiness`"
        ));
    }
}

/// Rows sent at once: each batch is durable before the next one is sent.
const BATCH: usize = 1000;
