//! Cells as the API shows them: how far each can be trusted, and why.

use crate::{
    Caller, Problem, Services,
    ledger_check::Finding,
    page::{Limit, continued},
};
use axum::{
    Extension, Json,
    extract::{Path, Query, State},
};
use ids::{CellKey, DeviceId, UnixTime};
use ledger::LifeCycle;
pub use ledger::trust::{CellTrustChange, Reading, TrustEvidence, TrustReason, TrustState};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Some cells of which something is known, by their keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CellPage {
    /// The cells, as they are now.
    pub cells: Vec<Reading>,
    /// Rows between them that were tampered with: nothing is known of these cells.
    #[serde(default)]
    pub tampered: Vec<Finding>,
    /// Ask with `after` = this for more; absent when these were the last.
    pub next: Option<CellKey>,
}

/// One cell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CellDetail {
    /// How far it can be trusted at the time that was asked for.
    pub trust: Reading,
    /// The units that may carry it: one, and those that are retired.
    pub units: Vec<CellUnit>,
    /// Its last changes, in the order in which they became known.
    pub changes: Vec<CellTrustChange>,
    /// Rows of it that were tampered with.
    #[serde(default)]
    pub tampered: Vec<Finding>,
}

/// A unit that may carry a cell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CellUnit {
    /// Which.
    pub id: DeviceId,
    /// Where it is in its life.
    pub state: LifeCycle,
}

/// Which cells are asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    state: Option<TrustState>,
    after: Option<CellKey>,
    #[serde(default)]
    limit: Limit,
}

/// Of which time; none: now.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct When {
    at: Option<UnixTime>,
}

pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<Asked>,
) -> Result<Json<CellPage>, Problem> {
    let work = services.blocking(move |services| {
        let page = services.ledger.cells(asked.after, asked.state, asked.limit.get())?;
        let next = page.next.and_then(|key| continued(&key, page.rows.last().map(|row| row.cell)));
        let now = services.now();
        let cells = page.rows.iter().map(|row| row.read(now)).collect();
        Ok(CellPage { cells, tampered: services.told(page.tampered, &caller), next })
    });
    work.await.map(Json)
}

pub(crate) async fn show(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Path(cell): Path<CellKey>,
    Query(when): Query<When>,
) -> Result<Json<CellDetail>, Problem> {
    let work = services.blocking(move |services| {
        let ledger = &services.ledger;
        let trust = match when.at {
            Some(at) => ledger.cell_trust_at(cell, at)?,
            None => ledger.cell_trust(cell, services.now())?,
        };
        let (units, changes) = (ledger.devices_of_cell(cell)?, ledger.cell_trust_changes(cell)?);
        let tampered = units.tampered.into_iter().chain(changes.tampered).collect();
        Ok(CellDetail {
            trust,
            units: units.rows.into_iter().map(|unit| CellUnit { id: unit.id, state: unit.state }).collect(),
            changes: changes.rows,
            tampered: services.told(tampered, &caller),
        })
    });
    work.await.map(Json)
}
