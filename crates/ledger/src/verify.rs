use crate::{
    AccessLineRecord, Breaker, Credential, Device, Incident, Lease, Ledger, LedgerError, Observation, Pair,
    PolicyRule, Row,
    store::{SealedRow, Store, StoreError},
};
use events::{
    admission::{Admitted, ContestResolved, Contested},
    journal::Tail,
    ledger::RowChanged,
};
use serde::Serialize;
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// The newest event of each row, and the records that explain leases.
type Replayed = (HashMap<(String, String), Explained>, HashSet<u64>);

/// What [`Ledger::verify`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Rows looked at.
    pub rows: u64,
    /// What does not hold.
    pub findings: Vec<Finding>,
}

/// One row that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Table.
    pub table: String,
    /// Key.
    pub key: String,
    /// What is wrong with it.
    pub why: String,
}

/// The newest event about a row.
struct Explained {
    revision: u64,
    after: Option<Value>,
}

/// Tables of which each row is what its newest event says.
const EXPLAINED: [&str; 8] = [
    Device::TABLE,
    Credential::TABLE,
    AccessLineRecord::TABLE,
    Pair::TABLE,
    PolicyRule::TABLE,
    Observation::TABLE,
    Breaker::TABLE,
    Incident::TABLE,
];

impl Ledger {
    /// Replays this node's journal and names every row that no event explains, that is older than its
    /// newest event, that is missing, or whose HMAC does not fit: as of one moment, while others go on
    /// writing. Check the journal itself first.
    ///
    /// # Errors
    /// The transient ones.
    pub fn verify(&self) -> Result<Verified, LedgerError> {
        let (mut store, head) = self.begin()?.snapshot()?;
        let (mut explained, admitted) = self.replay(head)?;
        let mut verified = Verified::default();
        for table in EXPLAINED {
            each_row(&mut *store, table, |row| {
                verified.rows += 1;
                let known = explained.remove(&(row.table.clone(), row.key.clone()));
                let body = serde_json::from_str::<Value>(&row.body).ok();
                let why = match (self.inner().row_key.check(&row), known) {
                    (Err(_), _) => "its HMAC does not fit",
                    (Ok(()), None) => "no event explains it",
                    (Ok(()), Some(known)) if row.revision < known.revision => "it was rolled back",
                    (Ok(()), Some(known)) if row.revision > known.revision => {
                        "no event explains this revision"
                    }
                    (Ok(()), Some(known)) if known.after != body => "it differs from its event",
                    (Ok(()), Some(_)) => return,
                };
                verified.findings.push(Finding { table: row.table, key: row.key, why: why.to_owned() });
            })?;
        }
        each_row(&mut *store, Lease::TABLE, |row| {
            verified.rows += 1;
            let seq_is_known = row.event.node != *self.node() || admitted.contains(&row.event.seq);
            let why = match self.inner().row_key.check(&row) {
                Err(_) => "its HMAC does not fit",
                Ok(()) if !seq_is_known => "no event explains it",
                Ok(()) => return,
            };
            verified.findings.push(Finding { table: row.table, key: row.key, why: why.to_owned() });
        })?;
        let missing = explained.into_iter().filter(|(_, explained)| explained.after.is_some());
        for ((table, key), _) in missing {
            verified.findings.push(Finding { table, key, why: "it is missing".to_owned() });
        }
        Ok(verified)
    }

    /// What the journal says up to record `head`.
    fn replay(&self, head: u64) -> Result<Replayed, LedgerError> {
        let mut tail = Tail::new(&self.journal().dir(), 1);
        let (mut rows, mut admitted) = Replayed::default();
        let unreadable = |error: &dyn std::fmt::Display| StoreError(error.to_string());
        while let Some(record) = tail.next_record().map_err(|error| unreadable(&error))? {
            if record.seq > head {
                break;
            }
            if let Some(changed) = record.read::<RowChanged>().map_err(|error| unreadable(&error))? {
                let explained = Explained { revision: changed.revision, after: changed.after };
                rows.insert((changed.table, changed.key), explained);
            } else if explains_lease(&record.kind) {
                admitted.insert(record.seq);
            }
        }
        Ok((rows, admitted))
    }
}

fn each_row(store: &mut dyn Store, table: &str, mut each: impl FnMut(SealedRow)) -> Result<(), StoreError> {
    let mut after = String::new();
    loop {
        let rows = store.page(table, &after, 1000)?;
        let Some(last) = rows.last() else { return Ok(()) };
        after.clone_from(&last.key);
        rows.into_iter().for_each(&mut each);
    }
}

fn explains_lease(kind: &str) -> bool {
    use events::Recorded;
    [Admitted::KIND, Contested::KIND, ContestResolved::KIND].contains(&kind)
}
