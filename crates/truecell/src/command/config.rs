use crate::{cli::Cli, failure::Failure, output::Output};
use clap::Subcommand;
use serde::Serialize;

#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Read the whole configuration and name all that is wrong with it; exit 64 if anything is
    Check,
}

#[derive(Serialize)]
struct Good {
    ok: bool,
    file: String,
    /// What has no effect any more.
    notes: Vec<String>,
    config: crate::config::Config,
}

impl Config {
    pub(crate) fn run(&self, cli: &Cli, output: &Output) -> Result<(), Failure> {
        match self {
            Self::Check => check(cli, output),
        }
    }
}

fn check(cli: &Cli, output: &Output) -> Result<(), Failure> {
    let file = cli.config_file()?;
    let config = cli.read_config()?;
    let now = ids::UnixTime::now();
    let errors = config.wrong_here(&file, now);
    if !errors.is_empty() {
        return Err(Failure::Config(errors));
    }
    let notes = config.notes(now);
    let good = Good { ok: true, file: file.display().to_string(), notes, config };
    output.answer(&good, |good| {
        let notes = good.notes.iter().map(|note| format!("note: {note}\n"));
        notes.chain([format!("{}: good\n", good.file)]).collect()
    })
}
