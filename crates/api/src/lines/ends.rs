//! Lines that were cancelled, or that end at another site now: their units are suspended, once.
//!
//! Only units whose state is older than the end are: whoever a person brought back since, or installed there since, stays.
//! What was done is written down beside the feed, so that it is not done again after a restart.
//!
//! A feed that is broken must not turn an estate off: beyond so many units in an hour, or 1 in 100 of those in service, an
//! end is held, and all that come after it, until a person has suspended the units, or allows more.

use ids::{AccessLine, DeviceId, UnixTime};
use ledger::{Device, Ledger, LedgerError, LifeCycle};
use pki::replace_file;
use records::line::{Change, ChangeKind};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    fs::OpenOptions,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

const HOUR: Duration = Duration::from_secs(3600);
/// An end that is older is not acted on: the feed was read for the first time, or again after long.
const PAST: Duration = Duration::from_secs(30 * 24 * 3600);
/// Ends that are remembered or wait at most; what comes beyond is not taken, and said.
pub(super) const ENDS: usize = 100_000;
/// Ends that are held, looked at in one turn.
const SETTLED_AT_ONCE: usize = 100;
/// Ends that are held, and units of each, that the alarm names.
const NAMED: usize = 5;
/// Rows of the ledger that are read at once.
const PAGE: usize = 500;

/// What was done about the end of each line, and what is still to be done.
pub(super) struct Ends {
    path: PathBuf,
    done: BTreeMap<Key, Entry>,
    /// When a line was restored last.
    restored: HashMap<AccessLine, UnixTime>,
    waiting: BTreeSet<Key>,
    held: VecDeque<Key>,
    /// What the alarm says of the first of those that are held.
    named: Vec<String>,
    not_taken: u64,
    /// More is allowed than before.
    is_to_look_again: bool,
}

/// What waits for a person.
#[derive(Clone, Debug, Default)]
pub(super) struct Waits {
    pub(super) held: usize,
    named: Vec<String>,
    not_taken: u64,
}

/// Which end. Ordered by time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Key {
    at: UnixTime,
    line: AccessLine,
    is_moved: bool,
}

/// What was done about it; the last word of the file counts.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Entry {
    /// Units that were suspended; `None` while it is held.
    suspended: Option<u32>,
    /// When.
    on: UnixTime,
}

#[derive(Serialize, Deserialize)]
struct Line {
    v: u16,
    #[serde(flatten)]
    key: Key,
    #[serde(flatten)]
    entry: Entry,
}

impl Ends {
    /// Reads what was done before, and forgets what is long past.
    pub(super) fn open(folder: &Path, now: UnixTime) -> io::Result<Self> {
        let path = folder.join("line-ends.jsonl");
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        // A line that a crash cut off tells of something that is found again in the ledger.
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok());
        let mut done: BTreeMap<_, _> = lines.map(|Line { key, entry, .. }| (key, entry)).collect();
        done.retain(|key, entry| entry.suspended.is_none() || key.at > now.before(PAST));
        let held = done.iter().filter(|(_, entry)| entry.suspended.is_none()).map(|(key, _)| key.clone());
        let held = held.collect();
        let (restored, waiting) = (HashMap::new(), BTreeSet::new());
        let (named, is_to_look_again) = (Vec::new(), false);
        let ends = Self { path, done, restored, waiting, held, named, not_taken: 0, is_to_look_again };
        let text: String = ends.done.iter().map(|(key, entry)| written(key, *entry)).collect();
        replace_file(&ends.path, 0o600, text.as_bytes()).map_err(io::Error::other)?;
        Ok(ends)
    }

    /// Returns whether it is news.
    pub(super) fn note(&mut self, change: Change, now: UnixTime) -> bool {
        let Change { line, kind, at } = change;
        if kind == ChangeKind::Restored && self.restored.len() < ENDS {
            let last = self.restored.entry(line).or_insert(at);
            *last = at.max(*last);
            return true;
        }
        if kind == ChangeKind::Restored {
            self.not_taken += 1;
            return false;
        }
        let key = Key { at, line, is_moved: kind == ChangeKind::Moved };
        if at < now.before(PAST) || self.done.contains_key(&key) || self.waiting.contains(&key) {
            return false;
        }
        if self.done.len() + self.waiting.len() >= ENDS {
            self.done.retain(|key, _| key.at >= now.before(PAST));
        }
        if self.done.len() + self.waiting.len() >= ENDS {
            self.not_taken += 1;
            return false;
        }
        self.waiting.insert(key);
        true
    }

    pub(super) fn look_again(&mut self) {
        self.is_to_look_again = true;
    }

    pub(super) fn waits(&self) -> Waits {
        Waits { held: self.held.len(), named: self.named.clone(), not_taken: self.not_taken }
    }

    /// Suspends units, or holds what would be too much.
    ///
    /// # Errors
    /// The transient ones of the ledger; what is left is done at the next turn.
    pub(super) fn act(
        &mut self,
        ledger: &Ledger,
        per_hour: u32,
        now: UnixTime,
        on_suspended: &dyn Fn(DeviceId),
    ) -> Result<(), LedgerError> {
        self.settle_held(ledger, now)?;
        if std::mem::take(&mut self.is_to_look_again) {
            self.waiting.extend(std::mem::take(&mut self.held));
        }
        while let Some(key) = self.waiting.first().cloned() {
            let units = if self.is_restored(&key) { Vec::new() } else { units_of(ledger, &key)? };
            if self.is_too_much(ledger, units.len(), per_hour, now)? {
                tracing::error!(line = %key.line, units = units.len(), "its end is held: too many at once");
                self.held.push_back(key.clone());
                self.write(key, None, now);
            } else {
                let suspended = suspend(ledger, &key, &units, now, on_suspended)?;
                self.write(key, Some(suspended), now);
            }
            self.waiting.pop_first();
        }
        let first = self.held.iter().take(NAMED);
        self.named =
            first.map(|key| Ok(named(key, &units_of(ledger, key)?))).collect::<Result<_, LedgerError>>()?;
        Ok(())
    }

    /// What a person did, or the feed took back, is no more to be done.
    fn settle_held(&mut self, ledger: &Ledger, now: UnixTime) -> Result<(), LedgerError> {
        for _ in 0..self.held.len().min(SETTLED_AT_ONCE) {
            let Some(key) = self.held.front().cloned() else { break };
            let is_over = self.is_restored(&key) || units_of(ledger, &key)?.is_empty();
            self.held.rotate_left(1);
            if is_over {
                self.held.pop_back();
                self.write(key, Some(0), now);
            }
        }
        Ok(())
    }

    fn is_restored(&self, key: &Key) -> bool {
        self.restored.get(&key.line).is_some_and(|restored| *restored >= key.at)
    }

    fn is_too_much(
        &self,
        ledger: &Ledger,
        units: usize,
        per_hour: u32,
        now: UnixTime,
    ) -> Result<bool, LedgerError> {
        if units == 0 {
            return Ok(false);
        }
        if !self.held.is_empty() {
            return Ok(true);
        }
        let lately = self.done.values().filter(|entry| entry.on > now.before(HOUR));
        let lately: u64 = lately.filter_map(|entry| entry.suspended).map(u64::from).sum();
        let of_estate = ((ledger.in_service()? + lately) / 100).max(1);
        Ok(lately + units as u64 > of_estate.min(per_hour.into()))
    }

    /// What cannot be written is done all the same: the ledger says who was suspended.
    fn write(&mut self, key: Key, suspended: Option<u32>, now: UnixTime) {
        let entry = Entry { suspended, on: now };
        let text = written(&key, entry);
        self.done.insert(key, entry);
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&self.path);
        if let Err(error) = file.and_then(|mut file| file.write_all(text.as_bytes())) {
            tracing::error!(path = %self.path.display(), %error, "what was done about a line is not written down");
        }
    }
}

impl Waits {
    pub(super) fn text(&self) -> Option<String> {
        let held = (self.held > 0).then(|| {
            let (held, named) = (self.held, self.named.join(", "));
            format!("ends of lines whose units are not suspended without a person: {held}, such as {named}")
        });
        let lost = (self.not_taken > 0)
            .then(|| format!("ends of lines that were not taken, as there are {ENDS}: {}", self.not_taken));
        let all: Vec<_> = held.into_iter().chain(lost).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }
}

/// A line, when it ended, and the first of the units that wait.
fn named(key: &Key, units: &[DeviceId]) -> String {
    let Key { line, at, .. } = key;
    let first: String = units.iter().take(NAMED).map(|unit| format!(" {unit}")).collect();
    let more = units.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{line} ({at}:{first}{more})")
}

fn written(key: &Key, entry: Entry) -> String {
    // A struct of plain fields: writing it as JSON can't fail.
    serde_json::to_string(&Line { v: 1, key: key.clone(), entry }).unwrap_or_default() + "\n"
}

/// The units behind a line that may attach, as they were when it ended.
fn units_of(ledger: &Ledger, key: &Key) -> Result<Vec<DeviceId>, LedgerError> {
    let (mut units, mut after) = (Vec::new(), String::new());
    loop {
        let page = ledger.devices_behind(&key.line, &after, PAGE)?;
        let were_there = |device: &&Device| device.is_in_service() && device.state_since < key.at;
        units.extend(page.rows.iter().filter(were_there).map(|device| device.id));
        match page.next {
            Some(next) => after = next,
            None => return Ok(units),
        }
    }
}

fn suspend(
    ledger: &Ledger,
    key: &Key,
    units: &[DeviceId],
    now: UnixTime,
    on_suspended: &dyn Fn(DeviceId),
) -> Result<u32, LedgerError> {
    let what = if key.is_moved { ChangeKind::Moved } else { ChangeKind::Cancelled };
    let why = format!("the feed of lines: {} was {} at {}", key.line, what.as_str(), key.at);
    let mut suspended = 0;
    for id in units {
        match ledger.move_device(*id, LifeCycle::Suspended, "truecell", &why, None, now) {
            Ok(_) => suspended += 1,
            Err(error) if error.is_transient() => return Err(error),
            Err(error) => tracing::error!(device = %id, %error, "it is not suspended, though its line ended"),
        }
        on_suspended(*id);
    }
    Ok(suspended)
}

#[cfg(test)]
mod tests;
