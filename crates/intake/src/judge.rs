use crate::{Commit, IntakeError, Told, commit::Commits};
use detect::{Counts, Engine, FeedCounts, Finding, Input};
use ids::{Label, UnixTime};
use records::row::Gap;
use std::sync::mpsc::{Receiver, SyncSender};

/// What the thread that reads has the engine do, in this order.
pub(crate) enum Step {
    /// Judge these.
    Inputs(Vec<Input>),
    /// Every feed has said all of the time before.
    Finish(UnixTime),
    /// Say which gaps there were since the last time: they are rows, and belong to the commit that follows.
    Gaps(SyncSender<Vec<Gap>>),
    /// All rows until here are in the lake: tell what was found, and write down that it is so.
    Commit(Box<Commit>),
}

/// The thread that judges.
pub(crate) struct Judge<'a> {
    pub(crate) engine: Engine,
    pub(crate) commits: &'a Commits,
    pub(crate) told: &'a mut dyn Told,
    pub(crate) found: Vec<Finding>,
}

/// What it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Of the engine, since it began.
    pub counts: Counts,
    /// Of each feed, since the engine began.
    pub feeds: Vec<(Label, FeedCounts)>,
    /// Rows that wait for others.
    pub waiting: usize,
    /// All before this is judged.
    pub until: UnixTime,
    /// Findings told in this run.
    pub told: u64,
}

impl Judge<'_> {
    /// Until whoever sends is done.
    pub(crate) fn run(mut self, steps: &Receiver<Step>) -> Result<Judged, IntakeError> {
        let mut told = 0;
        for step in steps {
            match step {
                Step::Inputs(inputs) => self.take(inputs),
                Step::Finish(at) => self.engine.finish(at, &mut self.found),
                // Who asks and does not wait has failed, and says so itself.
                Step::Gaps(back) => drop(back.send(self.engine.take_gaps())),
                Step::Commit(commit) => {
                    told += self.found.len() as u64;
                    self.commit(&commit)?;
                }
            }
        }
        let feeds = self.engine.feed_counts().map(|(name, counts)| (name.clone(), counts)).collect();
        let (waiting, _) = self.engine.pending();
        Ok(Judged { counts: self.engine.counts(), feeds, waiting, until: self.engine.judged_until(), told })
    }

    fn take(&mut self, inputs: Vec<Input>) {
        for input in inputs {
            self.engine.take(input, &mut self.found);
        }
    }

    fn commit(&mut self, commit: &Commit) -> Result<(), IntakeError> {
        if !self.found.is_empty() {
            self.told.findings(&self.found).map_err(IntakeError::Told)?;
            self.found.clear();
        }
        self.commits.put(commit, &self.engine)?;
        self.told.committed(commit.number, self.engine.judged_until());
        Ok(())
    }
}
