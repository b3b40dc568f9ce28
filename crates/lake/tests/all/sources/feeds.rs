//! The feeds of lines and of device facts, as rows of the lake.

use super::{open, said, whole};
use crate::order::{read, write};
use lake::{Entry, Kind, Lake, Options, Schema};
use records::line::ChangeKind;
use std::fs;

const LINES: &str = r#"{"v":1,"kind":"line-session","line":"L-1","address":"192.0.2.7","ports":[1024,2047],"from":"2026-11-30T09:00:00Z","at":"2026-11-30T09:00:01Z"}
{"v":1,"kind":"line-moved","line":"L-1","at":"2026-11-30T11:00:00Z"}
{"v":1,"kind":"heartbeat","at":"2026-11-30T12:01:00Z"}
{"v":1,"kind":"line-session","line":"L-1","at":"2026-11-30T11:00:00Z"}
"#;
const FACTS: &str = r#"{"v":1,"kind":"device-facts","device":"00aabbccddee","seen_at":"2026-11-30T09:05:00Z","at":"2026-11-30T09:05:01Z","serial":"1","tunnel":{"ike_spi":"0a0b0c0d01020304"},"neighbours":["lte:450-08:2","lte:450-08:1"],"radio":{"on":true,"emergency_call":false}}
"#;

#[test]
fn lines_and_facts_become_rows_with_the_name_that_was_said_and_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let of = |schema, name: &str| Options { schema, feed: name.parse().ok(), ..Options::default() };
    let (lines, facts) = (dir.path().join("lines.jsonl"), dir.path().join("facts.jsonl"));
    fs::write(&lines, LINES).unwrap();
    fs::write(&facts, FACTS).unwrap();
    let all = said(open(&lines, &of(Schema::Lines, "bras")));
    let [Ok(Entry::LineSession(session)), Ok(Entry::LineChange(change)), Ok(beat), Err(bad)] = &all[..]
    else {
        panic!("{all:?}")
    };
    assert_eq!(
        (session.stamp.feed.as_str(), session.stamp.seq, session.place.ports),
        ("bras", 1, (1024, 2047))
    );
    assert_eq!((change.change, change.stamp.seq), (ChangeKind::Moved, 2));
    assert_eq!((beat.kind(), beat.stamp().seq), (Kind::Heartbeat, 3));
    assert!(bad.ends_with("line 4: a line-session needs `from`"), "{bad}");
    let of_units = whole(open(&facts, &of(Schema::Facts, "acs")));
    let [Entry::DeviceFacts(facts)] = &of_units[..] else { panic!("{of_units:?}") };
    assert_eq!(facts.stamp.at.to_string(), "2026-11-30T09:05:01.000000Z");
    assert_eq!(facts.neighbours.as_ref().unwrap().len(), 2);

    let lake = Lake::open(dir.path().join("lake")).unwrap();
    let entries: Vec<_> = all.into_iter().flatten().chain(of_units).collect();
    write(&lake, &entries, 10);
    let mut sorted = entries;
    sorted.sort_by(|a, b| a.stamp().cmp(b.stamp()));
    assert_eq!(read(&lake, &Kind::ALL), sorted);
    let rows = read(&lake, &Kind::ROWS);
    assert!(rows.len() == 1 && rows.into_iter().all(|entry| entry.into_row().is_some()));
}

#[test]
fn columns_of_them_are_as_strict_as_their_lines() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.csv");
    let options = Options { feed: "x".parse().ok(), is_numbered: true, ..Options::default() };
    fs::write(&path, "kind,at,line,address,port_first,port_last,from,to,change,device,seen_at,tunnel_ike_spi,radio_on,neighbours
line-session,2026-11-30T09:00:01Z,L-1,192.0.2.7,,,2026-11-30T09:00:00Z,,,,,,,
line-session,2026-11-30T09:00:01Z,L-1,192.0.0.0/16,,,2026-11-30T09:00:00Z,,,,,,,
line-session,2026-11-30T09:00:01Z,L-1,192.0.2.7,9,,2026-11-30T09:00:00Z,,,,,,,
line-session,2026-11-30T09:00:01Z,L-1,192.0.2.7,,,2026-11-30T09:00:02Z,,,,,,,
line-change,2026-11-30T09:00:01Z,L-1,,,,,,moved,,,,,
line-change,2026-11-30T09:00:01Z,L-1,,,,,,sold,,,,,
device-facts,2026-11-30T09:00:01Z,,,,,,,,00aabbccddee,2026-11-30T09:00:01Z,0a0b0c0d01020304,,lte:450-08:2 lte:450-08:1
device-facts,2026-11-30T09:00:01Z,,,,,,,,00aabbccddee,2026-11-30T09:00:01Z,1234,,
device-facts,2026-11-30T09:00:01Z,,,,,,,,00aabbccddee,2026-11-30T09:00:01Z,,true,
device-facts,2026-11-30T09:00:01Z,L-1,,,,,,,00aabbccddee,2026-11-30T09:00:01Z,,,
").unwrap();
    let whys: Vec<_> =
        said(open(&path, &options)).into_iter().map(|row| row.err().unwrap_or_default()).collect();
    for (why, expected) in whys.iter().zip([
        "",
        "wider than any line's",
        "a first port needs a last one",
        "from <= at",
        "",
        "`cancelled`, `moved` or `restored`",
        "",
        "16 hex digits",
        "`radio`: a radio is on or not",
        "a row of device-facts has no `line`",
    ]) {
        assert!(why.contains(expected) && why.is_empty() == expected.is_empty(), "{why}: {expected}");
    }
    assert_eq!(whys.len(), 10);
}
