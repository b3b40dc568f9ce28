use crate::LedgerError;
use aws_lc_rs::hmac;
use ids::EventRef;
use serde::{Serialize, de::DeserializeOwned};
use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};
use zeroize::Zeroizing;

/// What the ledger keeps rows of.
pub trait Row: Serialize + DeserializeOwned + Clone {
    /// Name of its table.
    const TABLE: &'static str;

    /// Its key within the table.
    fn key(&self) -> String;

    /// Other values that it is found by: (name, value).
    fn entries(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }
}

/// A row as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedRow {
    /// Table.
    pub table: String,
    /// Key within the table.
    pub key: String,
    /// Counts up from 1.
    pub revision: u64,
    /// The event that explains it.
    pub event: EventRef,
    /// JSON.
    pub body: String,
    /// HMAC-SHA-256 over all of the above.
    pub hmac: [u8; 32],
}

/// The key under which rows are sealed. It is in a file beside the database, never in it.
#[derive(Clone)]
pub struct RowKey(hmac::Key);

/// The key file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum RowKeyError {
    /// Reading or writing failed.
    #[error("row key {path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// Others may read it.
    #[error("row key {0} can be read by others: chmod 600 it, and think about who did")]
    Exposed(String),
    /// It has not 32 octets.
    #[error("row key {0} is damaged: bring back the file from its backup")]
    Damaged(String),
}

impl RowKey {
    /// Reads the key from a file that only its owner can read; makes it if there is none.
    ///
    /// # Errors
    /// [`RowKeyError`]
    pub fn open_or_create(path: &Path) -> Result<Self, RowKeyError> {
        let name = || path.display().to_string();
        let io = |source| RowKeyError::Io { path: name(), source };
        if !path.exists() {
            let mut octets = Zeroizing::new([0; 32]);
            aws_lc_rs::rand::fill(octets.as_mut_slice())
                .map_err(|_| io(io::Error::other("no randomness")))?;
            let mut file =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(io)?;
            file.write_all(octets.as_slice()).and_then(|()| file.sync_all()).map_err(io)?;
        }
        if fs::metadata(path).map_err(io)?.permissions().mode() & 0o077 != 0 {
            return Err(RowKeyError::Exposed(name()));
        }
        let octets = Zeroizing::new(fs::read(path).map_err(io)?);
        let octets: &[u8; 32] = octets.as_slice().try_into().map_err(|_| RowKeyError::Damaged(name()))?;
        Ok(Self::new(octets))
    }

    /// A key from its octets.
    pub fn new(octets: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, octets))
    }

    pub(crate) fn seal<R: Row>(&self, row: &R, revision: u64, event: EventRef) -> SealedRow {
        // A row is a struct of plain fields: writing it as JSON can't fail.
        let body = serde_json::to_string(row).unwrap_or_default();
        self.seal_json(R::TABLE.to_owned(), row.key(), revision, event, body)
    }

    pub(crate) fn seal_json(
        &self,
        table: String,
        key: String,
        revision: u64,
        event: EventRef,
        body: String,
    ) -> SealedRow {
        let mut sealed = SealedRow { table, key, revision, event, body, hmac: [0; 32] };
        sealed.hmac = self.tag(&sealed);
        sealed
    }

    pub(crate) fn open<R: Row>(&self, sealed: &SealedRow) -> Result<R, LedgerError> {
        self.check(sealed)?;
        serde_json::from_str(&sealed.body)
            .map_err(|_| tampered(sealed, "its body is not one that Truecell writes"))
    }

    pub(crate) fn check(&self, sealed: &SealedRow) -> Result<(), LedgerError> {
        let equal = aws_lc_rs::constant_time::verify_slices_are_equal(&self.tag(sealed), &sealed.hmac);
        equal.map_err(|_| tampered(sealed, "its HMAC does not fit"))
    }

    fn tag(&self, row: &SealedRow) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        let event = row.event.to_string();
        for part in [&row.table, &row.key, &event, &row.body] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        context.update(&row.revision.to_be_bytes());
        context.sign().as_ref().try_into().unwrap_or([0; 32])
    }
}

fn tampered(sealed: &SealedRow, why: &'static str) -> LedgerError {
    LedgerError::Tampered { table: sealed.table.clone(), key: sealed.key.clone(), why }
}
