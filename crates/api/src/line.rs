//! Access lines as the API shows them: the ledger's own rows.

use crate::{
    Caller, Problem, Services,
    ledger_check::Finding,
    page::{Asked, continued},
};
use axum::{
    Extension, Json,
    extract::{Query, State},
};
use ids::{AccessLine, Position};
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
    /// Outer addresses seen behind it; none where only a feed says who is.
    #[serde(default)]
    pub prefixes: Vec<IpNet>,
    /// Region.
    #[serde(default)]
    pub region: String,
    /// Where it ends.
    #[serde(default)]
    pub position: Option<Position>,
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
    /// Where it ends.
    #[serde(default)]
    pub position: Option<Position>,
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
    /// Rows between them that were tampered with.
    #[serde(default)]
    pub tampered: Vec<Finding>,
    /// Ask with `after` = this for more; absent when these were the last.
    pub next: Option<AccessLine>,
}

pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<Asked<AccessLine>>,
) -> Result<Json<LinePage>, Problem> {
    let work = services.blocking(move |services| {
        let after = asked.after.map(|line| line.to_string()).unwrap_or_default();
        let page = services.ledger.lines(&after, asked.limit.get())?;
        let next = page.next.and_then(|key| continued(&key, page.rows.last().map(|line| line.line.clone())));
        Ok(LinePage { lines: page.rows, tampered: services.told(page.tampered, &caller), next })
    });
    work.await.map(Json)
}

pub(crate) async fn add(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Json(request): Json<AddLine>,
) -> Result<Json<AccessLineRecord>, Problem> {
    networks(&request.prefixes)?;
    let AddLine { line, prefixes, region, position, .. } = request.clone();
    let record = AccessLineRecord { line, prefixes, region, position };
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
    let SetLine { line, prefixes, region, position, .. } = request.clone();
    let change = move |record: &mut AccessLineRecord| {
        prefixes.into_iter().for_each(|prefixes| record.prefixes = prefixes);
        region.into_iter().for_each(|region| record.region = region);
        record.position = position.or(record.position);
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
    /// Those of which the register has none. One whose row can't be read is there, as far as is known: this makes a note
    /// on what is done by then.
    pub(crate) fn unknown_lines<'a>(
        &self,
        lines: impl IntoIterator<Item = &'a AccessLine>,
        caller: &Caller,
    ) -> BTreeSet<AccessLine> {
        let is_unknown = |line: &&AccessLine| match self.ledger.line(line) {
            Ok(known) => known.is_none(),
            Err(error) => {
                tracing::warn!(%line, %error, "whether there is such a line is not known");
                self.told(ledger::Finding::of(&error).into_iter().collect(), caller);
                false
            }
        };
        lines.into_iter().filter(is_unknown).cloned().collect()
    }

    /// Has the tunnels of the units behind a line judged anew.
    fn review_behind(&self, line: &AccessLine) -> Result<(), Problem> {
        let Some(gateway) = &self.gateway else { return Ok(()) };
        let mut after = String::new();
        loop {
            let page = self.ledger.devices_behind(line, &after, PAGE)?;
            // Also those whose rows do not hold: admission says what becomes of them.
            let bad = page.tampered.iter().filter_map(|found| found.key.parse().ok());
            let behind = page.rows.iter().map(|device| device.id).chain(bad);
            behind.filter(|id| gateway.has_session(*id)).for_each(|id| gateway.device_changed(id));
            let Some(next) = page.next else { return Ok(()) };
            after = next;
        }
    }
}
