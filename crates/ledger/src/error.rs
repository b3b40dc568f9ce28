use crate::{LifeCycle, Particular, store::StoreError};
use events::JournalError;
use ids::{DeviceId, EventRef, NodeId};

/// Why the ledger did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Locked, disk full, I/O error, corrupted file: nothing is known about devices now. Transient.
    #[error("the ledger is out of reach: {0}")]
    Unreachable(#[from] StoreError),
    /// The journal takes nothing, so nothing may change. Transient.
    #[error("the ledger can't change: {0}")]
    Journal(#[from] JournalError),
    /// The transaction stands in the journal, its rows are not yet written: they will be, as soon as the ledger is in reach.
    #[error("recorded as {event}, and will be finished when the ledger is in reach again: {source}")]
    Unfinished {
        /// The record by which it stands.
        event: EventRef,
        /// What kept the rows from being written.
        source: StoreError,
    },
    /// A row was changed behind Truecell's back: its HMAC does not fit, or it is older than one seen
    /// before, or gone.
    #[error("{table} {key} was tampered with: {why}")]
    Tampered {
        /// Table.
        table: String,
        /// Key.
        key: String,
        /// What does not fit.
        why: &'static str,
    },
    /// The rows are explained by another node's journal.
    #[error("the ledger is of node {known}, and the journal of node {node}")]
    AnotherNode {
        /// Whose rows they are.
        known: NodeId,
        /// Whose journal it is.
        node: NodeId,
    },
    /// There is no such row.
    #[error("there is no {table} {key}")]
    NotFound {
        /// Table.
        table: &'static str,
        /// Key.
        key: String,
    },
    /// It is there already.
    #[error("{table} {key} is there already")]
    Exists {
        /// Table.
        table: &'static str,
        /// Key.
        key: String,
    },
    /// The life cycle has no such move.
    #[error("{device} is {from}; from there it can't become {to}")]
    NoSuchMove {
        /// Which unit.
        device: DeviceId,
        /// Its state.
        from: LifeCycle,
        /// The state asked for.
        to: LifeCycle,
    },
    /// It needs a second person.
    #[error("{0}: a second person must agree: name an approver other than yourself")]
    NeedsApprover(String),
    /// All inner addresses are bound to units.
    #[error("the {0} pool has no free address: configure a larger one")]
    PoolExhausted(&'static str),
    /// One thing said of a unit is longer than it may be.
    #[error("{what} of {device} may have {most} {unit} at most")]
    TooLong {
        /// Which unit.
        device: DeviceId,
        /// What.
        what: Particular,
        /// How much it may have.
        most: usize,
        /// Of what.
        unit: &'static str,
    },
    /// Another certificate, unit or session has this key, name, cell or lease.
    #[error("{0}")]
    Conflict(String),
}

impl LedgerError {
    /// Stable code of a row that was tampered with, also the kind of incidents about such.
    pub const TAMPERED: &str = "row-tampered";

    /// It may go away by itself: answer an attach with silence.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Journal(_) | Self::Unfinished { .. })
    }

    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "ledger-unreachable",
            Self::Journal(_) => "journal-unwritable",
            Self::Unfinished { .. } => "unfinished",
            Self::Tampered { .. } => Self::TAMPERED,
            Self::AnotherNode { .. } => "another-node",
            Self::NotFound { .. } => "not-found",
            Self::Exists { .. } => "exists",
            Self::NoSuchMove { .. } => "no-such-move",
            Self::NeedsApprover(_) => "needs-approver",
            Self::PoolExhausted(_) => "pool-exhausted",
            Self::TooLong { .. } => "too-long",
            Self::Conflict(_) => "conflict",
        }
    }
}
