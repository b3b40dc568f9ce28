use crate::{
    cli::Cli,
    control::Control,
    failure::{Failure, Problem},
    output::{Output, facts},
    progress::Progress,
    table::Table,
};
use api::device::{
    AddDevice, DeviceChange, DeviceDetail, DevicePage, ImportDevices, ImportRow, Imported, MoveDevice,
    NewDevice, RefusedRow, SetDevice,
};
use clap::{Args, Subcommand};
use ids::{AccessLine, DeviceId};
use ledger::{Device as View, LifeCycle};
use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

#[derive(Debug, Subcommand)]
pub(crate) enum Device {
    /// Put one unit into the ledger
    Add(Add),
    /// Put an existing estate into the ledger, from CSV
    Import(Import),
    /// List units
    List(List),
    /// Show one unit, with its credentials and its session
    Show(Show),
    /// Change what is known about a unit: its line, owner, site, region, class or note
    Set(Set),
    /// Move a unit to another state of its life cycle
    Move(Move),
    /// Stop a unit for now; undone by `device move ID installed`
    Suspend(Reason),
    /// A unit was lost: if it comes back, it is refused and an incident opens
    Lost(Reason),
    /// A unit is gone for good
    Retire(Reason),
}

#[derive(Debug, Args)]
pub(crate) struct Add {
    /// EUI-48 or EUI-64, 12 or 16 hex digits
    id: DeviceId,
    /// Who answers for it
    #[arg(long, default_value = "", hide_default_value = true)]
    owner: String,
    /// Where it is installed
    #[arg(long, default_value = "", hide_default_value = true)]
    site: String,
    /// Region, as policies name it
    #[arg(long, default_value = "", hide_default_value = true)]
    region: String,
    /// Class, as policies name it
    #[arg(long, default_value = "", hide_default_value = true)]
    class: String,
    /// The access line behind which it is installed
    #[arg(long)]
    line: Option<AccessLine>,
    /// State of its life cycle
    #[arg(long, default_value = "installed")]
    state: LifeCycle,
    /// Anything worth knowing
    #[arg(long, default_value = "", hide_default_value = true)]
    note: String,
    /// Makes a repeated request harmless
    #[arg(long)]
    request_id: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// CSV with a head line; `id` is required, `owner site region class line state note` are not. `-` reads standard input
    file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only those in this state
    #[arg(long)]
    state: Option<LifeCycle>,
    /// At most so many
    #[arg(long, default_value_t = 1000)]
    limit: u32,
    /// Only those behind this one in the order of their identities
    #[arg(long)]
    after: Option<DeviceId>,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Which unit
    id: DeviceId,
}

#[derive(Debug, Args)]
pub(crate) struct Set {
    /// Which unit
    id: DeviceId,
    #[command(flatten)]
    what: What,
    /// The reason, for the record
    #[arg(long)]
    why: String,
    /// Makes a repeated request harmless
    #[arg(long)]
    request_id: Option<String>,
}

/// What is not given stays as it is; at least one is.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct What {
    /// Who answers for it
    #[arg(long)]
    owner: Option<String>,
    /// Where it is installed
    #[arg(long)]
    site: Option<String>,
    /// Region, as policies name it
    #[arg(long)]
    region: Option<String>,
    /// Class, as policies name it
    #[arg(long)]
    class: Option<String>,
    /// The access line behind which it is installed
    #[arg(long)]
    line: Option<AccessLine>,
    /// Its access line is not known any more
    #[arg(long, conflicts_with = "line")]
    no_line: bool,
    /// Anything worth knowing
    #[arg(long)]
    note: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Move {
    /// Which unit
    id: DeviceId,
    /// Where to
    state: LifeCycle,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, Args)]
pub(crate) struct Reason {
    /// Which unit
    id: DeviceId,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, Args)]
struct How {
    /// The reason, for the record
    #[arg(long)]
    why: String,
    /// Who else agreed, where the move needs two
    #[arg(long)]
    approver: Option<String>,
    /// Makes a repeated request harmless
    #[arg(long)]
    request_id: Option<String>,
}

impl Device {
    pub(crate) async fn run(&self, cli: &Cli, output: &Output) -> Result<(), Failure> {
        let mut control = Control::open(&cli.data_dir()?, self.word()).await?;
        match self {
            Self::Add(add) => add.run(&mut control, output).await,
            Self::Import(import) => import.run(&mut control, output).await,
            Self::List(list) => list.run(&mut control, output).await,
            Self::Show(show) => show.run(&mut control, output).await,
            Self::Set(set) => set.run(&mut control, output).await,
            Self::Move(to) => to.how.run(to.id, to.state, &mut control, output).await,
            Self::Suspend(unit) => unit.how.run(unit.id, LifeCycle::Suspended, &mut control, output).await,
            Self::Lost(unit) => unit.how.run(unit.id, LifeCycle::Lost, &mut control, output).await,
            Self::Retire(unit) => unit.how.run(unit.id, LifeCycle::Retired, &mut control, output).await,
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Add(_) => "device add",
            Self::Import(_) => "device import",
            Self::List(_) => "device list",
            Self::Show(_) => "device show",
            Self::Set(_) => "device set",
            Self::Move(_) => "device move",
            Self::Suspend(_) => "device suspend",
            Self::Lost(_) => "device lost",
            Self::Retire(_) => "device retire",
        }
    }
}

impl Add {
    async fn run(&self, control: &mut Control, output: &Output) -> Result<(), Failure> {
        let device = NewDevice {
            id: self.id,
            state: self.state,
            owner: self.owner.clone(),
            site: self.site.clone(),
            region: self.region.clone(),
            class: self.class.clone(),
            access_line: self.line.clone(),
            note: self.note.clone(),
        };
        let request = AddDevice { request_id: self.request_id.clone(), device };
        let added: View = control.client().post("/v1/devices", &request).await?;
        output.answer(&added, |device| format!("{} added, {}", device.id, device.state))
    }
}

impl List {
    async fn run(&self, control: &mut Control, output: &Output) -> Result<(), Failure> {
        let mut path = format!("/v1/devices?limit={}", self.limit);
        if let Some(state) = &self.state {
            path += &format!("&state={state}");
        }
        if let Some(after) = self.after {
            path += &format!("&after={after}");
        }
        let page: DevicePage = control.client().get(&path).await?;
        output.answer(&page, list)?;
        if let (Some(next), false) = (page.next, output.is_json()) {
            output.note(&format!("more: add --after {next}"));
        }
        Ok(())
    }
}

fn list(page: &DevicePage) -> String {
    let mut table = Table::new(&["DEVICE", "STATE", "ENROLMENT", "CLASS", "REGION", "LINE", "SITE"]);
    for device in &page.devices {
        let line = device.access_line.as_ref().map(ToString::to_string).unwrap_or_default();
        let names = [device.id.to_string(), device.state.to_string(), device.enrolment.to_string()];
        let texts = [&device.class, &device.region, &line, &device.site];
        table.row(names.into_iter().chain(texts.into_iter().cloned()));
    }
    table.to_string()
}

impl Show {
    async fn run(&self, control: &mut Control, output: &Output) -> Result<(), Failure> {
        let detail: DeviceDetail = control.client().get(&format!("/v1/devices/{}", self.id)).await?;
        output.answer(&detail, show)
    }
}

fn particulars(device: &View) -> [(&'static str, String); 11] {
    let or_none = |value: Option<String>| value.unwrap_or_default();
    [
        ("device", device.id.to_string()),
        ("state", device.state.to_string()),
        ("enrolment", device.enrolment.to_string()),
        ("owner", device.owner.clone()),
        ("site", device.site.clone()),
        ("region", device.region.clone()),
        ("class", device.class.clone()),
        ("line", or_none(device.access_line.as_ref().map(ToString::to_string))),
        ("inner IPv4", or_none(device.inner_v4.map(|address| address.to_string()))),
        ("inner IPv6", or_none(device.inner_v6.map(|address| address.to_string()))),
        ("note", device.note.clone()),
    ]
}

fn show(detail: &DeviceDetail) -> String {
    let mut text = facts(&particulars(&detail.device));
    if !detail.credentials.is_empty() {
        let mut table = Table::new(&["CERTIFICATE", "SERIAL", "ORIGIN", "NOT AFTER", "REVOKED"]);
        for credential in &detail.credentials {
            let revoked = credential
                .revoked
                .as_ref()
                .map(|revoked| format!("{}: {}", revoked.at, revoked.why))
                .unwrap_or_default();
            let (sha256, serial) = (credential.cert_sha256.to_string(), credential.serial.clone());
            let (origin, not_after) = (credential.origin.to_string(), credential.not_after.to_string());
            table.row([sha256, serial, origin, not_after, revoked]);
        }
        text += &format!("\n{table}");
    }
    text
}

impl Set {
    async fn run(&self, control: &mut Control, output: &Output) -> Result<(), Failure> {
        let What { owner, site, region, class, line, no_line, note } = &self.what;
        let set = DeviceChange {
            owner: owner.clone(),
            site: site.clone(),
            region: region.clone(),
            class: class.clone(),
            access_line: line.clone().map(Some).or(no_line.then_some(None)),
            note: note.clone(),
        };
        let request = SetDevice { request_id: self.request_id.clone(), set, why: self.why.clone() };
        let device: View = control.client().post(&format!("/v1/devices/{}", self.id), &request).await?;
        output.answer(&device, |device| facts(&particulars(device)))
    }
}

impl How {
    async fn run(
        &self,
        id: DeviceId,
        to: LifeCycle,
        control: &mut Control,
        output: &Output,
    ) -> Result<(), Failure> {
        let request = MoveDevice {
            request_id: self.request_id.clone(),
            to,
            why: self.why.clone(),
            approver: self.approver.clone(),
        };
        let moved: View = control.client().post(&format!("/v1/devices/{id}/move"), &request).await?;
        output.answer(&moved, |device| format!("{} is {}", device.id, device.state))
    }
}

impl Import {
    async fn run(&self, control: &mut Control, output: &Output) -> Result<(), Failure> {
        let (rows, mut sum) = read_csv(&self.file)?;
        let progress = Progress::new(rows.len());
        for (index, batch) in rows.chunks(BATCH).enumerate() {
            progress.at(index * BATCH);
            let request = ImportDevices { request_id: None, rows: batch.to_vec() };
            let sent = control.client().post::<Imported>("/v1/devices/import", &request).await;
            let answer = sent.map_err(|error| interrupted(error.into(), &sum))?;
            sum.added += answer.added;
            sum.unchanged += answer.unchanged;
            sum.refused.extend(answer.refused);
        }
        progress.at(rows.len());
        drop(progress);
        sum.refused.sort_by_key(|row| row.line);
        output.answer(&sum, imported)?;
        if sum.refused.is_empty() { Ok(()) } else { Err(Failure::answered()) }
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

/// The rows that can be read, and those refused here because they cannot.
fn read_csv(file: &Path) -> Result<(Vec<ImportRow>, Imported), Failure> {
    let unreadable = |error: &dyn std::fmt::Display| {
        Failure::Usage(
            Problem::new("import-file", format!("{} cannot be imported", file.display()))
                .because(error)
                .next("give a CSV file whose first line names its columns; `id` is required"),
        )
    };
    let source: Box<dyn io::Read> = if file == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(file).map_err(|error| unreadable(&error))?)
    };
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(false).from_reader(source);
    let head = reader.headers().map_err(|error| unreadable(&error))?.clone();
    if let Some(unknown) = head.iter().find(|column| !COLUMNS.contains(column)) {
        return Err(unreadable(&format!("unknown column `{unknown}`; known are {}", COLUMNS.join(" "))));
    }
    if !head.iter().any(|column| column == "id") {
        return Err(unreadable(&"there is no column `id`"));
    }
    let (mut rows, mut sum) = (Vec::new(), Imported::default());
    for record in reader.records() {
        let record = record.map_err(|error| unreadable(&error))?;
        let line = record.position().map_or(0, csv::Position::line);
        match row(&record, &head) {
            Ok(device) => rows.push(ImportRow { line, device }),
            Err(why) => {
                let id =
                    record.iter().zip(&head).find(|(_, column)| *column == "id").map_or("", |(id, _)| id);
                sum.refused.push(RefusedRow { line, id: id.into(), why });
            }
        }
    }
    Ok((rows, sum))
}

const COLUMNS: [&str; 8] = ["id", "state", "owner", "site", "region", "class", "line", "note"];

fn row(record: &csv::StringRecord, head: &csv::StringRecord) -> Result<NewDevice, String> {
    let value = |column: &str| {
        let at = head.iter().position(|name| name == column);
        at.and_then(|at| record.get(at)).filter(|value| !value.is_empty())
    };
    let text = |column: &str| value(column).unwrap_or_default().to_owned();
    let id =
        value("id").unwrap_or_default().parse().map_err(|error: ids::ParseDeviceError| error.to_string())?;
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
