use crate::{
    any,
    order::{always, write},
};
use ids::{CellKey, SubscriberKey, UnixTime};
use lake::{Entry, Lake, Visitor};
use proptest::prelude::*;
use records::row::Row;
use std::collections::BTreeMap;

/// Visitors by a plain count.
fn counted(entries: &[Entry]) -> BTreeMap<(CellKey, SubscriberKey, i64), (UnixTime, UnixTime, u64)> {
    let mut visitors = BTreeMap::new();
    for entry in entries {
        let Entry::Row(Row::Access(access)) = entry else { continue };
        let at = access.stamp.at;
        let key = (access.cell, access.subscriber, at.micros().div_euclid(86_400_000_000));
        let (first, last, rows) = visitors.entry(key).or_insert((at, at, 0));
        (*first, *last, *rows) = (at.min(*first), at.max(*last), *rows + 1);
    }
    visitors
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn who_was_at_a_femtocell_is_known_by_day(entries in any::rows(150), at_once in 20..200_usize) {
        let dir = tempfile::tempdir().unwrap();
        let lake = Lake::open(dir.path()).unwrap();
        write(&lake, &entries, at_once);
        let (from, to) = always();
        let mut found = BTreeMap::new();
        for visitor in lake.visitors(from, to).unwrap() {
            let Visitor { cell, subscriber, first, last, rows } = visitor.unwrap();
            let key = (cell, subscriber, first.micros().div_euclid(86_400_000_000));
            let all = found.entry(key).or_insert((first, last, 0));
            *all = (first.min(all.0), last.max(all.1), all.2 + rows);
        }
        prop_assert_eq!(found, counted(&entries));
    }

    #[test]
    fn of_other_cells_nothing_is_kept(entries in any::rows(100)) {
        let dir = tempfile::tempdir().unwrap();
        let lake = Lake::open(dir.path()).unwrap();
        let is_one = |cell: CellKey| cell.id() == 1;
        let mut writer = lake.writer(1, is_one).unwrap();
        entries.iter().for_each(|entry| writer.push(entry).unwrap());
        writer.seal().unwrap().publish().unwrap();
        let (from, to) = always();
        let cells: Vec<_> = lake.visitors(from, to).unwrap().map(|visitor| visitor.unwrap().cell).collect();
        let of_one = counted(&entries).into_keys().filter(|(cell, ..)| is_one(*cell)).count();
        prop_assert!(cells.iter().all(|cell| is_one(*cell)) && cells.len() == of_one);
    }
}
