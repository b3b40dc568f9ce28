//! What is written is read in the order of time, whatever it is and however it came.

use crate::any;
use ids::UnixTime;
use lake::{Entry, Kind, Lake};
use proptest::prelude::*;

/// All of time.
pub(crate) fn always() -> (UnixTime, UnixTime) {
    (UnixTime::from_micros(i64::MIN), UnixTime::from_micros(i64::MAX))
}

/// Writes commits from 1 on, each of so many rows.
pub(crate) fn write(lake: &Lake, entries: &[Entry], at_once: usize) {
    for (rows, commit) in entries.chunks(at_once).zip(1..) {
        let mut writer = lake.writer(commit, |_| true).unwrap();
        rows.iter().for_each(|entry| writer.push(entry).unwrap());
        writer.seal().unwrap().publish().unwrap();
    }
}

pub(crate) fn read(lake: &Lake, kinds: &[Kind]) -> Vec<Entry> {
    let (from, to) = always();
    lake.read(kinds, from, to).unwrap().map(Result::unwrap).collect()
}

fn sorted(mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.sort_by(|a, b| (a.stamp(), a.kind()).cmp(&(b.stamp(), b.kind())));
    entries
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn rows_of_any_kind_come_back_as_they_were_in_the_order_of_time(entries in any::entries(80), at_once in 10..90_usize, room in 0..100_usize) {
        let dir = tempfile::tempdir().unwrap();
        let lake = Lake::open(dir.path().join("lake")).unwrap();
        write(&lake, &entries, at_once);
        let (from, to) = always();
        let read: Vec<_> = lake.read(&Kind::ALL, from, to).unwrap().holding(room).map(Result::unwrap).collect();
        prop_assert_eq!(&read, &sorted(entries.clone()));
        let kind = Kind::Access;
        let of_one: Vec<_> = sorted(entries).into_iter().filter(|entry| entry.kind() == kind).collect();
        prop_assert_eq!(self::read(&lake, &[kind]), of_one);
        prop_assert!(dir.path().join("lake").read_dir().unwrap().all(|entry| entry.unwrap().path().is_dir()));
    }

    #[test]
    fn a_span_of_time_is_what_is_in_it(entries in any::entries(60), from in any::time(), to in any::time()) {
        let dir = tempfile::tempdir().unwrap();
        let lake = Lake::open(dir.path()).unwrap();
        write(&lake, &entries, 20);
        let read: Vec<_> = lake.read(&Kind::ALL, from, to).unwrap().map(Result::unwrap).collect();
        let within: Vec<_> = entries.into_iter().filter(|entry| (from..to).contains(&entry.stamp().at)).collect();
        prop_assert_eq!(read, sorted(within));
    }
}
