mod unit;

use crate::{
    failure::{Failure, Problem},
    folder::Folder,
    output::Output,
};
use clap::{Args, Subcommand};
use lab::{Act, Carrier, Step, tour};
use std::fmt::Write as _;
use tokio::signal::unix::{SignalKind, signal};

/// A carrier on this machine's loopback, and what it does about genuine units and everyone else
///
/// Gateway, CA, ledger and journal are real and new each time; the units are virtual. Needs no root and
/// sends nothing beyond loopback.
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
}

const INTRODUCTION: &str = "\
A carrier comes up on loopback: a gateway, its own CA, a ledger and a journal, all real, and virtual
femtocells. Every reason below is read from the journal; the units themselves learn only
AUTHENTICATION_FAILED.
";

impl Lab {
    pub(crate) fn run(&self, output: &Output) -> Result<(), Failure> {
        match &self.part {
            Some(Part::Unit(unit)) => unit.run(output),
            None => self.tour(output),
        }
    }

    fn tour(&self, output: &Output) -> Result<(), Failure> {
        let dir = Folder::make(None, "truecell-lab")
            .map_err(|error| Failure::system("the lab has no folder", &error))?;
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
        if !output.is_json() {
            output.text(&conclusion(&carrier, steps.len(), wrong))?;
        }
        if !self.once {
            serve(output, &carrier)?;
        }
        drop(units);
        carrier.gateway.shutdown();
        if wrong == 0 { Ok(()) } else { Err(Failure::answered()) }
    }
}

fn json(step: &Step) -> Result<String, Failure> {
    serde_json::to_string(step).map_err(|error| Failure::system("no JSON", &error))
}

/// A step as three lines at most, under a heading when its act begins.
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
            (Some(reason), Some(detail)) => writeln!(text, "    {detail} ({reason})")?,
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

fn conclusion(carrier: &Carrier, steps: usize, wrong: usize) -> String {
    let sessions = carrier.gateway.stats().sessions;
    let records = carrier.journal.head();
    let verdict =
        if wrong == 0 { "all as they must be".to_owned() } else { format!("{wrong} NOT as they must be") };
    format!("\n{steps} attempts, {verdict}. {sessions} units attached, {records} records in the journal.\n")
}

/// Serves until Ctrl-C.
fn serve(output: &Output, carrier: &Carrier) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::system("no runtime", &error))?;
    if !output.is_json() {
        let journal = carrier.journal.dir();
        let (key, dir) = (carrier.journal.public_key(), carrier.dir());
        output.text(&format!(
            "Serving until Ctrl-C. Its files are in {}; its journal is {}, with public key {key}.\n",
            dir.display(),
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
