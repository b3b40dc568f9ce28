use crate::{cli::Cli, config::expired, failure::Failure, output::Output};
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
    /// What does not stand in the way of a start, and a person should see.
    warnings: Vec<String>,
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
    let mut anchors = x509::Anchors::new();
    config.add_anchors(&mut anchors).map_err(|error| Failure::Config(vec![error]))?;
    let mut warnings = [config.ended(now), expired(&anchors, now)].concat();
    warnings.extend(config.journal.out_of_reach());
    warnings.extend(config.not_here());
    let good = Good { ok: true, file: file.display().to_string(), warnings, config };
    output.answer(&good, |good| {
        let warnings = good.warnings.iter().map(|warning| format!("warning: {warning}\n"));
        warnings.chain([format!("{}: good\n", good.file)]).collect()
    })
}
