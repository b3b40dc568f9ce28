use crate::{Metrics, Problem, door::Door};
use axum::{
    Json, Router, extract::State, http::StatusCode, http::header, response::IntoResponse, routing::get,
};
use gateway::{Alarm, Gateway, HealthView};
use serde::Serialize;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::net::TcpListener;

/// The answer of `/readyz`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// A unit would be admitted.
    pub ready: bool,
    /// Why not, for each check that is bad; `null` for those that are good. All but `ca`, `clock-step`,
    /// `issuers`, `policy` and `witness` are needed to admit.
    pub checks: BTreeMap<&'static str, Option<String>>,
}

impl From<HealthView> for Readiness {
    fn from(health: HealthView) -> Self {
        let check = |alarm: Alarm| (alarm.needs(), health.alarms.get(&alarm).cloned());
        Self { ready: health.can_admit(), checks: Alarm::ALL.into_iter().map(check).collect() }
    }
}

/// The pages for this machine's own collectors: `/healthz` (the process answers), `/readyz` (it would
/// admit a unit; 503 if not, with the reasons), `/metrics`. They ask nobody who they are: serve them on
/// loopback only.
pub fn pages(gateway: Arc<Gateway>, metrics: Arc<Metrics>) -> Router {
    Router::new()
        .route("/healthz", get(async || "alive\n"))
        .route("/readyz", get(readyz).with_state(gateway))
        .route("/metrics", get(scrape).with_state(metrics))
}

/// A collector asks every few seconds and has its answer within one.
const DOOR: Door = Door { places: 64, head: Duration::from_secs(5), life: Duration::from_secs(60) };

/// Answers with [`pages`] until it is dropped.
pub async fn serve_pages(listener: TcpListener, pages: Router) {
    DOOR.serve(listener, std::future::pending(), move |_| Some((pages.clone(), ()))).await;
}

async fn readyz(State(gateway): State<Arc<Gateway>>) -> impl IntoResponse {
    let readiness = Readiness::from(gateway.health());
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
    fn every_check_is_named_whether_good_or_bad() {
        let mut health = HealthView::default();
        assert!(Readiness::from(health.clone()).ready);
        health.alarms.insert(Alarm::LedgerUnreachable, "locked".into());
        let text = serde_json::to_string(&Readiness::from(health)).unwrap();
        assert_eq!(
            text,
            r#"{"ready":false,"checks":{"ca":null,"ca-key":null,"clock":null,"clock-step":null,"core":null,"disk":null,"issuers":null,"journal":null,"ledger":"locked","line-ends":null,"line-feed":null,"policy":null,"shards":null,"threads":null,"witness":null}}"#
        );
    }
}
