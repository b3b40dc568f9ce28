use crate::{
    backup::{Copy, Error, MANIFEST, Manifest, empty_or_missing, sync_folders},
    cli::Cli,
    data_dir::{DataDir, Lock},
    failure::{Failure, Problem},
    groups,
    node::{Node, open_journal},
    output::{Output, facts, seconds},
};
use api::{Caller, Reason};
use clap::Args;
use events::{Durability, journal::Restored};
use ids::{Epoch, NodeId, UnixTime};
use ledger::store::Sqlite;
use rustix::process::geteuid;
use serde::Serialize;
use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, chown, lchown},
    path::{Path, PathBuf},
    time::Duration,
};

/// Make a data directory from a backup, under a new epoch that the journal declares
///
/// The data directory must not be there yet, or be empty. Run it as the user that the gateway runs as; by root,
/// all of it becomes the one's who owns the empty folder. Whatever the node did after the backup is forgotten:
/// do it again before you start `serve`. Never let the node that was backed up serve beside the restored one.
#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// A folder that `truecell backup` made
    #[arg(value_name = "DIR")]
    from: PathBuf,
    /// The reason, for the record
    #[arg(long)]
    why: Reason,
    /// A folder with keys/ and ca/ of the node, where the backup was made without
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
}

/// What was restored.
#[derive(Serialize)]
struct Made {
    data: PathBuf,
    node: NodeId,
    /// When the backup was made.
    backup_at: UnixTime,
    /// How long ago.
    age_s: u64,
    /// The last record of the backup; what the node wrote behind it is lost.
    head: u64,
    epoch: u64,
    rows: u64,
}

impl Restore {
    pub(crate) fn run(&self, cli: &Cli, output: &Output) -> Result<(), Failure> {
        let data = cli.data_dir()?;
        let manifest = self.manifest()?;
        let keys = self.keys_of(&manifest)?;
        let owner = begin(&data, group(cli)?)?;
        let lock = Lock::take(&data, "restore").map_err(|not_taken| not_taken.failure(&data))?;
        copy(&self.from, &manifest, keys, &data).map_err(|error| damaged(&error))?;
        is_whole(&data, &manifest)?;
        let made = self.begin_epoch(&data, &manifest, UnixTime::now())?;
        owner
            .map_or(Ok(()), |(uid, gid)| give(data.path(), uid, gid))
            .map_err(|error| failed(&data, &error))?;
        finish(&data).map_err(|error| failed(&data, &error))?;
        drop(lock);
        output.answer(&made, text)
    }

    fn manifest(&self) -> Result<Manifest, Failure> {
        Manifest::read(&self.from).map_err(|error| {
            let what = format!("{} is no backup", self.from.display());
            let why = format!("{MANIFEST}: {error}");
            let next = "name a folder that `truecell backup` made; it writes that file last";
            Failure::Usage(Problem::new("no-backup", what).because(why).next(next))
        })
    }

    fn keys_of(&self, manifest: &Manifest) -> Result<Option<&Path>, Failure> {
        match (manifest.with_keys, self.keys.as_deref()) {
            (true, None) => Ok(None),
            (false, Some(keys)) if keys.join("keys").is_dir() => Ok(Some(keys)),
            (false, Some(keys)) => {
                let what = format!("{} has no folder keys", keys.display());
                let next = "name a folder with keys/ and ca/, as in a data directory";
                Err(Failure::Usage(Problem::new("no-keys", what).next(next)))
            }
            (false, None) => {
                let problem = Problem::new("no-keys", "the backup was made without keys");
                Err(Failure::Usage(problem.next("add --keys DIR, a folder with keys/ and ca/ of the node")))
            }
            (true, Some(_)) => {
                let problem = Problem::new("two-keys", "the backup has keys of its own");
                Err(Failure::Usage(problem.next("leave out --keys")))
            }
        }
    }

    /// The journal says first that the node goes on from a backup; then the ledger is opened, which must be
    /// explained to the last row.
    fn begin_epoch(&self, data: &DataDir, manifest: &Manifest, now: UnixTime) -> Result<Made, Failure> {
        let mut store = Sqlite::open(&data.ledger()).map_err(|error| damaged(&error))?;
        // No start since the backup can have had it, unless there was more than one a second.
        let at_least = Epoch(u64::try_from(now.secs()).unwrap_or(0));
        let epoch = store.skip_epochs(&manifest.node, at_least).map_err(|error| damaged(&error))?;
        drop(store);
        let files = data.journal_files(tokio::sync::watch::channel(false).1)?;
        let journal = open_journal(data, &files, &mut Vec::new())?;
        let event = Restored {
            backup_at: manifest.at,
            epoch: epoch.0,
            by: Caller::here().name,
            why: self.why.to_string(),
        };
        let written = journal.append(&event, now, Durability::Durable).and_then(|_| journal.close());
        written.map_err(|error| failed(data, &error))?;
        drop(journal);
        let node = Node::open_unfinished(data)?;
        let verified = node.ledger.verify().map_err(|error| damaged(&error))?;
        if let Some(first) = verified.findings.first() {
            let (count, why) =
                (verified.findings.len(), format!("{} {}: {}", first.table, first.key, first.why));
            return Err(damaged(&format!("{count} rows of the ledger do not hold, the first is {why}")));
        }
        node.close()?;
        Ok(Made {
            data: data.path().into(),
            node: manifest.node.clone(),
            backup_at: manifest.at,
            age_s: now.since(manifest.at).as_secs(),
            head: manifest.head,
            epoch: epoch.0,
            rows: verified.rows,
        })
    }
}

/// The group that goes through the data directory to the control socket, where a configuration names one.
fn group(cli: &Cli) -> Result<Option<u32>, Failure> {
    let config = cli.config_file().ok().map(|_| cli.read_config()).transpose()?;
    let group = config.and_then(|config| config.control.group);
    let number = group.map(|group| groups::number(&group)).transpose();
    number.map_err(|error| Failure::system("the group of [control] is not known", &error))
}

/// Marks the data directory as unfinished; who owns it where that is to be kept.
fn begin(data: &DataDir, group: Option<u32>) -> Result<Option<(u32, u32)>, Failure> {
    if data.restore_marker().exists() {
        data.node()?;
    }
    if !empty_or_missing(data.path()).map_err(|error| Failure::system("no data directory", &error))? {
        let problem = Problem::new("exists", format!("{} is not empty", data.path().display()));
        return Err(Failure::No(
            problem.because("a restore never overwrites").next("move it away, or name another folder"),
        ));
    }
    let made =
        |error: io::Error| Failure::folder(format!("{} cannot be made", data.path().display()), &error);
    let owner = fs::metadata(data.path()).ok().filter(|_| geteuid().is_root());
    if !data.path().exists() {
        DirBuilder::new().recursive(true).mode(0o750).create(data.path()).map_err(made)?;
        group.map_or(Ok(()), |group| chown(data.path(), None, Some(group))).map_err(made)?;
    }
    let marked = pki::replace_file(&data.restore_marker(), 0o644, b"truecell restore was interrupted\n");
    marked.map_err(made)?;
    Ok(owner.map(|owner| (owner.uid(), owner.gid())))
}

fn copy(from: &Path, manifest: &Manifest, keys: Option<&Path>, data: &DataDir) -> Result<(), Error> {
    Copy::new(from, data.path()).all_of(manifest)?;
    if let Some(keys) = keys {
        let mut copy = Copy::new(keys, data.path());
        copy.tree("keys")?;
        copy.tree("ca")?;
    }
    Ok(())
}

/// The journal verifies, and ends where the backup says.
fn is_whole(data: &DataDir, manifest: &Manifest) -> Result<(), Failure> {
    let files = data.journal_files(tokio::sync::watch::channel(false).1)?;
    let report = events::journal::verify(&files.dir, files.key).map_err(|error| damaged(&error))?;
    let is_head = (report.last, report.head) == (manifest.head, manifest.head_sha256);
    if is_head && report.node == manifest.node && report.proven == report.last {
        return Ok(());
    }
    Err(damaged(&format!("its journal ends with record {}, not with {}", report.last, manifest.head)))
}

/// All below a folder, and itself.
fn give(path: &Path, uid: u32, gid: u32) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() {
        for entry in fs::read_dir(path)? {
            give(&entry?.path(), uid, gid)?;
        }
    }
    lchown(path, Some(uid), Some(gid))
}

fn finish(data: &DataDir) -> io::Result<()> {
    sync_folders(data.path())?;
    fs::remove_file(data.restore_marker())?;
    sync_folders(data.path())
}

fn damaged(error: &dyn std::fmt::Display) -> Failure {
    let problem = Problem::new("bad-backup", "the backup cannot be used").because(error);
    Failure::No(problem.next("take another backup; remove the unfinished data directory first"))
}

fn failed(data: &DataDir, error: &dyn std::fmt::Display) -> Failure {
    Failure::system(format!("{} cannot be restored", data.path().display()), &error.to_string())
}

fn text(made: &Made) -> String {
    let said = facts(&[
        ("node", made.node.to_string()),
        ("data", made.data.display().to_string()),
        ("backup", format!("made {}, {} ago", seconds(made.backup_at), ago(made.age_s))),
        ("journal", format!("up to record {}, then `journal.restored`", made.head)),
        ("epoch", made.epoch.to_string()),
    ]);
    said + "Whatever was done after the backup is forgotten: units reported lost, retired or suspended, certificates \
            revoked or issued, lines, pairs and rules. Do it again before `truecell serve`.\n"
}

fn ago(seconds: u64) -> String {
    let age = Duration::from_secs(seconds);
    match age.as_secs() {
        ..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}
