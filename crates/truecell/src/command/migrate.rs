mod group;
mod plan;
mod status;

pub(super) use status::{line, text};

use crate::{cli::Cli, control::Control, failure::Failure, output::Output};
use api::{Reason, migration::SayMigration};
use clap::{Args, Subcommand};
use ids::Label;
use ledger::{Migration, MigrationReport, MigrationState};
use std::{io::IsTerminal, time::Duration};

#[derive(Debug, Subcommand)]
pub(crate) enum Migrate {
    /// Name units that share one vendor key, or say anew until when they may enrol by it
    Group(group::Group),
    /// Assign units to waves, and name those that can't go; opens nothing
    Plan(plan::Plan),
    /// Begin, or go on after a halt
    Run(Run),
    /// Open no further wave; what is open stays so
    Halt(Say),
    /// Close what is open, for good; who has a certificate keeps it
    Rollback(Say),
    /// How far a migration is; without a name, which groups and migrations there are
    Status(status::Status),
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    say: Say,
    /// Look on until it is over or has halted
    #[arg(long)]
    watch: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Say {
    /// The migration's name
    name: Label,
    /// The reason, for the record
    #[arg(long)]
    why: Reason,
    /// A word of your own for this request: sent again with the same word, it is not done again
    #[arg(long, value_name = "WORD")]
    request_id: Option<String>,
}

/// How often it is looked on.
const LOOK_EVERY: Duration = Duration::from_secs(2);

impl Migrate {
    pub(crate) async fn run(&self, cli: &Cli, output: &Output) -> Result<(), Failure> {
        let mut control = Control::open(&cli.data_dir()?, self.word()).await?;
        match self {
            Self::Group(group) => group.run(&mut control, output).await,
            Self::Plan(plan) => plan.run(&mut control, output).await,
            Self::Run(run) => run.run(&mut control, output).await,
            Self::Halt(say) => say.answer("halt", &mut control, output).await,
            Self::Rollback(say) => say.answer("rollback", &mut control, output).await,
            Self::Status(status) => status.run(&mut control, output).await,
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Group(_) => "migrate group",
            Self::Plan(_) => "migrate plan",
            Self::Run(_) => "migrate run",
            Self::Halt(_) => "migrate halt",
            Self::Rollback(_) => "migrate rollback",
            Self::Status(_) => "migrate status",
        }
    }
}

impl Run {
    async fn run(&self, control: &mut Control, output: &Output) -> Result<(), Failure> {
        if !self.watch {
            return self.say.answer("run", control, output).await;
        }
        let _: Migration = self.say.send("run", control).await?;
        let report = watched(&self.say.name, control, output).await?;
        output.answer(&report, status::text)?;
        match report.migration.state {
            MigrationState::Done => Ok(()),
            MigrationState::Planned
            | MigrationState::Running
            | MigrationState::Halted
            | MigrationState::RolledBack => Err(Failure::answered()),
        }
    }
}

/// The report once it runs no more; until then what it is at, whenever that changes.
async fn watched(name: &Label, control: &mut Control, output: &Output) -> Result<MigrationReport, Failure> {
    let mut before = String::new();
    loop {
        let report: MigrationReport = control.client().get(&path(name, "")).await?;
        if report.migration.state != MigrationState::Running {
            return Ok(report);
        }
        let line = status::line(&report);
        if line != before && std::io::stderr().is_terminal() {
            output.note(&line);
        }
        before = line;
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

impl Say {
    async fn send(&self, what: &str, control: &mut Control) -> Result<Migration, Failure> {
        let request = SayMigration { request_id: self.request_id.clone(), why: self.why.clone() };
        Ok(control.client().post(&path(&self.name, &format!("/{what}")), &request).await?)
    }

    async fn answer(&self, what: &str, control: &mut Control, output: &Output) -> Result<(), Failure> {
        let migration = self.send(what, control).await?;
        output.answer(&migration, |migration| {
            let Migration { name, state, last, .. } = migration;
            format!("{name} is {state}: {}", last.why)
        })
    }
}

fn path(name: &Label, behind: &str) -> String {
    format!("/v1/migrations/{name}{behind}")
}
