use super::{Offset, Options, Ready, csv::Csv, octets::Octets};
use crate::entry::Entry;
use std::{collections::VecDeque, io::Cursor, path::PathBuf};

/// CSV: no row is behind the end, each is behind the one before, and what is read from the middle on is what comes there anyway.
pub fn csv(octets: &[u8]) {
    let all = read(octets, Offset::default());
    let mut before = (0, 0);
    for ready in &all {
        assert!((ready.done, ready.lines) > before && ready.done <= octets.len() as u64);
        before = (ready.done, ready.lines);
    }
    if let Some(Ready { done, lines, .. }) = all.get(all.len() / 2) {
        let rest = read(octets, Offset { done: *done, lines: *lines, ..Offset::default() });
        let given = |ready: &Ready| (ready.given.clone(), ready.done, ready.lines);
        let behind: Vec<(Result<Entry, _>, _, _)> = all.iter().skip(all.len() / 2 + 1).map(given).collect();
        assert_eq!(rest.iter().map(given).collect::<Vec<_>>(), behind);
    }
}

fn read(octets: &[u8], offset: Offset) -> Vec<Ready> {
    let (mut all, mut ready) = (Vec::new(), VecDeque::new());
    let source = Octets::Memory(Cursor::new(octets.to_vec()));
    let Ok(mut csv) = Csv::new(source, PathBuf::from("a.csv"), &Options::default(), &offset) else {
        return all;
    };
    while csv.fill(&mut ready).is_ok_and(|is_more| is_more) {
        all.extend(ready.drain(..));
    }
    let _ = csv.finish(&mut ready);
    all.extend(ready);
    all
}
