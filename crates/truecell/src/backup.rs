//! A copy of a data directory: a folder of files, and `backup.json`, which is written last and says what
//! the others are.

mod copy;

pub(crate) use copy::{Copy, Error, empty_or_missing, sync_folders};

use ids::{NodeId, Sha256, UnixTime};
use ledger::{LedgerError, RowKey, Verified, store::Sqlite};
use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    path::{Component, Path},
};

/// The file that makes a folder a backup.
pub(crate) const MANIFEST: &str = "backup.json";
/// The ledger in it: one file, without a log.
pub(crate) const LEDGER: &str = "ledger.sqlite";
/// What it has beside ledger and journal.
pub(crate) const FILES: [&str; 4] = ["node", "journal.pub", "pools.json", "rules.json"];
/// What it has with keys.
pub(crate) const FOLDERS: [&str; 2] = ["keys", "ca"];
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

    /// Whether a backup of this node can have a file or folder of that name: whoever writes a manifest chooses no
    /// others.
    fn may_have(&self, name: &str) -> bool {
        let is_plain = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
        is_plain
            && match name.split_once('/') {
                None => FILES.contains(&name) || name == LEDGER,
                Some(("journal", below)) => self.is_segment(below),
                Some((folder, _)) => self.with_keys && FOLDERS.contains(&folder),
            }
    }

    /// Which of its files in `dir` are not what was backed up, and why.
    pub(crate) fn damaged(&self, dir: &Path) -> Vec<String> {
        let wrong = |entry| copy::as_backed_up(dir, entry).err().map(|error| error.to_string());
        self.files.iter().filter_map(wrong).collect()
    }

    fn is_segment(&self, name: &str) -> bool {
        let Some((node, file)) = name.split_once('/') else { return false };
        let number = file.strip_suffix(".jsonl").unwrap_or_default();
        node == self.node.as_str() && !number.is_empty() && number.bytes().all(|octet| octet.is_ascii_digit())
    }
}

/// Checks the rows of the backup of `node` in `dir` by the journal there, and writes nothing.
///
/// # Errors
/// As [`ledger::verify_copy`].
pub(crate) fn verify(dir: &Path, node: &NodeId, row_key: Option<&RowKey>) -> Result<Verified, LedgerError> {
    let mut store = Sqlite::open_copy(&dir.join(LEDGER))?;
    ledger::verify_copy(&mut store, node, &dir.join("journal").join(node.as_str()), row_key)
}

#[derive(Deserialize)]
struct Form {
    format: u32,
}
