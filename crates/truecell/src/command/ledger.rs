use crate::{
    backup::{self, Manifest},
    cli::Cli,
    command::tampered,
    control::Control,
    data_dir::DataDir,
    failure::{Failure, Problem},
    output::{Output, count},
    table::printable,
};
use api::ledger_check::Checked;
use clap::{Args, Subcommand};
use ledger::RowKey;
use serde::Serialize;
use std::{
    fmt::Display,
    path::{Path, PathBuf},
};

#[derive(Debug, Subcommand)]
pub(crate) enum Ledger {
    Verify(Verify),
}

/// Name every row that the journal does not explain; check the journal first
///
/// With --data DIR also of a folder that `truecell backup` made, in which nothing is written.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// For a backup without keys: a folder with keys/ of the node, without which no HMAC is checked
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
}

impl Ledger {
    pub(crate) async fn run(&self, cli: &Cli, output: &Output) -> Result<(), Failure> {
        match self {
            Self::Verify(verify) => verify.run(cli, output).await,
        }
    }
}

impl Verify {
    async fn run(&self, cli: &Cli, output: &Output) -> Result<(), Failure> {
        let data = cli.data_dir()?;
        if data.is_backup() {
            let checked = self.backup(&data)?;
            output.answer(&checked, |of_backup| of_backup.text())?;
            return if checked.is_good() { Ok(()) } else { Err(Failure::answered()) };
        }
        let checked = self.node(&data).await?;
        output.answer(&checked, report)?;
        if checked.ok { Ok(()) } else { Err(Failure::answered()) }
    }

    async fn node(&self, data: &DataDir) -> Result<Checked, Failure> {
        if self.keys.is_some() {
            let problem = Problem::new("no-backup", format!("{} is no backup", data.path().display()));
            return Err(Failure::Usage(problem.next("leave out --keys, or name a backup with --data")));
        }
        let mut control = Control::open(data, "ledger verify").await?;
        Ok(control.client().post("/v1/ledger/verify", &serde_json::json!({})).await?)
    }

    fn backup(&self, data: &DataDir) -> Result<OfBackup, Failure> {
        let row_key = match &self.keys {
            Some(keys) => Some(key(&DataDir::new(keys.clone()).row_key())?),
            None if data.row_key().exists() => Some(key(&data.row_key())?),
            None => None,
        };
        let bad = |error: &dyn Display| {
            let problem =
                Problem::new("bad-backup", "the ledger of the backup cannot be checked").because(error);
            Failure::No(problem.next(
                "take an older backup; or restore this one with --ledger-anew, which makes the ledger anew from its journal",
            ))
        };
        let manifest = Manifest::read(data.path()).map_err(|error| bad(&error))?;
        let verified = backup::verify(data.path(), &data.unfinished_node()?, row_key.as_ref());
        let checked = verified.map(Checked::from).map_err(|error| bad(&error))?;
        Ok(OfBackup { checked, damaged: manifest.damaged(data.path()) })
    }
}

/// What a check of a backup found.
#[derive(Serialize)]
struct OfBackup {
    #[serde(flatten)]
    checked: Checked,
    /// Files that are not what was backed up.
    damaged: Vec<String>,
}

impl OfBackup {
    fn is_good(&self) -> bool {
        self.checked.ok && self.damaged.is_empty()
    }

    fn text(&self) -> String {
        let lines = self
            .damaged
            .iter()
            .map(|why| format!("damaged, `truecell restore` will refuse it: {}\n", printable(why)));
        lines.collect::<String>() + &report(&self.checked)
    }
}

fn key(path: &Path) -> Result<RowKey, Failure> {
    RowKey::open(path).map_err(|error| Failure::system("the row key cannot be used", &error))
}

fn report(checked: &Checked) -> String {
    let unchecked =
        if checked.seals_checked { "" } else { "\nno HMAC was checked: --keys names the node's keys" };
    if checked.ok {
        return format!("good: {}, each explained by the journal{unchecked}", count(checked.rows, "row"));
    }
    let (found, table) = (tampered::how_many(checked), tampered::table(&checked.findings));
    format!("{found}{unchecked}\n{table}")
}
