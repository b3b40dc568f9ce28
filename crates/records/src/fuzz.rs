//! The fuzz target as a plain function.

use crate::{
    Lines,
    line::{LONGEST, LineTable, Record, Taken},
};
use ids::UnixTime;
use std::{net::SocketAddr, time::Duration};

/// A feed of lines into the table, with a question to it for each session. What is said twice is never news.
pub fn line_feed(octets: &[u8]) {
    let (mut lines, mut table) = (Lines::new(LONGEST), LineTable::new(Duration::from_secs(3600)));
    let now = UnixTime::from_secs(1_900_000_000);
    let mut take = |_, line: Result<&[u8], _>| {
        let Ok(record) = Record::parse(line.unwrap_or_default()) else { return };
        let is_heard = table.hear(record.at(), now).is_ok();
        if let (Record::Session(session), true) = (record, is_heard) {
            let peer = SocketAddr::new(session.place.net.addr(), session.place.ports.1);
            table.take(session.clone(), now);
            let _ = table.whose(peer, session.from, now, Duration::MAX);
            assert_ne!(table.take(session, now), Taken::Newer);
        }
    };
    lines.take(octets, &mut take);
    lines.finish(take);
}
