//! What a carrier gives, however it is written down, is the same rows; and where reading was left, it goes on.

mod bad;
mod columns;
mod feeds;

use crate::any;
use flate2::{Compression, write::GzEncoder};
use lake::{Entry, Format, Input, Kind, Offset, Options, Source, Stop, export};
use proptest::prelude::*;
use serde_json::{Map, Value};
use std::{
    fs,
    fs::File,
    io::Write,
    path::{Path, PathBuf},
};

pub(crate) fn open(path: &Path, options: &Options) -> Source {
    Source::open(Input::Path(path.to_owned()), options.clone()).unwrap()
}

/// All rows; any that is bad ends the test.
pub(crate) fn whole(source: Source) -> Vec<Entry> {
    source.map(|entry| entry.unwrap_or_else(|stop| panic!("{stop}"))).collect()
}

/// Rows, or in their place why there is none.
pub(crate) fn said(source: Source) -> Vec<Result<Entry, String>> {
    source.map(|entry| entry.map_err(|stop| stop.to_string())).collect()
}

fn line(entry: &Entry) -> String {
    let Entry::Row(row) = entry else { panic!("{entry:?}") };
    row.to_line().unwrap()
}

/// The fields of a row by column, as text.
fn fields(entry: &Entry) -> Map<String, Value> {
    let mut fields: Map<String, Value> = serde_json::from_str(&line(entry)).unwrap();
    if let Some(Value::Object(position)) = fields.remove("position") {
        fields.extend(position.into_iter().map(|(part, value)| (format!("position_{part}"), value)));
    }
    fields
}

fn text(value: Option<&Value>) -> String {
    match value {
        None => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

fn csv(entries: &[Entry]) -> String {
    let rows: Vec<_> = entries.iter().map(fields).collect();
    let mut names: Vec<&String> = rows.iter().flat_map(Map::keys).collect();
    names.sort_by_key(|name| std::cmp::Reverse(*name));
    names.dedup();
    let lines = rows
        .iter()
        .map(|row| names.iter().map(|name| quoted(&text(row.get(*name)))).collect::<Vec<_>>().join(","));
    let head = names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(",");
    [head].into_iter().chain(lines).map(|line| line + "\r\n").collect()
}

fn packed(text: &str) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(text.as_bytes()).unwrap();
    packer.finish().unwrap()
}

/// The rows in files of each format.
fn written(dir: &Path, rows: &[Entry]) -> Vec<(PathBuf, Options)> {
    let json: String = rows.iter().map(|row| line(row) + "\n").collect();
    let (csv, plain) = (csv(rows), Options::default());
    let mut files = vec![
        ("a.jsonl", json.clone().into_bytes()),
        ("a.jsonl.gz", packed(&json)),
        ("a.csv.gz", packed(&csv)),
        ("a.csv", csv.into_bytes()),
    ];
    if rows.is_empty() {
        files.truncate(2);
    }
    files
        .into_iter()
        .map(|(name, octets)| {
            fs::write(dir.join(name), octets).unwrap();
            (dir.join(name), plain.clone())
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn rows_are_the_same_in_lines_and_columns_and_go_on_where_they_were_left(rows in any::rows(40), at in 0..41_usize) {
        let dir = tempfile::tempdir().unwrap();
        let mut files = written(dir.path(), &rows).into_iter().map(|(path, options)| (path, options, rows.clone())).collect::<Vec<_>>();
        for kind in Kind::ROWS {
            let path = dir.path().join(format!("{}.parquet", kind.as_str()));
            export(&path, kind, rows.iter().cloned()).unwrap();
            let of_it = rows.iter().filter(|row| row.kind() == kind).cloned().collect();
            files.push((path, Options { kind: Some(kind), ..Options::default() }, of_it));
        }
        for (path, options, rows) in files {
            prop_assert_eq!(&whole(open(&path, &options)), &rows, "{}", path.display());
            let mut source = open(&path, &options);
            let mut begun: Vec<_> = source.by_ref().take(at).map(Result::unwrap).collect();
            let offset: Offset = serde_json::from_str(&serde_json::to_string(source.offset()).unwrap()).unwrap();
            drop(source);
            begun.extend(whole(Source::resume(Input::Path(path.clone()), options, offset).unwrap()));
            prop_assert_eq!(begun, rows, "{}", path.display());
        }
    }

    #[test]
    fn whatever_an_octet_of_lines_becomes_each_other_line_stands(rows in any::rows(12), at in any::<prop::sample::Index>(), octet in any::<u8>()) {
        let dir = tempfile::tempdir().unwrap();
        for (path, options) in written(dir.path(), &rows).into_iter().filter(|(path, _)| path.extension().unwrap() != "gz") {
            let mut octets = fs::read(&path).unwrap();
            let first = octets.iter().position(|octet| *octet == b'\n').map_or(0, |end| end + 1);
            let start = if path.extension().unwrap() == "csv" { first } else { 0 };
            if start >= octets.len() {
                continue;
            }
            let at = start + at.index(octets.len() - start);
            octets[at] = octet;
            fs::write(&path, octets).unwrap();
            let read: Vec<_> = open(&path, &options).filter_map(Result::ok).collect();
            let standing = rows.iter().filter(|row| read.contains(row)).count();
            prop_assert!(standing + 2 >= rows.len(), "{} of {}", standing, rows.len());
        }
    }
}

#[test]
fn a_folder_is_read_in_the_order_of_names_and_what_comes_later_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let beat = |seq: u64| {
        format!(r#"{{"v":1,"kind":"heartbeat","at":"2026-11-30T09:00:00Z","feed":"a","seq":{seq}}}"#)
    };
    let put = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    put("2.jsonl", &(beat(3) + "\n" + &beat(4)));
    put("1.jsonl", &(beat(1) + "\n" + &beat(2)));
    put("notes.txt", "nothing");
    put(".hidden.jsonl", "nothing");
    let options = Options { is_followed: true, ..Options::default() };
    let mut source = open(dir.path(), &options);
    let seqs = |source: &mut Source| source.map(|entry| entry.unwrap().stamp().seq).collect::<Vec<_>>();
    // The last line has no end, and may grow.
    assert_eq!(seqs(&mut source), [1, 2, 3]);
    assert!(seqs(&mut source).is_empty());
    let mut file = File::options().append(true).open(dir.path().join("2.jsonl")).unwrap();
    file.write_all(b"\n").unwrap();
    assert_eq!(seqs(&mut source), [4]);
    file.write_all((beat(5) + "\n" + &beat(6)).as_bytes()).unwrap();
    let csv = "kind,at,feed,seq\nheartbeat,2026-11-30T09:00:00Z,a,7\n";
    put("3.csv", csv);
    assert_eq!(seqs(&mut source), [5, 6, 7]);
    let offset = source.offset().clone();
    assert_eq!((offset.file.as_deref(), offset.done, offset.lines), (Some("3.csv"), csv.len() as u64, 2));
    let mut later = Source::resume(Input::Path(dir.path().to_owned()), options.clone(), offset).unwrap();
    put("4.jsonl", &(beat(8) + "\n"));
    assert_eq!(seqs(&mut later), [8]);
    fs::write(dir.path().join("4.jsonl"), "{}").unwrap();
    let stop = later.next().unwrap().unwrap_err();
    assert!(stop.to_string().contains("4.jsonl is shorter"), "{stop}");
}

#[test]
fn a_file_that_was_read_may_be_gone_and_one_that_was_not_is_missed() {
    let dir = tempfile::tempdir().unwrap();
    let line = r#"{"v":1,"kind":"heartbeat","at":"2026-11-30T09:00:00Z","feed":"a","seq":1}"#;
    for name in ["1.jsonl", "2.jsonl", "3.jsonl"] {
        fs::write(dir.path().join(name), [line, "\n", line, "\n"].concat()).unwrap();
    }
    let mut source = open(dir.path(), &Options::default());
    let half = source.by_ref().take(3).map(|_| ()).count();
    let (middle, rest) = (source.offset().clone(), source.by_ref().count());
    assert_eq!((half, rest, source.offset().is_over), (3, 3, true));
    for name in ["1.jsonl", "2.jsonl", "3.jsonl"] {
        fs::remove_file(dir.path().join(name)).unwrap();
    }
    let resume = |offset: &Offset| {
        Source::resume(Input::Path(dir.path().to_owned()), Options::default(), offset.clone())
    };
    assert_eq!(said(resume(source.offset()).unwrap()), []);
    let missed = said(resume(&middle).unwrap());
    assert!(matches!(&missed[..], [Err(error)] if error.contains("2.jsonl: No such file")), "{missed:?}");
}

#[test]
fn a_source_numbers_so_many_feeds_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.jsonl");
    let line = |feed: u32| {
        format!(r#"{{"v":1,"kind":"heartbeat","at":"2026-11-30T09:00:00Z","feed":"f{feed}"}}"#) + "\n"
    };
    fs::write(&path, (0..1030).chain([7]).map(line).collect::<String>()).unwrap();
    let mut source = open(&path, &Options { is_numbered: true, ..Options::default() });
    let all: Vec<_> = source
        .by_ref()
        .map(|entry| entry.map(|entry| entry.stamp().seq).map_err(|stop| stop.to_string()))
        .collect();
    assert!(
        all[..1024].iter().all(|seq| *seq == Ok(1))
            && all[1030] == Ok(2)
            && source.offset().numbers.len() == 1024
    );
    assert!(all[1024..1030].iter().zip(1025..).all(|(bad, line)| {
        bad.as_ref().is_err_and(|bad| {
            bad.contains(&format!("a.jsonl, line {line}: its feed is one more than the 1024"))
        })
    }));
}

#[test]
fn a_file_that_cannot_be_read_is_named_and_the_next_one_read() {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    let csv = "kind,at,feed,seq\nheartbeat,2026-11-30T09:00:00Z,a,1\n";
    put("1.parquet", "PAR1, they say");
    put("2.csv", csv);
    put("3.csv", &csv.replace("seq", "imsi,seq"));
    put("4.csv.gz", "no gzip");
    put("5.csv", csv);
    let all = said(open(dir.path(), &Options::default()));
    let whys: Vec<_> = all.iter().map(|entry| entry.as_ref().err().map_or("", String::as_str)).collect();
    let [parquet, "", unknown, packed, ""] = whys[..] else { panic!("{whys:?}") };
    assert!(parquet.contains("1.parquet is no Parquet that can be read"), "{parquet}");
    assert!(unknown.contains("3.csv: column `imsi` is none of rows"), "{unknown}");
    assert!(packed.contains("4.csv.gz: "), "{packed}");
    let stop = open(&dir.path().join("6.jsonl"), &Options::default()).next().unwrap().unwrap_err();
    assert!(matches!(stop, Stop::Source(_)), "{stop}");
    put("7.txt", "");
    let stop = open(&dir.path().join("7.txt"), &Options::default()).next().unwrap().unwrap_err();
    assert!(stop.to_string().contains("say its format"), "{stop}");
    let options = Options { format: Some(Format::JsonLines), ..Options::default() };
    assert_eq!(whole(open(&dir.path().join("7.txt"), &options)), []);
}

#[test]
fn what_lines_leave_out_can_be_said_for_all_and_is_then_there_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.jsonl");
    let line = r#"{"v":1,"at":"2026-11-30T09:00:00Z"}"#;
    fs::write(
        &path,
        format!("{line}\n\n{line}\nnothing\n{line}\n{}\n", line.replace("\"v\"", "\"seq\":9,\"v\"")),
    )
    .unwrap();
    let options = Options {
        kind: Some(Kind::Heartbeat),
        feed: Some("mme-1".parse().unwrap()),
        is_numbered: true,
        ..Options::default()
    };
    let mut source = open(&path, &options);
    let seqs: Vec<_> = source
        .by_ref()
        .map(|entry| entry.map(|entry| entry.stamp().seq).map_err(|stop| stop.to_string()))
        .collect();
    // What is bad has a number, which is then a hole in the feed.
    let [Ok(1), Ok(2), Err(nothing), Ok(4), Err(twice)] = &seqs[..] else { panic!("{seqs:?}") };
    assert!(
        nothing.contains("a.jsonl, line 4: ") && twice.contains("duplicate field `seq`"),
        "{nothing} {twice}"
    );
    assert_eq!(source.offset().numbers["mme-1".parse::<ids::Label>().as_ref().unwrap()], 5);
}
