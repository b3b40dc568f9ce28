//! What is judged of the rows of core, IMS and billing.

use super::{ConfigError, located::Located};
use detect::{Bounds, Setup};
use ids::{Label, UnixTime};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The detection engine that `truecell ingest` runs.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Detect {
    /// Handsets that are known at once at most, 41 octets each.
    pub(crate) handsets: u32,
    /// Cells, macro cells and unknown ones among them, some 120 octets each.
    pub(crate) cells: u32,
    /// After so long all is written down, to go on from there after a crash.
    pub(crate) checkpoint_s: u32,
    /// The feeds whose rows are taken.
    #[serde(rename = "feed")]
    pub(crate) feeds: Vec<Feed>,
}

/// A feed of rows.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Feed {
    /// Its name, as its rows have it.
    pub(crate) name: Label,
    /// Its rows come at most so much later than its newest.
    #[serde(default = "two_minutes")]
    pub(crate) lateness_s: u32,
    /// When it has said nothing for so long, others do not wait for it, and there is a gap.
    #[serde(default = "a_quarter")]
    pub(crate) silence_s: u32,
}

fn two_minutes() -> u32 {
    120
}

fn a_quarter() -> u32 {
    900
}

/// What the engine takes, beside the ledger's own.
const FEEDS: usize = 63;

impl Default for Detect {
    fn default() -> Self {
        Self { handsets: 12_000_000, cells: 1_000_000, checkpoint_s: 300, feeds: Vec::new() }
    }
}

impl Detect {
    pub(super) fn wrong(&self, at: &Located<'_>) -> Vec<ConfigError> {
        let zero = [("handsets", self.handsets), ("cells", self.cells), ("checkpoint_s", self.checkpoint_s)];
        let zero = zero.iter().filter(|(_, value)| *value == 0);
        let mut errors: Vec<_> = zero
            .map(|(key, _)| at.error(&["detect", key], "nothing could be kept", "write 1 or more"))
            .collect();
        if self.feeds.len() > FEEDS {
            let what = format!("{} feeds, and {FEEDS} are taken", self.feeds.len());
            errors.push(at.error(
                &["detect", "feed"],
                what,
                "let one source write the rows of several under one name",
            ));
        }
        for (index, feed) in self.feeds.iter().enumerate() {
            let index_text = index.to_string();
            let key = |key| at_feed(at, &index_text, key);
            if feed.name.as_str() == intake::LEDGER {
                errors.push(key("name")("this name is the ledger's own", "choose another, in the rows too"));
            }
            if self.feeds.iter().take(index).any(|other| other.name == feed.name) {
                errors.push(key("name")("two feeds have this name", "give each its own"));
            }
            if feed.silence_s == 0 {
                errors.push(key("silence_s")("it would be silent at once", "write 1 or more"));
            }
        }
        errors
    }

    /// What an engine is set up for that begins at that time.
    pub(crate) fn setup(&self, start: UnixTime) -> Setup {
        let secs = |secs: u32| Duration::from_secs(secs.into());
        let feed = |feed: &Feed| detect::Feed {
            name: feed.name.clone(),
            lateness: secs(feed.lateness_s),
            silence: secs(feed.silence_s),
        };
        let bounds =
            Bounds { handsets: self.handsets as usize, cells: self.cells as usize, ..Bounds::default() };
        Setup { start, feeds: self.feeds.iter().map(feed).chain([intake::ledger_feed()]).collect(), bounds }
    }
}

fn at_feed<'a>(
    at: &'a Located<'_>,
    index: &'a str,
    key: &'a str,
) -> impl Fn(&str, &str) -> ConfigError + use<'a> {
    move |what, next| at.error(&["detect", "feed", index, key], what, next)
}
