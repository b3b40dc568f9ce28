//! What a node's files say while no process has them open, as after a crash.

use crate::bench::Bench;
use events::{
    Record, Recorded,
    admission::Admitted,
    journal::Tail,
    ledger::{Changes, Opened, RowChanged},
};
use ids::{Epoch, EventRef, SessionId};
use ledger::Lease;
use std::{
    collections::{BTreeMap, HashMap},
    fs,
};

/// Journal and ledger.
pub(crate) struct Wreck {
    records: Vec<Record>,
    rows: HashMap<(String, String), Row>,
}

struct Row {
    revision: u64,
    event: EventRef,
    body: String,
}

impl Wreck {
    pub(crate) fn read(bench: &Bench) -> Self {
        let mut tail = Tail::new(&bench.path("state/journal/segw-1"), 1);
        let records = std::iter::from_fn(|| tail.next_record().unwrap()).collect();
        Self { records, rows: rows(bench) }
    }

    fn all<T: Recorded>(&self) -> impl Iterator<Item = (u64, T)> {
        self.records.iter().filter_map(|record| Some((record.seq, record.read::<T>().unwrap()?)))
    }

    /// The node's last start.
    pub(crate) fn epoch(&self) -> Epoch {
        Epoch(self.all::<Opened>().last().unwrap().1.epoch)
    }

    /// `<table> <key>` of each change that the journal has and the ledger has not.
    pub(crate) fn unfinished(&self) -> Vec<String> {
        let is_missing = |changed: &RowChanged| {
            let row = self.rows.get(&(changed.table.clone(), changed.key.clone()));
            row.is_none_or(|row| row.revision < changed.revision)
        };
        let mut changes = Changes::default();
        let stand = self.records.iter().flat_map(|record| changes.take(record).unwrap());
        let missing = stand.map(|(_, changed)| changed).filter(is_missing);
        missing.map(|changed| format!("{} {}", changed.table, changed.key)).collect()
    }

    /// Every admission.
    pub(crate) fn admitted(&self) -> BTreeMap<SessionId, Admitted> {
        let mut admitted = BTreeMap::new();
        for (seq, event) in self.all::<Admitted>() {
            let session = event.session;
            assert!(admitted.insert(session, event).is_none(), "record {seq} admits {session} once more");
        }
        admitted
    }

    /// Every lease, and the record that explains it.
    pub(crate) fn leases(&self) -> impl Iterator<Item = (Lease, &Record)> {
        self.rows.iter().filter(|((table, _), _)| table == "lease").map(|(_, row)| {
            let explains = self.records.binary_search_by_key(&row.event.seq, |record| record.seq).unwrap();
            (serde_json::from_str(&row.body).unwrap(), &self.records[explains])
        })
    }

    /// How many records there are of a kind.
    pub(crate) fn count<T: Recorded>(&self) -> usize {
        self.records.iter().filter(|record| record.kind == T::KIND).count()
    }
}

/// The rows of a copy of the database: whoever opens the database itself cleans up behind the crash.
fn rows(bench: &Bench) -> HashMap<(String, String), Row> {
    let copy = tempfile::tempdir().unwrap();
    fs::copy(bench.path("state/ledger.sqlite"), copy.path().join("ledger.sqlite")).unwrap();
    // Whoever closed the database last, in good order, has removed its log.
    let log = bench.path("state/ledger.sqlite-wal");
    if log.exists() {
        fs::copy(log, copy.path().join("ledger.sqlite-wal")).unwrap();
    }
    let database = rusqlite::Connection::open(copy.path().join("ledger.sqlite")).unwrap();
    let mut rows = database.prepare("SELECT tbl, key, revision, event, body FROM row").unwrap();
    let rows = rows.query_map([], |row| {
        let event: String = row.get(3)?;
        let (revision, event) = (row.get::<_, i64>(2)?.unsigned_abs(), event.parse().unwrap());
        Ok(((row.get(0)?, row.get(1)?), Row { revision, event, body: row.get(4)? }))
    });
    rows.unwrap().map(Result::unwrap).collect()
}
