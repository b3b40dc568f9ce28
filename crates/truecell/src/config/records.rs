//! Feeds of other systems, and databases.

use super::{Config, ConfigError, located::Located};
use api::{
    facts::FactTerms,
    lines::{LineFeedAt, LineTerms},
};
use ids::Sha256;
use records::source::{Database, Sources};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// What others say, of lines and networks.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Records {
    /// Which line has which address; absent: the prefixes of the ledger's lines are all that is known.
    pub(crate) line: Option<Line>,
    /// What management systems have from units; absent: nothing.
    pub(crate) facts: Option<Facts>,
    /// Kinds of networks; absent: nobody knows.
    pub(crate) sources: Option<SourcesAt>,
}

/// The feed of access lines.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Line {
    /// A file of JSON lines, or a folder with `*.jsonl`.
    pub(crate) feed: PathBuf,
    /// How long it may say nothing before nothing of it counts.
    #[serde(default = "a_quarter")]
    pub(crate) stale_s: u32,
    /// For how long a session is kept once it has ended.
    #[serde(default = "a_day")]
    pub(crate) keep_h: u32,
    /// Units that are suspended within an hour without a person, as their line ended.
    #[serde(default = "fifty")]
    pub(crate) suspend_per_hour: u32,
}

/// The feed of device facts.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Facts {
    /// A file of JSON lines, or a folder with `*.jsonl`.
    pub(crate) feed: PathBuf,
    /// How long it may say nothing before nothing of it counts.
    #[serde(default = "a_quarter")]
    pub(crate) stale_s: u32,
    /// For how long a fact counts.
    #[serde(default = "two_days")]
    pub(crate) keep_h: u32,
}

/// Databases in the MaxMind DB format.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SourcesAt {
    /// Their files; of several the first that has a thing says it.
    pub(crate) databases: Vec<PathBuf>,
    /// Autonomous systems of the carrier's fixed lines.
    #[serde(default)]
    pub(crate) own_asns: Vec<u32>,
    /// ISO 3166-1, two capital letters.
    pub(crate) home_country: String,
}

fn a_quarter() -> u32 {
    900
}

fn a_day() -> u32 {
    24
}

fn two_days() -> u32 {
    48
}

fn fifty() -> u32 {
    50
}

/// Octets of one database: it is kept in memory. GeoIP2 Enterprise has some 200 MB.
const LARGEST: u64 = 512 << 20;

impl Line {
    pub(crate) fn at(&self, folder: PathBuf) -> LineFeedAt {
        let keep = Duration::from_secs(u64::from(self.keep_h) * 3600);
        LineFeedAt { feed: self.feed.clone(), keep, folder }
    }

    pub(crate) fn terms(&self) -> LineTerms {
        LineTerms { stale: Duration::from_secs(self.stale_s.into()), suspend_per_hour: self.suspend_per_hour }
    }
}

impl Facts {
    pub(crate) fn terms(&self) -> FactTerms {
        let stale = Duration::from_secs(self.stale_s.into());
        FactTerms { stale, keep: Duration::from_secs(u64::from(self.keep_h) * 3600) }
    }
}

impl Records {
    pub(super) fn wrong(&self, at: &Located<'_>) -> Vec<ConfigError> {
        let line = self.line.as_ref().map(|line| ("line", line.stale_s, line.keep_h));
        let facts = self.facts.as_ref().map(|facts| ("facts", facts.stale_s, facts.keep_h));
        let spans = line.into_iter().chain(facts);
        let spans =
            spans.flat_map(|(feed, stale_s, keep_h)| [(feed, "stale_s", stale_s), (feed, "keep_h", keep_h)]);
        let zero = spans.filter(|(_, _, value)| *value == 0).map(|(feed, key, _)| {
            at.error(&["records", feed, key], "nothing of the feed would ever count", "write 1 or more")
        });
        let country = self.sources.iter().filter(|sources| {
            let country = sources.home_country.as_bytes();
            country.len() != 2 || !country.iter().all(u8::is_ascii_uppercase)
        });
        let country = country.map(|sources| {
            let what = format!("`{}` is no country", sources.home_country);
            let next = "write two capital letters, as databases have them: \"KR\"";
            at.error(&["records", "sources", "home_country"], what, next)
        });
        zero.chain(country).collect()
    }

    /// Makes files relative to the configuration's folder.
    pub(super) fn resolve(&mut self, folder: &Path) {
        let line = self.line.iter_mut().map(|line| &mut line.feed);
        let facts = self.facts.iter_mut().map(|facts| &mut facts.feed);
        let databases = self.sources.iter_mut().flat_map(|sources| &mut sources.databases);
        line.chain(facts).chain(databases).for_each(|path| *path = folder.join(&*path));
    }

    /// A feed that is not there stops no start.
    pub(crate) fn out_of_reach(&self) -> impl Iterator<Item = String> {
        let line = self.line.as_ref().map(|line| ("line", &line.feed));
        let facts = self.facts.as_ref().map(|facts| ("facts", &facts.feed));
        let gone = line.into_iter().chain(facts).filter(|(_, feed)| !feed.exists());
        gone.map(|(name, feed)| format!("[records.{name}] there is no {} now", feed.display()))
    }

    /// Reads the databases; with the SHA-256 of each.
    ///
    /// # Errors
    /// A file that cannot be used.
    pub(crate) fn read_sources(&self) -> Result<Option<(Sources, String)>, ConfigError> {
        let Some(SourcesAt { databases, own_asns, home_country }) = &self.sources else { return Ok(None) };
        let (mut read, mut hashes) = (Vec::new(), Vec::new());
        for path in databases {
            let octets = octets(path).map_err(|why| unusable(path, &why))?;
            hashes.push(Sha256::of(&octets).to_string());
            read.push(Database::new(octets).map_err(|error| unusable(path, &error.to_string()))?);
        }
        Ok(Some((Sources::new(read, own_asns.clone(), home_country.clone()), hashes.join(" "))))
    }
}

impl Config {
    /// A database that is none.
    pub(super) fn wrong_sources(&self, at: &Located<'_>) -> Option<ConfigError> {
        let error = self.records.read_sources().err()?;
        Some(at.error(&["records", "sources", "databases"], format!("{}: {}", error.file, error.what), NEXT))
    }
}

const NEXT: &str = "name a file in the MaxMind DB format that this user may read, such as GeoLite2-City.mmdb";

fn octets(path: &Path) -> Result<Vec<u8>, String> {
    let size = fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > LARGEST {
        return Err(format!("it has {size} octets, and {LARGEST} are read"));
    }
    fs::read(path).map_err(|error| error.to_string())
}

fn unusable(path: &Path, why: &str) -> ConfigError {
    ConfigError::of_file(path, why, NEXT)
}
