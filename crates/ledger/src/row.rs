use crate::LedgerError;
use aws_lc_rs::hmac;
use events::{KeyFile, KeyFileError};
use ids::EventRef;
use serde::{Serialize, de::DeserializeOwned};
use std::{io, path::Path};
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

impl RowKey {
    /// Draws a key and keeps it in a new file that only its owner can read.
    ///
    /// # Errors
    /// [`KeyFileError::Io`], also when the file is there already.
    pub fn create(path: &Path) -> Result<Self, KeyFileError> {
        let file = key_file(path);
        let mut octets = Zeroizing::new([0; 32]);
        let no_key = |_| file.io(io::Error::other("no randomness"));
        aws_lc_rs::rand::fill(octets.as_mut_slice()).map_err(no_key)?;
        file.create(octets.as_slice())?;
        Ok(Self::new(&octets))
    }

    /// Reads the key from its file.
    ///
    /// # Errors
    /// [`KeyFileError`], also when there is no file.
    pub fn open(path: &Path) -> Result<Self, KeyFileError> {
        let file = key_file(path);
        let octets = file.read()?;
        octets.as_slice().try_into().map(Self::new).map_err(|_| file.damaged())
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

    pub(crate) fn unseal<R: DeserializeOwned>(&self, sealed: &SealedRow) -> Result<R, LedgerError> {
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

fn key_file(path: &Path) -> KeyFile<'_> {
    KeyFile { what: "row key", path }
}

fn tampered(sealed: &SealedRow, why: &'static str) -> LedgerError {
    LedgerError::Tampered { table: sealed.table.clone(), key: sealed.key.clone(), why }
}
