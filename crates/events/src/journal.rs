//! The journal: one hash-chained, signed chain of lines for each node.
//!
//! `<dir>/<first-seq>.jsonl`, segments of at most 64 MiB, the name 20 decimal digits. A line is
//! `{"seq","prev","at","node","kind","v","body"}` and LF; `prev` is the SHA-256 of the exact bytes of
//! the line before, LF included, and zeros in line 1. So anyone can check a link with
//! `head -n 1 FILE | sha256sum`.
//!
//! A `journal.checkpoint` signs the line before it, with its own time, after a second of activity, after 1,000
//! records, and when the journal is closed. Lines behind the last checkpoint are chained but not yet
//! proven. [`Journal::checkpoint`] makes one at any time for a [witness](crate::witness): without, whoever
//! has files and key can cut the end off, or write another journal. An unfinished last line is cut off at
//! start, and named by a `journal.recovered`.

mod append;
mod epoch;
mod segment;
mod tail;
mod verify;

pub use append::{Durability, Journal, JournalError, Mark, Recovery};
pub use tail::{Tail, TailError};
pub(crate) use verify::canonical;
pub use verify::{Broken, Report, Restore, Unfinished, verify, verify_with};

use crate::{PublicKey, record::recorded};
use ids::{NodeId, Sha256, UnixTime, number_as_text};
use serde::{Deserialize, Serialize};

/// The first record of a journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Begun {
    /// The key that signs from here on.
    pub key: PublicKey,
}

/// Signs everything up to the line before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// Ed25519 over `truecell checkpoint 1 LF node LF seq LF prev LF at LF`, 128 hex digits; seq, prev
    /// and at are those of the checkpoint's own line.
    pub signature: String,
}

/// Another key signs from the next record on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyChanged {
    /// The new key.
    pub key: PublicKey,
    /// The old key over `truecell key 1 LF node LF seq LF prev LF at LF new key LF`.
    pub by_old: String,
    /// The new key over the same.
    pub by_new: String,
}

/// Whole segments were removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pruned {
    /// The first record that is left.
    #[serde(with = "number_as_text")]
    pub first: u64,
    /// Its `prev`.
    pub prev: Sha256,
    /// The key over `truecell pruned 1 LF node LF seq LF prev LF at LF first LF its prev LF`.
    pub signature: String,
}

/// An unfinished last line was cut off: it had not been acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recovered {
    /// Octets cut off.
    #[serde(with = "number_as_text")]
    pub cut: u64,
    /// Their hash.
    pub sha256: Sha256,
}

/// The node goes on from a backup: the record before this one is the last of that. What the node wrote behind it
/// meanwhile is lost, and this record says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restored {
    /// When the backup was made.
    pub backup_at: UnixTime,
    /// The epoch that begins, behind all that the lost starts can have had.
    #[serde(with = "number_as_text")]
    pub epoch: u64,
    /// Who restored.
    pub by: String,
    /// Why.
    pub why: String,
    /// The backup's ledger was not taken: its journal made one anew.
    #[serde(default)]
    pub ledger_anew: bool,
}

recorded! {
    Begun => "journal.begun",
    Checkpoint => "journal.checkpoint",
    KeyChanged => "journal.key_changed",
    Pruned => "journal.pruned",
    Recovered => "journal.recovered",
    Restored => "journal.restored",
}

/// Place and time of a record that carries a signature.
pub(crate) struct Place<'a> {
    pub(crate) node: &'a NodeId,
    pub(crate) seq: u64,
    pub(crate) prev: Sha256,
    pub(crate) at: UnixTime,
}

impl Place<'_> {
    fn message(&self, what: &str, rest: &str) -> String {
        format!("truecell {what} 1\n{}\n{}\n{}\n{}\n{rest}", self.node, self.seq, self.prev, self.at)
    }

    pub(crate) fn checkpoint(&self) -> String {
        self.message("checkpoint", "")
    }

    fn key_changed(&self, key: &PublicKey) -> String {
        self.message("key", &format!("{key}\n"))
    }

    fn pruned(&self, first: u64, prev: &Sha256) -> String {
        self.message("pruned", &format!("{first}\n{prev}\n"))
    }
}

#[cfg(test)]
pub(crate) mod tests;
