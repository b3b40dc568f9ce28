//! A commit is there whole or not at all, and one that a checkpoint does not know is forgotten.

use crate::{
    any,
    order::{read, write},
};
use lake::{Entry, Kind, Lake};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use std::{fs, path::Path};

fn some() -> Vec<Entry> {
    let mut runner = TestRunner::deterministic();
    any::entries(200)
        .prop_filter("enough", |entries| entries.len() > 60)
        .new_tree(&mut runner)
        .unwrap()
        .current()
}

fn files(dir: &Path) -> usize {
    fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| if path.is_dir() { files(&path) } else { 1 })
        .sum()
}

#[test]
fn what_is_not_published_is_not_read_and_goes() {
    let (dir, entries) = (tempfile::tempdir().unwrap(), some());
    let lake = Lake::open(dir.path()).unwrap();
    write(&lake, &entries, entries.len());
    let (before, count) = (read(&lake, &Kind::ALL), files(dir.path()));
    // Given up: nothing is left of it.
    let mut writer = lake.writer(2, |_| true).unwrap();
    entries.iter().for_each(|entry| writer.push(entry).unwrap());
    drop(writer.seal().unwrap());
    assert_eq!(files(dir.path()), count);
    // Cut off: what is left nobody reads, and the next start removes.
    let mut writer = lake.writer(2, |_| true).unwrap();
    entries.iter().for_each(|entry| writer.push(entry).unwrap());
    std::mem::forget(writer.seal().unwrap());
    assert_eq!((files(dir.path()), lake.last_commit().unwrap()), (2 * count, Some(1)));
    assert_eq!(read(&lake, &Kind::ALL), before);
    assert_eq!(lake.forget_after(1).unwrap(), 0);
    assert_eq!((files(dir.path()), read(&lake, &Kind::ALL)), (count, before));
}

#[test]
fn commits_behind_the_checkpoint_are_forgotten_with_their_visitors() {
    let (dir, entries) = (tempfile::tempdir().unwrap(), some());
    let lake = Lake::open(dir.path()).unwrap();
    write(&lake, &entries, 20);
    assert!(lake.last_commit().unwrap() > Some(3));
    assert!(lake.forget_after(2).unwrap() > 2);
    assert_eq!(lake.last_commit().unwrap(), Some(2));
    let other = tempfile::tempdir().unwrap();
    let whole = Lake::open(other.path()).unwrap();
    write(&whole, &entries[..40], 20);
    assert_eq!(read(&lake, &Kind::ALL), read(&whole, &Kind::ALL));
    assert_eq!(files(dir.path()), files(other.path()));
    assert_eq!(lake.forget_after(0).unwrap(), files(other.path()));
    assert_eq!((read(&lake, &Kind::ALL), lake.last_commit().unwrap()), (Vec::new(), None));
}

#[test]
fn a_commit_that_is_half_published_is_forgotten_whole() {
    let (dir, entries) = (tempfile::tempdir().unwrap(), some());
    let lake = Lake::open(dir.path()).unwrap();
    let mut writer = lake.writer(7, |_| true).unwrap();
    entries.iter().for_each(|entry| writer.push(entry).unwrap());
    std::mem::forget(writer.seal().unwrap());
    // The power goes after some of the names are given.
    let day = fs::read_dir(dir.path().join("access")).unwrap().next().unwrap().unwrap().path();
    let hidden = fs::read_dir(&day).unwrap().next().unwrap().unwrap().path();
    fs::rename(&hidden, hidden.with_extension("")).unwrap();
    assert_eq!(lake.last_commit().unwrap(), Some(7));
    assert_eq!(lake.forget_after(6).unwrap(), 1);
    assert_eq!((files(dir.path()), lake.last_commit().unwrap()), (0, None));
}

#[test]
fn a_writer_says_what_it_brought() {
    let (dir, entries) = (tempfile::tempdir().unwrap(), some());
    let lake = Lake::open(dir.path()).unwrap();
    let mut writer = lake.writer(1, |_| false).unwrap();
    entries.iter().for_each(|entry| writer.push(entry).unwrap());
    assert_eq!(writer.rows(), entries.len() as u64);
    let published = writer.seal().unwrap().publish().unwrap();
    assert_eq!(published.rows.values().sum::<u64>(), entries.len() as u64);
    assert_eq!(published.parts, files(dir.path()));
    assert!(published.octets > 0 && !dir.path().join("visitors").exists());
    assert!(lake.writer(1_000_000_000_000, |_| true).is_err());
}
