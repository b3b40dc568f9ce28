//! The power goes at a commit: each one, in turn.

use super::*;
use crate::store::{Applied, Entry, SealedRow, Store, StoreError};
use events::journal::Mark;
use ids::{Epoch, NodeId};
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::SeqCst},
    },
};

/// A store that takes so many commits, and from then on none.
struct Cut {
    store: Box<dyn Store>,
    left: Arc<AtomicI64>,
}

type Answer<T> = Result<T, StoreError>;

impl Store for Cut {
    fn begin(&mut self) -> Answer<()> {
        self.store.begin()
    }
    fn begin_reading(&mut self) -> Answer<()> {
        self.store.begin_reading()
    }
    fn commit(&mut self) -> Answer<()> {
        match self.left.fetch_sub(1, SeqCst) > 0 {
            true => self.store.commit(),
            false => {
                self.store.roll_back();
                Err(StoreError::new("the power is gone"))
            }
        }
    }
    fn roll_back(&mut self) {
        self.store.roll_back();
    }
    fn get(&mut self, table: &str, key: &str) -> Answer<Option<SealedRow>> {
        self.store.get(table, key)
    }
    fn put(&mut self, row: &SealedRow, entries: &[(&'static str, String)], fed: bool) -> Answer<()> {
        self.store.put(row, entries, fed)
    }
    fn remove(&mut self, table: &str, key: &str) -> Answer<()> {
        self.store.remove(table, key)
    }
    fn put_entries(&mut self, table: &str, key: &str, entries: &[(&'static str, String)]) -> Answer<()> {
        self.store.put_entries(table, key, entries)
    }
    fn tables(&mut self) -> Answer<BTreeSet<String>> {
        self.store.tables()
    }
    fn entries(&mut self, table: &str, after: &Entry, limit: usize) -> Answer<Vec<Entry>> {
        self.store.entries(table, after, limit)
    }
    fn page(&mut self, table: &str, after: &str, limit: usize) -> Answer<Vec<SealedRow>> {
        self.store.page(table, after, limit)
    }
    fn last(&mut self, table: &str) -> Answer<Option<SealedRow>> {
        self.store.last(table)
    }
    fn find(
        &mut self,
        table: &str,
        name: &str,
        value: &str,
        after: &str,
        limit: usize,
    ) -> Answer<Vec<SealedRow>> {
        self.store.find(table, name, value, after, limit)
    }
    fn find_up_to(
        &mut self,
        table: &str,
        name: &str,
        after: (&str, &str),
        last: &str,
        limit: usize,
    ) -> Answer<Vec<(String, SealedRow)>> {
        self.store.find_up_to(table, name, after, last, limit)
    }
    fn count_by(
        &mut self,
        table: &str,
        name: &str,
        first: &str,
        last: &str,
        part: std::ops::Range<usize>,
    ) -> Answer<Vec<(String, u64)>> {
        self.store.count_by(table, name, first, last, part)
    }
    fn last_entry(&mut self, table: &str, name: &str, limit: &str) -> Answer<Option<String>> {
        self.store.last_entry(table, name, limit)
    }
    fn outside(&mut self, table: &str, name: &str, first: &str, last: &str) -> Answer<Option<(u64, String)>> {
        self.store.outside(table, name, first, last)
    }
    fn nodes(&mut self) -> Answer<Vec<NodeId>> {
        self.store.nodes()
    }
    fn applied(&mut self, node: &NodeId) -> Answer<Applied> {
        self.store.applied(node)
    }
    fn set_applied(&mut self, node: &NodeId, mark: &Mark) -> Answer<()> {
        self.store.set_applied(node, mark)
    }
    fn next_epoch(&mut self, node: &NodeId) -> Answer<Epoch> {
        self.store.next_epoch(node)
    }
    fn skip_epochs(&mut self, node: &NodeId, at_least: Epoch) -> Answer<Epoch> {
        self.store.skip_epochs(node, at_least)
    }
    fn check(&mut self) -> Answer<()> {
        self.store.check()
    }
    fn reader(&self) -> Answer<Box<dyn Store>> {
        self.store.reader()
    }
    fn snapshot(&self) -> Answer<Box<dyn Store>> {
        self.store.snapshot()
    }
}

/// A start on the same files, which lives for so many commits.
fn start(dir: &Path, commits: i64) -> Ledger {
    let key = JournalKey::open(&dir.join("journal.key")).unwrap();
    let (journal, _) = Journal::open(&dir.join("journal"), "gw1".parse().unwrap(), key, at(0)).unwrap();
    let left = Arc::new(AtomicI64::new(i64::MAX));
    let store = Box::new(Sqlite::open(&dir.join("ledger.sqlite")).unwrap());
    let store = Box::new(Cut { store, left: left.clone() });
    let ledger = Ledger::open(store, journal, RowKey::new(&[7; 32]), Pools::default(), at(0)).unwrap().0;
    left.store(commits, SeqCst);
    ledger
}

/// Plans if there is no plan yet, begins if it has not begun, and goes on to the end.
fn go(ledger: &Ledger, now: &mut u64) -> Result<(), LedgerError> {
    let name = label("m");
    if ledger.migration(&name)?.is_none() {
        ledger.plan_migration(&new(2, 4), ("kim", "one key", Some("lee")), false, at(*now))?;
    }
    loop {
        *now += 30;
        let state = ledger.migration(&name)?.unwrap().state;
        match state {
            MigrationState::Planned => drop(ledger.run_migration(&name, "kim", "go", at(*now))?),
            MigrationState::Running => ledger.advance_migration(&name, at(*now))?,
            MigrationState::Halted | MigrationState::Done | MigrationState::RolledBack => return Ok(()),
        }
        let waves = ledger.waves(&name)?;
        assert!(waves.iter().filter(|wave| wave.is_open()).count() <= 1);
        // All but the last one of the estate come; it is missed at the end of its window.
        for unit in waves.iter().filter(|wave| wave.is_open()).flat_map(|wave| &wave.units) {
            if *unit == unit_that_stays_away() || ledger.has_own(*unit, at(*now))? {
                continue;
            }
            if let Err(NoCertificate::Ledger(gone)) = enrol(ledger, *unit, &home(*unit), at(*now)) {
                return Err(gone);
            }
        }
        if waves.last().is_some_and(|last| last.is_open()) {
            *now += WINDOW / 4;
        }
    }
}

fn unit_that_stays_away() -> DeviceId {
    unit(7)
}

#[test]
fn cut_off_at_any_commit_it_goes_on_to_the_same_end() {
    for cut in 0.. {
        let Estate { ledger, dir } = Estate::new(8);
        ledger.close().unwrap();
        drop(ledger);
        let mut now = 10;
        let dying = start(dir.path(), cut);
        let lived = go(&dying, &mut now).is_ok();
        drop(dying);
        let next = start(dir.path(), i64::MAX);
        go(&next, &mut now).unwrap();
        let report = next.migration_report(&label("m"), at(now)).unwrap();
        let expected = Counts { units: 8, enrolled: 7, missed: 1, ..Counts::default() };
        assert_eq!(
            (report.migration.state, report.counts),
            (MigrationState::Done, expected),
            "cut at {cut}: {:?}",
            report.failed
        );
        assert_eq!(next.verify().unwrap().findings, [], "cut at {cut}");
        if lived {
            assert!(cut > 15, "only {cut} commits");
            return;
        }
    }
}
