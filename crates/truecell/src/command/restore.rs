use crate::{
    backup::{Copy, Error, FOLDERS, LEDGER, MANIFEST, Manifest, empty_or_missing, sync_folders},
    cli::Cli,
    command::tampered,
    data_dir::{DataDir, Lock},
    failure::{Failure, Problem},
    groups,
    node::{Node, open_journal},
    output::{Output, count, facts, seconds},
    table::printable,
};
use api::{Caller, Reason, ledger_check::Finding};
use clap::Args;
use events::{Durability, journal::Restored};
use ids::{Epoch, NodeId, UnixTime};
use ledger::store::{Sqlite, Store};
use rustix::process::geteuid;
use serde::Serialize;
use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown, lchown},
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
    /// Make the ledger anew from the backup's journal, instead of taking the backup's: where that is damaged or missing, or
    /// rows of it do not hold
    #[arg(long)]
    ledger_anew: bool,
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
    /// The ledger was made anew from the backup's journal.
    ledger_anew: bool,
    /// What of it does not hold all the same: the journal has it so.
    findings: Vec<Finding>,
}

impl Restore {
    pub(crate) fn run(&self, cli: &Cli, output: &Output) -> Result<(), Failure> {
        let data = cli.data_dir()?;
        let mut manifest = self.manifest()?;
        if self.ledger_anew {
            manifest.files.retain(|file| file.path != LEDGER);
        }
        let keys = self.keys_of(&manifest)?;
        let taken = begin(&data, group(cli)?)?;
        let made = self.fill(&data, &manifest, keys, taken.as_ref());
        let given = taken.map_or(Ok(()), |taken| taken.give_back(data.path()));
        let made = made.map_err(|failure| unfinished(failure, &data))?;
        given.map_err(|error| failed(&data, &error))?;
        output.answer(&made, text)?;
        if made.findings.is_empty() { Ok(()) } else { Err(Failure::answered()) }
    }

    fn fill(
        &self,
        data: &DataDir,
        manifest: &Manifest,
        keys: Option<&Path>,
        taken: Option<&Taken>,
    ) -> Result<Made, Failure> {
        let _lock = Lock::take(data, "restore").map_err(|not_taken| not_taken.failure(data))?;
        copy(&self.from, manifest, keys, data).map_err(|error| {
            if error.is_about(LEDGER) { self.bad_ledger(&error) } else { damaged(&error) }
        })?;
        is_whole(data, manifest)?;
        let made = self.begin_epoch(data, manifest, UnixTime::now())?;
        let given = taken.map_or(Ok(()), |taken| taken.give_all_below(data.path()));
        given.and_then(|()| finish(data)).map_err(|error| failed(data, &error))?;
        Ok(made)
    }

    fn manifest(&self) -> Result<Manifest, Failure> {
        let manifest = Manifest::read(&self.from).map_err(|error| {
            let what = format!("{} is no backup", self.from.display());
            let why = format!("{MANIFEST}: {error}");
            let next = "name a folder that `truecell backup` made; it writes that file last";
            Failure::Usage(Problem::new("no-backup", what).because(why).next(next))
        })?;
        if manifest.schema <= Sqlite::SCHEMA {
            return Ok(manifest);
        }
        let what = format!("{} is of a newer Truecell", self.from.display());
        let why = format!("its ledger has schema {}, this one knows {}", manifest.schema, Sqlite::SCHEMA);
        let next = format!("restore it with version {} or a newer one", printable(&manifest.version));
        Err(Failure::No(Problem::new("newer-backup", what).because(why).next(next)))
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
        let mut store = Sqlite::open(&data.ledger()).map_err(|error| self.bad_ledger(&error))?;
        let epoch = store
            .skip_epochs(&manifest.node, epoch_behind(manifest.at, now))
            .map_err(|error| self.bad_ledger(&error))?;
        drop(store);
        let files = data.journal_files(tokio::sync::watch::channel(false).1)?;
        let journal = open_journal(data, &files, &mut Vec::new())?;
        let event = Restored {
            backup_at: manifest.at,
            epoch: epoch.0,
            by: Caller::here().name,
            why: self.why.to_string(),
            ledger_anew: self.ledger_anew,
        };
        let written = journal.append(&event, now, Durability::Durable).and_then(|_| journal.close());
        written.map_err(|error| failed(data, &error))?;
        drop(journal);
        let node = Node::open_unfinished(data)?;
        let verified = node.ledger.verify().map_err(|error| self.bad_ledger(&error))?;
        // What is found in a ledger that is made anew is what its journal says.
        if let Some(first) = verified.findings.first().filter(|_| !self.ledger_anew) {
            let count = verified.findings.len();
            let (table, key, why) = (&first.table, &first.key, &first.why);
            return Err(self.not_explained(&format!(
                "rows of the ledger do not hold: {count}, the first is {table} {key}: {why}"
            )));
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
            ledger_anew: self.ledger_anew,
            findings: verified.findings.into_iter().map(Finding::from).collect(),
        })
    }
}

impl Restore {
    /// The journal is good, and rows are not what it says.
    fn not_explained(&self, why: &str) -> Failure {
        let from = self.from.display();
        let names = format!("`truecell --data {from} ledger verify` names all of them (--keys)");
        let problem = Problem::new("bad-backup", "the backup cannot be used").because(why);
        Failure::No(problem.next(format!("{REMOVE}; {}; {names}", self.instead())))
    }

    /// The file of the ledger is missing or damaged.
    fn bad_ledger(&self, error: &dyn std::fmt::Display) -> Failure {
        let problem = Problem::new("bad-backup", "the backup cannot be used").because(error);
        Failure::No(problem.next(format!("{REMOVE}; {}", self.instead())))
    }

    /// What else may be restored.
    fn instead(&self) -> &'static str {
        if self.ledger_anew {
            "restore an older backup"
        } else {
            "restore an older backup; or this one with --ledger-anew, which makes the ledger anew from its journal"
        }
    }
}

const REMOVE: &str = "remove the unfinished data directory";

/// Whatever else it is that failed: the data directory that was begun is in the way of another try.
fn unfinished(failure: Failure, data: &DataDir) -> Failure {
    let first = |problem: Problem| {
        if problem.next.contains(REMOVE) || !data.restore_marker().exists() {
            return problem;
        }
        let next = format!("{REMOVE}; then: {}", problem.next);
        problem.next(next)
    };
    match failure {
        Failure::No(problem) => Failure::No(first(problem)),
        Failure::Usage(problem) => Failure::Usage(first(problem)),
        Failure::Ours(problem) => Failure::Ours(first(problem)),
        Failure::Config(errors) => Failure::Config(errors),
    }
}

/// No start since the backup can have had it, unless there was more than one a second; also with a clock that was set
/// back.
fn epoch_behind(backup_at: UnixTime, now: UnixTime) -> Epoch {
    Epoch(u64::try_from(backup_at.max(now).secs()).unwrap_or(0))
}

/// The group that goes through the data directory to the control socket, where a configuration names one.
fn group(cli: &Cli) -> Result<Option<u32>, Failure> {
    let config = cli.config_file().ok().map(|_| cli.read_config()).transpose()?;
    let group = config.and_then(|config| config.control.group);
    let number = group.map(|group| groups::number(&group)).transpose();
    number.map_err(|error| Failure::system("the group of [control] is not known", &error))
}

/// Marks the data directory as unfinished, which is this user's alone from then on.
fn begin(data: &DataDir, group: Option<u32>) -> Result<Option<Taken>, Failure> {
    if data.restore_marker().exists() {
        data.node()?;
    }
    let made =
        |error: io::Error| Failure::folder(format!("{} cannot be made", data.path().display()), &error);
    let is_new = !data.path().exists();
    if is_new {
        DirBuilder::new().recursive(true).mode(0o750).create(data.path()).map_err(made)?;
        group.map_or(Ok(()), |group| chown(data.path(), None, Some(group))).map_err(made)?;
    }
    let taken = if is_new { None } else { Taken::from_its_owner(data.path()).map_err(made)? };
    let marked = refuse_what_is_there(data).and_then(|()| {
        let marked = pki::replace_file(&data.restore_marker(), 0o644, b"truecell restore was interrupted\n");
        marked.map_err(made)
    });
    if let (Err(_), Some(taken)) = (&marked, &taken) {
        taken.give_back(data.path()).map_err(made)?;
    }
    marked.map(|()| taken)
}

fn refuse_what_is_there(data: &DataDir) -> Result<(), Failure> {
    if empty_or_missing(data.path()).map_err(|error| Failure::system("no data directory", &error))? {
        return Ok(());
    }
    let problem = Problem::new("exists", format!("{} is not empty", data.path().display()));
    Err(Failure::No(
        problem.because("a restore never overwrites").next("move it away, or name another folder"),
    ))
}

/// A folder of another user that root fills. It is root's alone meanwhile: its owner could put links there, in the way
/// of what root writes and gives away.
struct Taken {
    uid: u32,
    gid: u32,
    mode: u32,
}

impl Taken {
    /// `None` where this is not root.
    fn from_its_owner(path: &Path) -> io::Result<Option<Self>> {
        if !geteuid().is_root() {
            return Ok(None);
        }
        let found = fs::metadata(path)?;
        chown(path, Some(0), None)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
        Ok(Some(Self { uid: found.uid(), gid: found.gid(), mode: found.mode() & 0o7777 }))
    }

    fn give_all_below(&self, path: &Path) -> io::Result<()> {
        for entry in fs::read_dir(path)? {
            let entry = entry?.path();
            if fs::symlink_metadata(&entry)?.is_dir() {
                self.give_all_below(&entry)?;
            }
            lchown(&entry, Some(self.uid), Some(self.gid))?;
        }
        Ok(())
    }

    /// The folder itself; the last thing that root does there.
    fn give_back(&self, path: &Path) -> io::Result<()> {
        fs::set_permissions(path, fs::Permissions::from_mode(self.mode))?;
        chown(path, Some(self.uid), Some(self.gid))
    }
}

fn copy(from: &Path, manifest: &Manifest, keys: Option<&Path>, data: &DataDir) -> Result<(), Error> {
    Copy::new(from, data.path()).all_of(manifest)?;
    if let Some(keys) = keys {
        let mut copy = Copy::new(keys, data.path());
        FOLDERS.iter().try_for_each(|name| copy.tree(name))?;
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

fn finish(data: &DataDir) -> io::Result<()> {
    sync_folders(data.path())?;
    fs::remove_file(data.restore_marker())?;
    sync_folders(data.path())
}

fn damaged(error: &dyn std::fmt::Display) -> Failure {
    let problem = Problem::new("bad-backup", "the backup cannot be used").because(error);
    Failure::No(problem.next(
        "remove the unfinished data directory, and restore an older backup; `truecell --data BACKUP event verify` says \
         up to where the journal of one is good",
    ))
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
    let anew = facts(&[("ledger", format!("made anew from the journal, {}", count(made.rows, "row")))]);
    let said = if made.ledger_anew { said + &anew } else { said };
    let warning = if made.findings.is_empty() {
        String::new()
    } else {
        format!("WARNING: the journal itself has what may not be\n{}", tampered::table(&made.findings))
    };
    said + &warning
        + "Whatever was done after the backup is forgotten: units reported lost, retired or suspended, certificates \
            revoked or issued, lines, pairs and rules. Do it again before `truecell serve`.\n"
}

/// How long ago something was, in one unit.
pub(crate) fn ago(seconds: u64) -> String {
    let age = Duration::from_secs(seconds);
    match age.as_secs() {
        ..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_set_back_begins_no_epoch_that_was_there_before() {
        let [earlier, later] = [1_700_000_000, 1_790_000_000].map(UnixTime::from_secs);
        assert_eq!(epoch_behind(earlier, later), Epoch(1_790_000_000));
        assert_eq!(epoch_behind(later, earlier), Epoch(1_790_000_000));
    }

    #[test]
    fn while_root_fills_the_folder_of_another_user_it_is_not_theirs() {
        if !geteuid().is_root() {
            return println!("skipped: needs root");
        }
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path().into());
        chown(folder.path(), Some(65_533), Some(65_532)).unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o750)).unwrap();
        let of = || {
            let found = fs::metadata(folder.path()).unwrap();
            (found.uid(), found.gid(), found.mode() & 0o7777)
        };
        let taken = begin(&data, None).unwrap().unwrap();
        assert_eq!((of().0, of().2), (0, 0o700));
        taken.give_back(folder.path()).unwrap();
        assert_eq!(of(), (65_533, 65_532, 0o750));
        fs::remove_file(data.restore_marker()).unwrap();
        fs::write(folder.path().join("mine"), "").unwrap();
        assert!(matches!(begin(&data, None), Err(Failure::No(_))));
        assert_eq!(of(), (65_533, 65_532, 0o750));
    }
}
