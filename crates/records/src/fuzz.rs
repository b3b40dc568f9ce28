//! The fuzz target as a plain function.

use crate::{
    Lines,
    facts::{self, FactTable},
    line::{LONGEST, LineTable, Record, Taken},
    row::{self, Row},
};
use ids::UnixTime;
use std::{net::SocketAddr, time::Duration};

/// A feed of lines into the table, with questions to it for each session. What is said twice is never news, and no line's own
/// address is there by a mistake.
pub fn line_feed(octets: &[u8]) {
    let (mut lines, mut table) = (Lines::new(LONGEST), LineTable::new(Duration::from_secs(3600)));
    let now = UnixTime::from_secs(1_900_000_000);
    let mut other = None;
    let mut take = |_, line: Result<&[u8], _>| {
        let Ok(record) = Record::parse(line.unwrap_or_default()) else { return };
        let is_heard = table.hear(record.at(), now).is_ok();
        if let (Record::Session(session), true) = (record, is_heard) {
            let peer = SocketAddr::new(session.place.net.addr(), session.place.ports.1);
            table.take(session.clone(), now);
            let _ = table.whose(peer, session.from, now, Duration::MAX);
            assert!(!table.is_doubtful(&session.line, &session.line, peer.ip(), now));
            if let Some(other) = &other {
                let _ = table.is_doubtful(&session.line, other, peer.ip(), session.from);
            }
            other = Some(session.line.clone());
            assert_ne!(table.take(session, now), Taken::Newer);
        }
    };
    lines.take(octets, &mut take);
    lines.finish(take);
}

/// A feed of device facts into the table, with a question to it for each. What is said twice is never news.
pub fn device_facts(octets: &[u8]) {
    let (mut lines, mut table) = (Lines::new(facts::LONGEST), FactTable::new());
    let (now, keep) = (UnixTime::from_secs(1_900_000_000), Duration::from_secs(3600));
    let line = "L-1".parse().ok();
    let mut take = |_, line_of_feed: Result<&[u8], _>| {
        let Ok(record) = facts::Record::parse(line_of_feed.unwrap_or_default()) else { return };
        let is_heard = table.hear(record.at(), now).is_ok();
        if let (facts::Record::Facts(said), true) = (record, is_heard) {
            table.take((*said).clone(), now, keep);
            let device = said.device;
            line.iter().for_each(|line| table.is_at_home(device, line, now.before(keep)));
            let _ = table.of(device, line.as_ref(), now, (Duration::MAX, Duration::MAX));
            assert_eq!(table.take(*said, now, keep), facts::Taken::Known);
        }
    };
    lines.take(octets, &mut take);
    lines.finish(take);
}

/// Lines of rows; what is read is written and read again as the same.
pub fn rows(octets: &[u8]) {
    let mut lines = Lines::new(row::LONGEST);
    let take = |_, line: Result<&[u8], _>| {
        let Ok(row) = Row::parse(line.unwrap_or_default()) else { return };
        let again = row.to_line().ok().and_then(|line| Row::parse(line.as_bytes()).ok());
        assert_eq!(again.as_ref(), Some(&row));
    };
    lines.take(octets, take);
    lines.finish(take);
}
