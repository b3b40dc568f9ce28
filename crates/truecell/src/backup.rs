//! A copy of a data directory: a folder of files, and `backup.json`, which is written last and says what
//! the others are.

mod copy;

pub(crate) use copy::{Copy, Error, empty_or_missing, sync_folders};

use ids::{NodeId, Sha256, UnixTime};
use serde::{Deserialize, Serialize};
use std::{fs, io, path::Path};

/// The file that makes a folder a backup.
pub(crate) const MANIFEST: &str = "backup.json";
/// Of `backup.json`. A reader refuses a higher one.
pub(crate) const FORMAT: u32 = 1;

/// What a backup holds. Its hashes show damage, not forgery: against that there are the signatures of the
/// journal and the HMACs of the rows, under keys that are kept apart.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) format: u32,
    /// Of Truecell.
    pub(crate) version: String,
    pub(crate) node: NodeId,
    /// When its last record was signed.
    pub(crate) at: UnixTime,
    /// Of the ledger.
    pub(crate) schema: i64,
    /// The last record of the journal in it, a checkpoint.
    pub(crate) head: u64,
    /// Hash of its line.
    pub(crate) head_sha256: Sha256,
    /// The private keys of node and CA are in it.
    pub(crate) with_keys: bool,
    pub(crate) files: Vec<Entry>,
    /// Folders that may have no file.
    pub(crate) folders: Vec<String>,
}

/// One file of a backup.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// As in the data directory.
    pub(crate) path: String,
    pub(crate) size: u64,
    pub(crate) sha256: Sha256,
}

impl Manifest {
    /// Reads that of the backup in `dir`.
    ///
    /// # Errors
    /// It cannot be read, or is none that this Truecell knows.
    pub(crate) fn read(dir: &Path) -> io::Result<Self> {
        let text = fs::read(dir.join(MANIFEST))?;
        let form: Form = serde_json::from_slice(&text)?;
        if form.format > FORMAT {
            let newer =
                format!("it has format {}, this Truecell knows {FORMAT}: use a newer one", form.format);
            return Err(io::Error::other(newer));
        }
        Ok(serde_json::from_slice(&text)?)
    }
}

#[derive(Deserialize)]
struct Form {
    format: u32,
}
