use super::*;
use crate::store::{SealedRow, Sqlite, Store};
use std::{fs, os::unix::fs::MetadataExt};
use tempfile::TempDir;

/// A page of its own for each.
fn write(store: &mut Sqlite, rows: std::ops::Range<u64>) {
    for number in rows {
        let (event, key) = ("gw1/1".parse().unwrap(), format!("{number:08}"));
        let (table, body) = ("device".to_owned(), "x".repeat(4000));
        store.begin().unwrap();
        store.put(&SealedRow { table, key, revision: 1, event, body, hmac: [0; 32] }, &[], false).unwrap();
        store.commit().unwrap();
    }
}

fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        thread::yield_now();
    }
}

#[test]
fn what_is_committed_comes_into_the_database_beside_the_writer() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("ledger.sqlite");
    let mut store = Sqlite::open(&path).unwrap();
    let before = fs::metadata(&path).unwrap().size();
    write(&mut store, 0..50);
    assert_eq!(fs::metadata(&path).unwrap().size(), before, "in the log alone");
    until(|| fs::metadata(&path).unwrap().size() > before + 50 * 4000);
}

#[test]
fn a_long_log_begins_anew_in_a_commit_and_not_while_somebody_reads_an_older_state() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("ledger.sqlite");
    let mut store = Sqlite::open(&path).unwrap();
    let log = || fs::metadata(dir.path().join("ledger.sqlite-wal")).unwrap().size();
    write(&mut store, 0..10);
    let before = log();
    let is_long = |store: &Sqlite| {
        store.checkpoints.as_ref().unwrap().state.is_long.store(true, SeqCst);
    };
    let reader = store.snapshot().unwrap();
    is_long(&store);
    write(&mut store, 10..30);
    assert!(log() > before, "what the reader sees is kept");
    drop(reader);
    is_long(&store);
    write(&mut store, 30..31);
    let longest = log();
    write(&mut store, 31..40);
    assert_eq!(log(), longest, "written from its beginning");
    assert!(store.page("device", "", 100).unwrap().len() == 40);
}
