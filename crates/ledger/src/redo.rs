//! A transaction that the journal has, and from whose rows a crash kept it, is finished.

use crate::{
    Credential, Device, LedgerError, Row, RowKey,
    store::{Store, StoreError},
    tables::{Written, row_of},
};
use events::{
    Journal,
    journal::Tail,
    ledger::{Changes, RowChanged},
};
use ids::{DeviceId, EventRef};

/// The journal holds all that rows were written from.
pub(crate) fn is_explained_by(store: &mut dyn Store, journal: &Journal) -> Result<(), LedgerError> {
    let (node, known) = (journal.node(), store.nodes()?);
    if let Some(known) = known.first().filter(|_| !known.contains(node)) {
        return Err(LedgerError::AnotherNode { known: known.clone(), node: node.clone() });
    }
    let applied = store.applied(node)?;
    Ok(journal.holds(applied.seq, applied.sha256)?)
}

/// The unit that a row is about, where it is about one.
pub(crate) fn device_of(changed: &RowChanged) -> Option<DeviceId> {
    let text = match changed.table.as_str() {
        Device::TABLE => &changed.key,
        Credential::TABLE => changed.after.as_ref()?.get("device")?.as_str()?,
        _ => return None,
    };
    text.parse().ok()
}

/// Writes the rows of transactions that stand in the journal and not in the database.
pub(crate) fn redo(
    store: &mut dyn Store,
    journal: &Journal,
    row_key: &RowKey,
) -> Result<Vec<RowChanged>, LedgerError> {
    journal.sync()?;
    let (node, mark) = (journal.node(), journal.on_disk());
    let mut tail = Tail::new(&journal.dir(), store.applied(node)?.seq + 1);
    let (mut changes, mut finished) = (Changes::default(), Vec::new());
    fn wrong(error: impl std::error::Error) -> StoreError {
        StoreError::new(error.to_string())
    }
    store.begin()?;
    let done = (|| {
        while let Some(record) = tail.next_record().map_err(wrong)? {
            for (event, changed) in changes.take(&record).map_err(wrong)? {
                if redo_one(store, row_key, &changed, event)? {
                    finished.push(changed);
                }
            }
        }
        store.set_applied(node, &mark)
    })();
    match done {
        Ok(()) => store.commit()?,
        Err(error) => {
            store.roll_back();
            return Err(error.into());
        }
    }
    Ok(finished)
}

fn redo_one(
    store: &mut dyn Store,
    row_key: &RowKey,
    changed: &RowChanged,
    event: EventRef,
) -> Result<bool, StoreError> {
    let has = store.get(&changed.table, &changed.key)?.map_or(0, |row| row.revision);
    if has >= changed.revision {
        return Ok(false);
    }
    let Some(after) = &changed.after else {
        store.remove(&changed.table, &changed.key)?;
        return Ok(true);
    };
    let Written { body, entries, .. } = row_of(&changed.table, after);
    let (table, key) = (changed.table.clone(), changed.key.clone());
    store.put(&row_key.seal_json(table, key, changed.revision, event, body), &entries, true)?;
    Ok(true)
}
