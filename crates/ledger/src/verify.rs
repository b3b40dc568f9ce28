use crate::{
    Lease, Ledger, LedgerError, Row, RowKey, index,
    store::{SealedRow, Store, StoreError},
    tables::EXPLAINED,
};
use events::{
    admission::{Admitted, ContestResolved, Contested},
    journal::Tail,
    ledger::Changes,
};
use ids::NodeId;
use serde::Serialize;
use serde_json::Value;
use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

/// The newest event of each row, and the records that explain leases.
type Replayed = (HashMap<(String, String), Explained>, HashSet<u64>);

/// What [`Ledger::verify`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Rows looked at.
    pub rows: u64,
    /// Their HMACs were too; not without the row key.
    pub seals_checked: bool,
    /// What does not hold.
    pub findings: Vec<Finding>,
}

/// One row that does not hold, or that the index has otherwise.
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

const NO_FIT: &str = "its HMAC does not fit";
const NO_EVENT: &str = "no event explains it";

impl Finding {
    /// Which row a refusal is about, where it is one for a row that was tampered with.
    pub fn of(error: &LedgerError) -> Option<Self> {
        let LedgerError::Tampered { table, key, why } = error else { return None };
        Some(Self { table: table.clone(), key: key.clone(), why: (*why).to_owned() })
    }
}

impl Ledger {
    /// Replays this node's journal and names every row that no event explains, that is older than its
    /// newest event, that is missing, whose HMAC does not fit, or that the index has otherwise, and two that
    /// have what only one may have: as of one moment, while others go on writing. Check the journal itself first.
    ///
    /// # Errors
    /// The transient ones.
    pub fn verify(&self) -> Result<Verified, LedgerError> {
        let (mut store, head) = self.begin()?.snapshot()?;
        let replayed = replay(&self.journal().dir(), head, head)?;
        Ok(check(&mut *store, self.node(), replayed, Some(&self.inner().row_key))?)
    }
}

/// The same of a copy that nobody writes to, by the journal of `node` beside it, which may go on behind it: what that
/// has written since is neither missing nor rolled back. Without a row key no HMAC is checked.
///
/// # Errors
/// [`LedgerError::Unreachable`]: ledger or journal cannot be read.
pub fn verify_copy(
    store: &mut dyn Store,
    node: &NodeId,
    journal: &Path,
    row_key: Option<&RowKey>,
) -> Result<Verified, LedgerError> {
    // A lease can be explained by a record behind it: giving one writes no intent.
    let replayed = replay(journal, store.applied(node)?.seq, u64::MAX)?;
    Ok(check(store, node, replayed, row_key)?)
}

fn check(
    store: &mut dyn Store,
    node: &NodeId,
    (mut explained, admitted): Replayed,
    row_key: Option<&RowKey>,
) -> Result<Verified, StoreError> {
    let mut verified = Verified { seals_checked: row_key.is_some(), ..Verified::default() };
    let fits = |row: &SealedRow| row_key.is_none_or(|key| key.check(row).is_ok());
    let mut of_index = Vec::new();
    let mut tables = store.tables()?;
    tables.extend(EXPLAINED.iter().map(|table| table.name.to_owned()));
    for table in tables {
        let differences = index::compare(store, &table, |row| {
            verified.rows += 1;
            let known = explained.remove(&(row.table.clone(), row.key.clone()));
            let why = if !fits(row) {
                Some(NO_FIT)
            } else if row.table == Lease::TABLE {
                let is_explained = row.event.node != *node || admitted.contains(&row.event.seq);
                (!is_explained).then_some(NO_EVENT)
            } else {
                differs(row, known)
            };
            let found = why.map(|why| Finding {
                table: row.table.clone(),
                key: row.key.clone(),
                why: why.to_owned(),
            });
            let holds = found.is_none();
            verified.findings.extend(found);
            Ok(holds)
        })?;
        of_index.extend(differences.findings());
    }
    let missing = explained.into_iter().filter(|(_, explained)| explained.after.is_some());
    for ((table, key), _) in missing {
        verified.findings.push(Finding { table, key, why: "it is missing".to_owned() });
    }
    // Of a row that does not hold itself, the index says nothing more.
    let named: HashSet<_> =
        verified.findings.iter().map(|found| (found.table.clone(), found.key.clone())).collect();
    of_index.retain(|found| !named.contains(&(found.table.clone(), found.key.clone())));
    verified.findings.extend(of_index);
    Ok(verified)
}

/// What is wrong with a row, by the newest event about it.
fn differs(row: &SealedRow, known: Option<Explained>) -> Option<&'static str> {
    let body = || serde_json::from_str::<Value>(&row.body).ok();
    match known {
        None => Some(NO_EVENT),
        Some(known) if row.revision < known.revision => Some("it was rolled back"),
        Some(known) if row.revision > known.revision => Some("no event explains this revision"),
        Some(known) if known.after != body() => Some("it differs from its event"),
        Some(_) => None,
    }
}

/// What the journal says of rows and of leases, each up to a record.
fn replay(journal: &Path, rows_to: u64, leases_to: u64) -> Result<Replayed, StoreError> {
    let (mut tail, mut changes) = (Tail::new(journal, 1), Changes::default());
    let (mut rows, mut admitted) = Replayed::default();
    let unreadable = |error: &dyn std::fmt::Display| StoreError::new(error.to_string());
    while let Some(record) = tail.next_record().map_err(|error| unreadable(&error))? {
        if record.seq > rows_to.max(leases_to) {
            break;
        }
        if explains_lease(&record.kind) {
            admitted.insert(record.seq);
        } else if record.seq <= rows_to {
            for (_, changed) in changes.take(&record).map_err(|error| unreadable(&error))? {
                let explained = Explained { revision: changed.revision, after: changed.after };
                rows.insert((changed.table, changed.key), explained);
            }
        }
    }
    Ok((rows, admitted))
}

/// Each row of a table, in the order of keys.
pub(crate) fn each_row(
    store: &mut dyn Store,
    table: &str,
    mut each: impl FnMut(&mut dyn Store, SealedRow) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut after = String::new();
    loop {
        let rows = store.page(table, &after, 1000)?;
        let Some(last) = rows.last() else { return Ok(()) };
        after.clone_from(&last.key);
        rows.into_iter().try_for_each(|row| each(store, row))?;
    }
}

fn explains_lease(kind: &str) -> bool {
    use events::Recorded;
    [Admitted::KIND, Contested::KIND, ContestResolved::KIND].contains(&kind)
}
