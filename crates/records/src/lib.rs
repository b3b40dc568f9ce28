//! Feeds of other systems, made into something that a judgement can read.
//!
//! Knows the schema of each feed and the window of it that is kept in memory: one module for each. Text of others becomes
//! typed records before anything else sees it; a line that is none is named, with its reason, and nothing is guessed.
//! Who reads a feed when, and what is done about it, others know. The time is a parameter; only [`Tail`] reads files.

pub mod facts;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod head;
mod heard;
pub mod line;
pub mod row;
pub mod source;
mod split;
mod tail;

pub use head::Unread;
pub use heard::{AHEAD, Absent, Future, Heard};
pub use split::{Lines, TooLong};
pub use tail::{Piece, Tail};
