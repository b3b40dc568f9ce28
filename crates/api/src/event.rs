//! The journal as the API shows it: records are the journal's own lines, octet for octet.

use crate::{Problem, Services};
use axum::{
    Json,
    body::{Body, Bytes},
    extract::{FromRef, Query, State},
    http::header,
    response::{IntoResponse, Response},
};
use events::{
    PublicKey, Record,
    journal::{Restore, Tail, verify_with},
    witness::{Testimony, Witnessed},
};
use http_body_util::channel::{Channel, Sender};
use serde::{Deserialize, Serialize};
use std::{
    collections::VecDeque,
    convert::Infallible,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::sync::watch;

/// One node's journal as files: enough to show and to check it, also while nothing else works.
#[derive(Clone, Debug)]
pub struct JournalFiles {
    /// Its folder.
    pub dir: PathBuf,
    /// The key that signed first.
    pub key: PublicKey,
    /// What a witness has of it, where it is to be compared with that.
    pub witness: Option<Arc<Testimony>>,
    /// Turns true when streams must end.
    pub stop: watch::Receiver<bool>,
}

impl FromRef<Arc<Services>> for JournalFiles {
    fn from_ref(services: &Arc<Services>) -> Self {
        services.journal_files.clone()
    }
}

/// What part of the journal is asked for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    /// First record; absent: the last [`LAST`].
    from: Option<u64>,
    /// Go on with each new record.
    #[serde(default)]
    follow: bool,
}

/// Records shown when nobody says from where.
const LAST: usize = 20;
/// How often a follower looks for new records.
const PAUSE: Duration = Duration::from_millis(100);
/// Records read at once: about 1 MB.
const BATCH: usize = 1_000;

/// Streams records, one line each.
pub(crate) async fn tail(
    State(files): State<JournalFiles>,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let follow = asked.follow;
    let dir = files.dir.clone();
    let (first, reader) = reading(move || start(&dir, asked.from)).await?;
    let (sender, body) = Channel::<Bytes, Infallible>::new(4);
    tokio::spawn(send(first, reader, follow, sender, files.stop));
    Ok(([(header::CONTENT_TYPE, "application/jsonl")], Body::new(body)).into_response())
}

/// A reader, and what it has read already.
fn start(dir: &Path, from: Option<u64>) -> Result<(Vec<Record>, Tail), Problem> {
    if let Some(from) = from {
        return Ok((Vec::new(), Tail::new(dir, from)));
    }
    let back = u64::try_from(LAST).unwrap_or(0);
    let mut tail = Tail::new(dir, last_segment(dir).saturating_sub(back));
    let mut last = VecDeque::with_capacity(LAST);
    while let Some(record) = tail.next_record().map_err(unreadable)? {
        if last.len() == LAST {
            last.pop_front();
        }
        last.push_back(record);
    }
    Ok((last.into(), tail))
}

/// The number that the newest segment begins with; 1 when there is none.
fn last_segment(dir: &Path) -> u64 {
    let first_of = |entry: fs::DirEntry| Path::new(&entry.file_name()).file_stem()?.to_str()?.parse().ok();
    fs::read_dir(dir).into_iter().flatten().flatten().filter_map(first_of).max().unwrap_or(1)
}

async fn send(
    mut records: Vec<Record>,
    mut tail: Tail,
    follow: bool,
    mut sender: Sender<Bytes, Infallible>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        if !records.is_empty() && sender.send_data(lines(&records)).await.is_err() {
            return;
        }
        let read = tokio::task::spawn_blocking(move || batch(tail)).await;
        let Ok(Ok((next, same))) = read else {
            tracing::error!("the journal cannot be read on");
            return;
        };
        (records, tail) = (next, same);
        if records.is_empty() {
            let ends = !follow || *stop.borrow();
            if ends || tokio::time::timeout(PAUSE, stop.wait_for(|stop| *stop)).await.is_ok() {
                return;
            }
        }
    }
}

fn batch(mut tail: Tail) -> Result<(Vec<Record>, Tail), Problem> {
    let mut records = Vec::new();
    while records.len() < BATCH
        && let Some(record) = tail.next_record().map_err(unreadable)?
    {
        records.push(record);
    }
    Ok((records, tail))
}

fn lines(records: &[Record]) -> Bytes {
    let mut lines = Vec::new();
    for record in records {
        if serde_json::to_writer(&mut lines, record).is_ok() {
            lines.push(b'\n');
        }
    }
    lines.into()
}

fn unreadable(error: impl std::fmt::Display) -> Problem {
    Problem::ours("the journal cannot be read").because(error).next("run `truecell event verify`")
}

async fn reading<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Problem::ours("reading the journal broke off"))?
}

/// What a check of the whole journal found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// Every record is as it was written.
    pub ok: bool,
    /// The key that signed first, by which the journal was checked.
    pub key: PublicKey,
    /// First record that is there; absent, as all up to `broken`, when a record is bad.
    pub first: Option<u64>,
    /// Last record that is there.
    pub last: Option<u64>,
    /// Up to here signed checkpoints prove every octet; what is behind is chained only.
    pub proven: Option<u64>,
    /// Hash of the last line.
    pub head: Option<ids::Sha256>,
    /// Up to where a witness has seen the same; absent when none was asked.
    pub witnessed: Option<Witnessed>,
    /// Where the node went on from a backup, as it says itself, and what a witness knows that it lost so.
    #[serde(default)]
    pub restores: Vec<Restore>,
    /// From this record on, something may have been cut off: nothing outside this machine vouches for it.
    /// Without a witness it is the first behind the last checkpoint, and whoever has the journal's key could
    /// have written even what is before.
    pub unproven_from: Option<u64>,
    /// The first bad record, if there is one.
    pub broken: Option<Broken>,
}

/// The first bad record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broken {
    /// Its number: as it says, or as it ought to say.
    pub seq: u64,
    /// In which file.
    pub file: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

/// Checks the whole journal.
pub(crate) async fn verify(State(files): State<JournalFiles>) -> Result<Json<Verified>, Problem> {
    reading(move || Ok(Json(check(&files)))).await
}

/// A line that is just being written is not a bad one: looked at again this often.
const TRIES: usize = 5;

fn check(files: &JournalFiles) -> Verified {
    let verify = || match &files.witness {
        Some(witness) => verify_with(&files.dir, files.key, witness),
        None => events::journal::verify(&files.dir, files.key),
    };
    let mut found = verify();
    for _ in 1..TRIES {
        if !found.as_ref().is_err_and(|broken| broken.is_unfinished) {
            break;
        }
        found = verify();
    }
    verified(found, files.key)
}

fn verified(found: Result<events::journal::Report, events::journal::Broken>, key: PublicKey) -> Verified {
    match found {
        Ok(report) => Verified {
            ok: true,
            key,
            first: Some(report.first),
            last: Some(report.last),
            proven: Some(report.proven),
            head: Some(report.head),
            unproven_from: Some(report.witnessed.as_ref().map_or(report.proven, |same| same.seq) + 1),
            witnessed: report.witnessed,
            restores: report.restores,
            broken: None,
        },
        Err(broken) => Verified {
            ok: false,
            key,
            first: None,
            last: None,
            proven: None,
            head: None,
            witnessed: None,
            restores: Vec::new(),
            unproven_from: None,
            broken: Some(Broken { seq: broken.seq, file: broken.path, why: broken.why }),
        },
    }
}
