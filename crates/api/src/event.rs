//! The journal as the API shows it: records are the journal's own lines, octet for octet.

use crate::{Problem, Services, page::Limit};
use axum::{
    Json,
    body::{Body, Bytes},
    extract::{FromRef, Query, State},
    http::header,
    response::{IntoResponse, Response},
};
use events::{
    PublicKey, Record,
    journal::{Restore, Tail, Unfinished, verify_with},
    witness::{Testimony, Witnessed},
};
use http_body_util::channel::{Channel, Sender};
use ids::DeviceId;
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
    /// First record; absent: the last ones.
    from: Option<u64>,
    /// How many of those; absent: [`LAST`].
    last: Option<Limit>,
    /// Only records that name this device.
    device: Option<DeviceId>,
    /// Only records of this kind.
    kind: Option<String>,
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
    let (follow, wanted) = (asked.follow, Wanted::of(&asked));
    let dir = files.dir.clone();
    let (first, reader) = reading(move || start(&dir, &asked)).await?;
    let (sender, body) = Channel::<Bytes, Infallible>::new(4);
    let reader = Reader { tail: reader, wanted };
    tokio::spawn(send(first, reader, follow, sender, files.stop));
    Ok(([(header::CONTENT_TYPE, "application/jsonl")], Body::new(body)).into_response())
}

/// A reader, and what it has read already.
fn start(dir: &Path, asked: &Asked) -> Result<(Vec<Record>, Tail), Problem> {
    if let Some(from) = asked.from {
        return Ok((Vec::new(), Tail::new(dir, from)));
    }
    last(dir, asked.last.map_or(LAST, Limit::get), &Wanted::of(asked))
}

/// The last `count` that are wanted, from the newest segment back until they are found, and the reader behind them.
fn last(dir: &Path, count: usize, wanted: &Wanted) -> Result<(Vec<Record>, Tail), Problem> {
    let (mut last, mut reader, mut end) = (VecDeque::new(), None, u64::MAX);
    for first in segments(dir) {
        let (mut tail, mut found) = (Tail::new(dir, first), VecDeque::new());
        while let Some(record) = tail.next_record().map_err(unreadable)?.filter(|record| record.seq < end) {
            if wanted.has(&record) {
                found.push_back(record);
            }
            if found.len() + last.len() > count {
                found.pop_front();
            }
        }
        found.append(&mut last);
        (last, end) = (found, first);
        reader.get_or_insert(tail);
        if last.len() == count {
            break;
        }
    }
    Ok((last.into(), reader.unwrap_or_else(|| Tail::new(dir, 1))))
}

/// The numbers that the segments begin with, the newest first.
fn segments(dir: &Path) -> Vec<u64> {
    let first_of = |entry: fs::DirEntry| Path::new(&entry.file_name()).file_stem()?.to_str()?.parse().ok();
    let mut segments: Vec<u64> =
        fs::read_dir(dir).into_iter().flatten().flatten().filter_map(first_of).collect();
    segments.sort_unstable_by(|a, b| b.cmp(a));
    segments
}

/// Which records are shown.
#[derive(Default)]
struct Wanted {
    kind: Option<String>,
    /// Those with this identity in their body: as their device, as the key of a row, or in what it called itself.
    naming: Option<String>,
}

impl Wanted {
    fn of(asked: &Asked) -> Self {
        let naming = asked.device.map(|device| device.to_string());
        Self { kind: asked.kind.clone(), naming }
    }

    fn has(&self, record: &Record) -> bool {
        let names_it = |device: &String| names(&record.body.get().to_ascii_lowercase(), device);
        self.kind.as_ref().is_none_or(|kind| *kind == record.kind)
            && self.naming.as_ref().is_none_or(names_it)
    }
}

/// Whether `device` stands in `text` by itself, and not within a longer identity or a hash.
fn names(text: &str, device: &str) -> bool {
    let is_digit = |octet: Option<&u8>| octet.is_some_and(u8::is_ascii_hexdigit);
    let octets = text.as_bytes();
    let mut found = text.match_indices(device);
    found.any(|(at, _)| {
        let before = at.checked_sub(1).and_then(|before| octets.get(before));
        !is_digit(before) && !is_digit(octets.get(at + device.len()))
    })
}

/// Reads on.
struct Reader {
    tail: Tail,
    wanted: Wanted,
}

async fn send(
    mut records: Vec<Record>,
    mut reader: Reader,
    follow: bool,
    mut sender: Sender<Bytes, Infallible>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        if !records.is_empty() && sender.send_data(lines(&records)).await.is_err() {
            return;
        }
        let read = tokio::task::spawn_blocking(move || batch(reader)).await;
        let Ok(Ok((next, same))) = read else {
            tracing::error!("the journal cannot be read on");
            return;
        };
        (records, reader) = (next, same);
        if records.is_empty() {
            let ends = !follow || *stop.borrow();
            if ends || tokio::time::timeout(PAUSE, stop.wait_for(|stop| *stop)).await.is_ok() {
                return;
            }
        }
    }
}

fn batch(mut reader: Reader) -> Result<(Vec<Record>, Reader), Problem> {
    let mut records = Vec::new();
    while records.len() < BATCH
        && let Some(record) = reader.tail.next_record().map_err(unreadable)?
    {
        if reader.wanted.has(&record) {
            records.push(record);
        }
    }
    Ok((records, reader))
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
    /// First record that is there; absent without a good one.
    pub first: Option<u64>,
    /// Last record that is good: when one is bad, the one before that; absent without one.
    pub last: Option<u64>,
    /// Up to here signed checkpoints prove every octet; what is behind is chained only. Absent when a record is bad
    /// and there is no checkpoint before it.
    pub proven: Option<u64>,
    /// Hash of the last line; absent, as the next three, when a record is bad.
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
    /// A line behind the last record that has no end yet, of which nothing is known.
    #[serde(default)]
    pub unfinished: Option<Unfinished>,
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
    /// Stable word for that ([`events::journal::Broken::code`]).
    #[serde(default)]
    pub code: String,
}

/// Checks the whole journal.
pub(crate) async fn verify(State(files): State<JournalFiles>) -> Result<Json<Verified>, Problem> {
    reading(move || Ok(Json(check(&files)))).await
}

/// A line that is just being written has its end soon: looked at again this often.
const TRIES: usize = 5;

fn check(files: &JournalFiles) -> Verified {
    let verify = || match &files.witness {
        Some(witness) => verify_with(&files.dir, files.key, witness),
        None => events::journal::verify(&files.dir, files.key),
    };
    let mut found = verify();
    for _ in 1..TRIES {
        if !found.as_ref().is_ok_and(|report| report.unfinished.is_some()) {
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
            unfinished: report.unfinished,
            broken: None,
        },
        Err(broken) => not_verified(broken, key),
    }
}

fn not_verified(broken: events::journal::Broken, key: PublicKey) -> Verified {
    let last = broken.seq.checked_sub(1).filter(|last| (1..=*last).contains(&broken.first));
    Verified {
        ok: false,
        key,
        first: last.map(|_| broken.first),
        last,
        proven: (broken.proven > 0).then_some(broken.proven),
        head: None,
        witnessed: None,
        restores: Vec::new(),
        unproven_from: None,
        unfinished: None,
        broken: Some(Broken {
            seq: broken.seq,
            file: broken.path,
            why: broken.why,
            code: broken.code.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_named_by_itself_and_not_within_something_longer() {
        let device = "00aabbccddee";
        for text in [
            r#"{"device":"00aabbccddee"}"#,
            r#"{"table":"pair","key":"00aabb000001-00aabbccddee"}"#,
            r#"{"claimed":"00aabbccddee.femto.operator.example"}"#,
            r#"{"sha256":"f00aabbccddee","device":"00aabbccddee"}"#,
        ] {
            assert!(names(text, device), "{text}");
        }
        for text in ["", "{}", r#"{"device":"00aabbccddeeff01"}"#, r#"{"sha256":"f00aabbccddee"}"#] {
            assert!(!names(text, device), "{text}");
        }
    }

    /// Segments of a journal by their first records, each record about the device that `device` says.
    fn journal(segments: &[&[u64]], device: impl Fn(u64) -> u8) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for records in segments {
            let line = |seq: &u64| {
                format!(
                    r#"{{"seq":"{seq}","prev":"{:064x}","at":"2026-01-31T10:00:00.000000Z","node":"n","kind":"k{}","v":1,"body":{{"device":"0000000000{:02x}"}}}}"#,
                    0,
                    seq % 3,
                    device(*seq)
                ) + "\n"
            };
            let path = dir.path().join(format!("{:020}.jsonl", records[0]));
            fs::write(path, records.iter().map(line).collect::<String>()).unwrap();
        }
        dir
    }

    fn numbers(dir: &Path, count: usize, device: Option<u8>) -> Vec<u64> {
        of_kind(dir, count, device, None)
    }

    fn of_kind(dir: &Path, count: usize, device: Option<u8>, kind: Option<&str>) -> Vec<u64> {
        let device = device.map(|last| DeviceId::eui48([0, 0, 0, 0, 0, last]));
        let asked = Asked { device, kind: kind.map(str::to_owned), ..Asked::default() };
        let (records, mut tail) = last(dir, count, &Wanted::of(&asked)).unwrap();
        assert!(tail.next_record().unwrap().is_none(), "what is behind them is new");
        records.iter().map(|record| record.seq).collect()
    }

    #[test]
    fn the_last_records_are_found_across_segments() {
        let dir = journal(&[&[1, 2, 3], &[4, 5, 6], &[7]], |seq| u8::from(seq % 2 == 0));
        assert_eq!(numbers(dir.path(), 1, None), [7]);
        assert_eq!(numbers(dir.path(), 3, None), [5, 6, 7]);
        assert_eq!(numbers(dir.path(), 99, None), [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(numbers(dir.path(), 2, Some(1)), [4, 6]);
        assert_eq!(numbers(dir.path(), 3, Some(0)), [3, 5, 7]);
        assert!(numbers(dir.path(), 3, Some(9)).is_empty());
        assert_eq!(of_kind(dir.path(), 2, None, Some("k1")), [4, 7]);
        assert_eq!(of_kind(dir.path(), 9, Some(1), Some("k0")), [6]);
        assert!(of_kind(dir.path(), 9, None, Some("k")).is_empty(), "the whole kind");
        let empty = tempfile::tempdir().unwrap();
        assert!(numbers(empty.path(), 3, None).is_empty());
    }
}
