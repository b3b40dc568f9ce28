//! Migrations as the API shows them: plans, what is said of them, and how far they are.

use crate::{Caller, Problem, Reason, Services, ledger_check::Finding};
use axum::{
    Extension, Json,
    extract::{Path, State},
};
use ids::{DeviceId, Label, UnixTime};
pub use ledger::NewMigration;
use ledger::{Approval, LedgerError, LeftOut, Migration, MigrationReport, Planned};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Asks to plan a migration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanMigration {
    /// Makes a repeated request harmless.
    #[serde(default)]
    pub request_id: Option<String>,
    /// The plan.
    pub plan: NewMigration,
    /// Write nothing: only say how it would be.
    #[serde(default)]
    pub check: bool,
    /// The reason, for the record.
    pub why: Reason,
    /// Who else agreed.
    #[serde(default)]
    pub approver: Option<String>,
}

/// Asks to begin, halt or roll back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SayMigration {
    /// Makes a repeated request harmless.
    #[serde(default)]
    pub request_id: Option<String>,
    /// The reason, for the record.
    pub why: Reason,
}

/// A plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanView {
    /// It is written down.
    pub planned: bool,
    /// The migration.
    pub migration: Migration,
    /// The units of each wave, the canary first.
    pub waves: Vec<Vec<DeviceId>>,
    /// Who was chosen and can't go, and why.
    pub left_out: Vec<LeftOut>,
}

/// All migrations, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MigrationPage {
    /// The migrations.
    pub migrations: Vec<Migration>,
    /// Rows between them that were tampered with.
    #[serde(default)]
    pub tampered: Vec<Finding>,
}

type Answer<T> = Result<Json<T>, Problem>;
type Said = fn(&ledger::Ledger, &Label, &str, &str, UnixTime) -> Result<Migration, LedgerError>;

pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
) -> Answer<MigrationPage> {
    let work = services.blocking(move |services| {
        let page = services.ledger.migrations()?;
        Ok(MigrationPage { migrations: page.rows, tampered: services.told(page.tampered, &caller) })
    });
    work.await.map(Json)
}

pub(crate) async fn plan(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Json(request): Json<PlanMigration>,
) -> Answer<PlanView> {
    let PlanMigration { plan, check, why, approver, .. } = request.clone();
    let work = services.blocking(move |services| {
        let approver = services.second_person(approver.as_deref(), &caller)?;
        let because = (caller.name.as_str(), &*why, approver.as_ref().map(Approval::as_str));
        let planned = services.ledger.plan_migration(&plan, because, check, services.now())?;
        let Planned { migration, waves, left_out } = planned;
        let waves = waves.into_iter().map(|wave| wave.units).collect();
        Ok(PlanView { planned: !check, migration, waves, left_out })
    });
    services.requests.once(request.request_id.as_deref(), &request, work).await.map(Json)
}

pub(crate) async fn show(
    State(services): State<Arc<Services>>,
    Path(name): Path<Label>,
) -> Answer<MigrationReport> {
    let work =
        services.blocking(move |services| Ok(services.ledger.migration_report(&name, services.now())?));
    work.await.map(Json)
}

pub(crate) async fn run(
    services: State<Arc<Services>>,
    caller: Extension<Caller>,
    name: Path<Label>,
    request: Json<SayMigration>,
) -> Answer<Migration> {
    said(services, caller, name, request, ledger::Ledger::run_migration).await
}

pub(crate) async fn halt(
    services: State<Arc<Services>>,
    caller: Extension<Caller>,
    name: Path<Label>,
    request: Json<SayMigration>,
) -> Answer<Migration> {
    said(services, caller, name, request, ledger::Ledger::halt_migration).await
}

pub(crate) async fn roll_back(
    services: State<Arc<Services>>,
    caller: Extension<Caller>,
    name: Path<Label>,
    request: Json<SayMigration>,
) -> Answer<Migration> {
    said(services, caller, name, request, ledger::Ledger::roll_back_migration).await
}

async fn said(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<Label>,
    Json(request): Json<SayMigration>,
    what: Said,
) -> Answer<Migration> {
    let request_id = request.request_id.as_ref().map(|asked| format!("{name} {asked}"));
    let why = request.why.clone();
    let work = services
        .blocking(move |services| Ok(what(&services.ledger, &name, &caller.name, &why, services.now())?));
    services.requests.once(request_id.as_deref(), &request, work).await.map(Json)
}
