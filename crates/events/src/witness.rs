//! What another host keeps of a journal, so that who can write here can't cut or rewrite it unseen.
//!
//! Whoever has a node's files and its key can cut the journal's end, or write another one and sign it
//! anew. A *witness*, a host that others administer, keeps the node's checkpoints: the journal's own
//! lines, octet for octet. A checkpoint holds the hash of everything before it, so one of them fixes all
//! records up to its own.
//!
//! The way there is a *drop*: a folder of the witness that the node can write to. [`DropFolder::put`] makes one
//! file for each checkpoint, whole or not at all, and never touches one that is there:
//! `<seq, 20 digits>.<first 16 hex digits of the SHA-256 of its octets>.checkpoint`. The witness takes
//! them out of the node's reach with [`Kept::take_in`]: into `checkpoints.jsonl`, which only grows, each
//! record behind the one before. A node never goes back, so a checkpoint that does is signed evidence of
//! two journals: it goes to `contradictions.jsonl`, and nothing that was there is touched. What is no
//! checkpoint that the node has signed stays in the drop and is named.
//!
//! [`Testimony::read`] has all that a folder of either kind holds, and
//! [`verify_with`](crate::journal::verify_with) compares a journal with it.

mod checkpoint_line;
mod drop_folder;
mod error;
mod kept;
mod testimony;

pub use checkpoint_line::{CheckpointLine, NotACheckpoint};
pub use drop_folder::DropFolder;
pub use error::WitnessError;
pub use kept::{Contradiction, Intake, Kept, Refused, Standing};
pub(crate) use testimony::{Comparison, Extent};
pub use testimony::{Testimony, Witnessed};

#[cfg(test)]
mod tests;
