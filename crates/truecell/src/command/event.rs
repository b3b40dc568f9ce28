mod witness;

use crate::{
    cli::Cli,
    control::Control,
    failure::{Failure, Problem},
    output::{Output, facts, seconds},
    table::printable,
};
use api::event::Verified;
use clap::{
    Args, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};
use events::{PublicKey, journal::Restore};
use ids::DeviceId;
use serde_json::{Map, Value};
use std::path::PathBuf;
use witness::testimony;

#[derive(Debug, Subcommand)]
pub(crate) enum Event {
    /// Show the journal: its last records, or those from a number on
    Tail(Tail),
    /// Check every record of the journal, and name the first bad one
    Verify(Verify),
    /// Show what a witness has of a node's journal, and take in what the node has sent
    Witness(witness::Witness),
}

/// Without arguments, the journal of the data directory is checked with the key in it. Whoever must not
/// trust this machine takes a copy of the journal elsewhere, and the key that `init` printed.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// Folder of a journal, instead of the data directory's
    #[arg(long, value_name = "DIR", requires = "key")]
    journal: Option<PathBuf>,
    /// The public key that this journal began with: 64 hex digits, as `init` printed them and DATA/journal.pub has them
    #[arg(long, value_name = "KEY", requires = "journal", value_parser = journal_key)]
    key: Option<PublicKey>,
    /// Folder of the node on its witness: name what was cut off or written anew since
    #[arg(long, value_name = "DIR")]
    witness: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Tail {
    /// Go on with each new record until Ctrl-C
    #[arg(long)]
    follow: bool,
    /// First record to show; without it the last ones
    #[arg(long, value_name = "SEQ")]
    from: Option<u64>,
    /// How many of the last ones
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20, conflicts_with = "from", value_parser = super::rows())]
    last: u32,
    /// Only records that name this unit
    #[arg(long, value_name = "EUI", value_parser = DeviceId::typed)]
    device: Option<DeviceId>,
    /// Only records of this kind, as in docs/formats.md
    #[arg(long, value_parser = kinds())]
    kind: Option<String>,
}

fn kinds() -> impl TypedValueParser<Value = String> {
    PossibleValuesParser::new(events::kinds())
}

fn journal_key(text: &str) -> Result<PublicKey, &'static str> {
    text.parse().map_err(|_| "a journal key has 64 hex digits, as `truecell init` printed it")
}

impl Event {
    pub(crate) async fn run(&self, cli: &Cli, output: &Output) -> Result<(), Failure> {
        match self {
            Self::Tail(tail) => tail.run(&mut Control::journal(&cli.data_dir()?).await?, output).await,
            Self::Verify(verify) => verify.run(cli, output).await,
            Self::Witness(witness) => witness.run(output),
        }
    }
}

impl Tail {
    async fn run(&self, control: &mut Control, output: &Output) -> Result<(), Failure> {
        if self.follow && control.is_alone() {
            return Err(Failure::No(
                Problem::new("no-daemon", "there is nothing to follow")
                    .because("no daemon runs on this data directory, so no record will come")
                    .next("start `truecell serve`, or leave out --follow"),
            ));
        }
        let from = self.from.map_or_else(|| format!("&last={}", self.last), |from| format!("&from={from}"));
        let device = self.device.map(|device| format!("&device={device}")).unwrap_or_default();
        let kind = self.kind.as_ref().map(|kind| format!("&kind={kind}")).unwrap_or_default();
        let path = format!("/v1/events?follow={}{from}{device}{kind}", self.follow);
        let mut lines = control.client().lines(&path).await?;
        while !output.is_closed()
            && let Some(mut line) = lines.next().await?
        {
            line.push(b'\n');
            if output.is_json() { output.bytes(&line)? } else { output.text(&text(&line))? }
        }
        Ok(())
    }
}

/// One record on one line: number, time, kind, and what it says as `name=value`; of a row in the ledger
/// only what changed.
fn text(line: &[u8]) -> String {
    let Ok(record) = serde_json::from_slice::<Value>(line) else {
        return printable(&String::from_utf8_lossy(line));
    };
    let word = |name: &str| record.get(name).map(word).unwrap_or_default();
    let none = Map::new();
    let body = record.get("body").and_then(Value::as_object).unwrap_or(&none);
    let said = if body.contains_key("revision") { row_changed(body) } else { all(body) };
    printable(format!("{:>6}  {}  {}  {said}", word("seq"), word("at"), word("kind")).trim_end())
}

/// What stands first; the rest follows by name.
const FIRST: [&str; 8] = ["device", "session", "outer", "alarm", "reason", "reasons", "detail", "how"];
/// What is for programs: evidence in full, signatures, and certificates.
const LEFT_OUT: [&str; 4] = ["claim", "evidence", "signature", "der"];

fn all(body: &Map<String, Value>) -> String {
    let first = FIRST.iter().filter_map(|name| body.get_key_value(*name));
    let rest = body.iter().filter(|(name, _)| ![&FIRST[..], &LEFT_OUT].concat().contains(&name.as_str()));
    let shown = first.chain(rest).filter(|(_, value)| !is_nothing(value));
    shown.map(|(name, value)| format!("{name}={}", word(value))).collect::<Vec<_>>().join(" ")
}

fn row_changed(body: &Map<String, Value>) -> String {
    let part = |name: &str| body.get(name).map(word).unwrap_or_default();
    let side = |name: &str| body.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
    let (before, after) = (side("before"), side("after"));
    let mut changes: Vec<String> = Vec::new();
    for (name, new) in &after {
        let old = before.get(name).unwrap_or(&Value::Null);
        // When it changed stands in front of the line.
        let is_time_of_change = !before.is_empty() && (name.ends_with("_since") || name.ends_with("_at"));
        if LEFT_OUT.contains(&name.as_str())
            || is_time_of_change
            || old == new
            || (is_nothing(old) && is_nothing(new))
        {
            continue;
        }
        let old = if is_nothing(old) { String::new() } else { format!("{} -> ", word(old)) };
        changes.push(format!("{name}={old}{}", word(new)));
    }
    let approver =
        if part("approver") == "null" { String::new() } else { format!(" approver={}", part("approver")) };
    let (table, key, by, why) = (part("table"), part("key"), part("by"), part("why"));
    format!("{table} {key}: {} by={by}{approver} why={why}", changes.join(" "))
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    }
}

fn word(value: &Value) -> String {
    let time = |text: &str| text.ends_with('Z').then(|| text.parse().ok().map(seconds)).flatten();
    value.as_str().map_or_else(|| value.to_string(), |text| time(text).unwrap_or_else(|| text.to_owned()))
}

impl Verify {
    async fn run(&self, cli: &Cli, output: &Output) -> Result<(), Failure> {
        // Before the journal: what is there by then must be in that.
        let witness = self.witness.as_deref().map(testimony).transpose()?;
        let mut control = match (&self.journal, self.key, witness) {
            (Some(dir), Some(key), witness) => Control::copy(dir, key, witness)?,
            (None, _, Some(witness)) | (_, None, Some(witness)) => {
                Control::witnessed(&cli.data_dir()?, witness)?
            }
            (None, _, None) | (_, None, None) => Control::journal(&cli.data_dir()?).await?,
        };
        let verified: Verified = control.client().post("/v1/events/verify", &serde_json::json!({})).await?;
        output.answer(&verified, report)?;
        if verified.ok { Ok(()) } else { Err(Failure::answered()) }
    }
}

fn witness(verified: &Verified) -> String {
    let lost = verified.restores.iter().any(|restore| restore.lost_to.is_some());
    if verified.witnessed.is_none() && lost {
        return "saw nothing of what is here".into();
    }
    verified.witnessed.as_ref().map_or_else(
        || "none was asked (--witness)".into(),
        |same| format!("saw the same up to record {}, signed {}", same.seq, seconds(same.at)),
    )
}

/// Each on a line of its own: a restore that nobody knows of is a cut.
fn restores(restores: &[Restore]) -> String {
    let line = |restore: &Restore| {
        let Restore { seq, at, backup_at, by, why, lost_to } = restore;
        let lost = lost_to.map_or_else(String::new, |lost| {
            format!("; records {seq} to {lost} that the witness saw are lost")
        });
        let (at, made) = (seconds(*at), seconds(*backup_at));
        format!("RESTORED at record {seq}, {at}, by {by}: {why}; from a backup of {made}{lost}")
    };
    restores.iter().map(|restore| printable(&line(restore)) + "\n").collect()
}

fn report(verified: &Verified) -> String {
    let number = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
    match &verified.broken {
        None => format!(
            "good: records {} to {}, proven by signatures up to {}\n{}{}",
            number(verified.first),
            number(verified.last),
            number(verified.proven),
            unfinished(verified),
            restores(&verified.restores)
                + &facts(&[
                    ("key", verified.key.to_string()),
                    ("head", verified.head.map(|head| head.to_string()).unwrap_or_default()),
                    ("witness", witness(verified)),
                    (
                        "unproven",
                        format!(
                            "whether anything was cut off from record {} on",
                            number(verified.unproven_from)
                        )
                    ),
                ])
        ),
        Some(broken) => format!(
            "BROKEN at record {}\n{}",
            broken.seq,
            facts(&[
                ("file", broken.file.display().to_string()),
                ("why", broken.why.clone()),
                ("good", good(verified)),
                ("next", next(&broken.code).into())
            ])
        ),
    }
}

/// A line that was just being written, or that a copy has not all of.
fn unfinished(verified: &Verified) -> String {
    verified.unfinished.as_ref().map_or_else(String::new, |line| {
        format!(
            "UNFINISHED: the line of record {} has no end, {} octets of it are here: it was just being written, or a \
             copy was taken meanwhile; all before it is good\n",
            line.seq, line.octets
        )
    })
}

/// What there is before the first bad record.
fn good(verified: &Verified) -> String {
    let (Some(first), Some(last)) = (verified.first, verified.last) else { return "nothing".into() };
    let proven = verified.proven.map_or_else(
        || "no signature proves them".to_owned(),
        |proven| format!("proven by signatures up to {proven}"),
    );
    format!("records {first} to {last}, {proven}")
}

/// What a person does next, by what does not hold.
fn next(code: &str) -> &'static str {
    match code {
        "no-records" | "unreadable" => "see that this is the folder with the .jsonl files, and all of them",
        "not-as-witnessed" => {
            "keep journal and witness as they are: the node's journal was cut, or written anew; then `truecell restore`"
        }
        _ => {
            "keep it as evidence and copy it again, if it is a copy; the node goes on from a backup (`truecell restore`)"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_who_from_where_and_why_first_and_leaves_the_claim_to_programs() {
        let line = br#"{"seq":"7","at":"2026-01-31T10:00:00.123456Z","kind":"admission.refused","body":{
            "cert_sha256":"ab","claim":{"idi":"x"},"detail":"the unit is lost","device":"00aabbccddee",
            "outer":"192.0.2.1:500","reason":"lost","rules":"1"}}"#;
        let expected = "     7  2026-01-31T10:00:00Z  admission.refused  device=00aabbccddee outer=192.0.2.1:500 \
            reason=lost detail=the unit is lost cert_sha256=ab rules=1";
        assert_eq!(text(line), expected);
    }
}
