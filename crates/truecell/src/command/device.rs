mod csv;
mod export;
mod import;
mod particulars;
mod reconcile;

use crate::{
    cli::Cli,
    command::tampered,
    control::Control,
    failure::{Failure, Problem},
    output::{Output, facts, seconds},
    table::{Table, printable},
};
use api::{
    Reason as Why,
    device::{
        AddDevice, DeviceChange, DeviceDetail, DevicePage, MoveDevice, NewDevice, Particular, RecordedDevice,
        SetDevice,
    },
};
use clap::{Args, Subcommand, builder::TypedValueParser};
use export::Export;
use ids::{AccessLine, CellKey, DeviceId};
use import::Import;
use ledger::{Credential, Device as View, LifeCycle};
use particulars::Particulars;
use reconcile::Reconcile;

#[derive(Debug, Subcommand)]
pub(crate) enum Device {
    /// Put one unit into the ledger
    Add(Box<Add>),
    /// Put an existing estate into the ledger, from CSV
    Import(Import),
    /// Write all units as CSV, as `device import` takes them
    Export(Export),
    /// Compare with another inventory, from CSV: missing here, missing there, differing
    Reconcile(Reconcile),
    /// List units
    List(List),
    /// Show one unit, with its credentials and its session
    Show(Show),
    /// Change what is known about a unit: where it is, what it may carry, what it is
    Set(Box<Set>),
    /// Move a unit to another state of its life cycle
    Move(Move),
    /// Stop a unit for now; undone by `device move ID installed --why TEXT`
    Suspend(Reason),
    /// A unit was lost: if it comes back, it is refused and an incident opens
    Lost(Reason),
    /// A unit is gone for good
    Retire(Reason),
}

#[derive(Debug, Args)]
pub(crate) struct Add {
    /// EUI-48 or EUI-64, 12 or 16 hex digits; `:` or `-` may stand between all octets
    #[arg(value_parser = DeviceId::typed)]
    id: DeviceId,
    #[command(flatten)]
    particulars: Particulars,
    /// State of its life cycle
    #[arg(long, default_value = "installed", value_parser = states())]
    state: LifeCycle,
    /// A word of your own for this request: sent again with the same word, it is not done again
    #[arg(long, value_name = "WORD")]
    request_id: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only those in this state
    #[arg(long, value_parser = states())]
    state: Option<LifeCycle>,
    /// Only those that may carry this cell
    #[arg(long, conflicts_with_all = ["state", "after"])]
    cell: Option<CellKey>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = super::rows())]
    limit: u32,
    /// Only those behind this one in the order of their identities
    #[arg(long, value_parser = DeviceId::typed)]
    after: Option<DeviceId>,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Which unit
    #[arg(value_parser = DeviceId::typed)]
    id: DeviceId,
}

#[derive(Debug, Args)]
pub(crate) struct Set {
    /// Which unit
    #[arg(value_parser = DeviceId::typed)]
    id: DeviceId,
    #[command(flatten)]
    particulars: Particulars,
    /// Its access line is not known any more
    #[arg(long, conflicts_with = "line")]
    no_line: bool,
    /// The reason, for the record
    #[arg(long, value_name = "TEXT")]
    why: Why,
    /// Who else agreed, where it takes two (another line of a unit that is installed): one of `approvers` in `[control]`,
    /// and not you
    #[arg(long, value_name = "NAME")]
    approver: Option<String>,
    /// A word of your own for this request: sent again with the same word, it is not done again
    #[arg(long, value_name = "WORD")]
    request_id: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Move {
    /// Which unit
    #[arg(value_parser = DeviceId::typed)]
    id: DeviceId,
    /// Where to
    #[arg(value_parser = states())]
    state: LifeCycle,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, Args)]
pub(crate) struct Reason {
    /// Which unit
    #[arg(value_parser = DeviceId::typed)]
    id: DeviceId,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, Args)]
struct How {
    /// The reason, for the record
    #[arg(long, value_name = "TEXT")]
    why: Why,
    /// Who else agreed, where the move needs two: one of `approvers` in `[control]`, and not you
    #[arg(long, value_name = "NAME")]
    approver: Option<String>,
    /// A word of your own for this request: sent again with the same word, it is not done again
    #[arg(long, value_name = "WORD")]
    request_id: Option<String>,
}

fn states() -> impl TypedValueParser<Value = LifeCycle> {
    super::one_of(&LifeCycle::ALL, LifeCycle::as_str)
}

impl Device {
    pub(crate) async fn run(&self, cli: &Cli, output: &Output) -> Result<(), Failure> {
        let mut control = Control::open(&cli.data_dir()?, self.word()).await?;
        match self {
            Self::Add(add) => add.run(&mut control, output).await,
            Self::Import(import) => import.run(&mut control, output).await,
            Self::Export(export) => export.run(&mut control, output).await,
            Self::Reconcile(reconcile) => reconcile.run(&mut control, output).await,
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
            Self::Export(_) => "device export",
            Self::Reconcile(_) => "device reconcile",
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
        let known = self.particulars.change().map_err(unusable)?;
        let device = NewDevice::with(self.id, self.state, known);
        let request = AddDevice { request_id: self.request_id.clone(), device };
        let added: RecordedDevice = control.client().post("/v1/devices", &request).await?;
        output.answer(&added, |added| format!("{} added, {}", added.device.id, added.device.state))?;
        note_unknown(&added.unknown_line, &added.unknown_class, output);
        Ok(())
    }
}

fn unusable(why: String) -> Failure {
    let problem = Problem::new("particulars", "this cannot be said of a unit").because(why);
    Failure::Usage(problem.next("`truecell help device set` has what can be"))
}

/// What it means for units that their lines are not in the register, and their classes not in the configuration.
fn note_unknown<'a>(
    lines: impl IntoIterator<Item = &'a AccessLine>,
    classes: impl IntoIterator<Item = &'a String>,
    output: &Output,
) {
    if output.is_json() {
        return;
    }
    if let Some(lines) = named(lines) {
        output.note(&format!(
            "note: not in the register of lines: {lines}\n  until `truecell line add`, units behind them attach \
             from anywhere, or not at all where `line-unknown` is enforced; where [records.line] has a feed, that decides: \
             from another line it is `foreign-network`"
        ));
    }
    if let Some(classes) = named(classes) {
        output.note(&format!(
            "note: no [[gateway.class]] is named {classes}\n  its units reach all of gateway.tun.reachable"
        ));
    }
}

/// Words in a note; the JSON answer has them all.
const NAMED: usize = 5;

fn named(words: impl IntoIterator<Item = impl ToString>) -> Option<String> {
    let words: Vec<_> = words.into_iter().map(|word| printable(&word.to_string())).collect();
    let more = words.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let first = words.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    (!words.is_empty()).then(|| first + &more)
}

impl List {
    async fn run(&self, control: &mut Control, output: &Output) -> Result<(), Failure> {
        let mut path = format!("/v1/devices?limit={}", self.limit);
        if let Some(state) = &self.state {
            path += &format!("&state={state}");
        }
        if let Some(cell) = self.cell {
            path += &format!("&cell={cell}");
        }
        if let Some(after) = self.after {
            path += &format!("&after={after}");
        }
        let page: DevicePage = control.client().get(&path).await?;
        output.answer(&page, list)?;
        if let (Some(next), false) = (page.next, output.is_json()) {
            output.note(&format!("more: add --after {next}"));
        }
        tampered::conclude(&page.tampered, output)
    }
}

fn list(page: &DevicePage) -> String {
    let mut rows: Vec<_> = page.devices.iter().map(row).collect();
    rows.extend(page.tampered.iter().map(|row| {
        let cells = [row.key.clone(), tampered::TAMPERED.to_owned()];
        cells.into_iter().chain(std::iter::repeat_n(String::new(), 5)).collect()
    }));
    // By identity: the first cell.
    rows.sort();
    let mut table = Table::new(&["DEVICE", "STATE", "ENROLMENT", "CLASS", "REGION", "LINE", "SITE"]);
    rows.into_iter().for_each(|row| table.row(row));
    table.to_string()
}

fn row(device: &View) -> Vec<String> {
    let line = device.access_line.as_ref().map(ToString::to_string).unwrap_or_default();
    let names = [device.id.to_string(), device.state.to_string(), device.enrolment.to_string()];
    let texts = [&device.class, &device.region, &line, &device.site];
    names.into_iter().chain(texts.into_iter().cloned()).collect()
}

impl Show {
    async fn run(&self, control: &mut Control, output: &Output) -> Result<(), Failure> {
        let detail: DeviceDetail = control.client().get(&format!("/v1/devices/{}", self.id)).await?;
        output.answer(&detail, show)?;
        tampered::conclude(&detail.tampered, output)
    }
}

/// What is shown of each unit, also where nobody said it.
const ALWAYS: [Particular; 5] =
    [Particular::Owner, Particular::Site, Particular::Region, Particular::Class, Particular::Line];

fn particulars(device: &View) -> Vec<(&'static str, String)> {
    let or_none = |value: Option<String>| value.unwrap_or_default();
    let mut all = vec![
        ("device", device.id.to_string()),
        ("state", format!("{}, since {}", device.state, seconds(device.state_since))),
        ("enrolment", device.enrolment.to_string()),
    ];
    let said = Particular::ALL.into_iter().filter(|one| *one != Particular::Note);
    let said = said.map(|one| (one, one.text(device)));
    let said = said.filter(|(one, text)| ALWAYS.contains(one) || !text.is_empty());
    all.extend(said.map(|(one, text)| (one.name(), text)));
    all.extend([
        ("inner IPv4", or_none(device.inner_v4.map(|address| address.to_string()))),
        ("inner IPv6", or_none(device.inner_v6.map(|address| address.to_string()))),
        ("note", device.note.clone()),
    ]);
    all
}

fn show(detail: &DeviceDetail) -> String {
    let mut text = facts(&particulars(&detail.device));
    if !detail.credentials.is_empty() {
        let mut table = Table::new(&["SERIAL", "NOT AFTER", "ORIGIN", "REVOKED", "SHA-256"]);
        for credential in newest_last(&detail.credentials) {
            let revoked = credential
                .revoked
                .as_ref()
                .map(|revoked| format!("{}: {}", seconds(revoked.at), revoked.why))
                .unwrap_or_default();
            let (sha256, serial) = (credential.cert_sha256.to_string(), credential.serial.clone());
            let (origin, not_after) = (credential.origin.to_string(), seconds(credential.not_after));
            table.row([serial, not_after, origin, revoked, sha256]);
        }
        text += &format!("\n{table}");
    }
    if !detail.sessions.is_empty() {
        text += &format!("\n{}", super::session::table(&detail.sessions));
    }
    text + &tampered::below(&detail.tampered)
}

fn newest_last(credentials: &[Credential]) -> Vec<&Credential> {
    let mut sorted: Vec<_> = credentials.iter().collect();
    sorted.sort_by_key(|credential| credential.not_before);
    sorted
}

impl Set {
    async fn run(&self, control: &mut Control, output: &Output) -> Result<(), Failure> {
        let mut set = self.particulars.change().map_err(unusable)?;
        if self.no_line {
            set.access_line = Some(None);
        }
        if set == DeviceChange::default() {
            return Err(unusable("nothing is named that is to be different".into()));
        }
        let (request_id, why, approver) = (self.request_id.clone(), self.why.clone(), self.approver.clone());
        let request = SetDevice { request_id, set, why, approver };
        let path = format!("/v1/devices/{}", self.id);
        let is: RecordedDevice = control.client().post(&path, &request).await?;
        output.answer(&is, |is| facts(&particulars(&is.device)))?;
        note_unknown(&is.unknown_line, &is.unknown_class, output);
        Ok(())
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
