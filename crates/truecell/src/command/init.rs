use crate::{
    cli::Cli,
    config::Config,
    data_dir::{DataDir, Lock},
    failure::{Failure, Problem},
    groups,
    identity::gateway_identity,
    node::{Node, keep_configured},
    output::{Output, facts, seconds},
};
use clap::Args;
use events::{JournalKey, KeyFileError, PublicKey};
use ids::{CertSha256, NodeId, UnixTime};
use ledger::RowKey;
use pki::{Ca, CaKeys, CaSpec, KeysAbove};
use serde::Serialize;
use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::{DirBuilderExt, chown},
    path::{Path, PathBuf},
};

/// Make the data directory of a new node: keys, journal, ledger, CA, the gateway's certificate
///
/// Run it once, as the user that the gateway will run as. `truecell serve` never makes a data directory
/// by itself: an empty one is more often a volume that is not mounted than a new node. An `init` that
/// was interrupted is finished by running it again.
#[derive(Debug, Args)]
pub(crate) struct Init {}

/// What was made.
#[derive(Serialize)]
struct Made {
    node: NodeId,
    data: PathBuf,
    /// Verifies the journal; to be kept elsewhere too.
    journal_key: PublicKey,
    ca: Option<MadeCa>,
    gateway: MadeGateway,
}

#[derive(Serialize)]
struct MadeCa {
    realm: ids::Realm,
    root: PathBuf,
    root_sha256: CertSha256,
}

#[derive(Serialize)]
struct MadeGateway {
    identity: String,
    certificate: PathBuf,
    not_after: UnixTime,
}

impl Init {
    pub(crate) fn run(&self, cli: &Cli, output: &Output) -> Result<(), Failure> {
        let config = cli.read_config()?;
        let data = DataDir::new(config.data.clone());
        refuse_a_made_one(&data)?;
        let wrong = config.without_group(&cli.config_file()?);
        if !wrong.is_empty() {
            return Err(Failure::Config(wrong));
        }
        make_folders(&data, &config)
            .map_err(|error| Failure::folder(format!("{} cannot be made", data.path().display()), &error))?;
        let _lock = Lock::take(&data, "init").map_err(|not_taken| not_taken.failure(&data))?;
        let made = make(&data, &config)?;
        fs::remove_file(data.init_marker()).map_err(|error| cannot(&data, &error))?;
        output.answer(&made, |made| text(made, cli))
    }
}

fn refuse_a_made_one(data: &DataDir) -> Result<(), Failure> {
    if data.restore_marker().exists() {
        data.node()?;
    }
    if !data.node_file().exists() || data.init_marker().exists() {
        return Ok(());
    }
    let node = data.node()?;
    Err(Failure::No(
        Problem::new("exists", format!("{} is a data directory already", data.path().display()))
            .because(format!("it belongs to node {node}; nothing was changed"))
            .next("run `truecell serve`, or choose another `data`"),
    ))
}

/// The folders, and the mark that says that they are not finished yet.
fn make_folders(data: &DataDir, config: &Config) -> io::Result<()> {
    folder(data.path(), 0o750)?;
    if let Some(group) = &config.control.group {
        chown(data.path(), None, Some(groups::number(group)?))?;
    }
    pki::replace_file(&data.init_marker(), 0o644, b"truecell init was interrupted: run it again\n")?;
    folder(&data.keys(), 0o700)
}

fn folder(path: &Path, mode: u32) -> io::Result<()> {
    if path.is_dir() { Ok(()) } else { DirBuilder::new().recursive(true).mode(mode).create(path) }
}

fn make(data: &DataDir, config: &Config) -> Result<Made, Failure> {
    let node = format!("{}\n", config.node);
    pki::replace_file(&data.node_file(), 0o644, node.as_bytes()).map_err(|error| cannot(data, &error))?;
    keep_configured(data, config)?;
    let journal_key = make_keys(data)?;
    if let Some(ca) = &config.ca {
        let directory = data.ca();
        let above = KeysAbove { folder: &directory, passphrase: ca.keys.passphrase.as_ref() };
        make_ca(data, ca.spec(&config.gateway.identity), (above, &ca.keys))?;
    }
    let node = Node::open_unfinished(data)?;
    let identity = gateway_identity(data, config, &node, UnixTime::now())?;
    let gateway = MadeGateway {
        identity: config.gateway.identity.to_string(),
        certificate: identity.file.clone(),
        not_after: identity.not_after,
    };
    let ca = node.ca.as_ref().map(|ca| MadeCa {
        realm: ca.realm().clone(),
        root: ca.directory().join("root.pem"),
        root_sha256: CertSha256::of(ca.root()),
    });
    node.close()?;
    Ok(Made { node: config.node.clone(), data: data.path().into(), journal_key, ca, gateway })
}

/// Keys of the journal and of the ledger's rows, in a data directory that has neither yet. What an
/// interrupted init has made stays.
fn make_keys(data: &DataDir) -> Result<PublicKey, Failure> {
    let is_made = data.ledger().exists();
    let cannot_be = |error: KeyFileError| cannot(data, &error);
    if !is_made && !data.row_key().exists() {
        RowKey::create(&data.row_key()).map_err(cannot_be)?;
    }
    let key = if !is_made && !data.journal_key().exists() {
        JournalKey::create(&data.journal_key())
    } else {
        JournalKey::open(&data.journal_key())
    };
    let key = key.map_err(cannot_be)?;
    let public = key.public_key();
    let text = format!("{public}\n");
    let written = pki::replace_file(&data.journal_public_key(), 0o644, text.as_bytes());
    written.map(|()| public).map_err(|error| cannot(data, &error))
}

/// The CA, unless an `init` that was interrupted has made it.
pub(super) fn make_ca(data: &DataDir, spec: CaSpec, keys: (KeysAbove<'_>, &CaKeys)) -> Result<(), Failure> {
    let ca = data.ca();
    if ca.join("ca.json").exists() {
        return Ok(());
    }
    if ca.exists() {
        // An interrupted init left half a CA, which nobody has seen.
        fs::remove_dir_all(&ca).map_err(|error| cannot(data, &error))?;
    }
    Ca::create_with(&ca, &spec, keys, UnixTime::now()).map(drop).map_err(|error| cannot(data, &error))
}

pub(super) fn cannot(data: &DataDir, error: &(impl std::error::Error + ?Sized)) -> Failure {
    let cause = error.source().map(|source| format!(": {source}")).unwrap_or_default();
    Failure::system(format!("{} cannot be made", data.path().display()), &format!("{error}{cause}"))
}

fn text(made: &Made, cli: &Cli) -> String {
    let mut pairs = vec![
        ("node", made.node.to_string()),
        ("data", made.data.display().to_string()),
        ("journal key", made.journal_key.to_string()),
        (
            "gateway",
            format!("{}, certificate until {}", made.gateway.identity, seconds(made.gateway.not_after)),
        ),
    ];
    if let Some(ca) = &made.ca {
        pairs.push(("CA root", format!("{} (realm {})", ca.root.display(), ca.realm)));
        pairs.push(("CA root SHA-256", ca.root_sha256.to_string()));
    }
    let serve = format!("truecell serve{}", typed(cli));
    let root = made.ca.as_ref().map(|ca| {
        format!(
            "Move {} off this machine: only `truecell ca rotate` needs it.\n",
            ca.root.with_extension("key").display()
        )
    });
    facts(&pairs)
        + &root.unwrap_or_default()
        + &format!("Keep the journal key and the CA root also elsewhere, and start with `{serve}`.\n")
}

/// The options that said where configuration and data are, for the next command.
fn typed(cli: &Cli) -> String {
    let option = |name: &str, path: &Option<PathBuf>| {
        path.as_ref().map(|path| format!(" {name} {}", path.display())).unwrap_or_default()
    };
    option("-c", &cli.config) + &option("--data", &cli.data)
}
