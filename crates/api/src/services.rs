use crate::{
    Caller, Configuration, Configured, Office, Problem, Revocations, event::JournalFiles, requests::Requests,
};
use axum::http::StatusCode;
use gateway::Gateway;
use ids::UnixTime;
use ledger::{
    AccessLineRecord, Approval, Breaker, CertificateRecord, Credential, Device, Distrust, Extension,
    Incident, InstallOrder, Ledger, LedgerError, LegacyGroup, ManagementOrder, Migration, Pair, PolicyRule,
    Row,
};
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
    /// Whom to tell that a certificate was revoked.
    pub revocations: Revocations,
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

    /// Where the CA issues.
    pub(crate) fn office(&self) -> Office {
        Office { ledger: self.ledger.clone(), policy: self.configured.rules().admission }
    }

    /// The second person whom a caller names, as configured; none where they name nobody.
    pub(crate) fn second_person(
        &self,
        named: Option<&str>,
        caller: &Caller,
    ) -> Result<Option<Approval>, Problem> {
        named.map(|named| self.configured.rules().approval(named, &caller.name)).transpose()
    }

    /// Wall time, for what is written down.
    pub(crate) fn now(&self) -> UnixTime {
        UnixTime::now()
    }
}

/// What shows the rows that a table has.
fn listed_by(table: &str) -> &'static str {
    match table {
        Device::TABLE => "`truecell device list` has those that there are; `truecell device add` adds one",
        AccessLineRecord::TABLE => {
            "`truecell line list` has those that there are; `truecell line add` adds one"
        }
        InstallOrder::TABLE => "`truecell order list` has those that there are",
        ManagementOrder::TABLE => "`truecell management list --all` has those that there are",
        Pair::TABLE => "`truecell pair list` has those that there are",
        Credential::TABLE => {
            "`truecell device show` has those of a unit, `truecell cert list` those issued here"
        }
        CertificateRecord::TABLE => "list them with `truecell cert list`",
        LegacyGroup::TABLE | Migration::TABLE => "`truecell migrate status` has those that there are",
        Distrust::TABLE => "`truecell ca show` has those that there are",
        Extension::TABLE => "`truecell cert expiring` has the one that is in force",
        Incident::TABLE => "list them with `truecell incident list`",
        PolicyRule::TABLE | Breaker::TABLE => "`truecell policy show` has those that there are",
        _ => "see `truecell ledger verify`",
    }
}

impl From<LedgerError> for Problem {
    fn from(error: LedgerError) -> Self {
        let code = error.code();
        let next = match &error {
            LedgerError::Unreachable(error) => error.next(),
            LedgerError::Journal(_) => "free space or mend the disk; try again",
            LedgerError::Unfinished { .. } => "nothing: it is recorded, and finished by itself",
            LedgerError::Tampered { .. } => {
                "see `truecell ledger verify`; a ledger that is moved away while `serve` is stopped is made anew from \
                 the journal"
            }
            LedgerError::AnotherNode { .. } => "bring the file `node` back from a backup",
            LedgerError::NotFound { table, .. } => listed_by(table),
            LedgerError::Exists { table: AccessLineRecord::TABLE, .. } => {
                "change it with `truecell line set`"
            }
            LedgerError::Exists { table: Pair::TABLE, .. } => "nothing: the two may send to each other",
            LedgerError::Exists { table: Migration::TABLE, .. } => "give it another name",
            LedgerError::Exists { .. } => "show it; `truecell device set` changes it",
            LedgerError::NoSuchMove { .. } => "docs/cli.md has the table of moves",
            LedgerError::NeedsApprover(_) => "add --approver NAME, one of `approvers` in [control]",
            LedgerError::PoolExhausted(_) => "configure a larger pool, and start again",
            LedgerError::TooLong { .. } => "shorten it",
            LedgerError::Conflict(_) => "see to what it names, then ask again",
        };
        let status = match &error {
            LedgerError::Unreachable(_) | LedgerError::Journal(_) | LedgerError::Unfinished { .. } => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            LedgerError::Tampered { .. } | LedgerError::AnotherNode { .. } => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            LedgerError::NotFound { .. } => StatusCode::NOT_FOUND,
            LedgerError::TooLong { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            LedgerError::Exists { .. }
            | LedgerError::NoSuchMove { .. }
            | LedgerError::NeedsApprover(_)
            | LedgerError::PoolExhausted(_)
            | LedgerError::Conflict(_) => StatusCode::CONFLICT,
        };
        if let LedgerError::Tampered { table, key, why } = &error {
            return Self::new(status, code, format!("{table} {key} was tampered with"))
                .because(why)
                .next(next);
        }
        Self::new(status, code, error.to_string()).next(next)
    }
}
