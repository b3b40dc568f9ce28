//! Incidents as the API shows them: the ledger's own rows.

use crate::{Problem, Services, page::Asked};
use axum::{
    Json,
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
    /// Ask with `after` = this for more; absent when these were the last.
    pub next: Option<u64>,
}

pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    Query(asked): Query<Asked<u64>>,
) -> Result<Json<IncidentPage>, Problem> {
    let limit = asked.limit.get();
    let mut incidents = services
        .blocking(move |services| Ok(services.ledger.incidents(asked.after.unwrap_or_default(), limit)?))
        .await?;
    let next = incidents.last().filter(|_| incidents.len() == limit).map(|incident| incident.number);
    incidents.iter_mut().for_each(|incident| incident.evidence = Value::Null);
    Ok(Json(IncidentPage { incidents, next }))
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
