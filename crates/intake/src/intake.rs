use crate::{
    IntakeError,
    commit::Commits,
    judge::{Judge, Judged},
    plan::Plan,
    read::{Read, Reader},
};
use detect::{Engine, Finding, Setup};
use ids::UnixTime;
use lake::{Input, Lake, Options};
use std::{
    path::PathBuf,
    sync::{atomic::AtomicBool, mpsc::sync_channel},
    thread,
    time::Duration,
};

/// By which terms rows are taken and judged.
#[derive(Clone, Debug)]
pub struct Terms {
    /// What the engine is set up for. Its `start` counts for an engine that begins, where it is not the time of the first row.
    pub setup: Setup,
    /// After so long all is written down.
    pub every: Duration,
    /// Whose word units are taken by.
    pub ledger: LedgerAs,
    /// Feeds have said all until their newest row: nothing waits for more, and what comes later is late.
    pub ends: bool,
}

/// Which ledger rows are judged by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LedgerAs {
    /// As it was when they happened.
    #[default]
    Then,
    /// As it is now: for a history that is older than the ledger.
    Now,
    /// None is there.
    Nothing,
}

/// Where everything is.
#[derive(Clone, Debug)]
pub struct Paths {
    /// The lake.
    pub lake: PathBuf,
    /// The node's journal.
    pub journal: PathBuf,
    /// The newest commit.
    pub commits: PathBuf,
}

impl Terms {
    /// When an engine begins whose first row is of that time: others may be as much earlier as feeds may be late.
    pub(crate) fn starts(&self, first: Option<UnixTime>) -> UnixTime {
        let lateness = self.setup.feeds.iter().map(|feed| feed.lateness).max().unwrap_or_default();
        first.map_or(self.setup.start, |first| first.before(lateness))
    }
}

/// Who is told.
pub trait Told: Send {
    /// These were found. Some may have been told before, under the same ids.
    ///
    /// # Errors
    /// Why they cannot be kept. Nothing is committed then.
    fn findings(&mut self, found: &[Finding]) -> Result<(), String>;

    /// All until here holds.
    fn committed(&mut self, _number: u64, _judged_until: UnixTime) {}

    /// So many rows were read, the newest of that time.
    fn read(&self, _rows: u64, _newest: UnixTime) {}
}

/// What is read, and for how long.
pub struct Given<'a> {
    /// Sources, and how each is read.
    pub sources: Vec<(Input, Options)>,
    /// Sources that have no more now are looked at again, until `stops`.
    pub follows: bool,
    /// It is enough: what was read is committed.
    pub stops: &'a AtomicBool,
}

/// Takes rows from sources to lake, engine and findings.
pub struct Intake {
    pub(crate) paths: Paths,
    pub(crate) terms: Terms,
    commits: Commits,
    pub(crate) lake: Lake,
}

/// What was done.
#[derive(Clone, Debug)]
pub struct Summary {
    /// What was read.
    pub read: Read,
    /// What was judged.
    pub judged: Judged,
}

/// Batches on their way between the threads.
const BATCHES: usize = 4;

impl Intake {
    /// Makes what is missing, and removes from the lake what a crash left behind the newest commit.
    ///
    /// # Errors
    /// [`IntakeError`]: a folder, or another process at work.
    pub fn open(paths: Paths, terms: Terms) -> Result<Self, IntakeError> {
        let commits = Commits::open(&paths.commits)?;
        let lake = Lake::open(&paths.lake)?;
        Ok(Self { paths, terms, commits, lake })
    }

    /// Where everything is.
    pub fn paths(&self) -> &Paths {
        &self.paths
    }

    /// By which terms it works.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Takes all that the sources have, and with `follows` whatever comes, until `stops` says that it is enough.
    ///
    /// # Errors
    /// [`IntakeError`]; what is committed holds, and the rest is read again.
    pub fn run(&self, given: &Given<'_>, told: &mut dyn Told) -> Result<Summary, IntakeError> {
        let before = self.commits.newest(&self.terms.setup)?;
        let (commit, engine) =
            before.map_or_else(Default::default, |(commit, engine)| (commit, Some(engine)));
        self.lake.forget_after(commit.number)?;
        let mut reader = Reader::open(self, given, commit)?;
        let engine = match engine {
            Some(engine) => engine,
            None => Engine::new(Setup { start: reader.starts()?, ..self.terms.setup.clone() }),
        };
        let plan = Plan::new(engine.world());
        let (send, steps) = sync_channel(BATCHES);
        let judge = Judge { engine, commits: &self.commits, told, found: Vec::new() };
        let (read, judged) = thread::scope(|scope| {
            let reader = scope.spawn(move || reader.run(&plan, &send));
            let judged = judge.run(&steps);
            drop(steps);
            (reader.join(), judged)
        });
        let judged = judged?;
        let read = read.map_err(|_| IntakeError::Told("the thread that reads has panicked".into()))??;
        Ok(Summary { read, judged })
    }
}

/// What a source is called in a commit.
pub(crate) fn name(input: &Input) -> String {
    match input {
        Input::Path(path) => path.display().to_string(),
        Input::Standard => "-".to_owned(),
    }
}
