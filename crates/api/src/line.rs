//! Access lines as the API shows them: the ledger's own rows.

use crate::{Caller, Problem, Services, page::Asked};
use axum::{
    Extension, Json,
    extract::{Query, State},
};
use ids::AccessLine;
use ipnet::IpNet;
use ledger::AccessLineRecord;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, sync::Arc};

/// Asks to add one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddLine {
    /// Makes a repeated request harmless.
    #[serde(default)]
    pub request_id: Option<String>,
    /// Its name.
    pub line: AccessLine,
    /// Outer addresses seen behind it.
    pub prefixes: Vec<IpNet>,
    /// Region.
    #[serde(default)]
    pub region: String,
}

/// Asks to change what is known about one line; what is absent stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetLine {
    /// Makes a repeated request harmless.
    #[serde(default)]
    pub request_id: Option<String>,
    /// Its name.
    pub line: AccessLine,
    /// Outer addresses seen behind it, all of them.
    #[serde(default)]
    pub prefixes: Option<Vec<IpNet>>,
    /// Region.
    #[serde(default)]
    pub region: Option<String>,
}

/// A line before and after a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedLine {
    /// As it was.
    pub was: AccessLineRecord,
    /// As it is.
    pub is: AccessLineRecord,
}

/// Some lines, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinePage {
    /// The lines.
    pub lines: Vec<AccessLineRecord>,
    /// Ask with `after` = this for more; absent when these were the last.
    pub next: Option<AccessLine>,
}

pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    Query(asked): Query<Asked<AccessLine>>,
) -> Result<Json<LinePage>, Problem> {
    let limit = asked.limit.get();
    let after = asked.after.map(|line| line.to_string()).unwrap_or_default();
    let lines = services.blocking(move |services| Ok(services.ledger.lines(&after, limit)?)).await?;
    let next = lines.last().filter(|_| lines.len() == limit).map(|line| line.line.clone());
    Ok(Json(LinePage { lines, next }))
}

pub(crate) async fn add(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Json(request): Json<AddLine>,
) -> Result<Json<AccessLineRecord>, Problem> {
    networks(&request.prefixes)?;
    let AddLine { line, prefixes, region, .. } = request.clone();
    let record = AccessLineRecord { line, prefixes, region };
    let work = services.blocking(move |services| {
        services.ledger.add_line(&record, &caller.name, services.now())?;
        services.review_behind(&record.line)?;
        Ok(record)
    });
    services.requests.once(request.request_id.as_deref(), &request, work).await.map(Json)
}

pub(crate) async fn set(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Json(request): Json<SetLine>,
) -> Result<Json<ChangedLine>, Problem> {
    networks(request.prefixes.as_deref().unwrap_or_default())?;
    let SetLine { line, prefixes, region, .. } = request.clone();
    let change = |record: &mut AccessLineRecord| {
        prefixes.into_iter().for_each(|prefixes| record.prefixes = prefixes);
        region.into_iter().for_each(|region| record.region = region);
    };
    let work = services.blocking(move |services| {
        let (was, is) = services.ledger.set_line(&line, change, &caller.name, services.now())?;
        services.review_behind(&line)?;
        Ok(ChangedLine { was, is })
    });
    services.requests.once(request.request_id.as_deref(), &request, work).await.map(Json)
}

/// A prefix with host bits is more often a slip than a network.
fn networks(prefixes: &[IpNet]) -> Result<(), Problem> {
    let slip = prefixes.iter().find(|prefix| prefix.trunc() != **prefix);
    slip.map_or(Ok(()), |slip| {
        Err(Problem::invalid(format!("{slip} is an address in a network, not a network")).next(format!(
            "write {}, or {} for the one address",
            slip.trunc(),
            IpNet::from(slip.addr())
        )))
    })
}

/// Units behind a line, looked at at once.
const PAGE: usize = 1_000;

impl Services {
    /// Those of which the register has none.
    pub(crate) fn unknown_lines<'a>(
        &self,
        lines: impl IntoIterator<Item = &'a AccessLine>,
    ) -> Result<BTreeSet<AccessLine>, Problem> {
        let mut unknown = BTreeSet::new();
        for line in lines {
            if self.ledger.line(line)?.is_none() {
                unknown.insert(line.clone());
            }
        }
        Ok(unknown)
    }

    /// Has the tunnels of the units behind a line judged anew.
    fn review_behind(&self, line: &AccessLine) -> Result<(), Problem> {
        let Some(gateway) = &self.gateway else { return Ok(()) };
        let mut after = None;
        loop {
            let devices = self.ledger.devices_behind(line, after, PAGE)?;
            let attached = devices.iter().filter(|device| gateway.is_attached(device.id));
            attached.for_each(|device| gateway.device_changed(device.id));
            match devices.last().filter(|_| devices.len() == PAGE) {
                Some(last) => after = Some(last.id),
                None => return Ok(()),
            }
        }
    }
}
