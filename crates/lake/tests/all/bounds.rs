//! What rows of strangers can make the lake hold.

use crate::order::{always, write};
use ids::{Label, UnixTime};
use lake::{Entry, Kind, Lake, LakeError, PART};
use records::row::{Heartbeat, Stamp};
use std::{fs, path::Path};

fn beat(at: UnixTime, seq: u64) -> Entry {
    let feed: Label = "a".parse().unwrap();
    Heartbeat { stamp: Stamp { at, feed, seq } }.into()
}

fn unfinished(dir: &Path) -> usize {
    let inside = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    inside
        .map(
            |path| {
                if path.is_dir() {
                    unfinished(&path)
                } else {
                    usize::from(path.extension().unwrap() == "new")
                }
            },
        )
        .sum()
}

#[test]
fn rows_of_days_without_end_are_held_in_few_tables() {
    let dir = tempfile::tempdir().unwrap();
    let lake = Lake::open(dir.path()).unwrap();
    let mut writer = lake.writer(1, |_| true).unwrap();
    (0..520).for_each(|day| writer.push(&beat(UnixTime::from_secs(day * 86_400), 1)).unwrap());
    assert_eq!((unfinished(dir.path()), writer.rows()), (8, 520));
    assert_eq!(writer.seal().unwrap().publish().unwrap().parts, 520);
    assert_eq!(unfinished(dir.path()), 0);
}

#[test]
fn a_part_has_so_many_rows_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let lake = Lake::open(dir.path()).unwrap();
    let mut writer = lake.writer(1, |_| true).unwrap();
    (0..=PART as u64).for_each(|seq| writer.push(&beat(UnixTime::from_secs(0), seq)).unwrap());
    assert_eq!((unfinished(dir.path()), writer.rows()), (1, PART as u64 + 1));
    let published = writer.seal().unwrap().publish().unwrap();
    assert_eq!((published.parts, published.rows[&Kind::Heartbeat]), (2, PART as u64 + 1));
    let (from, to) = always();
    let seqs = lake.read(&[Kind::Heartbeat], from, to).unwrap().map(|entry| entry.unwrap().stamp().seq);
    assert!(seqs.eq(0..=PART as u64));
}

#[test]
fn parts_that_overlap_without_end_are_refused_and_not_held() {
    let dir = tempfile::tempdir().unwrap();
    let lake = Lake::open(dir.path()).unwrap();
    write(&lake, &[beat(UnixTime::from_secs(1), 1), beat(UnixTime::from_secs(2), 2)], 2);
    let part = dir.path().join("heartbeat/1970-01-01/000000000001-0000.parquet");
    let (from, to) = always();
    let read = || lake.read(&[Kind::Heartbeat], from, to).unwrap().holding(8).collect::<Result<Vec<_>, _>>();
    (2..=512).for_each(|commit| {
        assert!(fs::copy(&part, part.with_file_name(format!("{commit:012}-0000.parquet"))).unwrap() > 0)
    });
    assert_eq!(read().unwrap().len(), 1024);
    fs::copy(&part, part.with_file_name("000000000513-0000.parquet")).unwrap();
    assert!(matches!(read(), Err(LakeError::TooManyAtOnce { most: 512, .. })));
}
