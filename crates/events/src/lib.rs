//! What is written down, and where: the vocabulary of events, one file per stage, and the journal.
//!
//! An event is a fact that changed a decision: an admission, a refusal, a move in a device's life, a
//! certificate issued, an incident. Counters are no events.
//!
//! The crate knows no stage's rules: `ledger` rows travel as JSON before and after.

pub mod admission;
pub mod gateway;
pub mod journal;
mod key_file;
pub mod ledger;
pub mod pki;
mod record;
mod signer;
pub mod witness;

pub use journal::{Durability, Journal, JournalError, Recovery};
pub use key_file::{KeyFile, KeyFileError};
pub use record::{Record, Recorded, UnreadRecord, kinds};
pub use signer::{JournalKey, PublicKey};
