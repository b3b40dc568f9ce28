mod evidence;

use crate::{
    cli::Cli,
    command::tampered,
    control::Control,
    failure::Failure,
    output::{Output, facts, seconds},
    table::Table,
};
use api::incident::IncidentPage;
use clap::{Args, Subcommand};
use ledger::{Incident as View, IncidentState};

#[derive(Debug, Subcommand)]
pub(crate) enum Incident {
    /// List incidents, oldest first
    List,
    /// Show one incident with its evidence
    Show(Show),
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Which incident
    number: u64,
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
                let incident: View = control.client().get(&format!("/v1/incidents/{}", one.number)).await?;
                output.answer(&incident, show)
            }
        }
    }
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

fn show(incident: &View) -> String {
    let facts = facts(&[
        ("incident", incident.number.to_string()),
        ("state", state(incident.state).to_owned()),
        ("kind", incident.kind.clone()),
        ("opened", seconds(incident.opened_at)),
        ("seen again", incident.repeats.to_string()),
        ("last seen", seconds(incident.last_at)),
        ("devices", devices(incident)),
        ("summary", incident.summary.clone()),
    ]);
    format!("{facts}\n{}\n{}", evidence::table(&incident.evidence), next(incident))
}

/// What a person does next, about each unit.
fn next(incident: &View) -> String {
    let about = |device: &ids::DeviceId| match &*incident.kind {
        "enrolment-denied" | "enrolment-too-often" => format!(
            "next: `truecell cert lineage {device}`, and `truecell order list`: where it is the unit itself, mend the line or the \
             order that it was refused by; its tunnel stays as it is\n"
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
