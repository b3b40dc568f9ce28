mod kt;
mod migration;
mod scenario;
mod score;
mod unit;

use crate::{
    cli::Cli,
    failure::{Failure, Problem},
    folder::Folder,
    output::{Output, count},
};
use clap::{Args, Subcommand};
use lab::{Act, Carrier, Step, tour};
use serde::Serialize;
use std::{fmt::Write as _, path::PathBuf};
use tokio::signal::unix::{SignalKind, signal};

/// A carrier on this machine's loopback, and what it does about genuine units and everyone else
///
/// Gateway, CA, ledger and journal are real and new each time, in a folder below --data DIR, else where
/// temporary files go, which is removed at the end; the units are virtual. Needs no root and sends
/// nothing beyond loopback.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Lab {
    /// End by itself after the tour instead of serving until Ctrl-C
    #[arg(long)]
    once: bool,

    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// A virtual femtocell that carries packets
    Unit(unit::Unit),
    /// An estate whose units all have one key, to a certificate for each
    Migration(migration::Migration),
    Run(scenario::Run),
    List(scenario::List),
    Check(scenario::Check),
    Kt(kt::Kt),
    Score(score::Score),
}

const INTRODUCTION: &str = "\
A carrier comes up on loopback: a gateway, its own CA, a ledger and a journal, all real, and virtual
femtocells. Every reason below is read from the journal; what the units themselves learn of it stands
below each.
";

/// How the tour ended, and how to check its journal.
#[derive(Serialize)]
struct Conclusion {
    attempts: usize,
    /// All ended as they must.
    all_as_they_must_be: bool,
    /// Units attached now.
    attached: usize,
    /// Records in the journal.
    records: u64,
    /// Where it can be checked, while the lab serves.
    #[serde(flatten)]
    kept: Option<Kept>,
}

#[derive(Serialize)]
struct Kept {
    /// Folder of the journal.
    journal: PathBuf,
    /// Its public key.
    key: String,
}

impl Lab {
    pub(crate) fn run(&self, cli: &Cli, output: &Output) -> Result<(), Failure> {
        match &self.part {
            Some(Part::Unit(unit)) => unit.run(output),
            Some(Part::Migration(migration)) => migration.run(cli, output),
            Some(Part::Run(run)) => run.run(output),
            Some(Part::List(_)) => scenario::List::run(output),
            Some(Part::Check(check)) => check.run(output),
            Some(Part::Kt(kt)) => kt.run(output),
            Some(Part::Score(score)) => score.run(output),
            None => self.tour(cli, output),
        }
    }

    fn tour(&self, cli: &Cli, output: &Output) -> Result<(), Failure> {
        let dir = Folder::make(cli.data.as_deref(), "truecell-lab")
            .map_err(|error| Failure::folder("the lab has no folder", &error))?;
        if !output.is_json() {
            output.text(INTRODUCTION)?;
        }
        let carrier = Carrier::start(dir.path()).map_err(|error| broken(&error))?;
        let mut steps = Vec::new();
        let mut said = Ok(());
        let mut act = None;
        let units = tour(&carrier, &mut |step| {
            let line = if output.is_json() { json(step) } else { text(step, act.replace(step.act)) };
            if said.is_ok() {
                said = line.and_then(|line| output.text(&line));
            }
            steps.push(step.as_it_must);
        })
        .map_err(|error| broken(&error))?;
        said?;
        let wrong = steps.iter().filter(|as_it_must| !**as_it_must).count();
        let conclusion = Conclusion::of(&carrier, steps.len(), wrong, !self.once);
        let last = if output.is_json() { json(&conclusion)? } else { conclusion.text(wrong) };
        output.text(&last)?;
        if let Some(kept) = &conclusion.kept {
            serve(output, &carrier, kept)?;
        }
        drop(units);
        carrier.gateway.shutdown();
        if wrong == 0 { Ok(()) } else { Err(Failure::answered()) }
    }
}

fn json(line: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(line).map_err(|error| Failure::system("no JSON", &error))
}

/// A step as a few lines, under a heading when its act begins.
fn text(step: &Step, before: Option<Act>) -> Result<String, Failure> {
    let mut text = String::new();
    let heading = (before != Some(step.act)).then_some(step.title);
    let mark = if step.as_it_must { "ok" } else { "NOT AS IT MUST BE" };
    let written = (|| {
        if let Some(heading) = heading {
            writeln!(text, "\n{heading}")?;
        }
        let verdict = if step.admitted { "admitted" } else { "refused" };
        writeln!(text, "  {verdict}  {} from {}  [{mark}]", step.name, step.outer)?;
        match (&step.reason, &step.detail) {
            (Some(reason), Some(detail)) => {
                writeln!(text, "    {detail} ({reason})")?;
                writeln!(text, "    the unit: {}", step.told)?;
            }
            _ => writeln!(text, "    {}", step.told)?,
        }
        if let (false, Some((answered, sent))) = (step.admitted, step.pings) {
            writeln!(text, "    the original keeps its service: {answered} of {sent} pings answered")?;
        }
        match step.incident {
            Some(number) => writeln!(text, "    incident {number} names both"),
            None => Ok(()),
        }
    })();
    written.map_err(|error: std::fmt::Error| Failure::system("no text", &error))?;
    Ok(text)
}

impl Conclusion {
    fn of(carrier: &Carrier, attempts: usize, wrong: usize, serves: bool) -> Self {
        let kept = || Kept { journal: carrier.journal.dir(), key: carrier.journal.public_key().to_string() };
        Self {
            attempts,
            all_as_they_must_be: wrong == 0,
            attached: carrier.gateway.stats().sessions,
            records: carrier.journal.head(),
            kept: serves.then(kept),
        }
    }

    fn text(&self, wrong: usize) -> String {
        let verdict = if wrong == 0 {
            "all as they must be".to_owned()
        } else {
            format!("{wrong} NOT as they must be")
        };
        let (attempts, attached) =
            (count(self.attempts as u64, "attempt"), count(self.attached as u64, "unit"));
        let records = count(self.records, "record");
        format!("\n{attempts}, {verdict}. {attached} attached, {records} in the journal.\n")
    }
}

/// Serves until Ctrl-C.
fn serve(output: &Output, carrier: &Carrier, kept: &Kept) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::system("no runtime", &error))?;
    if !output.is_json() {
        let Kept { journal, key } = kept;
        output.text(&format!(
            "Serving until Ctrl-C, which removes {}. It has no control socket; its journal can be checked:\n\n    \
             truecell event verify --journal {} --key {key}\n",
            carrier.dir().display(),
            journal.display(),
        ))?;
    }
    runtime.block_on(async {
        let mut interrupt =
            signal(SignalKind::interrupt()).map_err(|error| Failure::system("no signals", &error))?;
        let mut terminate =
            signal(SignalKind::terminate()).map_err(|error| Failure::system("no signals", &error))?;
        tokio::select! {
            _ = interrupt.recv() => (),
            _ = terminate.recv() => (),
        }
        Ok(())
    })
}

fn broken(error: &anyhow::Error) -> Failure {
    let problem = Problem::new("lab", "the lab did not come up").because(format!("{error:#}"));
    Failure::Ours(problem.next("see that loopback works and that the temporary folder can be written"))
}
