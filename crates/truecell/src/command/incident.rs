mod evidence;
mod findings;
mod replay;
mod sides;

use crate::{
    cli::Cli,
    command::{management, tampered},
    control::Control,
    failure::Failure,
    output::{Output, facts, seconds},
    table::Table,
};
use api::{
    Reason,
    incident::{CloseIncident, IncidentPage, IncidentView, JudgeIncident},
};
use clap::{Args, Subcommand, builder::TypedValueParser};
use ids::{CellKey, DeviceId};
use ledger::{Genuine, Incident as View, IncidentState, Sides, detection::Outcome};
use serde_json::Value;

#[derive(Debug, Subcommand)]
pub(crate) enum Incident {
    /// List incidents, oldest first
    List(List),
    /// Show one incident with its evidence
    Show(Show),
    /// Judge two who hold one key once more, by what the journal has of them
    ///
    /// The code is 1 where the rules of this version come to another verdict than those of then.
    Replay(Show),
    /// Say which of two who hold one key is the unit, or whether one alone is; or what is behind findings
    ///
    /// Whoever is not is refused from now on where it was and as it looked; its tunnel ends at once. One alone in wrong hands is let
    /// in from there when it comes back, if it is the unit. An honest cause of findings lifts what they said of their cells.
    Judge(Judge),
    /// Close an incident: there is nothing more to do
    Close(Close),
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only those in this state
    #[arg(long, value_parser = states())]
    state: Option<IncidentState>,
    /// Only those about this unit
    #[arg(long, value_parser = DeviceId::typed)]
    device: Option<DeviceId>,
    /// Only those about findings that name this cell, as lte:450-08:1a2b3c4
    #[arg(long)]
    cell: Option<CellKey>,
    /// Only those about findings of this detector, as in docs/detectors.md
    #[arg(long, value_parser = detector)]
    detector: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = super::rows())]
    limit: u32,
    /// Only those with higher numbers
    #[arg(long, value_name = "NUMBER", default_value_t = 0, hide_default_value = true)]
    after: u64,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Which incident
    number: u64,
}

#[derive(Debug, Args)]
pub(crate) struct Judge {
    /// Which incident
    number: u64,
    /// Which is the unit: newcomer, holder, neither, or both: they are one; of one alone, newcomer or neither
    #[arg(long, value_parser = genuine(), required_unless_present = "found", conflicts_with = "found")]
    genuine: Option<Genuine>,
    /// What is behind the findings of an incident about such: benign or misuse
    #[arg(long, value_parser = found())]
    found: Option<Outcome>,
    /// The reason, for the record
    #[arg(long)]
    why: Reason,
    /// A word of your own for this request: sent again with the same word, it is not done again
    #[arg(long, value_name = "WORD")]
    request_id: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Close {
    /// Which incident
    number: u64,
    /// The reason, for the record
    #[arg(long)]
    why: Reason,
    /// A word of your own for this request: sent again with the same word, it is not done again
    #[arg(long, value_name = "WORD")]
    request_id: Option<String>,
}

fn genuine() -> impl TypedValueParser<Value = Genuine> {
    super::one_of(&Genuine::ALL, Genuine::as_str)
}

fn detector(text: &str) -> Result<String, &'static str> {
    let is_plain = |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'_';
    let is_name = (1..=32).contains(&text.len()) && text.bytes().all(is_plain);
    is_name
        .then(|| text.to_owned())
        .ok_or("a detector has 1 to 32 lower-case letters, digits and underscores")
}

fn found() -> impl TypedValueParser<Value = Outcome> {
    super::one_of(&Outcome::ALL, Outcome::as_str)
}

fn states() -> impl TypedValueParser<Value = IncidentState> {
    super::one_of(&[IncidentState::Open, IncidentState::Closed], state)
}

impl Incident {
    pub(crate) async fn run(&self, cli: &Cli, output: &Output) -> Result<(), Failure> {
        let mut control = Control::open(&cli.data_dir()?, "incident").await?;
        match self {
            Self::List(list) => list.run(&mut control, output).await,
            Self::Show(one) => {
                let view: IncidentView =
                    control.client().get(&format!("/v1/incidents/{}", one.number)).await?;
                output.answer(&view, show)
            }
            Self::Replay(one) => replay::run(one.number, &mut control, output).await,
            Self::Judge(judge) => {
                let Judge { number, genuine, found, why, request_id } = judge;
                let (why, request_id) = (why.clone(), request_id.clone());
                let request = JudgeIncident { request_id, genuine: *genuine, found: *found, why };
                let path = format!("/v1/incidents/{number}/judge");
                let incident: View = control.client().post(&path, &request).await?;
                output.answer(&incident, judged)
            }
            Self::Close(close) => {
                let Close { number, why, request_id } = close;
                let request = CloseIncident { request_id: request_id.clone(), why: why.clone() };
                let path = format!("/v1/incidents/{number}/close");
                let incident: View = control.client().post(&path, &request).await?;
                output.answer(&incident, |closed| format!("incident {} is closed\n", closed.number))
            }
        }
    }
}

impl List {
    async fn run(&self, control: &mut Control, output: &Output) -> Result<(), Failure> {
        let Self { state, device, cell, detector, limit, after } = self;
        let mut path = format!("/v1/incidents?after={after}&limit={limit}");
        state.iter().for_each(|state| path += &format!("&state={}", self::state(*state)));
        device.iter().for_each(|device| path += &format!("&device={device}"));
        cell.iter().for_each(|cell| path += &format!("&cell={cell}"));
        detector.iter().for_each(|detector| path += &format!("&detector={detector}"));
        let page: IncidentPage = control.client().get(&path).await?;
        output.answer(&page, list)?;
        if let (Some(next), false) = (page.next, output.is_json()) {
            output.note(&format!("more: add --after {next}"));
        }
        tampered::conclude(&page.tampered, output)
    }
}

fn judged(incident: &View) -> String {
    let number = incident.number;
    let Some(sides) = incident.sides().filter(Sides::are_alike) else {
        return format!("incident {number} is judged and closed\n");
    };
    let device = devices(incident);
    let from = sides.newcomer.from;
    let alike = match sides.holder {
        Some(_) => format!("both look alike and come from {from}, so nothing tells them apart by that"),
        None => format!("{from} is on the unit's own line, so nothing tells it from the unit by that"),
    };
    format!(
        "incident {number} is judged and closed; {alike}\n\
         next: where one is a copy, `truecell order create` for {device} lets the unit have a new key from its line, and \
         `truecell cert revoke` ends the old one\n"
    )
}

fn list(all: &IncidentPage) -> String {
    let mut table = Table::new(&["INCIDENT", "STATE", "KIND", "OPENED", "DEVICES", "SUMMARY"]);
    for incident in &all.incidents {
        table.row([
            incident.number.to_string(),
            state(incident.state).to_owned(),
            incident.kind.clone(),
            seconds(incident.opened_at),
            devices(incident),
            incident.summary.clone(),
        ]);
    }
    table.to_string() + &tampered::below(&all.tampered)
}

fn state(state: IncidentState) -> &'static str {
    match state {
        IncidentState::Open => "open",
        IncidentState::Closed => "closed",
    }
}

fn devices(incident: &View) -> String {
    incident.devices.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn show(view: &IncidentView) -> String {
    let IncidentView { incident, orders, .. } = view;
    let mut about = vec![
        ("incident", incident.number.to_string()),
        ("state", state(incident.state).to_owned()),
        ("kind", incident.kind.clone()),
        ("opened", seconds(incident.opened_at)),
        ("seen again", incident.repeats.to_string()),
        ("last seen", seconds(incident.last_at)),
        ("devices", devices(incident)),
        ("summary", incident.summary.clone()),
        ("closed", incident.closed.as_ref().map_or_else(|| "no".to_owned(), closed)),
    ];
    let rules = incident.evidence.get("rules").and_then(Value::as_str);
    about.extend(rules.map(|rules| ("rules", rules.to_owned())));
    if let Some(misuse) = incident.misuse() {
        about.extend(findings::facts(&misuse));
        let facts = facts(&about);
        return format!("{facts}\n{}\n{}", findings::list(view), next(incident));
    }
    let facts = facts(&about);
    let (weighed, seen) = (sides::table(&incident.evidence), evidence::table(&incident.evidence));
    let ordered = if orders.is_empty() { String::new() } else { format!("\n{}", management::table(orders)) };
    format!("{facts}\n{weighed}{seen}{ordered}\n{}", next(incident))
}

fn closed(closed: &ledger::ClosedIncident) -> String {
    let ledger::ClosedIncident { by, at, why, genuine, found, .. } = closed;
    let genuine = genuine.map_or_else(String::new, |genuine| format!("the unit is {genuine}: "));
    let found = found.map_or_else(String::new, |found| format!("{found}: "));
    format!("{genuine}{found}{why} ({by}, {})", seconds(*at))
}

/// What a person does next, about each unit.
fn next(incident: &View) -> String {
    let number = incident.number;
    if let Some(whole) = incident.part_of() {
        return format!("next: `truecell incident show {whole}`\n");
    }
    if let Some(misuse) = incident.misuse() {
        return findings::next(number, &misuse);
    }
    let about = |device: &DeviceId| match &*incident.kind {
        "enrolment-denied" | "enrolment-too-often" => format!(
            "next: `truecell cert lineage {device}`, and `truecell order list`: where it is the unit itself, mend the line or the \
             order that it was refused by; its tunnel stays as it is\n"
        ),
        "second-claim" | "clone" | "wrong-hands" | "alternating-use" if incident.sides().is_some() => {
            let is_alone = incident.sides().is_some_and(|sides| sides.holder.is_none());
            let words = if is_alone { "newcomer|neither" } else { "newcomer|holder|neither|both" };
            format!(
                "next: `truecell device show {device}` and whoever is at its site; then `truecell incident judge {number} \
                 --genuine {words} --why TEXT`\n"
            )
        }
        "lost" | "stolen" => format!(
            "next: it stays out; `truecell device show {device}`, and the address above says where it is used. Once it is found, \
             `truecell device move {device} suspended --why TEXT --approver NAME` begins its way back. Then \
             `truecell incident close {number} --why TEXT`\n"
        ),
        "retired" => format!(
            "next: it stays out for good; `truecell device show {device}`, and the address above says where it is used. Then \
             `truecell incident close {number} --why TEXT`\n"
        ),
        "lineage-fork" | "shared-credential" | "legacy-second-claim" => format!(
            "next: `truecell cert lineage {device}`; once you know which one is the copy, `truecell order create` for the unit \
             lets it come anew, and `truecell cert revoke` ends what the copy has\n"
        ),
        _ => format!(
            "next: `truecell device show {device}`; keep it out meanwhile with `truecell device suspend {device} --why TEXT`\n"
        ),
    };
    match incident.devices.is_empty() && incident.kind.starts_with("legacy-") {
        true => "next: `truecell migrate status`\n".to_owned(),
        false => incident.devices.iter().map(about).collect(),
    }
}
