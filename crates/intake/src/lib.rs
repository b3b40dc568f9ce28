//! The way of rows: from sources and the journal to the lake, through the detection engine, to findings.
//!
//! [`Intake`] joins what others do: `lake` reads sources and keeps rows, [`JournalFeed`] tells the engine of units and sessions, `detect`
//! judges, and whoever calls takes the findings. One thread reads and writes rows, the other judges.
//!
//! A [`Commit`] is what holds after a crash: how far sources and journal are read, and the engine as it was then. Before it is written, all
//! rows until there are in the lake and all findings told; what a crash leaves behind it is read and told once more, with the same numbers
//! and ids, so nothing is lost and nothing counts twice. [`History`] judges again what the lake has.

mod commit;
mod error;
mod history;
mod intake;
mod journal;
mod judge;
mod plan;
mod read;

pub use commit::Commit;
pub use error::IntakeError;
pub use history::{Difference, History};
pub use intake::{Given, Intake, LedgerAs, Paths, Summary, Terms, Told};
pub use journal::{JournalFeed, JournalPlace};
pub use judge::Judged;
pub use read::Read;

use detect::Feed;
use ids::Label;
use std::time::Duration;

/// The name of the ledger's feed.
pub const LEDGER: &str = "ledger";

/// The terms of the ledger's feed: its journal is read up to the time that rows have come to, so it is never late and never silent.
pub fn ledger_feed() -> Feed {
    let name: Label = LEDGER.parse().unwrap_or_else(|_| unreachable!("`{LEDGER}` is a name"));
    Feed { name, lateness: Duration::ZERO, silence: Duration::from_secs(366 * 86_400 * 100) }
}
