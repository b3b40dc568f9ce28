//! Install orders as the API shows them: the ledger's own rows, and what each is good for now.

use crate::{
    Caller, Problem, Reason, Services,
    ledger_check::Finding,
    page::{Limit, continued},
};
use axum::{
    Extension, Json,
    extract::{Path, Query, State},
};
use ids::{AccessLine, DeviceId, Label, OrderId};
pub use ledger::NewOrder;
use ledger::{Approval, Imported, InstallOrder, OrderState};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, sync::Arc};

/// Asks to open one order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenOrder {
    /// Makes a repeated request harmless.
    #[serde(default)]
    pub request_id: Option<String>,
    /// The order.
    pub order: NewOrder,
    /// The legacy group by whose key the unit enrols, if it has no other.
    #[serde(default)]
    pub legacy_group: Option<Label>,
    /// The reason, for the record.
    pub why: Reason,
    /// Who else agreed, where two people order it: that lets a unit enrol by a vendor's key that is known to be shared.
    #[serde(default)]
    pub approver: Option<String>,
}

/// Asks to take many orders: all that can be are, and the rest is named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportOrders {
    /// Makes a repeated request harmless.
    #[serde(default)]
    pub request_id: Option<String>,
    /// The orders, with the line of each in the file that they come from.
    pub rows: Vec<OrderRow>,
}

/// One order of an import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderRow {
    /// Its line in the file.
    pub line: u64,
    /// The order.
    pub order: NewOrder,
}

/// What became of an import.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedOrders {
    /// Of its rows.
    #[serde(flatten)]
    pub rows: Imported,
    /// Access lines of orders, of which the register has none of that name: from there nobody can enrol.
    pub unknown_lines: BTreeSet<AccessLine>,
}

/// Asks to withdraw an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloseOrder {
    /// Makes a repeated request harmless.
    #[serde(default)]
    pub request_id: Option<String>,
    /// The reason, for the record.
    pub why: Reason,
}

/// An order, and what it is good for now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderView {
    /// What it is good for.
    pub state: OrderState,
    /// The order.
    #[serde(flatten)]
    pub order: InstallOrder,
    /// Its access line, if the register has none of that name: from there nobody can enrol.
    #[serde(default)]
    pub unknown_line: Option<AccessLine>,
}

/// Some orders, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderPage {
    /// The orders.
    pub orders: Vec<OrderView>,
    /// Rows between them that were tampered with.
    #[serde(default)]
    pub tampered: Vec<Finding>,
    /// Ask with `after` = this for more; absent when these were the last.
    pub next: Option<OrderId>,
}

/// Which orders are asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    device: Option<DeviceId>,
    after: Option<OrderId>,
    #[serde(default)]
    limit: Limit,
}

type Answer<T> = Result<Json<T>, Problem>;

/// Rows of one import request at most: each request is one transaction.
const ROWS: usize = 1_000;

pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<Asked>,
) -> Answer<OrderPage> {
    let work = services.blocking(move |services| {
        let after = asked.after.map(|id| id.to_string()).unwrap_or_default();
        let page = services.ledger.orders(asked.device, &after, asked.limit.get())?;
        let next = page.next.and_then(|key| continued(&key, page.rows.last().map(|order| order.id.clone())));
        let orders = page.rows.into_iter().map(|order| services.viewed(order, &caller)).collect();
        Ok(OrderPage { orders, tampered: services.told(page.tampered, &caller), next })
    });
    work.await.map(Json)
}

pub(crate) async fn open(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Json(request): Json<OpenOrder>,
) -> Answer<OrderView> {
    let OpenOrder { order, legacy_group, why, approver, .. } = request.clone();
    if legacy_group.is_some() && (order.vendor_key.is_some() || approver.is_some()) {
        let why = "by a legacy group a unit enrols by the group's key, which two people have named already"
            .to_owned();
        return Err(Problem::invalid(why).next("leave out `vendor_key` and `approver`, or `legacy_group`"));
    }
    let work = services.blocking(move |services| {
        let approver = services.second_person(approver.as_deref(), &caller)?;
        let (ledger, by, now) = (&services.ledger, &caller.name, services.now());
        let order = match legacy_group {
            Some(group) => ledger.open_order_by_legacy(&order, &group, by, &why, now),
            None => ledger.open_order(&order, by, &why, approver.as_ref().map(Approval::as_str), now),
        }?;
        Ok(services.viewed(order, &caller))
    });
    services.requests.once(request.request_id.as_deref(), &request, work).await.map(Json)
}

pub(crate) async fn import(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Json(request): Json<ImportOrders>,
) -> Answer<ImportedOrders> {
    if request.rows.len() > ROWS {
        return Err(Problem::invalid(format!("more than {ROWS} orders at once")).next("send them in parts"));
    }
    let rows: Vec<_> = request.rows.iter().map(|row| (row.line, row.order.clone())).collect();
    let work = services.blocking(move |services| {
        let lines: BTreeSet<_> = rows.iter().map(|(_, order)| order.line.clone()).collect();
        let rows = services.ledger.import_orders(&rows, &caller.name, services.now())?;
        Ok(ImportedOrders { rows, unknown_lines: services.unknown_lines(&lines, &caller) })
    });
    services.requests.once(request.request_id.as_deref(), &request, work).await.map(Json)
}

pub(crate) async fn close(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<OrderId>,
    Json(request): Json<CloseOrder>,
) -> Answer<OrderView> {
    let request_id = request.request_id.as_ref().map(|asked| format!("{id} {asked}"));
    let why = request.why.clone();
    let work = services.blocking(move |services| {
        let order = services.ledger.close_order(&id, &caller.name, &why, services.now())?;
        Ok(services.viewed(order, &caller))
    });
    services.requests.once(request_id.as_deref(), &request, work).await.map(Json)
}

impl Services {
    fn viewed(&self, order: InstallOrder, caller: &Caller) -> OrderView {
        let unknown_line = self.unknown_lines([&order.line], caller).pop_first();
        OrderView { state: order.state(self.now()), order, unknown_line }
    }
}
