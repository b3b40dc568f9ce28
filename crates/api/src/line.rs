//! Access lines as the API shows them: the ledger's own rows.

use crate::{Caller, Problem, Services};
use axum::{
    Extension, Json,
    extract::{Query, State},
};
use ids::AccessLine;
use ipnet::IpNet;
use ledger::AccessLineRecord;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Asks to add or replace one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutLine {
    /// Makes a repeated request harmless.
    #[serde(default)]
    pub request_id: Option<String>,
    /// Its name.
    pub line: AccessLine,
    /// Outer addresses seen behind it.
    pub prefixes: Vec<IpNet>,
    /// Region, as policies name it.
    #[serde(default)]
    pub region: String,
}

/// Some lines, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinePage {
    /// The lines.
    pub lines: Vec<AccessLineRecord>,
    /// Ask with `after` = this for more; absent when these were the last.
    pub next: Option<AccessLine>,
}

/// Which lines are asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    after: Option<AccessLine>,
    limit: Option<usize>,
}

/// Lines in one answer, at most and unless asked for fewer.
const PAGE: usize = 1_000;

pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    Query(asked): Query<Asked>,
) -> Result<Json<LinePage>, Problem> {
    let limit = asked.limit.unwrap_or(PAGE).clamp(1, PAGE);
    let after = asked.after.map(|line| line.to_string()).unwrap_or_default();
    let lines = services.blocking(move |services| Ok(services.ledger.lines(&after, limit)?)).await?;
    let next = lines.last().filter(|_| lines.len() == limit).map(|line| line.line.clone());
    Ok(Json(LinePage { lines, next }))
}

pub(crate) async fn put(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Json(request): Json<PutLine>,
) -> Result<Json<AccessLineRecord>, Problem> {
    let PutLine { line, prefixes, region, .. } = request.clone();
    let record = AccessLineRecord { line, prefixes, region };
    let work = services.blocking(move |services| {
        services.ledger.put_line(&record, &caller.name, services.now())?;
        services.review_behind(&record.line)?;
        Ok(record)
    });
    services.requests.once(request.request_id.as_deref(), &request, work).await.map(Json)
}

impl Services {
    /// Has the tunnels of the units behind a line judged anew.
    fn review_behind(&self, line: &AccessLine) -> Result<(), Problem> {
        let Some(gateway) = &self.gateway else { return Ok(()) };
        let mut after = None;
        loop {
            let devices = self.ledger.devices_behind(line, after, PAGE)?;
            let attached = devices.iter().filter(|device| !gateway.sessions_of(device.id).is_empty());
            attached.for_each(|device| gateway.device_changed(device.id));
            match devices.last().filter(|_| devices.len() == PAGE) {
                Some(last) => after = Some(last.id),
                None => return Ok(()),
            }
        }
    }
}
