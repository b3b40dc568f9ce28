//! Devices as the API shows them: the ledger's own rows.

use crate::{
    Caller, Problem, Reason, Role, Services,
    ledger_check::Finding,
    page::{Limit, continued},
};
use admission::Reason as Refusal;
use axum::{
    Extension, Json,
    extract::{Path, Query, State},
};
use gateway::SessionView;
use ids::{AccessLine, CellKey, DeviceId};
use ledger::{Approval, Credential, Device, Differing, Imported, LifeCycle, Move, People, Scope};
pub use ledger::{DeviceChange, ImportUnit, NewDevice, Particular, RefusedRow};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, sync::Arc};

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
    /// Nothing begins observed.
    #[serde(default)]
    pub enforce: bool,
    /// Says what would come of it, and changes nothing.
    #[serde(default)]
    pub check: bool,
    /// Units that parts before this one would have added, where it is only checked: they use up inner addresses.
    #[serde(default)]
    pub checked_before: u64,
    /// Units that are there and are otherwise become as the rows have them; without it they are refused.
    #[serde(default)]
    pub update: Option<Update>,
}

/// What the record of a change by an import needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Update {
    /// The reason, for the record.
    pub why: Reason,
    /// Who else agreed, where a change needs two.
    #[serde(default)]
    pub approver: Option<String>,
}

/// One unit of an import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportRow {
    /// Its line in the file.
    pub line: u64,
    /// The unit.
    pub unit: ImportUnit,
}

/// A unit as it was added or changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedDevice {
    /// The unit.
    #[serde(flatten)]
    pub device: Device,
    /// Its access line, if the register has none of that name.
    pub unknown_line: Option<AccessLine>,
    /// Its class, if there are `[[gateway.class]]` sections and none has that name.
    pub unknown_class: Option<String>,
}

/// What became of an import.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedDevices {
    /// Of its rows.
    #[serde(flatten)]
    pub rows: Imported,
    /// Access lines of rows, of which the register has none of that name.
    pub unknown_lines: BTreeSet<AccessLine>,
    /// Classes of rows, if there are `[[gateway.class]]` sections and none has that name.
    pub unknown_classes: BTreeSet<String>,
    /// New groups of units: for them, what a list may be wrong about is observed first, or would be.
    pub observed: BTreeSet<Scope>,
}

/// Asks to change what is known about one unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetDevice {
    /// Makes a repeated request harmless.
    #[serde(default)]
    pub request_id: Option<String>,
    /// What is to be different.
    pub set: DeviceChange,
    /// The reason, for the record.
    pub why: Reason,
    /// Who else agreed, where the change needs two: another line of a unit that may attach from behind its own.
    #[serde(default)]
    pub approver: Option<String>,
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
    /// Rows between them that were tampered with: nothing is known of these units.
    #[serde(default)]
    pub tampered: Vec<Finding>,
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
    /// Rows of certificates that were tampered with.
    #[serde(default)]
    pub tampered: Vec<Finding>,
    /// Its tunnels on this node: none, one, or two while a second claim is being settled.
    pub sessions: Vec<SessionView>,
}

type Answer<T> = Result<Json<T>, Problem>;

/// Which units are asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    state: Option<LifeCycle>,
    cell: Option<CellKey>,
    after: Option<DeviceId>,
    #[serde(default)]
    limit: Limit,
}

/// Rows of one import request at most: each request is one transaction, and one answer.
const ROWS: usize = 1_000;
/// Octets of one: nine texts of each row, as long as they may be, and what else there is of it.
pub(crate) const IMPORT_OCTETS: usize = 16 << 20;

pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<Asked>,
) -> Answer<DevicePage> {
    let work = services.blocking(move |services| {
        let after = asked.after.map(|id| id.to_string()).unwrap_or_default();
        let page = match (asked.cell, asked.state) {
            (Some(cell), _) => services.ledger.devices_of_cell(cell)?,
            (None, state) => services.ledger.devices(&after, state, asked.limit.get())?,
        };
        let tampered = services.told(page.tampered, &caller);
        let next = page.next.and_then(|key| continued(&key, page.rows.last().map(|device| device.id)));
        Ok(DevicePage { devices: page.rows, tampered, next })
    });
    work.await.map(Json)
}

pub(crate) async fn show(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<DeviceId>,
) -> Answer<DeviceDetail> {
    let work = services.blocking(move |services| {
        let device = services.ledger.device(id)?.ok_or_else(|| unknown(id))?;
        let page = services.ledger.credentials_of(id)?;
        let tampered = services.told(page.tampered, &caller);
        let sessions = services.gateway.iter().flat_map(|gateway| gateway.sessions_of(id)).collect();
        Ok(DeviceDetail { device, credentials: page.rows, tampered, sessions })
    });
    work.await.map(Json)
}

pub(crate) fn unknown(id: DeviceId) -> Problem {
    Problem::not_found(format!("there is no device {id}"))
        .next("`truecell device list` has those that there are; `truecell device add` adds one")
}

pub(crate) async fn add(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Json(request): Json<AddDevice>,
) -> Answer<RecordedDevice> {
    let new = request.device.clone();
    let work = services.blocking(move |services| {
        let device = services.ledger.add_device(new, &caller.name, services.now())?;
        Ok(services.recorded(device, &caller))
    });
    services.requests.once(request.request_id.as_deref(), &request, work).await.map(Json)
}

pub(crate) async fn import(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Json(request): Json<ImportDevices>,
) -> Answer<ImportedDevices> {
    if request.rows.len() > ROWS {
        return Err(Problem::invalid(format!("more than {ROWS} rows at once")).next("send them in parts"));
    }
    let rows: Vec<_> = request.rows.iter().map(|row| (row.line, row.unit.clone())).collect();
    let ImportDevices { enforce, check, checked_before, update, .. } = request.clone();
    let work = services.blocking(move |services| {
        let known = rows.iter().map(|(_, unit)| &unit.known);
        let lines: BTreeSet<_> = known.clone().filter_map(|known| known.access_line.clone()?).collect();
        let classes = known.filter_map(|known| known.class.clone());
        let rules = services.configured.rules();
        let unknown_classes = classes.filter(|class| rules.is_unknown(class)).collect();
        let approver = update.as_ref().and_then(|update| update.approver.as_deref());
        let approver = services.second_person(approver, &caller)?;
        let approver = approver.as_ref().map(Approval::as_str);
        let differing = match &update {
            Some(Update { why, .. }) => Differing::Change { why, approver },
            None => Differing::Refuse,
        };
        let (observed, rows) = match check {
            true => {
                let observed = services.ledger.would_begin_observed(&services.scopes_of_new(&rows))?;
                (observed, services.ledger.check_import(rows, differing, checked_before)?)
            }
            false => {
                let observed =
                    if enforce { BTreeSet::new() } else { services.begin_observed(&rows, &caller)? };
                let (by, now) = (&caller.name, services.now());
                let imported = services.ledger.import(rows, differing, by, now, |_| ())?;
                let changed = || imported.changed.iter().map(|row| row.id);
                services
                    .gateway
                    .iter()
                    .for_each(|gateway| changed().for_each(|id| gateway.device_changed(id)));
                (observed, imported)
            }
        };
        let unknown_lines = services.unknown_lines(&lines, &caller);
        Ok(ImportedDevices { rows, unknown_lines, unknown_classes, observed })
    });
    services.requests.once(request.request_id.as_deref(), &request, work).await.map(Json)
}

pub(crate) async fn move_to(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<DeviceId>,
    Json(request): Json<MoveDevice>,
) -> Answer<Device> {
    let MoveDevice { to, why, approver, .. } = request.clone();
    let work = services.blocking(move |services| {
        let from = services.ledger.device(id)?.map(|device| device.state);
        caller.may_move(from, to)?;
        // Whoever may not bring a unit back names nobody, wherever the unit has got to meanwhile.
        let approver = approver.filter(|_| caller.role == Role::Admin);
        let approver = services.second_person(approver.as_deref(), &caller)?;
        let now = services.now();
        let approver = approver.as_ref().map(Approval::as_str);
        let moved = services.ledger.move_device(id, to, &caller.name, &why, approver, now);
        // A live tunnel of a unit that may no longer attach is cut, also when the move is only recorded.
        services.gateway.iter().for_each(|gateway| gateway.device_changed(id));
        services.revocations.tell();
        Ok(moved?)
    });
    let name = request.request_id.as_ref().map(|name| format!("{id} {name}"));
    services.requests.once(name.as_deref(), &request, work).await.map(Json)
}

/// Changes particulars of a unit. Its tunnel is judged anew: it may be behind another line now.
pub(crate) async fn set(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<DeviceId>,
    Json(request): Json<SetDevice>,
) -> Answer<RecordedDevice> {
    let SetDevice { set, why, approver, .. } = request.clone();
    let work = services.blocking(move |services| {
        let approver = services.second_person(approver.as_deref(), &caller)?;
        let (approver, now) = (approver.as_ref().map(Approval::as_str), services.now());
        let device = services.ledger.set_device(id, set, &caller.name, &why, approver, now)?;
        services.gateway.iter().for_each(|gateway| gateway.device_changed(id));
        Ok(services.recorded(device, &caller))
    });
    let name = request.request_id.as_ref().map(|name| format!("{id} {name}"));
    services.requests.once(name.as_deref(), &request, work).await.map(Json)
}

impl Services {
    /// The groups of those units that are not there yet: a row about one that is there already begins nothing.
    fn scopes_of_new(&self, rows: &[(u64, ImportUnit)]) -> BTreeSet<Scope> {
        let scope = |unit: &ImportUnit| Scope {
            class: Some(unit.known.class.clone().unwrap_or_default()),
            region: Some(unit.known.region.clone().unwrap_or_default()),
        };
        let is_new = |unit: &ImportUnit| matches!(self.ledger.device(unit.id), Ok(None));
        let mut scopes = BTreeSet::new();
        for (_, unit) in rows {
            let scope = scope(unit);
            if !scopes.contains(&scope) && is_new(unit) {
                scopes.insert(scope);
            }
        }
        scopes
    }

    /// Before the units are there: none of them is judged by what is only going to be observed.
    fn begin_observed(
        &self,
        rows: &[(u64, ImportUnit)],
        caller: &Caller,
    ) -> Result<BTreeSet<Scope>, Problem> {
        let scopes = self.scopes_of_new(rows);
        let reasons = Refusal::ALL.into_iter().filter(|reason| reason.is_observed_after_import());
        let codes: Vec<_> = reasons.map(Refusal::code).collect();
        let begun = self.ledger.begin_observed(&scopes, &codes, &caller.name, self.now())?;
        self.gateway.iter().filter(|_| !begun.is_empty()).for_each(|gateway| gateway.policy_changed());
        Ok(begun)
    }

    fn recorded(&self, device: Device, caller: &Caller) -> RecordedDevice {
        let unknown_line = self.unknown_lines(device.access_line.as_ref(), caller).pop_first();
        let unknown_class = self.configured.rules().is_unknown(&device.class).then(|| device.class.clone());
        RecordedDevice { device, unknown_line, unknown_class }
    }
}

impl Caller {
    fn may_move(&self, from: Option<LifeCycle>, to: LifeCycle) -> Result<(), Problem> {
        let needs = role_to_move(from, to);
        if self.role >= needs {
            return Ok(());
        }
        let from = from.map(|from| format!("{from} ")).unwrap_or_default();
        Err(Problem::forbidden(format!("{} may not make a {from}device {to}", self.name))
            .because(format!("it needs the role {}, yours is {}", needs.word(), self.role.word()))
            .next("ask root, or the user that the gateway runs as"))
    }
}

/// An operator stops units. Bringing one back, also from lost or stolen to suspended, and retiring one are
/// an administrator's. `from`: none for a unit that nobody knows.
fn role_to_move(from: Option<LifeCycle>, to: LifeCycle) -> Role {
    let step = from.and_then(|from| Move::between(from, to));
    if step.is_some_and(|step| step.needs == People::Two) {
        return Role::Admin;
    }
    match to {
        LifeCycle::Suspended | LifeCycle::Lost | LifeCycle::Stolen | LifeCycle::Silent => Role::Operator,
        LifeCycle::Made
        | LifeCycle::Shipped
        | LifeCycle::Installed
        | LifeCycle::Live
        | LifeCycle::Retired => Role::Admin,
    }
}
