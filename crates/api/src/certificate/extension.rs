//! Certificates that have ended count for longer, by the word of two people.

use crate::{Caller, Problem, Reason, Services};
use axum::{Extension, Json, extract::State};
use ids::UnixTime;
pub use ledger::Extension as CertificateExtension;
use pki::Issuing;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Asks that units' certificates of the embedded CA count until a time, where they end before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExtendCertificates {
    /// Makes a repeated request harmless.
    #[serde(default)]
    pub request_id: Option<String>,
    /// Until when: 30 days ahead at most.
    pub until: UnixTime,
    /// The reason, for the record.
    pub why: Reason,
    /// Who else agreed.
    pub approver: String,
}

/// Asks that they count no longer than they say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndExtension {
    /// Makes a repeated request harmless.
    #[serde(default)]
    pub request_id: Option<String>,
    /// The reason, for the record.
    pub why: Reason,
}

pub(crate) async fn extend(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Json(request): Json<ExtendCertificates>,
) -> Result<Json<CertificateExtension>, Problem> {
    let ExtendCertificates { until, why, approver, .. } = request.clone();
    let work = services.blocking(move |services| {
        let approver = services.configured.rules().approval(&approver, &caller.name)?;
        let cas = services.ca()?.generations_for(Issuing::Devices);
        let now = services.now();
        let extended = services.ledger.extend((cas, until), &caller.name, &why, approver.as_str(), now);
        // Also of one that will be finished later.
        services.gateway.iter().for_each(|gateway| gateway.extension_changed());
        Ok(extended?)
    });
    services.requests.once(request.request_id.as_deref(), &request, work).await.map(Json)
}

pub(crate) async fn end(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Json(request): Json<EndExtension>,
) -> Result<Json<CertificateExtension>, Problem> {
    let why = request.why.clone();
    let work = services.blocking(move |services| {
        let ended = services.ledger.end_extension(&caller.name, &why, services.now());
        services.gateway.iter().for_each(|gateway| gateway.extension_changed());
        Ok(ended?)
    });
    services.requests.once(request.request_id.as_deref(), &request, work).await.map(Json)
}
