//! `incident replay`: the verdict of then beside that of this version's rules, from the journal.

use crate::{
    control::Control,
    failure::Failure,
    output::{Output, facts, seconds},
};
use admission::Appraisal;
use api::incident::Replay;
use serde::Deserialize;
use serde_json::Value;

pub(super) async fn run(number: u64, control: &mut Control, output: &Output) -> Result<(), Failure> {
    let replay: Replay = control.client().get(&format!("/v1/incidents/{number}/replay")).await?;
    output.answer(&replay, show)?;
    if replay.same { Ok(()) } else { Err(Failure::answered()) }
}

fn show(replay: &Replay) -> String {
    facts(&[
        ("incident", replay.incident.to_string()),
        ("device", replay.device.to_string()),
        ("judged", format!("{} (record {} of the journal)", seconds(replay.at), replay.seq)),
        ("then", told(&replay.then, &replay.rules_then)),
        ("now", told(&replay.now, &replay.rules_now)),
        ("same", if replay.same { "yes" } else { "no" }.to_owned()),
    ])
}

fn told(verdict: &Value, rules: &str) -> String {
    let conclusion = verdict.get("conclusion").and_then(Value::as_str).unwrap_or("no conclusion");
    let side = |name: &str| verdict.get(name).and_then(|side| Appraisal::deserialize(side).ok());
    let total = |name: &str| side(name).map_or(0, |side| side.total());
    format!("{conclusion} ({:+} against {:+}, rules {rules})", total("own"), total("other"))
}
