mod evidence;
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
use clap::{Args, Subcommand};
use ledger::{Genuine, Incident as View, IncidentState, Sides};

#[derive(Debug, Subcommand)]
pub(crate) enum Incident {
    /// List incidents, oldest first
    List,
    /// Show one incident with its evidence
    Show(Show),
    /// Judge two who hold one key once more, by what the journal has of them
    ///
    /// The code is 1 where the rules of this version come to another verdict than those of then.
    Replay(Show),
    /// Say which of two who hold one key is the unit, or whether one alone is
    ///
    /// Whoever is not is refused from now on where it was and as it looked; its tunnel ends at once. One alone in wrong hands is let
    /// in from there when it comes back, if it is the unit.
    Judge(Judge),
    /// Close an incident: there is nothing more to do
    Close(Close),
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
    #[arg(long, value_parser = genuine)]
    genuine: Genuine,
    /// The reason, for the record
    #[arg(long)]
    why: Reason,
    /// Makes a repeated request harmless
    #[arg(long)]
    request_id: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Close {
    /// Which incident
    number: u64,
    /// The reason, for the record
    #[arg(long)]
    why: Reason,
    /// Makes a repeated request harmless
    #[arg(long)]
    request_id: Option<String>,
}

fn genuine(text: &str) -> Result<Genuine, String> {
    let known = Genuine::ALL.into_iter().find(|genuine| genuine.as_str() == text);
    known.ok_or_else(|| "write newcomer, holder, neither or both".to_owned())
}

impl Incident {
    pub(crate) async fn run(&self, cli: &Cli, output: &Output) -> Result<(), Failure> {
        let mut control = Control::open(&cli.data_dir()?, "incident").await?;
        match self {
            Self::List => {
                let page: IncidentPage = control.client().get("/v1/incidents").await?;
                output.answer(&page, list)?;
                tampered::conclude(&page.tampered, output)
            }
            Self::Show(one) => {
                let view: IncidentView =
                    control.client().get(&format!("/v1/incidents/{}", one.number)).await?;
                output.answer(&view, show)
            }
            Self::Replay(one) => replay::run(one.number, &mut control, output).await,
            Self::Judge(judge) => {
                let Judge { number, genuine, why, request_id } = judge;
                let (why, request_id) = (why.clone(), request_id.clone());
                let request = JudgeIncident { request_id, genuine: *genuine, why };
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

fn show(IncidentView { incident, orders }: &IncidentView) -> String {
    let facts = facts(&[
        ("incident", incident.number.to_string()),
        ("state", state(incident.state).to_owned()),
        ("kind", incident.kind.clone()),
        ("opened", seconds(incident.opened_at)),
        ("seen again", incident.repeats.to_string()),
        ("last seen", seconds(incident.last_at)),
        ("devices", devices(incident)),
        ("summary", incident.summary.clone()),
        ("closed", incident.closed.as_ref().map_or_else(|| "no".to_owned(), closed)),
    ]);
    let (weighed, seen) = (sides::table(&incident.evidence), evidence::table(&incident.evidence));
    let ordered = if orders.is_empty() { String::new() } else { format!("\n{}", management::table(orders)) };
    format!("{facts}\n{weighed}{seen}{ordered}\n{}", next(incident))
}

fn closed(closed: &ledger::ClosedIncident) -> String {
    let ledger::ClosedIncident { by, at, why, genuine } = closed;
    let genuine = genuine.map_or_else(String::new, |genuine| format!("the unit is {genuine}: "));
    format!("{genuine}{why} ({by}, {})", seconds(*at))
}

/// What a person does next, about each unit.
fn next(incident: &View) -> String {
    let about = |device: &ids::DeviceId| match &*incident.kind {
        "enrolment-denied" | "enrolment-too-often" => format!(
            "next: `truecell cert lineage {device}`, and `truecell order list`: where it is the unit itself, mend the line or the \
             order that it was refused by; its tunnel stays as it is\n"
        ),
        "second-claim" | "clone" | "wrong-hands" | "alternating-use" if incident.sides().is_some() => {
            let number = incident.number;
            let is_alone = incident.sides().is_some_and(|sides| sides.holder.is_none());
            let words = if is_alone { "newcomer|neither" } else { "newcomer|holder|neither|both" };
            format!(
                "next: `truecell device show {device}` and whoever is at its site; then `truecell incident judge {number} \
                 --genuine {words} --why TEXT`\n"
            )
        }
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
