use crate::{
    command::policy::scope_in_words,
    control::Control,
    csv_rows::{Columns, CsvRow, CsvRows, imported, interrupted},
    failure::Failure,
    output::Output,
    progress::Progress,
};
use api::device::{ImportDevices, ImportRow, ImportedDevices, NewDevice};
use clap::Args;
use ids::DeviceId;
use ledger::{Imported, LifeCycle, Scope};
use std::{collections::BTreeSet, path::PathBuf};

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// CSV with a head line; `id` is required, `owner site region class line state note` are not. `-` reads standard input
    file: PathBuf,
    /// Enforce every reason to refuse against them from the first attach on, also those that are observed first for a
    /// class and region that is new
    #[arg(long)]
    enforce: bool,
}

impl Import {
    pub(super) async fn run(&self, control: &mut Control, output: &Output) -> Result<(), Failure> {
        let CsvRows { rows, refused } = CsvRows::read(&self.file, &COLUMNS, unit)?;
        let mut sum = ImportedDevices {
            rows: Imported { refused, ..Imported::default() },
            ..ImportedDevices::default()
        };
        let progress = Progress::new(rows.len());
        for (index, batch) in rows.chunks(BATCH).enumerate() {
            progress.at(index * BATCH);
            let batch = batch.iter().map(|(line, device)| ImportRow { line: *line, device: device.clone() });
            let request = ImportDevices { request_id: None, rows: batch.collect(), enforce: self.enforce };
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
        output.answer(&sum, |sum| imported(&sum.rows, "DEVICE"))?;
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
const BATCH: usize = 500;

const COLUMNS: Columns =
    Columns { required: &["id"], others: &["state", "owner", "site", "region", "class", "line", "note"] };

fn unit(row: &CsvRow<'_>) -> Result<NewDevice, String> {
    Ok(NewDevice {
        id: DeviceId::typed(&row.text("id")).map_err(|error| error.to_string())?,
        state: row.parsed("state")?.unwrap_or(LifeCycle::Installed),
        owner: row.text("owner"),
        site: row.text("site"),
        region: row.text("region"),
        class: row.text("class"),
        access_line: row.parsed("line")?,
        note: row.text("note"),
    })
}
