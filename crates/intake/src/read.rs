use crate::{
    Commit, Given, Intake, IntakeError, JournalFeed, LedgerAs, judge::Step, ledger_feed, plan::Plan,
};
use detect::Input;
use ids::{CellKey, UnixTime};
use lake::{Aside, BadRow, Entry, Kind, Source, Stop, Writer};
use records::row::Row;
use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        atomic::Ordering::Relaxed,
        mpsc::{SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

/// What was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// Rows of each kind.
    pub rows: BTreeMap<Kind, u64>,
    /// Lines and rows that were put aside.
    pub aside: u64,
    /// Files that cannot be read, each with its reason.
    pub unreadable: Vec<String>,
    /// The newest row's time.
    pub newest: UnixTime,
    /// The newest commit.
    pub commit: u64,
    /// Octets of the parts of the lake that were written.
    pub octets: u64,
}

/// The thread that reads sources and the journal, and writes the lake.
pub(crate) struct Reader<'a> {
    intake: &'a Intake,
    given: &'a Given<'a>,
    sources: Vec<Merged>,
    aside: Aside,
    journal: Option<JournalFeed>,
    /// The newest commit.
    before: Commit,
    read: Read,
    /// On their way to the engine.
    inputs: Vec<Input>,
}

/// A source, and what it gives next: of several the one whose next row is earliest comes first.
struct Merged {
    name: String,
    source: Source,
    next: Option<Entry>,
}

/// Where what is no row is kept, in the lake's folder `aside`.
const ASIDE: &str = "rows";
/// Inputs that are handed on together.
const BATCH: usize = 8192;
/// How far ahead of this machine's clock a row may be.
const FUTURE: Duration = Duration::from_secs(3600);
/// How often sources that have nothing are looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Whoever judges has ended, and says why.
struct Gone;

impl<'a> Reader<'a> {
    pub(crate) fn open(
        intake: &'a Intake,
        given: &'a Given<'a>,
        before: Commit,
    ) -> Result<Self, IntakeError> {
        let mut sources = Vec::new();
        for (input, options) in &given.sources {
            let name = crate::intake::name(input);
            let offset = before.sources.get(&name).cloned().unwrap_or_default();
            let source = Source::resume(input.clone(), options.clone(), offset)?;
            sources.push(Merged { name, source, next: None });
        }
        let journal = (intake.terms.ledger != LedgerAs::Nothing)
            .then(|| JournalFeed::open(&intake.paths.journal, ledger_feed().name, before.journal.clone()));
        let folder = intake.paths.lake.join("aside");
        let aside = Aside::open(&folder, ASIDE).map_err(|error| IntakeError::io(&folder, error))?;
        let read = Read { newest: before.newest, ..Read::default() };
        Ok(Self { intake, given, sources, aside, journal, before, read, inputs: Vec::new() })
    }

    /// When an engine begins that has seen nothing.
    pub(crate) fn starts(&mut self) -> Result<UnixTime, IntakeError> {
        self.look()?;
        let first = self.sources.iter().filter_map(|source| Some(source.next.as_ref()?.stamp().at)).min();
        let start = self.intake.terms.starts(first);
        self.before.start = start;
        if let Some(journal) = &mut self.journal {
            journal.begin(start);
            if self.intake.terms.ledger == LedgerAs::Now {
                journal.as_it_is(&mut self.inputs)?;
            }
        }
        Ok(start)
    }

    /// Until the sources end, or it is to stop.
    pub(crate) fn run(mut self, plan: &Plan, steps: &SyncSender<Step>) -> Result<Read, IntakeError> {
        while self.commit(plan, steps)? {}
        self.read.commit = self.before.number;
        Ok(self.read)
    }

    /// All until the next commit is due; `false` when it was the last.
    fn commit(&mut self, plan: &Plan, steps: &SyncSender<Step>) -> Result<bool, IntakeError> {
        let mut writer = self.intake.lake.writer(self.before.number + 1, |cell| plan.is_femtocell(cell))?;
        let due = Instant::now() + self.intake.terms.every;
        let is_last = loop {
            let has_more = self.batch(plan, &mut writer)?;
            let newest = if has_more { self.read.newest } else { self.read.newest.max(self.idle()) };
            let sent = self.hand_on(newest, plan, steps);
            if sent?.is_err() || self.given.stops.load(Relaxed) || !has_more && !self.given.follows {
                break true;
            }
            if Instant::now() >= due && writer.rows() > 0 {
                break false;
            }
            if !has_more {
                thread::sleep(LOOK);
            }
        };
        let is_ended = is_last && self.intake.terms.ends;
        if is_ended {
            // The engine judges whole seconds; whoever judges and is gone says why itself.
            let _ = steps.send(Step::Finish(UnixTime::from_secs(self.read.newest.secs() + 1)));
        }
        let mut commit = self.before.next();
        commit.newest = self.read.newest;
        commit.is_ended = is_ended || (self.before.is_ended && writer.rows() == 0);
        if let Some(journal) = &self.journal {
            commit.journal = journal.place().clone();
        }
        let of_source = |merged: &Merged| (merged.name.clone(), merged.source.offset().clone());
        commit.sources.extend(self.sources.iter().map(of_source));
        if commit.is_news_after(&self.before) && !self.seal(writer, commit, steps)? {
            return Ok(false);
        }
        Ok(!is_last)
    }

    /// The time that it is while nothing comes: rows of now may be on their way, those of a history are not.
    fn idle(&self) -> UnixTime {
        if self.given.follows { UnixTime::now() } else { UnixTime::default() }
    }

    /// Some rows into the lake and on their way to the engine; `false` when there are no more now.
    fn batch(
        &mut self,
        plan: &Plan,
        writer: &mut Writer<impl Fn(CellKey) -> bool>,
    ) -> Result<bool, IntakeError> {
        while self.inputs.len() < BATCH {
            self.look()?;
            let earliest = self.sources.iter_mut().filter(|source| source.next.is_some());
            let earliest = earliest.min_by_key(|source| source.next.as_ref().map(|next| next.stamp().at));
            let Some(entry) = earliest.and_then(|source| source.next.take()) else { return Ok(false) };
            self.keep(entry, plan, writer)?;
        }
        Ok(true)
    }

    fn keep(
        &mut self,
        entry: Entry,
        plan: &Plan,
        writer: &mut Writer<impl Fn(CellKey) -> bool>,
    ) -> Result<(), IntakeError> {
        if let Entry::Row(Row::MacroCell(planned)) = &entry {
            plan.planned(planned.cell);
        }
        writer.push(&entry)?;
        *self.read.rows.entry(entry.kind()).or_default() += 1;
        self.read.newest = self.read.newest.max(entry.stamp().at);
        self.inputs.extend(entry.into_row().map(Input::Row));
        Ok(())
    }

    /// Asks each source that has none at hand for its next row.
    fn look(&mut self) -> Result<(), IntakeError> {
        for merged in &mut self.sources {
            while merged.next.is_none() {
                match merged.source.next() {
                    None => break,
                    Some(Ok(entry)) => match from_the_future(&entry, &merged.name) {
                        None => merged.next = Some(entry),
                        Some(bad) => aside(&mut self.aside, &bad, &mut self.read)?,
                    },
                    Some(Err(Stop::Bad(bad))) => aside(&mut self.aside, &bad, &mut self.read)?,
                    Some(Err(Stop::Source(error))) => self.read.unreadable.push(error.to_string()),
                }
            }
        }
        Ok(())
    }

    /// What is on its way, and what the journal says until that time.
    fn hand_on(
        &mut self,
        newest: UnixTime,
        plan: &Plan,
        steps: &SyncSender<Step>,
    ) -> Result<Result<(), Gone>, IntakeError> {
        let mut inputs = std::mem::take(&mut self.inputs);
        if let Some(journal) = &mut self.journal {
            let rows = inputs.len();
            journal.until(newest, &mut inputs)?;
            inputs.iter().skip(rows).for_each(|input| plan.changed(input));
        }
        Ok(steps.send(Step::Inputs(inputs)).map_err(|_| Gone))
    }

    /// All until here is in the lake; `false` when nobody judges any more.
    fn seal(
        &mut self,
        mut writer: Writer<impl Fn(CellKey) -> bool>,
        commit: Commit,
        steps: &SyncSender<Step>,
    ) -> Result<bool, IntakeError> {
        let (back, gaps) = sync_channel(1);
        if steps.send(Step::Gaps(back)).is_err() {
            return Ok(false);
        }
        let Ok(gaps) = gaps.recv() else { return Ok(false) };
        for gap in gaps {
            writer.push(&Row::Gap(gap).into())?;
        }
        self.read.octets += writer.seal()?.publish()?.octets;
        self.before = commit.clone();
        Ok(steps.send(Step::Commit(Box::new(commit))).is_ok())
    }
}

fn aside(aside: &mut Aside, bad: &BadRow, read: &mut Read) -> Result<(), IntakeError> {
    read.aside += 1;
    aside.keep(bad).map_err(|error| IntakeError::io(Path::new("aside"), error))
}

/// Why a row is not believed: it would move the time of everybody.
fn from_the_future(entry: &Entry, source: &str) -> Option<BadRow> {
    let at = entry.stamp().at;
    let is_future = at > UnixTime::now().after(FUTURE);
    is_future.then(|| BadRow {
        file: source.into(),
        line: 0,
        why: format!("`at` is {at}, more than an hour ahead of this machine's clock"),
        text: format!("{} {}", entry.stamp().feed, entry.stamp().seq),
    })
}
