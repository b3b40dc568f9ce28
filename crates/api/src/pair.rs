//! Pairs of units as the API shows them: the ledger's own rows.

use crate::{Caller, Problem, Reason, Services, ledger_check::Finding, page::Asked};
use axum::{
    Extension, Json,
    extract::{Query, State},
};
use ids::DeviceId;
use ledger::{LedgerError, Pair};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Asks to list two units as a pair, or to take them off the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangePair {
    /// Makes a repeated request harmless.
    #[serde(default)]
    pub request_id: Option<String>,
    /// Which two, in either order.
    pub devices: [DeviceId; 2],
    /// The reason, for the record.
    pub why: Reason,
}

/// Some pairs, by their units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairPage {
    /// The pairs that are listed.
    pub pairs: Vec<Pair>,
    /// Rows between them that were tampered with.
    #[serde(default)]
    pub tampered: Vec<Finding>,
    /// Ask with `after` = `A-B` of this for more; absent when these were the last.
    pub next: Option<[DeviceId; 2]>,
}

pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<Asked<String>>,
) -> Result<Json<PairPage>, Problem> {
    let after = asked.after.as_deref().map(devices).transpose()?;
    let work = services.blocking(move |services| {
        let page = services.ledger.pairs(after, asked.limit.get())?;
        let last = page.rows.last().map(|pair| pair.devices);
        let next = page.next.and_then(|key| devices(&key).ok().or(last));
        Ok(PairPage { pairs: page.rows, tampered: services.told(page.tampered, &caller), next })
    });
    work.await.map(Json)
}

fn devices(text: &str) -> Result<[DeviceId; 2], Problem> {
    let pair = text.split_once('-').and_then(|(a, b)| Some([a.parse().ok()?, b.parse().ok()?]));
    pair.ok_or_else(|| Problem::invalid(format!("`{text}` names no pair")).next("write it as it is listed"))
}

pub(crate) async fn add(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Json(request): Json<ChangePair>,
) -> Result<Json<Pair>, Problem> {
    let [a, b] = request.devices;
    if a == b {
        return Err(Problem::invalid(format!("{a} alone is no pair")).next("name two units"));
    }
    change(&services, request, move |services, request| {
        services.ledger.add_pair(request.devices, &caller.name, &request.why, services.now())
    })
    .await
}

pub(crate) async fn remove(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Json(request): Json<ChangePair>,
) -> Result<Json<Pair>, Problem> {
    change(&services, request, move |services, request| {
        services.ledger.remove_pair(request.devices, &caller.name, &request.why, services.now())
    })
    .await
}

async fn change(
    services: &Arc<Services>,
    request: ChangePair,
    work: impl FnOnce(&Services, &ChangePair) -> Result<Pair, LedgerError> + Send + 'static,
) -> Result<Json<Pair>, Problem> {
    let asked = request.clone();
    let done = services.blocking(move |services| {
        let done = work(services, &asked);
        // Also after an error: what is recorded may still be to be written.
        services.gateway.iter().for_each(|gateway| gateway.pairs_changed());
        Ok(done?)
    });
    services.requests.once(request.request_id.as_deref(), &request, done).await.map(Json)
}
