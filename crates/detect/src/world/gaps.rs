use super::FeedId;
use ids::UnixTime;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Times of which something is missing, the newest 256.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gaps {
    closed: VecDeque<(FeedId, UnixTime, UnixTime)>,
    open: Vec<(FeedId, UnixTime)>,
}

/// Gaps that are kept: a finding looks back by hours, and these are days of a feed that breaks each hour.
const MOST: usize = 256;

impl Gaps {
    /// Whether nothing is known to be missing between two times, of any feed.
    pub fn is_whole(&self, from: UnixTime, to: UnixTime) -> bool {
        let in_closed = self.closed.iter().any(|(_, since, until)| *since <= to && from <= *until);
        let in_open = self.open.iter().any(|(_, since)| *since <= to);
        !in_closed && !in_open
    }

    /// It says nothing since then.
    pub(crate) fn open(&mut self, feed: FeedId, since: UnixTime) {
        self.open.retain(|(other, _)| *other != feed);
        self.open.push((feed, since));
    }

    /// Something is missing between two times, and it speaks again.
    pub(crate) fn close(&mut self, feed: FeedId, from: UnixTime, to: UnixTime) {
        self.open.retain(|(other, _)| *other != feed);
        self.add(feed, from, to);
    }

    /// Something is missing between two times.
    pub(crate) fn add(&mut self, feed: FeedId, from: UnixTime, to: UnixTime) {
        self.closed.push_back((feed, from, to));
        if self.closed.len() > MOST {
            self.closed.pop_front();
        }
    }
}
