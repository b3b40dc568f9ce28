//! The check of the whole ledger against the journal.

use crate::{Problem, Services};
use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What the check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// Every row is explained.
    pub ok: bool,
    /// Rows looked at.
    pub rows: u64,
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

pub(crate) async fn verify(State(services): State<Arc<Services>>) -> Result<Json<Checked>, Problem> {
    let verified = services.blocking(|services| Ok(services.ledger.verify()?)).await?;
    let finding = |found: ledger::Finding| Finding { table: found.table, key: found.key, why: found.why };
    let findings: Vec<_> = verified.findings.into_iter().map(finding).collect();
    Ok(Json(Checked { ok: findings.is_empty(), rows: verified.rows, findings }))
}
