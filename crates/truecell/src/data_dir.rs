//! DATA: everything that a node keeps, and the lock that makes one process its only writer.

use crate::{
    backup::MANIFEST,
    config::Values,
    failure::{Failure, Problem},
};
use api::{Rules, event::JournalFiles};
use ids::NodeId;
use ledger::Pools;
use rustix::{
    fs::{Access, FlockOperation, OFlags, access, flock},
    process::{getegid, geteuid},
};
use serde::de::DeserializeOwned;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};
use tokio::sync::watch;

/// The folder given by `--data` or by `data` in the configuration.
#[derive(Clone, Debug)]
pub(crate) struct DataDir(PathBuf);

impl DataDir {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Name of the node, written once by `truecell init`: a folder without it is not a data directory.
    pub(crate) fn node_file(&self) -> PathBuf {
        self.0.join("node")
    }

    /// There while `truecell init` is not done.
    pub(crate) fn init_marker(&self) -> PathBuf {
        self.0.join("init-unfinished")
    }

    /// There while `truecell restore` is not done.
    pub(crate) fn restore_marker(&self) -> PathBuf {
        self.0.join("restore-unfinished")
    }

    /// `truecell backup` made it.
    pub(crate) fn is_backup(&self) -> bool {
        self.0.join(MANIFEST).exists()
    }

    /// Name of the node that keeps its data here.
    ///
    /// # Errors
    /// This is no data directory, or cannot be read by this user.
    pub(crate) fn node(&self) -> Result<NodeId, Failure> {
        if self.is_backup() {
            let problem = Problem::new("is-backup", format!("{} is a backup", self.0.display()));
            return Err(Failure::Usage(problem.because("a command or a gateway on it would change it").next(
                "make a data directory of it with `truecell restore`; `ledger verify` and the `event` commands read \
                 it as it is",
            )));
        }
        if self.init_marker().exists() {
            let problem = Problem::new("half-made", format!("{} is not finished", self.0.display()));
            return Err(Failure::Usage(
                problem.because("`truecell init` was interrupted").next("run `truecell init` again"),
            ));
        }
        if self.restore_marker().exists() {
            let problem = Problem::new("half-made", format!("{} is not finished", self.0.display()));
            return Err(Failure::Usage(
                problem
                    .because("`truecell restore` was interrupted, or is under way")
                    .next("remove it, and restore again"),
            ));
        }
        self.unfinished_node()
    }

    /// The same while `truecell init` or `restore` is under way.
    pub(crate) fn unfinished_node(&self) -> Result<NodeId, Failure> {
        let text = fs::read_to_string(self.node_file()).map_err(|error| self.not_data(&error))?;
        text.trim().parse().map_err(|error| self.bad(&self.node_file(), &error))
    }

    fn not_data(&self, error: &io::Error) -> Failure {
        let path = self.0.display();
        if error.kind() == io::ErrorKind::NotFound {
            let (state, why) = if self.0.exists() {
                ("is not initialised", "it has no file `node`, which `truecell init` writes")
            } else {
                ("does not exist", "`truecell init` has not been run, or its volume is not mounted")
            };
            let problem = Problem::new("no-data-dir", format!("the data directory {path} {state}"));
            return Failure::Usage(problem.because(why).next(
                "run `truecell init` once for a new node; else mount its volume, or correct --data or `data`",
            ));
        }
        self.anothers().unwrap_or_else(|| Failure::system(format!("{path} cannot be read"), error))
    }

    /// The first file that belongs to another user and is closed to this one: what a command leaves that was run by
    /// root while no gateway ran.
    pub(crate) fn anothers(&self) -> Option<Failure> {
        let (path, owner) = anothers(&self.0)?;
        let (user, group) = (geteuid().as_raw(), getegid().as_raw());
        let problem =
            Problem::new("another-owner", format!("{} may not be used by this user", path.display()));
        Some(Failure::Ours(
            problem.because(format!("it belongs to user {owner}, and this process runs as user {user}")).next(format!(
                "run as user {owner}; or, if the gateway is to run as user {user}: chown -R {user}:{group} {}",
                self.0.display()
            )),
        ))
    }

    fn bad(&self, file: &Path, error: &dyn std::fmt::Display) -> Failure {
        let problem = Problem::new("bad-data-dir", format!("{} is damaged or missing", file.display()));
        Failure::Ours(problem.because(error).next("bring the file back from a backup"))
    }

    /// The key that the node's journal began with, in public.
    pub(crate) fn journal_public_key(&self) -> PathBuf {
        self.0.join("journal.pub")
    }

    /// The journal's files, for looking only.
    ///
    /// # Errors
    /// As [`Self::node`]; the public key is missing or is none.
    pub(crate) fn journal_files(&self, stop: watch::Receiver<bool>) -> Result<JournalFiles, Failure> {
        let node = self.unfinished_node()?;
        let file = self.journal_public_key();
        let text = fs::read_to_string(&file).map_err(|error| self.bad(&file, &error))?;
        let key = text.trim().parse().map_err(|error: ids::ParseSha256Error| self.bad(&file, &error))?;
        let dir = self.0.join("journal").join(node.to_string());
        Ok(JournalFiles { dir, key, witness: None, stop })
    }

    pub(crate) fn lock_file(&self) -> PathBuf {
        self.0.join("lock")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.0.join("control.sock")
    }

    pub(crate) fn ledger(&self) -> PathBuf {
        self.0.join("ledger.sqlite")
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.0.join("ca")
    }

    /// Who was seen when: [`ledger::Presence`].
    pub(crate) fn presence_file(&self) -> PathBuf {
        self.0.join("presence.json")
    }

    /// Revocation lists of foreign CAs, the last good one of each.
    /// What is kept of feeds.
    pub(crate) fn records(&self) -> PathBuf {
        self.path().join("records")
    }

    pub(crate) fn crls(&self) -> PathBuf {
        self.path().join("crl")
    }

    /// Secrets of this node, mode 0700.
    pub(crate) fn keys(&self) -> PathBuf {
        self.0.join("keys")
    }

    pub(crate) fn journal_key(&self) -> PathBuf {
        self.keys().join("journal.key")
    }

    pub(crate) fn row_key(&self) -> PathBuf {
        self.keys().join("row.key")
    }

    /// Private key and certificate chain of the gateway in one file, when the embedded CA issued them.
    pub(crate) fn gateway_key_and_chain(&self) -> PathBuf {
        self.keys().join("gateway.pem")
    }

    pub(crate) fn pools_file(&self) -> PathBuf {
        self.0.join("pools.json")
    }

    /// Inner addresses, as the last `init` or `serve` had them configured.
    pub(crate) fn pools(&self) -> Result<Pools, Failure> {
        self.kept(&self.pools_file())
    }

    pub(crate) fn rules_file(&self) -> PathBuf {
        self.0.join("rules.json")
    }

    /// What the carrier allows, as the last `init` or `serve` had it configured.
    pub(crate) fn rules(&self) -> Result<Rules, Failure> {
        self.kept(&self.rules_file())
    }

    /// The configuration that `serve` ran with last, by key.
    pub(crate) fn configuration_file(&self) -> PathBuf {
        self.0.join("configuration.json")
    }

    /// What it said; nothing where there is none or it cannot be read: then every key has changed.
    pub(crate) fn configuration(&self) -> Values {
        self.kept(&self.configuration_file()).unwrap_or_default()
    }

    fn kept<T: DeserializeOwned>(&self, file: &Path) -> Result<T, Failure> {
        let text = fs::read_to_string(file).map_err(|error| self.bad(file, &error))?;
        serde_json::from_str(&text).map_err(|error| self.bad(file, &error))
    }

    /// The chain once more, for everyone.
    pub(crate) fn gateway_certificate(&self) -> PathBuf {
        self.0.join("gateway.pem")
    }
}

fn anothers(path: &Path) -> Option<(PathBuf, u32)> {
    let metadata = fs::symlink_metadata(path).ok()?;
    let search = if metadata.is_dir() { Access::EXEC_OK } else { Access::empty() };
    let is_closed = || access(path, Access::READ_OK | Access::WRITE_OK | search).is_err();
    if metadata.uid() != geteuid().as_raw() && is_closed() {
        return Some((path.to_owned(), metadata.uid()));
    }
    let mut entries: Vec<_> = fs::read_dir(path).ok()?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    entries.sort();
    entries.iter().find_map(|entry| anothers(entry))
}

/// Proof that no other process writes to DATA; the lock falls with the value, or with the process.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

/// Why the lock was not taken.
#[derive(Debug)]
pub(crate) enum NotTaken {
    /// Another process holds it; what it wrote about itself.
    Held(String),
    /// The file cannot be opened or locked.
    Io(io::Error),
}

impl Lock {
    /// Whether another process holds it; takes nothing, and makes no file.
    ///
    /// # Errors
    /// [`NotTaken::Held`]. What else is wrong shows when it is taken.
    pub(crate) fn look(data: &DataDir) -> Result<(), NotTaken> {
        let mut options = OpenOptions::new();
        options.read(true).custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed());
        let Ok(mut file) = options.open(data.lock_file()) else { return Ok(()) };
        match flock(&file, FlockOperation::NonBlockingLockShared) {
            Err(rustix::io::Errno::WOULDBLOCK) => Err(NotTaken::Held(holder(&mut file))),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Takes DATA/lock without waiting, and writes there who did: process id and `command`.
    ///
    /// # Errors
    /// [`NotTaken`], at once.
    pub(crate) fn take(data: &DataDir, command: &str) -> Result<Self, NotTaken> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        // What is behind a link is not ours to write to.
        options.custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
        let mut file = options.open(data.lock_file()).map_err(NotTaken::Io)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => (),
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(NotTaken::Held(holder(&mut file))),
            Err(error) => return Err(NotTaken::Io(error.into())),
        }
        sign(&mut file, command).map_err(NotTaken::Io)?;
        Ok(Self { _file: file })
    }
}

fn sign(file: &mut File, command: &str) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "pid {}: truecell {command}, since {}", std::process::id(), ids::UnixTime::now())
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    match file.read_to_string(&mut text) {
        Ok(length) if length > 0 => text.trim_end().to_owned(),
        Ok(_) | Err(_) => "a process that has not yet written its name".into(),
    }
}

impl NotTaken {
    pub(crate) fn failure(self, data: &DataDir) -> Failure {
        let lock = data.lock_file();
        match self {
            Self::Held(who) => Failure::Ours(
                Problem::new("locked", format!("{} is in use", data.path().display()))
                    .because(format!("{} is held by {who}", lock.display()))
                    .next("wait for it to end, or stop it; one process at a time writes a data directory"),
            ),
            Self::Io(error) => data
                .anothers()
                .unwrap_or_else(|| Failure::system(format!("{} cannot be locked", lock.display()), &error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_taker_learns_who_holds_the_lock_and_gets_it_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path().into());
        let lock = Lock::take(&data, "serve").unwrap();
        let NotTaken::Held(who) = Lock::take(&data, "device list").unwrap_err() else { panic!("not held") };
        assert!(who.starts_with(&format!("pid {}: truecell serve, since 20", std::process::id())), "{who}");
        drop(lock);
        assert!(Lock::take(&data, "device list").is_ok());
    }

    #[test]
    fn a_lock_that_is_a_link_is_not_taken_and_what_it_leads_to_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path().into());
        fs::write(data.ledger(), "rows").unwrap();
        std::os::unix::fs::symlink(data.ledger(), data.lock_file()).unwrap();
        assert!(matches!(Lock::take(&data, "serve"), Err(NotTaken::Io(_))));
        assert_eq!(fs::read_to_string(data.ledger()).unwrap(), "rows");
    }

    #[test]
    fn a_shorter_name_leaves_nothing_of_a_longer_one() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path().into());
        drop(Lock::take(&data, &"x".repeat(500)).unwrap());
        let lock = Lock::take(&data, "serve").unwrap();
        assert_eq!(std::fs::read_to_string(data.lock_file()).unwrap().lines().count(), 1);
        drop(lock);
    }
}
