//! Incidents as the API shows them: the ledger's own rows.

use crate::{
    Caller, Problem, Services,
    ledger_check::Finding,
    page::{Asked, continued},
};
use axum::{
    Extension, Json,
    extract::{Path, Query, State},
};
use ledger::Incident;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// Some incidents, by number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IncidentPage {
    /// The incidents, without their evidence: each by its number has that.
    pub incidents: Vec<Incident>,
    /// Rows between them that were tampered with.
    #[serde(default)]
    pub tampered: Vec<Finding>,
    /// Ask with `after` = this for more; absent when these were the last.
    pub next: Option<u64>,
}

pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<Asked<u64>>,
) -> Result<Json<IncidentPage>, Problem> {
    let work = services.blocking(move |services| {
        let page = services.ledger.incidents(asked.after.unwrap_or_default(), asked.limit.get())?;
        let next = page.next.and_then(|key| continued(&key, page.rows.last().map(|last| last.number)));
        let mut incidents = page.rows;
        incidents.iter_mut().for_each(|incident| incident.evidence = Value::Null);
        Ok(IncidentPage { incidents, tampered: services.told(page.tampered, &caller), next })
    });
    work.await.map(Json)
}

pub(crate) async fn show(
    State(services): State<Arc<Services>>,
    Path(number): Path<u64>,
) -> Result<Json<Incident>, Problem> {
    let found = services.blocking(move |services| Ok(services.ledger.incident(number)?)).await?;
    found.map(Json).ok_or_else(|| {
        Problem::not_found(format!("there is no incident {number}"))
            .next("list them with `truecell incident list`")
    })
}
