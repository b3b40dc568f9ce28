use crate::{
    cli::Cli,
    control::Control,
    failure::{Failure, Problem},
    output::{Output, facts},
    table::printable,
};
use api::event::Verified;
use clap::{Args, Subcommand};
use serde_json::Value;

#[derive(Debug, Subcommand)]
pub(crate) enum Event {
    /// Show the journal: its last records, or those from a number on
    Tail(Tail),
    /// Check every record of the journal, and name the first bad one
    Verify,
}

#[derive(Debug, Args)]
pub(crate) struct Tail {
    /// Go on with each new record until Ctrl-C
    #[arg(long)]
    follow: bool,
    /// First record to show; without it the last 20
    #[arg(long, value_name = "SEQ")]
    from: Option<u64>,
}

impl Event {
    pub(crate) async fn run(&self, cli: &Cli, output: &Output) -> Result<(), Failure> {
        match self {
            Self::Tail(tail) => tail.run(&mut Control::journal(&cli.data_dir()?).await?, output).await,
            Self::Verify => verify(&mut Control::journal(&cli.data_dir()?).await?, output).await,
        }
    }
}

impl Tail {
    async fn run(&self, control: &mut Control, output: &Output) -> Result<(), Failure> {
        if self.follow && control.is_alone() {
            return Err(Failure::No(
                Problem::new("no_daemon", "there is nothing to follow")
                    .because("no daemon runs on this data directory, so no record will come")
                    .next("start `truecell serve`, or leave out --follow"),
            ));
        }
        let from = self.from.map(|from| format!("&from={from}")).unwrap_or_default();
        let path = format!("/v1/events?follow={}{from}", self.follow);
        let mut lines = control.client().lines(&path).await?;
        while let Some(mut line) = lines.next().await? {
            line.push(b'\n');
            if output.is_json() { output.bytes(&line)? } else { output.text(&text(&line))? }
        }
        Ok(())
    }
}

/// One record on one line: number, time, kind, and what it says as `name=value`.
fn text(line: &[u8]) -> String {
    let Ok(record) = serde_json::from_slice::<Value>(line) else {
        return printable(&String::from_utf8_lossy(line));
    };
    let word = |name: &str| record.get(name).map(word).unwrap_or_default();
    let body = record.get("body").and_then(Value::as_object);
    let said: Vec<_> =
        body.into_iter().flatten().map(|(name, value)| format!("{name}={}", self::word(value))).collect();
    printable(&format!("{:>6}  {}  {}  {}", word("seq"), word("at"), word("kind"), said.join(" ")))
}

fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

async fn verify(control: &mut Control, output: &Output) -> Result<(), Failure> {
    let verified: Verified = control.client().post("/v1/events/verify", &serde_json::json!({})).await?;
    output.answer(&verified, report)?;
    if verified.ok { Ok(()) } else { Err(Failure::answered()) }
}

fn report(verified: &Verified) -> String {
    match &verified.broken {
        None => format!(
            "good: records {} to {}, proven by signatures up to {}\n{}",
            verified.first,
            verified.last,
            verified.proven,
            facts(&[
                ("key", verified.key.to_string()),
                ("head", verified.head.map(|head| head.to_string()).unwrap_or_default())
            ])
        ),
        Some(broken) => format!(
            "BROKEN at record {}\n{}",
            broken.seq,
            facts(&[("file", broken.file.display().to_string()), ("why", broken.why.clone())])
        ),
    }
}
