//! Numbers for rows that have none: from 1 on in each feed.

use crate::entry::Entry;
use ids::Label;
use std::collections::BTreeMap;

/// Feeds that one source numbers.
pub(super) const FEEDS: usize = 1024;

pub(super) fn number(mut entry: Entry, numbers: &mut BTreeMap<Label, u64>) -> Result<Entry, String> {
    let stamp = entry.stamp_mut();
    if let Some(last) = numbers.get_mut(&stamp.feed) {
        *last += 1;
        stamp.seq = *last;
    } else if numbers.len() < FEEDS {
        numbers.insert(stamp.feed.clone(), 1);
        stamp.seq = 1;
    } else {
        return Err(format!("its feed is one more than the {FEEDS} that are numbered"));
    }
    Ok(entry)
}

/// Leaves a number out.
pub(super) fn skip(feed: &Label, numbers: &mut BTreeMap<Label, u64>) {
    *numbers.entry(feed.clone()).or_default() += 1;
}
