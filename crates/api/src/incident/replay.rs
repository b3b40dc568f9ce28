//! Judges an incident about two who hold one key once more, by what the journal has of it and nothing else.

use crate::{Problem, Services};
use admission::Case;
use axum::{
    Json,
    extract::{Path, State},
};
use events::{
    admission::Judged,
    journal::{Tail, TailError},
};
use ids::{DeviceId, UnixTime};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// A verdict, and what the same evidence comes to now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Replay {
    /// The incident.
    pub incident: u64,
    /// Which unit.
    pub device: DeviceId,
    /// The record of the journal that it was judged from.
    pub seq: u64,
    /// When it was judged.
    pub at: UnixTime,
    /// The verdict of then.
    pub then: Value,
    /// The rules of then, by their version.
    pub rules_then: String,
    /// The verdict of the rules of this version.
    pub now: Value,
    /// The rules of this version.
    pub rules_now: String,
    /// Both are the same, but for the version.
    pub same: bool,
}

pub(crate) async fn replay(
    State(services): State<Arc<Services>>,
    Path(number): Path<u64>,
) -> Result<Json<Replay>, Problem> {
    let work = services.blocking(move |services| {
        let incident = services.ledger.incident(number)?.ok_or_else(|| {
            Problem::not_found(format!("there is no incident {number}"))
                .next("list them with `truecell incident list`")
        })?;
        let mut tail = Tail::since(&services.journal_files.dir, incident.opened_at).map_err(unreadable)?;
        while let Some(record) = tail.next_record().map_err(unreadable)? {
            let Ok(Some(judged)) = record.read::<Judged>() else { continue };
            if judged.incident == number {
                return judged_again(&judged, record.seq, record.at);
            }
        }
        Err(Problem::not_found(format!("the journal has no verdict of incident {number}"))
            .next("only what is about two who hold one key has one, and only while its segment is kept"))
    });
    work.await.map(Json)
}

fn judged_again(judged: &Judged, seq: u64, at: UnixTime) -> Result<Replay, Problem> {
    let broken = |error| Problem::ours("the record of the verdict cannot be read").because(error);
    let case: Case = serde_json::from_str(judged.case.get()).map_err(broken)?;
    let then: Value = serde_json::from_str(judged.verdict.get()).map_err(broken)?;
    let now = serde_json::to_value(case.judge()).map_err(broken)?;
    Ok(Replay {
        incident: judged.incident,
        device: judged.device,
        seq,
        at,
        same: without_version(&then) == without_version(&now),
        then,
        rules_then: judged.rules.clone(),
        now,
        rules_now: admission::RULES.to_owned(),
    })
}

fn without_version(verdict: &Value) -> Value {
    let mut verdict = verdict.clone();
    verdict.as_object_mut().map(|verdict| verdict.remove("rules"));
    verdict
}

fn unreadable(error: TailError) -> Problem {
    Problem::ours("the journal cannot be read").because(error)
}
