//! The feed of access lines: followed in the background, into a table in memory that the registrar reads
//! ([`records::line::LineTable`]), and units whose line ended are suspended.
//!
//! - The feed's files are read from their beginning at each start, before anybody attaches; nothing of the table is kept.
//! - A line that is no record is kept aside, with its reason, and counted.
//! - What became of a line is acted on once, over restarts too, and within a bound (`ends.rs`).

mod ends;

use crate::{
    Family,
    feed::{Feed, LOOK_EVERY, lock, read, write},
    foreign::TrustedTime,
};
use admission::{Evidence, Known, Missing};
use ends::{Ends, Waits};
use gateway::Gateway;
use ids::{AccessLine, DeviceId, UnixTime};
use ledger::Ledger;
use records::{
    Absent, TooLong,
    line::{BadLine, Change, LONGEST, LineTable, Record, Taken},
};
use std::{
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, RwLock},
    time::Duration,
};
use tokio::task::spawn_blocking;

/// What may be set anew while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineTerms {
    /// How long the feed may say nothing.
    pub stale: Duration,
    /// Units that are suspended within an hour without a person at most.
    pub suspend_per_hour: u32,
}

/// Where a feed is, and what is kept of it.
#[derive(Clone, Debug)]
pub struct LineFeedAt {
    /// The feed: a file, or a folder of them.
    pub feed: PathBuf,
    /// For how long a session is kept once it has ended.
    pub keep: Duration,
    /// Where bad lines and what was done about ends are written down; made where it is missing.
    pub folder: PathBuf,
}

/// The feed of access lines.
pub struct LineFeed {
    feed: Feed,
    terms: RwLock<LineTerms>,
    table: RwLock<LineTable>,
    ends: Mutex<Ends>,
    waits: Mutex<Waits>,
}

/// Called for each unit that was suspended.
pub type OnSuspended = Arc<dyn Fn(DeviceId) + Send + Sync>;

impl LineFeed {
    /// Reads what was done about ends before; nothing of the feed before [`Self::read`].
    ///
    /// # Errors
    /// The folder cannot be used.
    pub fn new(at: LineFeedAt, terms: LineTerms, now: UnixTime) -> io::Result<Self> {
        let LineFeedAt { feed, keep, folder } = at;
        Ok(Self {
            feed: Feed::new(feed, LONGEST, &folder, "line")?,
            terms: RwLock::new(terms),
            table: RwLock::new(LineTable::new(keep)),
            ends: Mutex::new(Ends::open(&folder, now)?),
            waits: Mutex::default(),
        })
    }

    /// Takes other terms from now on; under them ends that are held are looked at again.
    pub fn set(&self, terms: LineTerms) {
        let before = std::mem::replace(&mut *write(&self.terms), terms);
        if before.suspend_per_hour < terms.suspend_per_hour {
            lock(&self.ends).look_again();
        }
    }

    /// Reads all that there is by now.
    pub fn read(&self, now: UnixTime) {
        self.feed.read(|line| self.record(line, now), |records| self.take(records, now));
    }

    fn record(&self, line: Result<&[u8], TooLong>, now: UnixTime) -> Result<Record, BadLine> {
        let record = Record::parse(line?)?;
        write(&self.table).hear(record.at(), now)?;
        Ok(record)
    }

    fn take(&self, records: Vec<Record>, now: UnixTime) {
        let mut table = write(&self.table);
        for record in records {
            let outcome = match record {
                Record::Heartbeat { .. } => "heartbeat",
                Record::Change(change) => self.note(change, now),
                Record::Session(session) => match table.take(session, now) {
                    Taken::New => "new",
                    Taken::Newer => "newer",
                    Taken::Known => "known",
                    Taken::NoRoom => "no-room",
                },
            };
            self.feed.count(outcome);
        }
    }

    fn note(&self, change: Change, now: UnixTime) -> &'static str {
        if lock(&self.ends).note(change, now) { "change" } else { "change-known" }
    }

    /// Whose line an address and port are on now. `own`: the line of the unit whose address it is to be.
    pub(crate) fn whose(
        &self,
        peer: SocketAddr,
        own: Option<&AccessLine>,
        now: UnixTime,
    ) -> Evidence<AccessLine> {
        let stale = read(&self.terms).stale;
        let table = read(&self.table);
        let is_doubtful = |line| own.is_some_and(|own| table.is_doubtful(line, own, peer.ip(), now));
        match table.whose(peer, now, now, stale) {
            Ok(found) if is_doubtful(found.line) => Evidence::Missing(Missing::Doubtful),
            Ok(found) => Evidence::Known(Box::new(Known {
                value: found.line.clone(),
                source: "line-feed".into(),
                observed_at: found.at,
            })),
            Err(Absent::Stale) => Evidence::Missing(Missing::Stale),
            Err(Absent::NoRecord) => Evidence::Missing(Missing::NoRecord),
        }
    }

    /// Why the feed says nothing that counts.
    pub(crate) fn silence(&self, now: UnixTime) -> Option<String> {
        let (heard, stale) = (read(&self.table).heard(), read(&self.terms).stale);
        self.feed.silence(heard, heard.is_stale(now, stale))
    }

    /// Ends of lines that wait for a person.
    pub(crate) fn held(&self) -> Option<String> {
        lock(&self.waits).text()
    }

    /// What `/metrics` shows of it.
    pub fn families(&self, now: UnixTime) -> Vec<Family> {
        let (sessions, heard) = {
            let table = read(&self.table);
            (table.len() as u64, table.heard())
        };
        let (lines, held) = (self.feed.counts(), lock(&self.waits).held);
        let age = heard.last().map(|heard| {
            Family::gauge(
                "line_feed_age_seconds",
                "Since the feed of access lines wrote last",
                now.since(heard).as_secs(),
            )
        });
        let families = vec![
            Family::counter_by("line_feed_lines", "Lines of the feed of access lines", "outcome", lines),
            Family::gauge("line_sessions", "Sessions of access lines that are kept", sessions),
            Family::gauge("lines_held", "Lines whose end waits for a person", held as u64),
        ];
        families.into_iter().chain(age).collect()
    }

    /// Follows the feed until it is dropped. `time`: nobody is suspended while the clock cannot be right.
    pub async fn run(self: Arc<Self>, ledger: Ledger, time: TrustedTime, on_suspended: OnSuspended) {
        loop {
            let (feed, ledger) = (self.clone(), ledger.clone());
            let (now, on_suspended) = (time(), on_suspended.clone());
            let turn = move || {
                feed.read(now.unwrap_or_else(UnixTime::now));
                now.into_iter().for_each(|now| feed.act(&ledger, now, &on_suspended));
            };
            if let Err(error) = spawn_blocking(turn).await {
                tracing::error!(%error, "the feed of access lines is not read");
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn act(&self, ledger: &Ledger, now: UnixTime, on_suspended: &OnSuspended) {
        let per_hour = read(&self.terms).suspend_per_hour;
        let mut ends = lock(&self.ends);
        if let Err(error) = ends.act(ledger, per_hour, now, &**on_suspended) {
            tracing::error!(%error, "units whose line ended are not suspended for now");
        }
        *lock(&self.waits) = ends.waits();
    }
}

/// The units that a gateway has are judged anew once they are suspended.
pub fn tell(gateway: &Arc<Gateway>, revocations: &crate::Revocations) -> OnSuspended {
    let (gateway, revocations) = (gateway.clone(), revocations.clone());
    Arc::new(move |device| {
        gateway.device_changed(device);
        revocations.tell();
    })
}
