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
    let text = std::fs::read_to_string(&file).unwrap_or_default();
    let errors = config.wrong_files(&text, &file, ids::UnixTime::now());
    if !errors.is_empty() {
        return Err(Failure::Config(errors));
    }
    let good = Good { ok: true, file: file.display().to_string(), config };
    output.answer(&good, |good| format!("{}: good", good.file))
}
