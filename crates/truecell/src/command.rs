//! One file for each noun of the command line: its arguments, and its answer as text.

pub(crate) mod backup;
pub(crate) mod bench;
pub(crate) mod ca;
pub(crate) mod cell;
pub(crate) mod cert;
pub(crate) mod config;
pub(crate) mod detect;
pub(crate) mod device;
pub(crate) mod event;
pub(crate) mod incident;
pub(crate) mod ingest;
pub(crate) mod init;
pub(crate) mod lab;
pub(crate) mod ledger;
pub(crate) mod line;
pub(crate) mod management;
pub(crate) mod migrate;
pub(crate) mod order;
pub(crate) mod pair;
pub(crate) mod policy;
pub(crate) mod restore;
pub(crate) mod serve;
pub(crate) mod session;
pub(crate) mod shell;
pub(crate) mod tampered;
pub(crate) mod top;

use crate::{
    cli::{Cli, Command},
    failure::{Failure, Problem},
    output::Output,
};
use clap::builder::{PossibleValuesParser, RangedI64ValueParser, TypedValueParser};

pub(crate) fn run(cli: &Cli, output: &Output) -> Result<(), Failure> {
    match &cli.command {
        Command::Init(init) => init.run(cli, output),
        Command::Serve(serve) => serve.run(cli),
        Command::Device(device) => wait(device.run(cli, output)),
        Command::Cell(cell) => wait(cell.run(cli, output)),
        Command::Line(line) => wait(line.run(cli, output)),
        Command::Order(order) => wait(order.run(cli, output)),
        Command::Migrate(migrate) => wait(migrate.run(cli, output)),
        Command::Pair(pair) => wait(pair.run(cli, output)),
        Command::Policy(policy) => wait(policy.run(cli, output)),
        Command::Event(event) => wait(event.run(cli, output)),
        Command::Cert(cert) => wait(cert.run(cli, output)),
        Command::Ca(ca) => wait(ca.run(cli, output)),
        Command::Session(session) => wait(session.run(cli, output)),
        Command::Top(top) => wait(top.run(cli, output)),
        Command::Ingest(ingest) => ingest.run(cli, output),
        Command::Detect(detect) => wait(detect.run(cli, output)),
        Command::Incident(incident) => wait(incident.run(cli, output)),
        Command::Management(management) => wait(management.run(cli, output)),
        Command::Ledger(ledger) => wait(ledger.run(cli, output)),
        Command::Backup(backup) => wait(backup.run(cli, output)),
        Command::Restore(restore) => restore.run(cli, output),
        Command::Config(config) => wait(config.run(cli, output)),
        Command::Lab(lab) => lab.run(cli, output),
        Command::Bench(bench) => bench.run(cli, output),
        Command::Completions(completions) => completions.run(output),
        Command::Man(man) => man.run(output),
    }
}

/// Runs one command's conversation on this thread.
fn wait(conversation: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::system("no runtime", &error))?;
    runtime.block_on(conversation)
}

/// How many rows one answer may have.
fn rows() -> RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=1000)
}

/// One of these, by its word.
fn one_of<T>(all: &'static [T], word: fn(T) -> &'static str) -> impl TypedValueParser<Value = T>
where
    T: Copy + Send + Sync + 'static,
{
    PossibleValuesParser::new(all.iter().map(|one| word(*one))).try_map(move |text| {
        let known = all.iter().copied().find(|one| word(*one) == text);
        known.ok_or("it is none of these")
    })
}

/// A value for the query of a path; what would need escaping names nothing here.
fn query_value(value: &str) -> Result<&str, Failure> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    if !value.is_empty() && value.chars().all(plain) {
        return Ok(value);
    }
    Err(Failure::Usage(
        Problem::new("invalid", format!("`{value}` names nothing")).next("write it as it is listed"),
    ))
}
