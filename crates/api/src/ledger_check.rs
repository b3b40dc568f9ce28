//! The check of the whole ledger against the journal.

use crate::{Caller, Problem, Services};
use axum::{Extension, Json, extract::State};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What the check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// Every row is explained.
    pub ok: bool,
    /// Rows looked at.
    pub rows: u64,
    /// Their HMACs were too.
    pub seals_checked: bool,
    /// Rows that do not hold.
    pub findings: Vec<Finding>,
}

/// One row that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Table.
    pub table: String,
    /// Key.
    pub key: String,
    /// What is wrong with it.
    pub why: String,
}

impl From<ledger::Finding> for Finding {
    fn from(found: ledger::Finding) -> Self {
        Self { table: found.table, key: found.key, why: found.why }
    }
}

impl From<ledger::Verified> for Checked {
    fn from(verified: ledger::Verified) -> Self {
        let findings: Vec<_> = verified.findings.into_iter().map(Finding::from).collect();
        let (rows, seals_checked) = (verified.rows, verified.seals_checked);
        Self { ok: findings.is_empty(), rows, seals_checked, findings }
    }
}

pub(crate) async fn verify(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Checked>, Problem> {
    let work = services.blocking(move |services| {
        let mut verified = services.ledger.verify()?;
        let findings = services.told(std::mem::take(&mut verified.findings), &caller);
        Ok(Checked { ok: findings.is_empty(), findings, ..Checked::from(verified) })
    });
    work.await.map(Json)
}

impl Services {
    /// What a command shows of rows that do not hold. An incident is opened for each, as admission does when it meets one,
    /// where a gateway runs in this process.
    pub(crate) fn told(&self, tampered: Vec<ledger::Finding>, caller: &Caller) -> Vec<Finding> {
        if self.gateway.is_some() {
            self.ledger.report_tampered(&tampered, &caller.name, self.now());
        }
        tampered.into_iter().map(Finding::from).collect()
    }
}
