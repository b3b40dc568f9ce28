use crate::{
    cli::Cli,
    config::expired,
    control::daemon,
    data_dir::DataDir,
    failure::{Failure, Problem},
    output::Output,
    table::printable,
};
use api::configuration::{Applied, ApplyConfiguration};
use clap::Subcommand;
use serde::Serialize;

#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Read the whole configuration and name all that is wrong with it; exit 64 if anything is
    Check,
    /// Have the running `serve` read its configuration again: all of it holds at once, or nothing
    ///
    /// What only a restart takes is named, and then nothing is changed; docs/configuration.md has the list. SIGHUP
    /// does the same.
    Apply,
}

#[derive(Serialize)]
struct Good {
    ok: bool,
    file: String,
    /// What does not stand in the way of a start, and a person should see.
    warnings: Vec<String>,
    config: crate::config::Config,
}

/// What has changed, and what [`check`] warned of.
#[derive(Serialize)]
struct AppliedHere {
    #[serde(flatten)]
    applied: Applied,
    warnings: Vec<String>,
}

impl Config {
    pub(crate) async fn run(&self, cli: &Cli, output: &Output) -> Result<(), Failure> {
        match self {
            Self::Check => output.answer(&check(cli)?, text),
            Self::Apply => apply(cli, output).await,
        }
    }
}

/// The command looks first, so that what is wrong has its lines.
async fn apply(cli: &Cli, output: &Output) -> Result<(), Failure> {
    let good = check(cli)?;
    let data = DataDir::new(good.config.data.clone());
    let Some(mut client) = daemon(&data).await? else {
        let problem = Problem::new("not-serving", "no `serve` runs on this data directory");
        return Err(Failure::No(problem.next("nothing: the next start reads the file")));
    };
    if !output.is_json() {
        good.warnings.iter().for_each(|warning| output.note(&format!("warning: {warning}")));
    }
    let file = cli.config_file()?;
    let request = ApplyConfiguration { file: Some(file.canonicalize().unwrap_or(file)) };
    let applied: Applied = client.post("/v1/configuration", &request).await?;
    output.answer(&AppliedHere { applied, warnings: good.warnings }, |here| changed(&here.applied))
}

fn changed(applied: &Applied) -> String {
    if applied.changes.is_empty() {
        return format!("{}: nothing has changed", applied.file.display());
    }
    let value = |value: &Option<String>| value.as_deref().map_or_else(|| "-".into(), printable);
    let lines = applied
        .changes
        .iter()
        .map(|change| format!("{}: {} -> {}\n", change.key, value(&change.from), value(&change.to)));
    lines.chain([format!("{}: applied\n", applied.file.display())]).collect()
}

fn check(cli: &Cli) -> Result<Good, Failure> {
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
    warnings.extend(config.unasked());
    warnings.extend(config.journal.out_of_reach());
    warnings.extend(config.records.out_of_reach());
    warnings.extend(config.not_here());
    Ok(Good { ok: true, file: file.display().to_string(), warnings, config })
}

fn text(good: &Good) -> String {
    let warnings = good.warnings.iter().map(|warning| format!("warning: {warning}\n"));
    warnings.chain([format!("{}: good\n", good.file)]).collect()
}
