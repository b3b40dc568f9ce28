mod keep;

pub(super) use keep::detected;

use crate::{
    cli::Cli,
    data_dir::DataDir,
    failure::{Failure, Problem},
    output::{Output, facts, seconds},
    table::Table,
};
use clap::{Args, ValueEnum};
use ids::{Label, UnixTime};
use intake::{Given, Intake, IntakeError, Judged, LedgerAs, Paths, Read, Summary, Terms};
use keep::Keep;
use lake::{Format, Input, Kind, Options, Schema};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

/// Take rows of core, IMS and billing into the lake, and judge them
///
/// Sources are Parquet, CSV or JSON lines (docs/formats.md). Their rows are kept in DATA/lake and judged with what the ledger's
/// journal says of units and sessions; what is found becomes incidents. What is no row is put aside, with its reason, in
/// DATA/lake/aside. After a crash it goes on where the last checkpoint was, with nothing lost and nothing twice.
#[derive(Debug, Args)]
pub(crate) struct Ingest {
    /// Files, or folders whose files are read in the order of their names; none: standard input
    #[arg(value_name = "SOURCE")]
    sources: Vec<PathBuf>,
    /// Of what form they are, where the ends of their names do not say it
    #[arg(long, value_enum)]
    format: Option<Form>,
    /// What their JSON lines are
    #[arg(long, value_enum, default_value_t = Written::Rows)]
    lines: Written,
    /// The kind of all rows, where they name none: access, ims, code, payment, number, macro-cell ...
    #[arg(long, value_parser = kind)]
    kind: Option<Kind>,
    /// The feed of all rows, where they name none
    #[arg(long, value_name = "NAME")]
    feed: Option<Label>,
    /// Rows have no numbers: give them some, in their order
    #[arg(long)]
    number: bool,
    /// Pass over columns that no kind of row has
    #[arg(long)]
    ignore_unknown: bool,
    /// Wait for more, until SIGTERM or Ctrl-C
    #[arg(long)]
    follow: bool,
    /// Nothing is to come any more: judge up to the newest row
    #[arg(long, conflicts_with = "follow")]
    end: bool,
    /// Judge by the ledger as it is now: for a history that is older than the ledger
    #[arg(long)]
    ledger_as_it_is: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Form {
    Parquet,
    Csv,
    Jsonl,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Written {
    /// Rows of core, IMS and billing
    Rows,
    /// The feed of lines
    Lines,
    /// The feed of device facts
    Facts,
}

/// What was done, for people and programs.
#[derive(Serialize)]
struct Answer {
    /// Rows taken, by kind.
    rows: BTreeMap<Kind, u64>,
    /// Lines and rows put aside.
    aside: u64,
    /// Files that cannot be read.
    unreadable: Vec<String>,
    /// Each feed's rows.
    feeds: Vec<OfFeed>,
    /// Rows judged, since the engine began.
    judged: u64,
    /// Rows of feeds that the configuration does not name.
    of_unknown_feeds: u64,
    /// All before this is judged.
    judged_until: UnixTime,
    /// Rows that wait for others.
    waiting: usize,
    /// Findings told.
    findings: u64,
    /// Findings that were refused, as another one is kept under their id.
    differing: Vec<String>,
    /// The newest checkpoint.
    commit: u64,
    /// Octets that the lake grew by.
    lake_octets: u64,
}

/// What became of a feed's rows, since the engine began.
#[derive(Serialize)]
struct OfFeed {
    feed: Label,
    rows: u64,
    duplicates: u64,
    late: u64,
    missing: u64,
    silences: u64,
}

fn kind(text: &str) -> Result<Kind, String> {
    let found = Kind::ALL.into_iter().find(|kind| kind.as_str() == text);
    found.ok_or_else(|| format!("kinds are {}", Kind::ALL.map(Kind::as_str).join(" ")))
}

impl Ingest {
    pub(crate) fn run(&self, cli: &Cli, output: &Output) -> Result<(), Failure> {
        let config = cli.read_config()?;
        if config.detect.feeds.is_empty() {
            let next = "add a [[detect.feed]] section for each feed, as in truecell.example.toml";
            return Err(Failure::Usage(Problem::new("no-feeds", "no feed is configured").next(next)));
        }
        let data = DataDir::new(config.data.clone());
        let ledger = if self.ledger_as_it_is { LedgerAs::Now } else { LedgerAs::Then };
        let terms = Terms {
            setup: config.detect.setup(UnixTime::default()),
            every: Duration::from_secs(config.detect.checkpoint_s.into()),
            ledger,
            ends: self.end,
        };
        let intake = Intake::open(paths(&data)?, terms).map_err(|error| failed(&error))?;
        let stops = stopped_by_signals()?;
        let given = Given { sources: self.given(), follows: self.follow, stops };
        let mut keep = Keep::new(data, output)?;
        let summary = intake.run(&given, &mut keep).map_err(|error| failed(&error))?;
        let differing = std::mem::take(&mut keep.differing);
        drop(keep);
        let answer = Answer { differing, ..Answer::from(summary) };
        output.answer(&answer, Answer::text)?;
        if answer.is_clean() { Ok(()) } else { Err(Failure::answered()) }
    }

    fn given(&self) -> Vec<(Input, Options)> {
        let format = self.format.map(|form| match form {
            Form::Parquet => Format::Parquet,
            Form::Csv => Format::Csv,
            Form::Jsonl => Format::JsonLines,
        });
        let schema = match self.lines {
            Written::Rows => Schema::Rows,
            Written::Lines => Schema::Lines,
            Written::Facts => Schema::Facts,
        };
        let options = Options {
            format,
            schema,
            kind: self.kind,
            feed: self.feed.clone(),
            is_numbered: self.number,
            ignores_unknown: self.ignore_unknown,
            is_followed: self.follow,
        };
        let paths = self.sources.iter().cloned().map(Input::Path);
        let given: Vec<_> = paths.map(|input| (input, options.clone())).collect();
        if given.is_empty() { vec![(Input::Standard, options)] } else { given }
    }
}

/// Where it keeps what.
pub(super) fn paths(data: &DataDir) -> Result<Paths, Failure> {
    let node = data.node()?;
    let journal = data.path().join("journal").join(node.as_str());
    Ok(Paths { lake: data.path().join("lake"), journal, commits: data.path().join("detect") })
}

/// What happened, and what to do next.
pub(super) fn failed(error: &IntakeError) -> Failure {
    let problem = |code: &str, next: &str| Problem::new(code, error.to_string()).next(next);
    match error {
        IntakeError::Source(_) => Failure::Usage(problem(
            "source",
            "correct what it names, and start it again: it goes on from there",
        )),
        IntakeError::Commit { .. } => Failure::No(problem(
            "checkpoint",
            "move the file away: a new engine begins then with the sources' first rows; `truecell detect` judges what the lake has",
        )),
        IntakeError::InUse { .. } => {
            Failure::No(problem("in-use", "end the other `truecell ingest`, or let it read this source"))
        }
        IntakeError::Told(_) => Failure::Ours(problem(
            "findings",
            "see that `truecell serve` works, and start it again: it goes on from there",
        )),
        IntakeError::Io { .. }
        | IntakeError::Lake(_)
        | IntakeError::Journal(_)
        | IntakeError::Record(_)
        | IntakeError::Form(_) => Failure::Ours(problem(
            "intake",
            "correct what it names, and start it again: it goes on from there",
        )),
    }
}

/// Set by SIGTERM and Ctrl-C.
fn stopped_by_signals() -> Result<&'static AtomicBool, Failure> {
    static STOPS: AtomicBool = AtomicBool::new(false);
    let no_signals = |error: std::io::Error| Failure::system("no signals", &error);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(no_signals)?;
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            runtime.block_on(async {
                use tokio::signal::unix::{SignalKind, signal};
                let (Ok(mut interrupt), Ok(mut terminate)) =
                    (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
                else {
                    return;
                };
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                STOPS.store(true, Relaxed);
            });
        })
        .map_err(no_signals)?;
    Ok(&STOPS)
}

impl From<Summary> for Answer {
    fn from(Summary { read, judged }: Summary) -> Self {
        let Read { rows, aside, unreadable, newest: _, commit, octets } = read;
        let Judged { counts, feeds, waiting, until, told } = judged;
        let feeds = feeds.into_iter().map(|(feed, counts)| OfFeed {
            feed,
            rows: counts.rows,
            duplicates: counts.duplicates,
            late: counts.late,
            missing: counts.missing,
            silences: counts.silences,
        });
        Self {
            rows,
            aside,
            unreadable,
            feeds: feeds.collect(),
            judged: counts.judged,
            of_unknown_feeds: counts.unknown_feed,
            judged_until: until,
            waiting,
            findings: told,
            differing: Vec::new(),
            commit,
            lake_octets: octets,
        }
    }
}

impl Answer {
    fn is_clean(&self) -> bool {
        self.aside == 0 && self.unreadable.is_empty() && self.differing.is_empty()
    }

    fn text(&self) -> String {
        let rows =
            self.rows.iter().map(|(kind, count)| format!("{count} {}", kind.as_str())).collect::<Vec<_>>();
        let facts = facts(&[
            ("rows", rows.join(", ")),
            ("put aside", self.aside.to_string()),
            ("of unknown feeds", self.of_unknown_feeds.to_string()),
            ("judged until", seconds(self.judged_until)),
            ("waiting", self.waiting.to_string()),
            ("findings", self.findings.to_string()),
            ("checkpoint", self.commit.to_string()),
            ("lake", format!("+{} octets", self.lake_octets)),
        ]);
        let mut table = Table::new(&["FEED", "ROWS", "TWICE", "LATE", "MISSING", "SILENT"]);
        for of in &self.feeds {
            let counts =
                [of.rows, of.duplicates, of.late, of.missing, of.silences].map(|count| count.to_string());
            table.row([of.feed.to_string()].into_iter().chain(counts));
        }
        let unreadable: String =
            self.unreadable.iter().map(|what| format!("\ncannot be read: {what}")).collect();
        format!("{facts}\n{table}{unreadable}")
    }
}
