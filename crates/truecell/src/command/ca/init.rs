use crate::{
    cli::Cli,
    command::init::{cannot, make_ca},
    data_dir::{DataDir, Lock},
    failure::{Failure, Problem},
    node::keep_configured,
    output::{Output, facts},
};
use clap::Args;
use ids::{CertSha256, Realm};
use pki::{Ca, CaKeys, KeysAbove, SecretSource};
use serde::Serialize;
use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// Where the root's key is written, and those of CAs between: a folder that is empty or missing
    #[arg(long, value_name = "DIR")]
    root_folder: PathBuf,
    /// Encrypts these keys: `credential:NAME` or `file:PATH`
    #[arg(long, value_name = "SOURCE")]
    root_passphrase: Option<SecretSource>,
}

/// What was made.
#[derive(Serialize)]
struct Made {
    realm: Realm,
    root: PathBuf,
    root_sha256: CertSha256,
    /// To be moved off the machine.
    root_keys: PathBuf,
}

impl Init {
    pub(super) fn run(&self, cli: &Cli, output: &Output) -> Result<(), Failure> {
        let config = cli.read_config()?;
        let data = DataDir::new(config.data.clone());
        data.node()?;
        let Some(ca) = &config.ca else {
            let problem = Problem::new("no-ca", "the configuration has no [ca] section");
            return Err(Failure::No(problem.next("say there what the CA is made for, and run this again")));
        };
        let _lock = Lock::take(&data, "ca init").map_err(|not_taken| not_taken.failure(&data))?;
        if data.ca().join("ca.json").exists() {
            let problem = Problem::new("ca-exists", format!("{} has a CA already", data.path().display()));
            return Err(Failure::No(
                problem.next("see `truecell ca show`; `truecell ca rotate` gives it another key"),
            ));
        }
        make_room(&self.root_folder)?;
        let above = KeysAbove { folder: &self.root_folder, passphrase: self.root_passphrase.as_ref() };
        make_ca(&data, ca.spec(&config.gateway.identity), (above, &ca.keys))?;
        keep_configured(&data, &config)?;
        output.answer(&self.made(&data, &ca.keys)?, text)
    }

    fn made(&self, data: &DataDir, keys: &CaKeys) -> Result<Made, Failure> {
        let ca = Ca::open_with(&data.ca(), keys).map_err(|error| cannot(data, &error))?;
        Ok(Made {
            realm: ca.realm().clone(),
            root: data.ca().join("root.pem"),
            root_sha256: CertSha256::of(ca.root()),
            root_keys: self.root_folder.clone(),
        })
    }
}

/// A key that lies there already would be lost.
fn make_room(folder: &Path) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::folder(format!("{} cannot be used", folder.display()), &error);
    if !folder.exists() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    }
    match fs::read_dir(folder).map_err(failed)?.next() {
        None => Ok(()),
        Some(_) => {
            let problem = Problem::new("exists", format!("{} is not empty", folder.display()));
            Err(Failure::No(problem.next("name a folder that is empty or missing")))
        }
    }
}

fn text(made: &Made) -> String {
    let keys = made.root_keys.display();
    facts(&[
        ("CA root", format!("{} (realm {})", made.root.display(), made.realm)),
        ("CA root SHA-256", made.root_sha256.to_string()),
        ("root's key", keys.to_string()),
    ]) + &format!("Move {keys} off this machine: only `truecell ca rotate` needs it. Start `serve` anew.\n")
}
