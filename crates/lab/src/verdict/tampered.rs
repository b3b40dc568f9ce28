//! Somebody changes rows of the ledger behind Truecell's back.

use super::Called;
use crate::carrier::books;
use events::JournalKey;
use ids::{DeviceId, UnixTime};
use ledger::{LedgerError, NewDevice, RowKey};
use std::path::Path;

/// So many units, whose line somebody changes in the database itself. Right: the unit can't be read, so the gateway refuses
/// whoever claims to be it as `row-tampered`, with an incident.
///
/// `dir`: where journal and ledger are made.
///
/// # Errors
/// What the system says.
pub fn tampered(dir: &Path, trials: u64) -> anyhow::Result<Called> {
    let keys = (JournalKey::create(&dir.join("journal.key"))?, RowKey::create(&dir.join("row.key"))?);
    let (ledger, _) = books(dir, keys.0, keys.1)?;
    let line: ids::AccessLine = "L-1".parse()?;
    let unit = |trial| NewDevice { access_line: Some(line.clone()), ..NewDevice::installed(id(trial)) };
    ledger.import(
        (0..trials).map(|trial| (trial, unit(trial))),
        ledger::Differing::Refuse,
        "lab",
        UnixTime::now(),
        |_| (),
    )?;
    let database = rusqlite::Connection::open(dir.join("ledger.sqlite"))?;
    database.execute("UPDATE row SET body = replace(body, 'L-1', 'L-2') WHERE tbl = 'device'", [])?;
    let mut called = Called { trials, ..Called::default() };
    let mut tx = ledger.begin()?;
    for trial in 0..trials {
        if let Err(LedgerError::Tampered { .. }) = tx.device(id(trial)) {
            called.right += 1;
            called.days.push(0.0);
        }
    }
    Ok(called)
}

fn id(trial: u64) -> DeviceId {
    let [.., a, b, c, d] = trial.to_be_bytes();
    DeviceId::eui48([2, 0, a, b, c, d])
}
