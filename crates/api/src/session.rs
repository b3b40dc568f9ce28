//! Sessions as the API shows them: the gateway's own view.

use crate::{Caller, Problem, Reason, Services, page::Asked};
use axum::{
    Extension, Json,
    extract::{Path, Query, State},
};
use events::{Durability, gateway::SessionCut};
use gateway::{SessionBrief, SessionView, State as SessionState};
use ids::SessionId;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Some sessions, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionPage {
    /// The sessions.
    pub sessions: Vec<SessionView>,
    /// Ask with `after` = this for more; absent when these were the last.
    pub next: Option<SessionId>,
}

/// Some sessions in brief, oldest first, at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BriefPage {
    /// The moment: microseconds since the node's start.
    pub uptime_us: u64,
    /// The sessions.
    pub sessions: Vec<SessionBrief>,
    /// Ask with `after` = this for more; absent when these were the last.
    pub next: Option<SessionId>,
}

/// Asks to end one session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CutSession {
    /// Makes a repeated request harmless.
    #[serde(default)]
    pub request_id: Option<String>,
    /// The reason, for the record.
    pub why: Reason,
}

pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    Query(asked): Query<Asked<SessionId>>,
) -> Json<SessionPage> {
    let limit = asked.limit.get();
    let gateway = services.gateway.as_ref();
    let sessions = gateway.map(|gateway| gateway.sessions(asked.after, limit)).unwrap_or_default();
    let next = sessions.last().filter(|_| sessions.len() == limit).map(|session| session.id);
    Json(SessionPage { sessions, next })
}

pub(crate) async fn brief(
    State(services): State<Arc<Services>>,
    Query(asked): Query<Asked<SessionId>>,
) -> Json<BriefPage> {
    let limit = asked.limit.get();
    let uptime_us = services.uptime_us();
    let gateway = services.gateway.as_ref();
    let sessions = gateway.map(|gateway| gateway.sessions_in_brief(asked.after, limit)).unwrap_or_default();
    let next = sessions.last().filter(|_| sessions.len() == limit).map(|session| session.id);
    Json(BriefPage { uptime_us, sessions, next })
}

pub(crate) async fn show(
    State(services): State<Arc<Services>>,
    Path(id): Path<SessionId>,
) -> Result<Json<SessionView>, Problem> {
    services.session(id).map(Json)
}

/// The intent is in the journal before the tunnel is cut.
pub(crate) async fn cut(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<SessionId>,
    Json(request): Json<CutSession>,
) -> Result<Json<SessionView>, Problem> {
    let name = request.request_id.as_ref().map(|name| format!("{id} {name}"));
    let why = request.why.clone();
    let work = services.blocking(move |services| services.cut(id, &caller.name, &why));
    services.requests.once(name.as_deref(), &request, work).await.map(Json)
}

fn unknown(id: SessionId) -> Problem {
    Problem::not_found(format!("there is no session {id} on this node"))
        .next("list them with `truecell session list`; it may be over")
}

impl Services {
    /// Microseconds since the gateway started; 0 where there is none.
    pub(crate) fn uptime_us(&self) -> u64 {
        let uptime = self.gateway.as_ref().map(|gateway| gateway.uptime()).unwrap_or_default();
        u64::try_from(uptime.as_micros()).unwrap_or(u64::MAX)
    }

    fn cut(&self, id: SessionId, by: &str, why: &str) -> Result<SessionView, Problem> {
        let session = self.session(id)?;
        let event = SessionCut {
            device: session.device,
            session: id,
            by: by.to_owned(),
            why: why.to_owned(),
            cert_sha256: session.cert_sha256,
        };
        self.ledger.journal().append(&event, self.now(), Durability::Durable).map_err(|error| {
            Problem::unavailable("journal-unwritable", "the journal cannot be written: nothing was cut")
                .because(error)
                .next("see that its disk has room and works")
        })?;
        let is_cut = self.gateway.as_ref().is_some_and(|gateway| gateway.cut(id, by, why));
        if is_cut { Ok(SessionView { state: SessionState::Closed, ..session }) } else { Err(unknown(id)) }
    }

    fn session(&self, id: SessionId) -> Result<SessionView, Problem> {
        let gateway = self.gateway.as_ref();
        gateway.and_then(|gateway| gateway.session(id)).ok_or_else(|| unknown(id))
    }
}
