//! Sessions as the API shows them: the gateway's own view.

use crate::{Caller, Problem, Reason, Services, page::Limit};
use axum::{
    Extension, Json,
    extract::{Path, Query, State},
};
use events::{Durability, gateway::SessionCut};
use gateway::{SessionView, State as SessionState};
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

/// Asks to end one session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CutSession {
    /// The reason, for the record.
    pub why: Reason,
}

/// Which sessions are asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    after: Option<SessionId>,
    #[serde(default)]
    limit: Limit,
}

pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    Query(asked): Query<Asked>,
) -> Json<SessionPage> {
    let limit = asked.limit.get();
    let gateway = services.gateway.as_ref();
    let sessions = gateway.map(|gateway| gateway.sessions(asked.after, limit)).unwrap_or_default();
    let next = sessions.last().filter(|_| sessions.len() == limit).map(|session| session.id);
    Json(SessionPage { sessions, next })
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
    let session = services.session(id)?;
    let event = SessionCut {
        device: session.device,
        session: id,
        by: caller.name.clone(),
        why: request.why.to_string(),
        cert_sha256: session.cert_sha256,
    };
    let cut = services.blocking(move |services| {
        services.ledger.journal().append(&event, services.now(), Durability::Durable).map_err(|error| {
            Problem::unavailable("journal-unwritable", "the journal cannot be written: nothing was cut")
                .because(error)
                .next("see that its disk has room and works")
        })?;
        let gateway = services.gateway.as_ref();
        Ok(gateway.is_some_and(|gateway| gateway.cut(id, &caller.name, &request.why)))
    });
    if cut.await? {
        Ok(Json(SessionView { state: SessionState::Closed, ..session }))
    } else {
        Err(unknown(id))
    }
}

fn unknown(id: SessionId) -> Problem {
    Problem::not_found(format!("there is no session {id} on this node"))
        .next("list them with `truecell session list`; it may be over")
}

impl Services {
    fn session(&self, id: SessionId) -> Result<SessionView, Problem> {
        let gateway = self.gateway.as_ref();
        gateway.and_then(|gateway| gateway.session(id)).ok_or_else(|| unknown(id))
    }
}
