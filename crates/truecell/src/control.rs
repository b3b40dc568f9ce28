use crate::{
    data_dir::{DataDir, Lock, NotTaken},
    failure::{Failure, Problem},
    node::Node,
    output::Output,
};
use api::{Client, ClientError, event::JournalFiles};
use events::{PublicKey, witness::Testimony};
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::watch;

/// The way to the node's data: the running daemon, or this process while it holds the lock.
pub(crate) struct Control {
    client: Client,
    alone: bool,
    _here: Option<(Node, Lock)>,
}

/// How long a command waits for another one, or for a daemon that has just been started.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it looks.
const PAUSE: Duration = Duration::from_millis(20);

impl Control {
    /// Finds the daemon of `data`, or takes its place for this one `command`.
    ///
    /// # Errors
    /// Not a data directory, not allowed, or in the hands of another process for too long.
    pub(crate) async fn open(data: &DataDir, command: &str) -> Result<Self, Failure> {
        Self::open_with(data, command, |_| Ok(())).await
    }

    /// The same for a command that needs more of the configuration than the data directory remembers:
    /// `prepare` adds it when no daemon runs.
    ///
    /// # Errors
    /// As [`Self::open`], and those of `prepare`.
    pub(crate) async fn open_with(
        data: &DataDir,
        command: &str,
        prepare: impl FnOnce(&Node) -> Result<(), Failure>,
    ) -> Result<Self, Failure> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(client) = daemon(data).await? {
                return Ok(Self { client, alone: false, _here: None });
            }
            data.node()?;
            match Lock::take(data, command) {
                Ok(lock) => return Self::here(data, lock, prepare),
                Err(NotTaken::Held(_)) if Instant::now() < deadline => tokio::time::sleep(PAUSE).await,
                Err(not_taken) => return Err(not_taken.failure(data)),
            }
        }
    }

    fn here(
        data: &DataDir,
        lock: Lock,
        prepare: impl FnOnce(&Node) -> Result<(), Failure>,
    ) -> Result<Self, Failure> {
        let node = Node::open(data)?;
        // Whoever asked for something else hears of it all the same.
        node.mended.iter().for_each(|what| Output::new(false).note(&format!("note: {what}")));
        prepare(&node)?;
        Ok(Self { client: Client::here(node.router(None)), alone: true, _here: Some((node, lock)) })
    }

    /// The journal only, for looking: needs no lock, and works while nothing else does.
    ///
    /// # Errors
    /// Not a data directory, or not allowed.
    pub(crate) async fn journal(data: &DataDir) -> Result<Self, Failure> {
        if let Some(client) = daemon(data).await? {
            return Ok(Self { client, alone: false, _here: None });
        }
        let (_, stop) = watch::channel(false);
        Ok(Self::files(data.journal_files(stop)?))
    }

    /// The journal only, read by this process also while a daemon runs, with what its witness has of it.
    ///
    /// # Errors
    /// Not a data directory, or not allowed.
    pub(crate) fn witnessed(data: &DataDir, witness: Testimony) -> Result<Self, Failure> {
        let (_, stop) = watch::channel(false);
        let files = data.journal_files(stop)?;
        readable(&files.dir)?;
        Ok(Self::files(JournalFiles { witness: Some(Arc::new(witness)), ..files }))
    }

    /// A copy of some journal, with the key that it began with, and what a witness has of it.
    ///
    /// # Errors
    /// There is no such folder, or the journal is in a folder below it.
    pub(crate) fn copy(dir: &Path, key: PublicKey, witness: Option<Testimony>) -> Result<Self, Failure> {
        if !dir.is_dir() {
            let problem = Problem::new("no-journal", format!("there is no folder {}", dir.display()));
            return Err(Failure::Usage(problem.next("name the folder that holds the .jsonl files")));
        }
        if let Some(below) = journal_in(dir, 2).filter(|found| found != dir) {
            let problem = Problem::new("no-journal", format!("no journal is in {} itself", dir.display()));
            return Err(Failure::Usage(problem.next(format!("one is below: --journal {}", below.display()))));
        }
        let (_, stop) = watch::channel(false);
        Ok(Self::files(JournalFiles { dir: dir.into(), key, witness: witness.map(Arc::new), stop }))
    }

    fn files(files: JournalFiles) -> Self {
        Self { client: Client::here(api::journal_router(files)), alone: true, _here: None }
    }

    /// Whether no daemon runs: nothing new comes while this process works alone.
    pub(crate) fn is_alone(&self) -> bool {
        self.alone
    }

    pub(crate) fn client(&mut self) -> &mut Client {
        &mut self.client
    }
}

/// The first folder with records: this one, or one so many levels below.
fn journal_in(dir: &Path, levels: usize) -> Option<PathBuf> {
    let mut entries: Vec<_> = fs::read_dir(dir).ok()?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    if entries.iter().any(|path| path.extension().is_some_and(|end| end == "jsonl")) {
        return Some(dir.to_owned());
    }
    let levels = levels.checked_sub(1)?;
    entries.sort();
    entries.iter().find_map(|entry| journal_in(entry, levels))
}

/// A file that this user may not read is no sign of a bad record.
fn readable(dir: &Path) -> Result<(), Failure> {
    let open = || fs::read_dir(dir)?.try_for_each(|entry| File::open(entry?.path()).map(drop));
    match open() {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(Failure::No(
            Problem::new("forbidden", format!("{} may not be read by this user", dir.display()))
                .because(error)
                .next("run as root or as the user that the gateway runs as, or check a copy of the journal"),
        )),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The daemon's socket; `None` when nobody listens on it.
pub(crate) async fn daemon(data: &DataDir) -> Result<Option<Client>, Failure> {
    let socket = data.socket();
    let error = match Client::connect(&socket).await {
        Ok(client) => return Ok(Some(client)),
        Err(error) => error,
    };
    let kind = error.kind();
    if matches!(kind, io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) {
        return Ok(None);
    }
    if kind == io::ErrorKind::PermissionDenied {
        return Err(Failure::No(
            Problem::new("forbidden", format!("{} may not be used by this user", socket.display()))
                .because(error)
                .next("become a member of the socket's group, or run as the user that the gateway runs as"),
        ));
    }
    Err(Failure::system(format!("no answer at {}", socket.display()), &error))
}

impl From<ClientError> for Failure {
    /// 400 and 422 blame the command line, other refusals are a plain no, the rest is our fault.
    fn from(error: ClientError) -> Self {
        let problem = match error {
            ClientError::Problem(problem) => *problem,
            ClientError::Broken(why) => {
                let problem = Problem::new("broken", "the answer did not arrive whole").because(why);
                return Self::Ours(problem.next("look at the daemon's log; what it acknowledged is done"));
            }
        };
        let status = problem.status;
        let own =
            Problem { code: problem.code, title: problem.title, detail: problem.detail, next: problem.next };
        match status {
            400 | 422 => Self::Usage(own),
            401..=499 => Self::No(own),
            _ => Self::Ours(own),
        }
    }
}
