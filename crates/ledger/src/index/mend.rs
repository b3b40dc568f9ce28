use super::{Differences, compare};
use crate::{Device, Finding, Ledger, LedgerError, NewIncident, Row, store::StoreError, tables::EXPLAINED};
use events::{Durability, ledger::IndexMended};
use ids::UnixTime;
use serde_json::json;
use std::{
    collections::BTreeSet,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

/// The tables whose index was compared with their rows since the ledger was opened.
#[derive(Default)]
pub(crate) struct Compared {
    tables: Mutex<BTreeSet<String>>,
    /// How many wait for a table to be.
    waiting: AtomicUsize,
}

#[cfg(test)]
impl Compared {
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Relaxed)
    }
}

/// Rows looked at between two questions whether to go on.
const STRETCH: u64 = 1000;

/// Rows mended in one transaction: others wait for it.
const CHUNK: usize = 200;
/// Rows that the record of a mending names.
const EXAMPLES: usize = 20;
/// Who says so in records.
const BY: &str = "ledger";

impl Ledger {
    /// Compares the index of every table with its rows, and writes it anew where it differs: what a start does beside
    /// serving. Rows that do not hold are met on the way; incidents name all that was found. `go_on` is asked behind each
    /// 1,000 rows, and told whether somebody waits; whether anything was mended.
    ///
    /// # Errors
    /// The transient ones.
    pub fn compare_index(&self, mut go_on: impl FnMut(bool) -> bool) -> Result<bool, LedgerError> {
        let mut tables = self.read(|store| store.tables())?;
        tables.extend(EXPLAINED.iter().map(|table| table.name.to_owned()));
        let (mut stopped, mut mended) = (false, false);
        for table in tables {
            let compared = self.compare_once(&table, || {
                let go_on = go_on(self.inner().compared.waiting.load(Relaxed) > 0);
                stopped |= !go_on;
                go_on
            });
            match compared {
                Err(_) if stopped => break,
                compared => mended |= compared?,
            }
        }
        Ok(mended)
    }

    /// To be called, outside a transaction, before anything relies on what the index of this table does not have. Looks at
    /// the table once since the ledger was opened; waits for whoever is doing that.
    ///
    /// # Errors
    /// The transient ones.
    pub(crate) fn rely_on_index<R: Row>(&self) -> Result<(), LedgerError> {
        let waiting = &self.inner().compared.waiting;
        waiting.fetch_add(1, Relaxed);
        let compared = self.compare_once(R::TABLE, || true);
        waiting.fetch_sub(1, Relaxed);
        compared.map(drop)
    }

    /// Whether anything was mended.
    fn compare_once(&self, table: &str, mut go_on: impl FnMut() -> bool) -> Result<bool, LedgerError> {
        let mut compared = self.inner().compared.tables.lock().unwrap_or_else(PoisonError::into_inner);
        if compared.contains(table) {
            return Ok(false);
        }
        let (mut rows, mut bad) = (0, Vec::new());
        let mut store = self.read(|store| store.snapshot())?;
        let differences = compare(&mut *store, table, |row| {
            rows += 1;
            if rows % STRETCH == 0 && !go_on() {
                return Err(StoreError::new("nobody waits for it any more"));
            }
            let tampered = self.inner().row_key.check(row).err().and_then(|error| Finding::of(&error));
            let holds = tampered.is_none();
            bad.extend(tampered);
            Ok(holds)
        })?;
        drop(store);
        self.mend(table, &differences.entries)?;
        compared.insert(table.to_owned());
        let mended = !differences.entries.is_empty();
        self.tell(table, differences, &bad);
        Ok(mended)
    }

    /// The record first, then the entries of each row from what the row is by then.
    fn mend(&self, table: &str, entries: &[Finding]) -> Result<(), LedgerError> {
        let Some(first) = entries.first() else { return Ok(()) };
        let rows = entries.len() as u64;
        tracing::error!(
            table,
            rows,
            key = first.key,
            why = first.why,
            "the index did not fit its rows: it is mended"
        );
        let examples = entries.iter().take(EXAMPLES).map(|found| found.key.clone()).collect();
        let mended = IndexMended { table: table.to_owned(), rows, examples };
        self.journal().append(&mended, UnixTime::now(), Durability::Durable)?;
        for chunk in entries.chunks(CHUNK) {
            let mut tx = self.begin()?;
            for found in chunk {
                tx.index_anew(&found.table, &found.key)?;
            }
            tx.commit()?;
        }
        if table == Device::TABLE {
            self.read_addresses()?;
        }
        Ok(())
    }

    /// An incident for the index, for each row that does not hold, and for each two that share a value.
    fn tell(&self, table: &str, differences: Differences, bad: &[Finding]) {
        let Differences { entries, shared } = differences;
        if let Some(first) = entries.first() {
            let (rows, key, why) = (entries.len(), &first.key, &first.why);
            let summary = format!(
                "the index of table {table} did not fit {rows} of its rows, and was mended: {key}: {why}"
            );
            let evidence = json!({ "table": table, "key": "*", "rows": entries.iter().take(EXAMPLES).collect::<Vec<_>>() });
            self.open_if_new(NewIncident { summary, evidence, ..NewIncident::tampered() });
        }
        self.report_tampered(bad, BY, UnixTime::now());
        for shared in shared.iter().take(EXAMPLES) {
            let Finding { table, key, why } = &shared.finding;
            tracing::error!(table, key, why, "two have what only one may have");
            let devices = shared.holders.iter().filter_map(|holder| holder.parse().ok()).collect();
            let summary = format!("{table} {key}: {why}");
            self.open_if_new(NewIncident { devices, summary, ..NewIncident::tampered() });
        }
    }

    /// Opens an incident for each row that was tampered with, unless one about the same unit, or the same row of none, is
    /// open: for the first 20, as where more are bad one matter is behind them.
    pub fn report_tampered(&self, findings: &[Finding], by: &str, now: UnixTime) {
        for found in findings.iter().take(EXAMPLES) {
            let Finding { table, key, why } = found;
            tracing::error!(table, key, why, "a row was tampered with");
            if let Err(error) = self.open_incident_once(NewIncident::of_row(found), by, now) {
                tracing::error!(table, key, %error, "no incident could be opened for that");
            }
        }
    }

    fn open_if_new(&self, new: NewIncident) {
        let summary = new.summary.clone();
        if let Err(error) = self.open_incident_once(new, BY, UnixTime::now()) {
            tracing::error!(summary, %error, "no incident could be opened for that");
        }
    }
}
