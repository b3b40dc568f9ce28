//! Rows on disk: the lake, and the sources that rows come from.
//!
//! The lake is a folder of Parquet files that any analytic tool reads: one for each kind of row, UTC day and part of a commit
//! ([`Lake`]). What is written in one commit appears together ([`Writer`]), and whoever starts again after a crash forgets the commits
//! behind its last checkpoint. Rows are read back in the order of their time, merged with bounded memory ([`Rows`]). A [`Source`] is what a
//! carrier gives: Parquet, CSV or JSON lines, from a file, a folder or standard input. It is untrusted: what is no row is named with
//! its reason and kept [`Aside`], and reading goes on behind it.
//!
//! What rows mean, others know; who writes a checkpoint and when, too. docs/formats.md has layout and columns.

mod columns;
mod entry;
mod export;
mod field;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod guard;
mod kind;
mod lake;
mod merge;
mod part;
mod run;
mod source;
mod table;
mod visitors;
mod writer;

pub use entry::{DeviceFacts, Entry, Kind, LineChange, LineSession};
pub use export::export;
pub use kind::{Column, V, columns};
pub use lake::{Lake, LakeError};
pub use merge::Rows;
pub use part::PART;
pub use source::{Aside, BadRow, Format, Input, LONGEST, Offset, Options, Schema, Source, SourceError, Stop};
pub use visitors::{Visitor, Visitors};
pub use writer::{Published, Sealed, Writer};
