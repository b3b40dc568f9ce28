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
use ledger::Incident;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{path::Path as FilePath, sync::Arc};

/// Each verdict of an incident, and what the same evidence comes to now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Replay {
    /// The incident.
    pub incident: u64,
    /// Which unit.
    pub device: DeviceId,
    /// The last time that it was judged, which counts.
    #[serde(flatten)]
    pub last: Rejudged,
    /// The times before, in their order.
    #[serde(default)]
    pub earlier: Vec<Rejudged>,
}

/// A verdict, and what the same evidence comes to now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rejudged {
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

/// The journal does not say how an incident was judged.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// It cannot be read.
    #[error("the journal cannot be read")]
    Journal(#[from] TailError),
    /// A record in it cannot.
    #[error("record {seq} of the journal, of a verdict, cannot be read")]
    Record {
        /// Which.
        seq: u64,
        /// Why.
        source: serde_json::Error,
    },
}

impl Replay {
    /// From the records in a journal's folder; `None` where it has no verdict of the incident.
    ///
    /// # Errors
    /// [`ReplayError`]
    pub fn of(incident: &Incident, journal: &FilePath) -> Result<Option<Self>, ReplayError> {
        let (mut tail, mut all) = (Tail::since(journal, incident.opened_at)?, Vec::new());
        let mut device = None;
        while let Some(record) = tail.next_record()? {
            let Ok(Some(judged)) = record.read::<Judged>() else { continue };
            // A number that a transaction had which did not stand is another incident's by now.
            if judged.incident == incident.number && incident.devices.contains(&judged.device) {
                device = Some(judged.device);
                all.push(Rejudged::of(&judged, record.seq, record.at)?);
            }
        }
        let last = device.zip(all.pop());
        Ok(last.map(|(device, last)| Self { incident: incident.number, device, last, earlier: all }))
    }
}

impl Rejudged {
    fn of(judged: &Judged, seq: u64, at: UnixTime) -> Result<Self, ReplayError> {
        let broken = |source| ReplayError::Record { seq, source };
        let case: Case = serde_json::from_str(judged.case.get()).map_err(broken)?;
        let then: Value = serde_json::from_str(judged.verdict.get()).map_err(broken)?;
        let now = serde_json::to_value(case.judge()).map_err(broken)?;
        let same = without_version(&then) == without_version(&now);
        let (rules_then, rules_now) = (judged.rules.clone(), admission::RULES.to_owned());
        Ok(Self { seq, at, then, rules_then, now, rules_now, same })
    }
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
        let replay = Replay::of(&incident, &services.journal_files.dir)
            .map_err(|error| Problem::ours(error.to_string()).because(error))?;
        replay.ok_or_else(|| {
            let is_alone = incident.sides().is_some_and(|sides| sides.holder.is_none());
            no_verdict(number, is_alone)
        })
    });
    work.await.map(Json)
}

fn no_verdict(number: u64, is_alone: bool) -> Problem {
    if is_alone {
        return Problem::not_found(format!("incident {number} is about one alone, and two are judged again"))
            .next(format!("`truecell incident show {number}` has what was weighed of it"));
    }
    Problem::not_found(format!("the journal has no verdict of incident {number}"))
        .next("only what is about two who hold one key has one, and only while its segment is kept")
}

fn without_version(verdict: &Value) -> Value {
    let mut verdict = verdict.clone();
    verdict.as_object_mut().map(|verdict| verdict.remove("rules"));
    verdict
}
