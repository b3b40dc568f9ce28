use crate::{
    cli::Cli,
    control::Control,
    failure::Failure,
    output::{Output, facts},
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
            Self::List => output.answer(&control.client().get::<IncidentPage>("/v1/incidents").await?, list),
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
            incident.opened_at.to_string(),
            devices(incident),
            incident.summary.clone(),
        ]);
    }
    table.to_string()
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
    facts(&[
        ("incident", incident.number.to_string()),
        ("state", state(incident.state).to_owned()),
        ("kind", incident.kind.clone()),
        ("opened", incident.opened_at.to_string()),
        ("seen again", incident.repeats.to_string()),
        ("last seen", incident.last_at.to_string()),
        ("devices", devices(incident)),
        ("summary", incident.summary.clone()),
        ("evidence", incident.evidence.to_string()),
    ])
}
