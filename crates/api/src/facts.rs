//! The feed of device facts: followed in the background, into a table in memory that the registrar reads
//! ([`records::facts::FactTable`]).
//!
//! The feed's files are read from their beginning at each start, before anybody attaches; nothing of the table is kept, nor
//! what units heard at their lines: that is learnt anew.

use crate::{
    Family,
    feed::{Feed, LOOK_EVERY, read, write},
    foreign::TrustedTime,
};
use admission::{Evidence, Known, Missing};
use gateway::{NeighboursSeen, RadioSeen, TunnelSeen, UnitSays};
use ids::{AccessLine, DeviceId, UnixTime};
use records::{
    Absent, TooLong,
    facts::{BadLine, FactTable, Facts, LONGEST, Record, Said, Taken},
};
use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, RwLock},
    time::Duration,
};
use tokio::task::spawn_blocking;

/// What may be set anew while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FactTerms {
    /// How long the feed may say nothing.
    pub stale: Duration,
    /// For how long a fact counts.
    pub keep: Duration,
}

/// The feed of device facts.
pub struct FactFeed {
    feed: Feed,
    terms: RwLock<FactTerms>,
    table: RwLock<FactTable>,
}

/// Called for each unit that said something by which its session may be judged otherwise.
pub type OnSaid = Arc<dyn Fn(DeviceId) + Send + Sync>;

impl FactFeed {
    /// Reads nothing before [`Self::read`]. `folder`: where bad lines are written down; made where it is missing.
    ///
    /// # Errors
    /// The folder cannot be used.
    pub fn new(feed: PathBuf, folder: &Path, terms: FactTerms) -> io::Result<Self> {
        Ok(Self {
            feed: Feed::new(feed, LONGEST, folder, "facts")?,
            terms: RwLock::new(terms),
            table: RwLock::default(),
        })
    }

    /// Takes other terms from now on.
    pub fn set(&self, terms: FactTerms) {
        *write(&self.terms) = terms;
    }

    /// Reads all that there is by now; returns whose sessions may be judged otherwise by it.
    pub fn read(&self, now: UnixTime) -> Vec<DeviceId> {
        let mut said = Vec::new();
        self.feed.read(|line| self.record(line, now), |records| said.extend(self.take(records, now)));
        said.sort_unstable();
        said.dedup();
        said
    }

    fn record(&self, line: Result<&[u8], TooLong>, now: UnixTime) -> Result<Record, BadLine> {
        let record = Record::parse(line?)?;
        write(&self.table).hear(record.at(), now)?;
        Ok(record)
    }

    fn take(&self, records: Vec<Record>, now: UnixTime) -> Vec<DeviceId> {
        let (keep, mut said) = (read(&self.terms).keep, Vec::new());
        let mut table = write(&self.table);
        for record in records {
            let outcome = match record {
                Record::Heartbeat { .. } => "heartbeat",
                Record::Facts(facts) => {
                    let judged_by = is_judged_by(&facts).then_some(facts.device);
                    let taken = table.take(*facts, now, keep);
                    said.extend(judged_by.filter(|_| matches!(taken, Taken::New | Taken::Newer)));
                    match taken {
                        Taken::New => "new",
                        Taken::Newer => "newer",
                        Taken::Known => "known",
                        Taken::NoRoom => "no-room",
                    }
                }
            };
            self.feed.count(outcome);
        }
        said
    }

    /// What a unit says; its cells beside those that it heard at that line.
    pub(crate) fn unit(
        &self,
        device: DeviceId,
        line: Option<&AccessLine>,
        now: UnixTime,
    ) -> Evidence<UnitSays> {
        let FactTerms { stale, keep } = *read(&self.terms);
        match read(&self.table).of(device, line, now, (stale, keep)) {
            Ok(said) => known(&said),
            Err(Absent::Stale) => Evidence::Missing(Missing::Stale),
            Err(Absent::NoRecord) => Evidence::Missing(Missing::NoRecord),
        }
    }

    /// It was at this line since that time.
    pub(crate) fn is_at_home(&self, device: DeviceId, line: &AccessLine, since: UnixTime) {
        write(&self.table).is_at_home(device, line, since);
    }

    /// Why the feed says nothing that counts.
    pub(crate) fn silence(&self, now: UnixTime) -> Option<String> {
        let (heard, stale) = (read(&self.table).heard(), read(&self.terms).stale);
        self.feed.silence(heard, heard.is_stale(now, stale))
    }

    /// What `/metrics` shows of it.
    pub fn families(&self, now: UnixTime) -> Vec<Family> {
        let (units, heard) = {
            let table = read(&self.table);
            (table.len() as u64, table.heard())
        };
        let age = heard.last().map(|heard| {
            Family::gauge(
                "facts_feed_age_seconds",
                "Since the feed of device facts wrote last",
                now.since(heard).as_secs(),
            )
        });
        let lines = self.feed.counts();
        let families = vec![
            Family::counter_by("facts_feed_lines", "Lines of the feed of device facts", "outcome", lines),
            Family::gauge("facts_units", "Units of which facts are kept", units),
        ];
        families.into_iter().chain(age).collect()
    }

    /// Follows the feed until it is dropped.
    pub async fn run(self: Arc<Self>, time: TrustedTime, on_said: OnSaid) {
        loop {
            let (feed, on_said) = (self.clone(), on_said.clone());
            let now = time().unwrap_or_else(UnixTime::now);
            let turn = move || feed.read(now).into_iter().for_each(|device| on_said(device));
            if let Err(error) = spawn_blocking(turn).await {
                tracing::error!(%error, "the feed of device facts is not read");
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// A session may be judged otherwise by it, or an order that is for the unit ends.
fn is_judged_by(facts: &Facts) -> bool {
    let Facts { serial, software, tunnel, neighbours, radio, .. } = facts;
    let texts = serial.is_some() || software.is_some();
    texts || tunnel.is_some() || neighbours.is_some() || radio.is_some()
}

/// Seen when the newest of it was.
fn known(said: &Said<'_>) -> Evidence<UnitSays> {
    let value = UnitSays {
        serial: said.serial.map(|(_, serial)| serial.into()),
        software: said.software.map(|(_, software)| software.into()),
        tunnel: said.tunnel.map(|(seen_at, tunnel)| TunnelSeen {
            ike_spi: tunnel.ike_spi,
            esp_spi: tunnel.esp_spi,
            created_at: tunnel.created_at,
            seen_at,
        }),
        neighbours: said
            .neighbours
            .and_then(|(seen_at, as_at_home)| Some(NeighboursSeen { as_at_line: as_at_home?, seen_at })),
        radio: said.radio.map(|(seen_at, radio)| RadioSeen {
            on: radio.on,
            emergency_call: radio.emergency_call,
            seen_at,
        }),
    };
    let seen = [
        said.serial.map(|(at, _)| at),
        said.software.map(|(at, _)| at),
        said.tunnel.map(|(at, _)| at),
        said.neighbours.map(|(at, _)| at),
        said.radio.map(|(at, _)| at),
    ];
    let Some(observed_at) = seen.into_iter().flatten().max() else {
        return Evidence::Missing(Missing::NoRecord);
    };
    Evidence::Known(Box::new(Known { value, source: "management".into(), observed_at }))
}
