//! Incidents as the API shows them: the ledger's own rows.

mod replay;

pub(crate) use replay::replay;
pub use replay::{Rejudged, Replay, ReplayError};

use crate::{
    Caller, Problem, Reason, Services,
    ledger_check::Finding,
    management::ManagementView,
    page::{Limit, continued},
};
use axum::{
    Extension, Json,
    extract::{Path, Query, State},
};
use ids::{CellKey, DeviceId};
use ledger::{
    ClosedIncident, Genuine, Incident, IncidentState, LedgerError,
    detection::{Detection, Outcome},
};
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

/// Says which of two who hold one key is the unit, or whether one alone is; of an incident about findings, what is behind them. One
/// of both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JudgeIncident {
    /// Makes a repeated request harmless.
    #[serde(default)]
    pub request_id: Option<String>,
    /// Which is the unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub genuine: Option<Genuine>,
    /// What is behind the findings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<Outcome>,
    /// The reason, for the record.
    pub why: Reason,
}

/// One incident, what was found, and what was ordered by it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IncidentView {
    /// The incident.
    #[serde(flatten)]
    pub incident: Incident,
    /// Orders to management systems that come from it.
    #[serde(default)]
    pub orders: Vec<ManagementView>,
    /// Findings that count on it or on a part of it, [`Self::FINDINGS`] at most, of each in the order of time.
    #[serde(default)]
    pub findings: Vec<Detection>,
    /// There are more: `GET /v1/findings?incident=` has them.
    #[serde(default)]
    pub more_findings: bool,
}

impl IncidentView {
    /// Findings that are shown with it.
    pub const FINDINGS: usize = 100;
}

/// Which incidents are asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    #[serde(default)]
    state: Option<IncidentState>,
    #[serde(default)]
    device: Option<DeviceId>,
    /// About findings that name it.
    #[serde(default)]
    cell: Option<CellKey>,
    /// About findings of it.
    #[serde(default)]
    detector: Option<String>,
    #[serde(default)]
    after: u64,
    #[serde(default)]
    limit: Limit,
}

/// Rows that are read for one answer at most, however few of them are asked for.
const LOOKED_AT: usize = 100_000;

pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<Asked>,
) -> Result<Json<IncidentPage>, Problem> {
    let work = services.blocking(move |services| {
        let (mut page, tampered) = services.asked_for(&asked)?;
        page.tampered = services.told(tampered, &caller);
        Ok(page)
    });
    work.await.map(Json)
}

impl Services {
    fn asked_for(&self, asked: &Asked) -> Result<(IncidentPage, Vec<ledger::Finding>), LedgerError> {
        let (limit, mut tampered) = (asked.limit.get(), Vec::new());
        let mut page = IncidentPage { incidents: Vec::new(), tampered: Vec::new(), next: Some(asked.after) };
        let rows = if asked.is_any() { limit } else { Limit::default().get() };
        for _ in 0..LOOKED_AT / Limit::default().get() {
            let Some(after) = page.next.filter(|_| page.incidents.len() < limit) else { break };
            let read = self.ledger.incidents(after, rows)?;
            page.next = read.next.and_then(|key| continued(&key, read.rows.last().map(|last| last.number)));
            tampered.extend(read.tampered);
            page.incidents.extend(read.rows.into_iter().filter(|incident| asked.has(incident)));
        }
        if page.incidents.len() > limit {
            page.incidents.truncate(limit);
            page.next = page.incidents.last().map(|last| last.number);
        }
        page.incidents.iter_mut().for_each(|incident| incident.evidence = Value::Null);
        Ok((page, tampered))
    }
}

impl Asked {
    fn is_any(&self) -> bool {
        let Self { state, device, cell, detector, .. } = self;
        state.is_none() && device.is_none() && cell.is_none() && detector.is_none()
    }

    fn has(&self, incident: &Incident) -> bool {
        self.state.is_none_or(|state| incident.state == state)
            && self.device.is_none_or(|device| incident.devices.contains(&device))
            && (self.cell.is_none() && self.detector.is_none() || self.has_found(incident))
    }

    fn has_found(&self, incident: &Incident) -> bool {
        let Some(found) = incident.misuse() else { return false };
        self.cell.is_none_or(|cell| found.cells.contains(&cell))
            && self.detector.as_ref().is_none_or(|detector| found.detectors.contains_key(detector))
    }
}

pub(crate) async fn show(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Path(number): Path<u64>,
) -> Result<Json<IncidentView>, Problem> {
    let found = services.blocking(move |services| {
        let Some(incident) = services.ledger.incident(number)? else { return Ok(None) };
        let page = services.ledger.management_orders_of(number)?;
        let orders = page.rows.into_iter().map(|order| services.view(order)).collect();
        let found = services.ledger.detections_of(number, IncidentView::FINDINGS)?;
        services.told(page.tampered.into_iter().chain(found.tampered).collect(), &caller);
        let (findings, more_findings) = (found.rows, found.next.is_some());
        Ok(Some(IncidentView { incident, orders, findings, more_findings }))
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
        let closed = ClosedIncident::new(&caller.name, services.now(), &why);
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
    let (genuine, found, why) = (request.genuine, request.found, String::from(request.why.clone()));
    let work = services.blocking(move |services| {
        let (by, ended) = (caller.name.clone(), format!("incident {number} is judged"));
        let closed = ClosedIncident::new(&caller.name, services.now(), &why);
        let genuine = match (genuine, found) {
            (Some(genuine), None) => genuine,
            (None, Some(found)) => return Ok(services.ledger.judge_detections(number, found, closed)?),
            _ => {
                return Err(Problem::invalid(
                    "say either `genuine`, or `found` of an incident about findings",
                ));
            }
        };
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
