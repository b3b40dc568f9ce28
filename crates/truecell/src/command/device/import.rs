use crate::{
    command::policy::scope_in_words,
    control::Control,
    failure::{Failure, Problem},
    output::Output,
    progress::Progress,
    table::Table,
};
use api::device::{ImportDevices, ImportRow, ImportedDevices, NewDevice, RefusedRow};
use clap::Args;
use ids::DeviceId;
use ledger::{Imported, LifeCycle, Scope};
use std::{
    collections::BTreeSet,
    fs::File,
    io,
    path::{Path, PathBuf},
};

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
        let Estate { rows, refused } = Estate::read(&self.file)?;
        let mut sum = ImportedDevices {
            rows: Imported { refused, ..Imported::default() },
            ..ImportedDevices::default()
        };
        let progress = Progress::new(rows.len());
        for (index, batch) in rows.chunks(BATCH).enumerate() {
            progress.at(index * BATCH);
            let request = ImportDevices { request_id: None, rows: batch.to_vec(), enforce: self.enforce };
            let sent = control.client().post::<ImportedDevices>("/v1/devices/import", &request).await;
            let answer = sent.map_err(|error| interrupted(error.into(), &sum.rows))?;
            sum.rows.added += answer.rows.added;
            sum.rows.unchanged += answer.rows.unchanged;
            sum.rows.refused.extend(answer.rows.refused);
            sum.unknown_lines.extend(answer.unknown_lines);
            sum.observed.extend(answer.observed);
            sum.unknown_classes.extend(answer.unknown_classes);
        }
        progress.at(rows.len());
        drop(progress);
        sum.rows.refused.sort_by_key(|row| row.line);
        output.answer(&sum, |sum| imported(&sum.rows))?;
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

fn imported(sum: &Imported) -> String {
    let mut text =
        format!("{} added, {} unchanged, {} refused\n", sum.added, sum.unchanged, sum.refused.len());
    if !sum.refused.is_empty() {
        let mut table = Table::new(&["LINE", "DEVICE", "WHY"]);
        for row in &sum.refused {
            table.row([row.line.to_string(), row.id.clone(), row.why.clone()]);
        }
        text += &table.to_string();
    }
    text
}

/// What stopped an import, with what was acknowledged before.
fn interrupted(failure: Failure, sum: &Imported) -> Failure {
    let done = format!(
        "{} units were acknowledged before: {} added, {} unchanged",
        sum.added + sum.unchanged,
        sum.added,
        sum.unchanged
    );
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

/// The rows that can be sent, and those refused here because they cannot be read.
struct Estate {
    rows: Vec<ImportRow>,
    refused: Vec<RefusedRow>,
}

impl Estate {
    fn read(file: &Path) -> Result<Self, Failure> {
        let source: Box<dyn io::Read> = if file == Path::new("-") {
            Box::new(io::stdin())
        } else {
            Box::new(File::open(file).map_err(|error| unreadable(file, &error))?)
        };
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(source);
        let head = reader.headers().map_err(|error| unreadable(file, &error))?.clone();
        known(&head).map_err(|why| bad_head(file, &why))?;
        let mut estate = Self { rows: Vec::new(), refused: Vec::new() };
        for record in reader.records() {
            match record {
                Ok(record) => estate.add(&record, &head),
                Err(error) => estate.refuse(&error).ok_or_else(|| unreadable(file, &error))?,
            }
        }
        Ok(estate)
    }

    fn add(&mut self, record: &csv::StringRecord, head: &csv::StringRecord) {
        let line = record.position().map_or(0, csv::Position::line);
        match row(record, head) {
            Ok(device) => self.rows.push(ImportRow { line, device }),
            Err(why) => {
                let id = value(record, head, "id").unwrap_or_default().to_owned();
                self.refused.push(RefusedRow { line, id, why });
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

fn unreadable(file: &Path, error: &dyn std::fmt::Display) -> Failure {
    let problem = Problem::new("import-file", format!("{} cannot be read", file.display()));
    Failure::Usage(problem.because(error).next("name a CSV file in UTF-8 that this user may read"))
}

fn bad_head(file: &Path, why: &str) -> Failure {
    let next = format!(
        "let its first line name the columns, in lower case and with commas between them: `id` and any of {}",
        COLUMNS[1..].join(" ")
    );
    let problem = Problem::new("import-file", format!("{} cannot be imported", file.display()));
    Failure::Usage(problem.because(why).next(next))
}

fn known(head: &csv::StringRecord) -> Result<(), String> {
    if let Some(unknown) = head.iter().find(|column| !COLUMNS.contains(column)) {
        return Err(format!("unknown column `{unknown}`"));
    }
    if head.iter().any(|column| column == "id") { Ok(()) } else { Err("there is no column `id`".into()) }
}

const COLUMNS: [&str; 8] = ["id", "state", "owner", "site", "region", "class", "line", "note"];

fn row(record: &csv::StringRecord, head: &csv::StringRecord) -> Result<NewDevice, String> {
    if record.len() != head.len() {
        return Err(format!("it has {} fields, and the first line names {}", record.len(), head.len()));
    }
    let value = |column: &str| value(record, head, column);
    let text = |column: &str| value(column).unwrap_or_default().to_owned();
    let id = DeviceId::typed(value("id").unwrap_or_default()).map_err(|error| error.to_string())?;
    let access_line = value("line")
        .map(str::parse)
        .transpose()
        .map_err(|error: ids::ParseAccessLineError| error.to_string())?;
    Ok(NewDevice {
        id,
        state: value("state")
            .map_or(Ok(LifeCycle::Installed), str::parse)
            .map_err(|error: ledger::ParseStateError| error.to_string())?,
        owner: text("owner"),
        site: text("site"),
        region: text("region"),
        class: text("class"),
        access_line,
        note: text("note"),
    })
}

fn value<'a>(record: &'a csv::StringRecord, head: &csv::StringRecord, column: &str) -> Option<&'a str> {
    let at = head.iter().position(|name| name == column);
    at.and_then(|at| record.get(at)).filter(|value| !value.is_empty())
}
