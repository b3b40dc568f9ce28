use crate::{Metrics, Problem};
use axum::{
    Json, Router, extract::State, http::StatusCode, http::header, response::IntoResponse, routing::get,
};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// What must work for new units to be admitted, each with its present state.
#[derive(Debug, Default)]
pub struct Health {
    checks: Mutex<BTreeMap<&'static str, Option<String>>>,
}

/// A check that went from good to bad or back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It was good or unknown until now.
    Failed,
    /// It was bad until now.
    Recovered,
}

/// The answer of `/readyz`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// All checks are good.
    pub ready: bool,
    /// Why not, for each check that is bad; `null` for those that are good.
    pub checks: BTreeMap<&'static str, Option<String>>,
}

impl Health {
    /// Records one check: `failed` says why it is bad. Tells when that is a change.
    pub fn record(&self, check: &'static str, failed: Option<String>) -> Option<Change> {
        let bad = failed.is_some();
        let before = self.checks().insert(check, failed);
        match (before, bad) {
            (None | Some(None), true) => Some(Change::Failed),
            (Some(Some(_)), false) => Some(Change::Recovered),
            (None | Some(None), false) | (Some(Some(_)), true) => None,
        }
    }

    /// All checks as they are now.
    pub fn readiness(&self) -> Readiness {
        let checks = self.checks().clone();
        Readiness { ready: checks.values().all(Option::is_none), checks }
    }

    fn checks(&self) -> MutexGuard<'_, BTreeMap<&'static str, Option<String>>> {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The pages for this machine's own collectors: `/healthz` (the process answers), `/readyz` (it would
/// admit a unit; 503 if not, with the reasons), `/metrics`. They ask nobody who they are: serve them on
/// loopback only.
pub fn pages(health: Arc<Health>, metrics: Arc<Metrics>) -> Router {
    Router::new()
        .route("/healthz", get(async || "alive\n"))
        .route("/readyz", get(readyz).with_state(health))
        .route("/metrics", get(scrape).with_state(metrics))
}

async fn readyz(State(health): State<Arc<Health>>) -> impl IntoResponse {
    let readiness = health.readiness();
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness))
}

async fn scrape(State(metrics): State<Arc<Metrics>>) -> Result<impl IntoResponse, Problem> {
    let text = metrics.text().map_err(|_| Problem::ours("the metrics cannot be written"))?;
    Ok(([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_once_in_each_direction() {
        let health = Health::default();
        assert_eq!(health.record("ledger", None), None);
        assert_eq!(health.record("ledger", Some("locked".into())), Some(Change::Failed));
        assert_eq!(health.record("ledger", Some("still locked".into())), None);
        assert!(!health.readiness().ready);
        assert_eq!(health.record("ledger", None), Some(Change::Recovered));
        assert!(health.readiness().ready);
    }
}
