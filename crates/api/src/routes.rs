use crate::{
    Problem, Role, Services, backup, ca,
    caller::authorize,
    cell, certificate, configuration, device,
    event::{self, JournalFiles},
    finding, incident, ledger_check, legacy, line, lineage, management, migration, order, pair, policy,
    problem::framed,
    session, stats,
};
use axum::{
    Router,
    extract::{DefaultBodyLimit, MatchedPath},
    handler::Handler,
    http::{Method, StatusCode},
    middleware,
    routing::{MethodFilter, MethodRouter, on},
};
use std::sync::Arc;

/// One route: what it answers to, and the least role that reaches it.
pub struct Route {
    /// GET looks, POST changes.
    pub method: Method,
    /// With `{placeholders}`.
    pub path: &'static str,
    /// The least role.
    pub needs: Role,
    handler: MethodRouter<Arc<Services>>,
}

/// All routes. Looking and stopping a unit is an operator's; adding, bringing back, issuing,
/// importing and retiring are an administrator's. A move is judged again by where it comes from and leads.
pub fn routes() -> Vec<Route> {
    use Role::{Admin, Operator};
    vec![
        get("/v1/devices", Operator, device::list),
        post("/v1/devices", Admin, device::add),
        post("/v1/devices/import", Admin, device::import).taking(device::IMPORT_OCTETS),
        get("/v1/devices/{id}", Operator, device::show),
        post("/v1/devices/{id}", Admin, device::set),
        post("/v1/devices/{id}/move", Operator, device::move_to),
        get("/v1/devices/{id}/lineage", Operator, lineage::show),
        get("/v1/cells", Operator, cell::list),
        get("/v1/cells/{cell}", Operator, cell::show),
        get("/v1/lines", Operator, line::list),
        post("/v1/lines", Admin, line::add),
        post("/v1/lines/set", Admin, line::set),
        get("/v1/orders", Operator, order::list),
        post("/v1/orders", Admin, order::open),
        post("/v1/orders/import", Admin, order::import),
        post("/v1/orders/{id}/close", Admin, order::close),
        get("/v1/legacy-groups", Operator, legacy::list),
        post("/v1/legacy-groups", Admin, legacy::name),
        get("/v1/migrations", Operator, migration::list),
        post("/v1/migrations", Admin, migration::plan),
        get("/v1/migrations/{name}", Operator, migration::show),
        post("/v1/migrations/{name}/run", Admin, migration::run),
        post("/v1/migrations/{name}/halt", Operator, migration::halt),
        post("/v1/migrations/{name}/rollback", Admin, migration::roll_back),
        get("/v1/pairs", Operator, pair::list),
        post("/v1/pairs", Admin, pair::add),
        post("/v1/pairs/remove", Admin, pair::remove),
        get("/v1/policy", Operator, policy::show),
        post("/v1/policy", Admin, policy::set),
        post("/v1/policy/resume", Admin, policy::resume),
        get("/v1/policy/readiness", Operator, policy::readiness),
        get("/v1/policy/observations", Operator, policy::observations),
        get("/v1/events", Operator, event::tail),
        post("/v1/events/verify", Operator, event::verify),
        post("/v1/ledger/verify", Operator, ledger_check::verify),
        get("/v1/certificates", Operator, certificate::list),
        post("/v1/certificates", Admin, certificate::issue),
        post("/v1/certificates/import", Admin, certificate::import),
        get("/v1/certificates/expiring", Operator, certificate::expiring),
        post("/v1/certificates/extension", Admin, certificate::extension::extend),
        post("/v1/certificates/extension/end", Admin, certificate::extension::end),
        get("/v1/certificates/{serial}", Operator, certificate::show),
        post("/v1/certificates/{serial}/revoke", Admin, certificate::revoke),
        get("/v1/ca", Operator, ca::show),
        post("/v1/ca/distrust", Admin, ca::distrust),
        get("/v1/ca/distrust/{realm}", Operator, ca::vouched),
        post("/v1/ca/trust", Admin, ca::trust),
        post("/v1/ca/rotation", Admin, ca::prepare),
        post("/v1/ca/rotation/certificate", Admin, ca::take_up),
        get("/v1/sessions", Operator, session::list),
        get("/v1/sessions/brief", Operator, session::brief),
        get("/v1/sessions/{id}", Operator, session::show),
        post("/v1/sessions/{id}/cut", Operator, session::cut),
        get("/v1/findings", Operator, finding::list),
        post("/v1/findings", Operator, finding::take).taking(finding::OCTETS),
        get("/v1/incidents", Operator, incident::list),
        get("/v1/incidents/{number}", Operator, incident::show),
        get("/v1/incidents/{number}/replay", Operator, incident::replay),
        post("/v1/incidents/{number}/close", Operator, incident::close),
        post("/v1/incidents/{number}/judge", Admin, incident::judge),
        get("/v1/management/orders", Operator, management::list),
        post("/v1/management/orders", Admin, management::order),
        get("/v1/management/orders/{number}", Operator, management::show),
        post("/v1/management/orders/{number}/report", Operator, management::report),
        post("/v1/management/orders/{number}/withdraw", Admin, management::withdraw),
        get("/v1/stats", Operator, stats::show),
        post("/v1/backups", Admin, backup::begin),
        post("/v1/configuration", Admin, configuration::apply),
    ]
}

/// The journal's routes alone, for this process's own user, while nothing else is open.
pub fn journal_router(files: JournalFiles) -> Router {
    Router::new()
        .route("/v1/events", axum::routing::get(event::tail))
        .route("/v1/events/verify", axum::routing::post(event::verify))
        .with_state(files)
}

impl Route {
    /// Takes a body of so many octets, instead of 2 MiB.
    fn taking(mut self, octets: usize) -> Self {
        self.handler = self.handler.layer(DefaultBodyLimit::max(octets));
        self
    }
}

fn get<H: Handler<T, Arc<Services>>, T: 'static>(path: &'static str, needs: Role, handler: H) -> Route {
    Route { method: Method::GET, path, needs, handler: on(MethodFilter::GET, handler) }
}

fn post<H: Handler<T, Arc<Services>>, T: 'static>(path: &'static str, needs: Role, handler: H) -> Route {
    Route { method: Method::POST, path, needs, handler: on(MethodFilter::POST, handler) }
}

/// The router over `services`. Each request must carry its `Caller` as an extension.
pub fn router(services: Arc<Services>) -> Router {
    let add = |router: Router<Arc<Services>>, route: Route| {
        let needs = route.needs;
        let authorize = middleware::from_fn(move |request, next| authorize(needs, request, next));
        router.route(route.path, route.handler.route_layer(authorize))
    };
    let router = routes().into_iter().fold(Router::new(), add).fallback(unknown);
    let router = router.method_not_allowed_fallback(other_method);
    router.layer(middleware::map_response(framed)).with_state(services)
}

async fn other_method(method: Method, path: MatchedPath) -> Problem {
    let routes = routes();
    let here = routes.iter().filter(|route| route.path == path.as_str());
    let methods: Vec<_> = here.map(|route| route.method.as_str()).collect();
    let status = StatusCode::METHOD_NOT_ALLOWED;
    Problem::new(status, "method-not-allowed", format!("this route does not take {method}"))
        .next(format!("it takes {}", methods.join(", ")))
}

async fn unknown() -> Problem {
    Problem::not_found("there is no such route").next("this version's routes are in docs/cli.md")
}

#[cfg(test)]
mod tests;
