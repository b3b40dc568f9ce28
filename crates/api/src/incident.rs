//! Incidents as the API shows them: the ledger's own rows.

mod replay;

pub(crate) use replay::replay;
pub use replay::{Rejudged, Replay, ReplayError};

use crate::{
    Caller, Problem, Reason, Services,
    ledger_check::Finding,
    management::ManagementView,
    page::{Asked, continued},
};
use axum::{
    Extension, Json,
    extract::{Path, Query, State},
};
use ledger::{ClosedIncident, Genuine, Incident};
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

/// Asks to close an incident: there is nothing more to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloseIncident {
    /// Makes a repeated request harmless.
    #[serde(default)]
    pub request_id: Option<String>,
    /// The reason, for the record.
    pub why: Reason,
}

/// Says which of two who hold one key is the unit, or whether one alone is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JudgeIncident {
    /// Makes a repeated request harmless.
    #[serde(default)]
    pub request_id: Option<String>,
    /// Which.
    pub genuine: Genuine,
    /// The reason, for the record.
    pub why: Reason,
}

/// One incident, and what was ordered by it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IncidentView {
    /// The incident.
    #[serde(flatten)]
    pub incident: Incident,
    /// Orders to management systems that come from it.
    #[serde(default)]
    pub orders: Vec<ManagementView>,
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
    Extension(caller): Extension<Caller>,
    Path(number): Path<u64>,
) -> Result<Json<IncidentView>, Problem> {
    let found = services.blocking(move |services| {
        let Some(incident) = services.ledger.incident(number)? else { return Ok(None) };
        let page = services.ledger.management_orders_of(number)?;
        services.told(page.tampered, &caller);
        let orders = page.rows.into_iter().map(|order| services.view(order)).collect();
        Ok(Some(IncidentView { incident, orders }))
    });
    found.await?.map(Json).ok_or_else(|| {
        Problem::not_found(format!("there is no incident {number}"))
            .next("list them with `truecell incident list`")
    })
}

pub(crate) async fn close(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Path(number): Path<u64>,
    Json(request): Json<CloseIncident>,
) -> Result<Json<Incident>, Problem> {
    let request_id = request.request_id.as_ref().map(|id| format!("{number} {id}"));
    let why = String::from(request.why.clone());
    let work = services.blocking(move |services| {
        let closed = ClosedIncident { by: caller.name, at: services.now(), why, genuine: None };
        Ok(services.ledger.close_incident(number, closed)?)
    });
    services.requests.once(request_id.as_deref(), &request, work).await.map(Json)
}

pub(crate) async fn judge(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Path(number): Path<u64>,
    Json(request): Json<JudgeIncident>,
) -> Result<Json<Incident>, Problem> {
    let request_id = request.request_id.as_ref().map(|id| format!("{number} {id}"));
    let (genuine, why) = (request.genuine, String::from(request.why.clone()));
    let work = services.blocking(move |services| {
        let (by, ended) = (caller.name.clone(), format!("incident {number} is judged"));
        let closed = ClosedIncident { by: caller.name, at: services.now(), why, genuine: None };
        let incident = services.ledger.judge_incident(number, genuine, closed)?;
        if let Some(gateway) = &services.gateway {
            for device in &incident.devices {
                // Whoever waits there comes anew, and is judged by what is known now.
                gateway.end_quarantine(*device, &by, &ended);
                gateway.device_changed(*device);
            }
        }
        Ok(incident)
    });
    services.requests.once(request_id.as_deref(), &request, work).await.map(Json)
}
