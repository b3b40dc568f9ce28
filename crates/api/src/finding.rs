//! Findings of detectors as the API takes and shows them.

use crate::{Caller, Problem, Services, ledger_check::Finding, page::Limit};
use axum::{
    Extension, Json,
    extract::{Query, State},
};
use ids::{CellKey, DeviceId, UnixTime};
pub use ledger::detection::{
    AskedDetections, Detected, Detection, DetectionId, DifferingDetection, Place, TakenDetections,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Findings for the ledger to take: each by its id once, however often it is said, so a sender that has heard no answer says them
/// again. All are taken in one transaction, or none is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TakeFindings {
    /// Of this form: [`Self::VERSION`].
    pub version: u16,
    /// The findings, [`Self::MOST`] at most.
    pub findings: Vec<Detected>,
}

/// Some findings, in the order of their time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingPage {
    /// The findings.
    pub findings: Vec<Detection>,
    /// Rows between them that were tampered with.
    #[serde(default)]
    pub tampered: Vec<Finding>,
    /// Ask with `after` = this for more; absent when these were the last.
    pub next: Option<String>,
}

impl TakeFindings {
    /// The form that this Truecell takes.
    pub const VERSION: u16 = 1;
    /// Findings in one request.
    pub const MOST: usize = 500;

    /// Findings of the form of this version.
    pub fn new(findings: Vec<Detected>) -> Self {
        Self { version: Self::VERSION, findings }
    }

    fn check(&self) -> Result<(), Problem> {
        let (version, most) = (self.version, Self::MOST);
        if version != Self::VERSION {
            return Err(Problem::invalid(format!("findings of form {version} are not understood here"))
                .next(format!("this version takes form {}", Self::VERSION)));
        }
        if self.findings.len() > most {
            return Err(Problem::invalid(format!("{} findings in one request", self.findings.len()))
                .next(format!("send {most} at most, and the others after them")));
        }
        let bad = self.findings.iter().find_map(|found| found.check().err());
        bad.map_or(Ok(()), |bad| Err(Problem::invalid(bad.to_string()).next("send it as the engine says it")))
    }
}

/// Octets of a request: the longest findings are seldom, and a sender halves what is too long.
pub(crate) const OCTETS: usize = 8 << 20;

/// Which findings are asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    from: Option<UnixTime>,
    to: Option<UnixTime>,
    detector: Option<String>,
    cell: Option<CellKey>,
    device: Option<DeviceId>,
    incident: Option<u64>,
    after: Option<String>,
    #[serde(default)]
    limit: Limit,
}

pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<Asked>,
) -> Result<Json<FindingPage>, Problem> {
    let Asked { from, to, detector, cell, device, incident, after, limit } = asked;
    let after = after.as_deref().map(place).transpose()?;
    let asked = AskedDetections { from, to, detector, cell, device, incident, after };
    let work = services.blocking(move |services| {
        let page = services.ledger.detections(&asked, limit.get())?;
        let tampered = services.told(page.tampered, &caller);
        Ok(FindingPage { findings: page.rows, tampered, next: page.next })
    });
    work.await.map(Json)
}

pub(crate) async fn take(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Json(request): Json<TakeFindings>,
) -> Result<Json<TakenDetections>, Problem> {
    request.check()?;
    let work = services.blocking(move |services| {
        Ok(services.ledger.take_detections(&request.findings, &caller.name, services.now())?)
    });
    work.await.map(Json)
}

fn place(text: &str) -> Result<Place, Problem> {
    text.parse().map_err(|_| {
        Problem::invalid(format!("`{text}` is no place in this list"))
            .next("write it as `next` of a page says")
    })
}
