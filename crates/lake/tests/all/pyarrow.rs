//! pyarrow as an independent reader and writer: it sees in our parts, by what docs/formats.md says of them, the rows that were written; and
//! what it writes is a source.

use crate::{
    any,
    order::write,
    sources::{open, whole},
};
use lake::{Entry, Kind, Lake, Options};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use serde_json::Value;
use std::{
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// A Python that has pyarrow, where `./test` puts it or of its own.
fn python() -> Option<Command> {
    let fetched = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/peers/pyarrow");
    let found = ["/usr/bin/python3", "python3"].into_iter().find(|python| {
        let mut probe = Command::new(python);
        probe.env("PYTHONPATH", &fetched).args(["-c", "import pyarrow.parquet"]).stderr(Stdio::null());
        probe.status().is_ok_and(|status| status.success())
    });
    let mut python = Command::new(found?);
    python.env("PYTHONPATH", fetched).arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/all/parts.py"));
    Some(python)
}

fn said(mut python: Command) -> String {
    let output = python.output().unwrap();
    assert!(output.status.success(), "pyarrow: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Rows of all kinds, at times that Python has, too.
fn some() -> Vec<Entry> {
    let mut runner = TestRunner::deterministic();
    let is_near = |entry: &Entry| {
        let Entry::Row(row) = entry else { return false };
        let line = row.to_line().unwrap();
        let times = line
            .match_indices("T")
            .filter(|(at, _)| line[..*at].ends_with(|last: char| last.is_ascii_digit()));
        times
            .into_iter()
            .all(|(at, _)| at < 10 || !line[at - 10..at].contains('-') || line[at - 10..at].starts_with('2'))
    };
    let entries =
        (0..30).flat_map(|_| any::rows(60).new_tree(&mut runner).unwrap().current()).filter(is_near);
    let mut entries: Vec<_> = entries.collect();
    for (entry, seq) in entries.iter_mut().zip(1..) {
        let Entry::Row(row) = entry else { continue };
        row.stamp_mut().seq = seq;
    }
    entries
}

fn value(entry: &Entry) -> Value {
    let Entry::Row(row) = entry else { panic!("{entry:?}") };
    serde_json::from_str(&row.to_line().unwrap()).unwrap()
}

/// Addresses have more than one text.
fn plain(mut row: Value) -> Value {
    if let Some(inner) = row.get_mut("inner") {
        *inner = inner.as_str().unwrap().parse::<IpAddr>().unwrap().to_string().into();
    }
    row
}

fn parts(dir: &Path) -> Vec<PathBuf> {
    let inside = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    inside.flat_map(|path| if path.is_dir() { parts(&path) } else { vec![path] }).collect()
}

#[test]
fn pyarrow_sees_in_our_parts_what_was_written_and_what_it_writes_is_read() {
    let Some(mut reader) = python() else {
        println!("skipped: needs a Python with pyarrow");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let entries = some();
    let kinds: std::collections::BTreeSet<_> = entries.iter().map(Entry::kind).collect();
    assert_eq!(kinds, Kind::ROWS.into());
    let lake = Lake::open(dir.path().join("lake")).unwrap();
    write(&lake, &entries, 200);
    fs::remove_dir_all(dir.path().join("lake/visitors")).unwrap();
    reader.arg("read").args(parts(&dir.path().join("lake")));
    let mut seen: Vec<Value> =
        said(reader).lines().map(|line| plain(serde_json::from_str(line).unwrap())).collect();
    seen.sort_by_key(|row| row["seq"].as_u64());
    let written: Vec<_> = entries.iter().map(value).collect();
    assert_eq!(seen.len(), written.len());
    for (seen, written) in seen.iter().zip(&written) {
        assert_eq!(seen, written);
    }
    let (lines, path) = (dir.path().join("rows.jsonl"), dir.path().join("rows.parquet"));
    for kind in [Kind::Access, Kind::Payment, Kind::MacroCell, Kind::Order, Kind::Gap] {
        let of_it: Vec<_> = entries.iter().filter(|entry| entry.kind() == kind).cloned().collect();
        fs::write(&lines, of_it.iter().map(|entry| value(entry).to_string() + "\n").collect::<String>())
            .unwrap();
        let mut writer = python().unwrap();
        writer.arg("write").args([&lines, &path]);
        said(writer);
        assert_eq!(whole(open(&path, &Options::default())), of_it);
    }
}
