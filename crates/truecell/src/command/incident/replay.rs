//! `incident replay`: each verdict of then beside that of this version's rules, from the journal.

use crate::{
    control::Control,
    failure::Failure,
    output::{Output, facts, seconds},
};
use admission::Appraisal;
use api::incident::{Rejudged, Replay};
use serde::Deserialize;
use serde_json::Value;

pub(super) async fn run(number: u64, control: &mut Control, output: &Output) -> Result<(), Failure> {
    let replay: Replay = control.client().get(&format!("/v1/incidents/{number}/replay")).await?;
    output.answer(&replay, show)?;
    if replay.last.same { Ok(()) } else { Err(Failure::answered()) }
}

/// The last one counts, and is shown last.
fn show(replay: &Replay) -> String {
    let about = facts(&[("incident", replay.incident.to_string()), ("device", replay.device.to_string())]);
    let all = replay.earlier.iter().chain([&replay.last]).map(show_one);
    std::iter::once(about).chain(all).collect::<Vec<_>>().join("\n")
}

fn show_one(judged: &Rejudged) -> String {
    facts(&[
        ("judged", format!("{} (record {} of the journal)", seconds(judged.at), judged.seq)),
        ("then", told(&judged.then, &judged.rules_then)),
        ("now", told(&judged.now, &judged.rules_now)),
        ("same", if judged.same { "yes" } else { "no" }.to_owned()),
    ])
}

fn told(verdict: &Value, rules: &str) -> String {
    let conclusion = verdict.get("conclusion").and_then(Value::as_str).unwrap_or("no conclusion");
    let side = |name: &str| verdict.get(name).and_then(|side| Appraisal::deserialize(side).ok());
    let total = |name: &str| side(name).map_or(0, |side| side.total());
    format!("{conclusion} ({:+} against {:+}, rules {rules})", total("own"), total("other"))
}
