use crate::{IntakeError, JournalFeed, JournalPlace, LedgerAs, Paths, Terms, ledger_feed};
use detect::{Engine, Finding, FindingId, Input, Setup};
use ids::UnixTime;
use lake::{Entry, Kind, Lake, LakeError};
use records::row::{Gap, GapWhy, Row};
use std::collections::BTreeSet;

/// Judges again what the lake has, with the detectors of today.
pub struct History {
    lake: Lake,
    engine: Engine,
    journal: Option<JournalFeed>,
    found: Vec<Finding>,
}

/// What was found then, against what is found now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Found both times.
    pub same: Vec<FindingId>,
    /// Found now alone.
    pub only_now: Vec<FindingId>,
    /// Found then alone.
    pub only_then: Vec<FindingId>,
}

/// Rows after which the journal is read on.
const BATCH: usize = 8192;

impl History {
    /// From the first row that the lake has on: what was before a time decides what is found in it.
    ///
    /// # Errors
    /// [`IntakeError`]
    pub fn open(paths: &Paths, terms: &Terms) -> Result<Self, IntakeError> {
        let lake = Lake::open(&paths.lake)?;
        let first =
            lake.read(&Kind::ROWS, UnixTime::from_micros(i64::MIN), UnixTime::from_micros(i64::MAX))?;
        let start = first.map(|row| row.map(|row| row.stamp().at)).next().transpose()?;
        let start = terms.starts(start);
        let engine = Engine::new(Setup { start, ..terms.setup.clone() });
        let mut this = Self { lake, engine, journal: None, found: Vec::new() };
        if terms.ledger != LedgerAs::Nothing {
            let (name, mut inputs) = (ledger_feed().name, Vec::new());
            let mut journal = JournalFeed::open(&paths.journal, name, JournalPlace::default());
            journal.begin(start);
            if terms.ledger == LedgerAs::Now {
                journal.as_it_is(&mut inputs)?;
            }
            this.take(inputs);
            this.journal = Some(journal);
        }
        Ok(this)
    }

    /// All findings of the time from `from` on and before `to`; `each` is called now and then with the time that it has come to.
    ///
    /// # Errors
    /// [`IntakeError`]
    pub fn judge(
        mut self,
        from: UnixTime,
        to: UnixTime,
        mut each: impl FnMut(UnixTime),
    ) -> Result<Vec<Finding>, IntakeError> {
        let mut rows = self.lake.read(&Kind::ROWS, UnixTime::from_micros(i64::MIN), to)?.peekable();
        while rows.peek().is_some() {
            let batch = rows.by_ref().take(BATCH).collect::<Result<Vec<_>, LakeError>>()?;
            let newest = batch.last().map(|row| row.stamp().at).unwrap_or_default();
            self.take(
                batch.into_iter().filter_map(Entry::into_row).filter(is_given).map(Input::Row).collect(),
            );
            self.read_journal(newest)?;
            self.found.retain(|found| found.at >= from);
            each(newest);
        }
        self.read_journal(to)?;
        self.engine.finish(to, &mut self.found);
        self.found.retain(|found| found.at >= from && found.at < to);
        Ok(self.found)
    }

    fn read_journal(&mut self, until: UnixTime) -> Result<(), IntakeError> {
        let mut inputs = Vec::new();
        if let Some(journal) = &mut self.journal {
            journal.until(until, &mut inputs)?;
        }
        self.take(inputs);
        Ok(())
    }

    fn take(&mut self, inputs: Vec<Input>) {
        for input in inputs {
            self.engine.take(input, &mut self.found);
        }
    }
}

/// A row that a source gave: the engine's own gaps it will notice again.
fn is_given(row: &Row) -> bool {
    !matches!(row, Row::Gap(Gap { why: GapWhy::Silent | GapWhy::Missing, .. }))
}

impl Difference {
    /// Of what was found then and now.
    pub fn of(then: &BTreeSet<FindingId>, now: &BTreeSet<FindingId>) -> Self {
        let ids = |ids: &mut dyn Iterator<Item = &FindingId>| ids.copied().collect();
        Self {
            same: ids(&mut then.intersection(now)),
            only_now: ids(&mut now.difference(then)),
            only_then: ids(&mut then.difference(now)),
        }
    }
}
