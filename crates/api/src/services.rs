use crate::{Configuration, Configured, LedgerBooks, Problem, event::JournalFiles, requests::Requests};
use axum::http::StatusCode;
use gateway::Gateway;
use ids::UnixTime;
use ledger::{AccessLineRecord, Ledger, LedgerError, Pair, Row};
use pki::Ca;
use std::sync::Arc;

/// What the routes work on.
pub struct Services {
    /// Devices, credentials, lines, incidents.
    pub ledger: Ledger,
    /// The journal's files, for looking.
    pub journal_files: JournalFiles,
    /// The embedded CA, where there is one.
    pub ca: Option<Arc<Ca>>,
    /// The gateway, where it runs in this process.
    pub gateway: Option<Arc<Gateway>>,
    /// Requests that named themselves.
    pub requests: Requests,
    /// What the carrier has configured.
    pub configured: Configured,
    /// Who can read that again, where a gateway runs in this process.
    pub configuration: Option<Arc<dyn Configuration>>,
}

impl Services {
    /// Runs `work` where it may wait for the disk.
    pub(crate) fn blocking<T, W>(
        self: &Arc<Self>,
        work: W,
    ) -> impl Future<Output = Result<T, Problem>> + Send + use<T, W>
    where
        T: Send + 'static,
        W: FnOnce(&Self) -> Result<T, Problem> + Send + 'static,
    {
        let services = self.clone();
        async move {
            let done = tokio::task::spawn_blocking(move || work(&services)).await;
            done.map_err(|_| Problem::ours("the work broke off"))?
        }
    }

    /// The books of the CA.
    pub(crate) fn books(&self) -> LedgerBooks {
        LedgerBooks { ledger: self.ledger.clone(), policy: self.configured.rules().admission }
    }

    /// Wall time, for what is written down.
    pub(crate) fn now(&self) -> UnixTime {
        UnixTime::now()
    }
}

impl From<LedgerError> for Problem {
    fn from(error: LedgerError) -> Self {
        let code = error.code();
        let next = match &error {
            LedgerError::Unreachable(_) => {
                "see that the disk has room and that nobody else holds the ledger; try again"
            }
            LedgerError::Journal(_) => "free space or mend the disk; try again",
            LedgerError::Unfinished { .. } => "nothing: it is recorded, and finished by itself",
            LedgerError::Tampered { .. } => {
                "run `truecell ledger verify`, and bring the row back from a backup"
            }
            LedgerError::AnotherNode { .. } => "bring the file `node` back from a backup",
            LedgerError::NotFound { .. } => "list what there is",
            LedgerError::Exists { table: AccessLineRecord::TABLE, .. } => {
                "change it with `truecell line set`"
            }
            LedgerError::Exists { table: Pair::TABLE, .. } => "nothing: the two may send to each other",
            LedgerError::Exists { .. } => "show it; `truecell device set` changes it",
            LedgerError::NoSuchMove { .. } => "docs/cli.md has the table of moves",
            LedgerError::NeedsApprover { .. } => "add --approver NAME, one of `approvers` in [control]",
            LedgerError::PoolExhausted(_) => "configure a larger pool, and start again",
            LedgerError::Conflict(_) => "show both, and decide which is right",
        };
        let status = match &error {
            LedgerError::Unreachable(_) | LedgerError::Journal(_) | LedgerError::Unfinished { .. } => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            LedgerError::Tampered { .. } | LedgerError::AnotherNode { .. } => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            LedgerError::NotFound { .. } => StatusCode::NOT_FOUND,
            LedgerError::Exists { .. }
            | LedgerError::NoSuchMove { .. }
            | LedgerError::NeedsApprover { .. }
            | LedgerError::PoolExhausted(_)
            | LedgerError::Conflict(_) => StatusCode::CONFLICT,
        };
        Self::new(status, code, error.to_string()).next(next)
    }
}
