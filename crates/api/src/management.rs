//! Orders to the carrier's management systems as the API shows them, and what these systems report.

use crate::{
    Caller, Problem, Reason, Services,
    ledger_check::Finding,
    page::{Limit, continued},
};
use axum::{
    Extension, Json,
    extract::{Path, Query, State},
};
use ids::DeviceId;
use ledger::management::{ManagementOrder, ManagementState, NewManagementOrder, Report, Said, Task};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Asks to order something of a unit's management system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderManagement {
    /// Makes a repeated request harmless.
    #[serde(default)]
    pub request_id: Option<String>,
    /// Which unit.
    pub device: DeviceId,
    /// What is to be done.
    pub task: Task,
    /// The incident that it comes from.
    #[serde(default)]
    pub incident: Option<u64>,
    /// The reason, for the record.
    pub why: Reason,
}

/// A management system reports what became of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportOrder {
    /// Makes a repeated request harmless.
    #[serde(default)]
    pub request_id: Option<String>,
    /// What.
    pub report: Report,
    /// In its words, for the record.
    #[serde(default)]
    pub text: Option<Reason>,
}

/// Asks to take an order back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WithdrawOrder {
    /// Makes a repeated request harmless.
    #[serde(default)]
    pub request_id: Option<String>,
    /// The reason, for the record.
    pub why: Reason,
}

/// An order, and where it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManagementView {
    /// Where it is.
    pub state: ManagementState,
    /// The order.
    #[serde(flatten)]
    pub order: ManagementOrder,
}

/// Some orders, by number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManagementPage {
    /// The orders.
    pub orders: Vec<ManagementView>,
    /// Rows between them that were tampered with.
    #[serde(default)]
    pub tampered: Vec<Finding>,
    /// Ask with `after` = this for more; absent when these were the last.
    pub next: Option<u64>,
}

/// Which orders are asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    device: Option<DeviceId>,
    /// Whatever became of them; else those that are to be done now, or are being done.
    #[serde(default)]
    all: bool,
    #[serde(default)]
    after: u64,
    #[serde(default)]
    limit: Limit,
}

type Answer<T> = Result<Json<T>, Problem>;

pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<Asked>,
) -> Answer<ManagementPage> {
    let work = services.blocking(move |services| {
        let Asked { device, all, after, limit } = asked;
        let ledger = &services.ledger;
        let page = match all {
            true => ledger.management_orders(device, after, limit.get())?,
            false => ledger.management_orders_that_stand(device, after, limit.get())?,
        };
        let next = page.next.and_then(|key| continued(&key, page.rows.last().map(|order| order.number)));
        let views = page.rows.into_iter().map(|order| services.view(order));
        let orders = views.filter(|view| all || view.is_to_be_done()).collect();
        Ok(ManagementPage { orders, tampered: services.told(page.tampered, &caller), next })
    });
    work.await.map(Json)
}

pub(crate) async fn show(
    State(services): State<Arc<Services>>,
    Path(number): Path<u64>,
) -> Answer<ManagementView> {
    let found = services.blocking(move |services| {
        let order = services.ledger.management_order(number)?;
        Ok(order.map(|order| services.view(order)))
    });
    found.await?.map(Json).ok_or_else(|| {
        Problem::not_found(format!("there is no management order {number}"))
            .next("list them with `truecell management list --all`")
    })
}

pub(crate) async fn order(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Json(request): Json<OrderManagement>,
) -> Answer<ManagementView> {
    let OrderManagement { request_id, device, task, incident, why } = request.clone();
    let work = services.blocking(move |services| {
        let (incident, why) = (incident.map(|number| (number, None)), why.into());
        let new = NewManagementOrder { device, task, only_if: None, why, incident, waits_until: None };
        let order = services.ledger.order_management(new, &caller.name, services.now())?;
        Ok(services.view(order))
    });
    services.requests.once(request_id.as_deref(), &request, work).await.map(Json)
}

pub(crate) async fn report(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Path(number): Path<u64>,
    Json(request): Json<ReportOrder>,
) -> Answer<ManagementView> {
    let request_id = request.request_id.as_ref().map(|id| format!("{number} {id}"));
    let (report, text) = (request.report, request.text.clone());
    let work = services.blocking(move |services| {
        let text = text.map_or_else(String::new, String::from);
        let said = Said { at: services.now(), by: caller.name, text };
        Ok(services.view(services.ledger.report_management_order(number, report, said)?))
    });
    services.requests.once(request_id.as_deref(), &request, work).await.map(Json)
}

pub(crate) async fn withdraw(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Path(number): Path<u64>,
    Json(request): Json<WithdrawOrder>,
) -> Answer<ManagementView> {
    let request_id = request.request_id.as_ref().map(|id| format!("{number} {id}"));
    let why = request.why.clone();
    let work = services.blocking(move |services| {
        let (ledger, now) = (&services.ledger, services.now());
        Ok(services.view(ledger.withdraw_management_order(number, &caller.name, &why, now)?))
    });
    services.requests.once(request_id.as_deref(), &request, work).await.map(Json)
}

impl ManagementView {
    fn is_to_be_done(&self) -> bool {
        matches!(self.state, ManagementState::Open | ManagementState::Taken)
    }
}

impl Services {
    pub(crate) fn view(&self, order: ManagementOrder) -> ManagementView {
        ManagementView { state: order.state(self.now()), order }
    }
}
