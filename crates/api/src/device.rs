//! Devices as the API shows them: the ledger's own rows.

use crate::{Caller, Problem, Reason, Role, Services, page::Limit};
use axum::{
    Extension, Json,
    extract::{Path, Query, State},
};
use gateway::SessionView;
use ids::{AccessLine, DeviceId};
use ledger::{Credential, Device, LifeCycle};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, sync::Arc};

/// A unit to put into the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewDevice {
    /// Its permanent identity.
    pub id: DeviceId,
    /// Where in its life cycle it starts; absent: `installed`.
    #[serde(default)]
    pub state: Option<LifeCycle>,
    /// Who answers for it.
    #[serde(default)]
    pub owner: String,
    /// Where it is installed.
    #[serde(default)]
    pub site: String,
    /// Region.
    #[serde(default)]
    pub region: String,
    /// Class.
    #[serde(default)]
    pub class: String,
    /// The line behind which it is installed; admission then checks its addresses.
    #[serde(default, rename = "line")]
    pub access_line: Option<AccessLine>,
    /// Anything worth knowing.
    #[serde(default)]
    pub note: String,
}

/// Asks to add one unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddDevice {
    /// Makes a repeated request harmless.
    #[serde(default)]
    pub request_id: Option<String>,
    /// The unit.
    pub device: NewDevice,
}

/// Asks to add many units: all that can be are, and the rest is named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportDevices {
    /// Makes a repeated request harmless.
    #[serde(default)]
    pub request_id: Option<String>,
    /// The units, with the line of each in the file that they come from.
    pub rows: Vec<ImportRow>,
}

/// One unit of an import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportRow {
    /// Its line in the file.
    pub line: u64,
    /// The unit.
    pub device: NewDevice,
}

/// A unit that was added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddedDevice {
    /// The unit.
    #[serde(flatten)]
    pub device: Device,
    /// Its access line, if the register has none of that name.
    pub unknown_line: Option<AccessLine>,
}

/// What became of an import.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// Units that are new.
    pub added: u64,
    /// Units that were there already, exactly so.
    pub unchanged: u64,
    /// Rows that were not taken.
    pub refused: Vec<RefusedRow>,
    /// Access lines of rows, of which the register has none of that name.
    pub unknown_lines: BTreeSet<AccessLine>,
}

/// A row of an import that was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedRow {
    /// Its line in the file.
    pub line: u64,
    /// As it was written.
    pub id: String,
    /// Why not.
    pub why: String,
}

/// Asks to move one unit to another state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MoveDevice {
    /// Makes a repeated request harmless.
    #[serde(default)]
    pub request_id: Option<String>,
    /// Where to.
    pub to: LifeCycle,
    /// The reason, for the record.
    pub why: Reason,
    /// Who else agreed, where the move needs two.
    #[serde(default)]
    pub approver: Option<String>,
}

/// Some units, in the order of their identities.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DevicePage {
    /// The units.
    pub devices: Vec<Device>,
    /// Ask with `after` = this for more; absent when these were the last.
    pub next: Option<DeviceId>,
}

/// One unit with what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceDetail {
    /// The unit.
    pub device: Device,
    /// The certificates that the ledger recorded as issued to it.
    pub credentials: Vec<Credential>,
    /// Its tunnels on this node: none, one, or two while a second claim is being settled.
    pub sessions: Vec<SessionView>,
}

type Answer<T> = Result<Json<T>, Problem>;

/// Which units are asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    state: Option<LifeCycle>,
    after: Option<DeviceId>,
    #[serde(default)]
    limit: Limit,
}

/// Rows of one import request at most: each request is one transaction, and one answer.
const ROWS: usize = 1_000;

pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    Query(asked): Query<Asked>,
) -> Answer<DevicePage> {
    let limit = asked.limit.get();
    let devices = services
        .blocking(move |services| Ok(services.ledger.devices(asked.after, asked.state, limit)?))
        .await?;
    let next = devices.last().filter(|_| devices.len() == limit).map(|device| device.id);
    Ok(Json(DevicePage { devices, next }))
}

pub(crate) async fn show(
    State(services): State<Arc<Services>>,
    Path(id): Path<DeviceId>,
) -> Answer<DeviceDetail> {
    let found = services.blocking(move |services| {
        let device = services.ledger.device(id)?;
        Ok(device.map(|device| (device, services.ledger.credentials_of(id))))
    });
    let (device, credentials) = found.await?.ok_or_else(|| unknown(id))?;
    let sessions = services.gateway.iter().flat_map(|gateway| gateway.sessions_of(id)).collect();
    Ok(Json(DeviceDetail { device, credentials: credentials?, sessions }))
}

pub(crate) fn unknown(id: DeviceId) -> Problem {
    Problem::not_found(format!("there is no device {id}")).next("add it with `truecell device add`")
}

pub(crate) async fn add(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Json(request): Json<AddDevice>,
) -> Answer<AddedDevice> {
    let new = request.device.clone().into_ledger();
    let work = services.blocking(move |services| {
        let device = services.ledger.add_device(new, &caller.name, services.now())?;
        let unknown_line = services.unknown_lines(device.access_line.as_ref())?.pop_first();
        Ok(AddedDevice { device, unknown_line })
    });
    services.requests.once(request.request_id.as_deref(), &request, work).await.map(Json)
}

pub(crate) async fn import(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Json(request): Json<ImportDevices>,
) -> Answer<Imported> {
    if request.rows.len() > ROWS {
        return Err(Problem::invalid(format!("more than {ROWS} rows at once")).next("send them in parts"));
    }
    let rows: Vec<_> = request.rows.iter().map(|row| (row.line, row.device.clone().into_ledger())).collect();
    let work = services.blocking(move |services| {
        let lines: BTreeSet<_> = rows.iter().filter_map(|(_, row)| row.access_line.clone()).collect();
        let imported = services.ledger.import(rows, &caller.name, services.now(), |_| ())?;
        Ok(Imported { unknown_lines: services.unknown_lines(&lines)?, ..imported.into() })
    });
    services.requests.once(request.request_id.as_deref(), &request, work).await.map(Json)
}

pub(crate) async fn move_to(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<DeviceId>,
    Json(request): Json<MoveDevice>,
) -> Answer<Device> {
    let needs = role_to_reach(request.to);
    if caller.role < needs {
        return Err(Problem::forbidden(format!(
            "user \"{}\" may not make a device {}",
            caller.name, request.to
        ))
        .because(format!("it needs the role {}, yours is {}", needs.word(), caller.role.word()))
        .next("ask root, or the user that the gateway runs as"));
    }
    let MoveDevice { to, why, approver, .. } = request.clone();
    let work = services.blocking(move |services| {
        if approver.as_deref().is_some_and(|approver| approver.eq_ignore_ascii_case(&caller.name)) {
            return Err(Problem::conflict("needs-approver", "nobody approves their own move")
                .next("name someone else with --approver"));
        }
        let now = services.now();
        let moved = services.ledger.move_device(id, to, &caller.name, &why, approver.as_deref(), now)?;
        // A live tunnel of a unit that may no longer attach is cut.
        services.gateway.iter().for_each(|gateway| gateway.device_changed(id));
        Ok(moved)
    });
    let name = request.request_id.as_ref().map(|name| format!("{id} {name}"));
    services.requests.once(name.as_deref(), &request, work).await.map(Json)
}

/// An operator stops units; bringing one back into service or retiring it is an administrator's.
pub(crate) fn role_to_reach(state: LifeCycle) -> Role {
    match state {
        LifeCycle::Suspended | LifeCycle::Lost | LifeCycle::Stolen | LifeCycle::Silent => Role::Operator,
        LifeCycle::Made
        | LifeCycle::Shipped
        | LifeCycle::Installed
        | LifeCycle::Live
        | LifeCycle::Retired => Role::Admin,
    }
}

impl NewDevice {
    fn into_ledger(self) -> ledger::NewDevice {
        let Self { id, state, owner, site, region, class, access_line, note } = self;
        let state = state.unwrap_or(LifeCycle::Installed);
        ledger::NewDevice { id, state, owner, site, region, class, access_line, note }
    }
}

impl From<ledger::Imported> for Imported {
    fn from(imported: ledger::Imported) -> Self {
        let refused = imported.refused.into_iter();
        let refused = refused.map(|row| RefusedRow { line: row.line, id: row.id.to_string(), why: row.why });
        Self {
            added: imported.added,
            unchanged: imported.unchanged,
            refused: refused.collect(),
            ..Self::default()
        }
    }
}
