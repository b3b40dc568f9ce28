//! What a copy of the node's data needs of the node: a journal that is signed and on disk up to a record.

use crate::{Caller, Problem, Services};
use axum::{Extension, Json, extract::State};
use events::{Durability, ledger::BackupBegun};
use ids::{NodeId, Sha256, UnixTime};
use ledger::LedgerError;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Says that a copy is being made. The ledger's copy comes before it, the journal's behind it: so the
/// journal explains every row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BeginBackup {
    /// Where it goes, for the record.
    pub to: String,
    /// The private keys go with it.
    pub with_keys: bool,
}

/// The checkpoint that the copy of the journal ends with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Whose journal.
    pub node: NodeId,
    /// Its number.
    pub seq: u64,
    /// Hash of its line.
    pub sha256: Sha256,
    /// When it was signed.
    pub at: UnixTime,
}

pub(crate) async fn begin(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Json(request): Json<BeginBackup>,
) -> Result<Json<Head>, Problem> {
    let signed = services.blocking(move |services| {
        let journal = services.ledger.journal();
        let event = BackupBegun { to: request.to, with_keys: request.with_keys, by: caller.name };
        let appended = journal.append(&event, services.now(), Durability::Grouped);
        let signed = appended.and_then(|_| journal.checkpoint(services.now()));
        Ok(signed.map_err(LedgerError::Journal)?)
    });
    let signed = signed.await?;
    Ok(Json(Head { node: signed.node, seq: signed.seq, sha256: signed.sha256, at: signed.at }))
}
