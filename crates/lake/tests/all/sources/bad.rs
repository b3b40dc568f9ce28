//! What is no row says why, and where.

use super::{open, said};
use lake::{Aside, LONGEST, Options, Stop};
use std::fs;

const HEAD: &str = "kind,at,feed,seq,subscriber,cell,event,peer,cipher,sec_agree";
const GOOD: &str =
    "access,2026-11-30T09:00:00Z,mme-1,1,000102030405060708090a0b0c0d0e0f,lte:450-08:1,attach,,2,";

#[test]
fn csv_is_read_strictly_and_each_bad_line_alone_is_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.csv");
    let long = format!("{GOOD}{}", "x".repeat(LONGEST));
    let cases = [
        (GOOD.to_owned(), ""),
        (GOOD.replace("mme-1", "\"mme-1\""), ""),
        (GOOD.replace("mme-1", "mme\"1"), "a quote within a field"),
        (GOOD.replace("mme-1", "\"mme-1"), "a quote that does not end in its line"),
        (GOOD.replace("mme-1", "\"mme-1\"x"), "something behind the quote"),
        (GOOD.replace(",mme-1", ""), "it has 9 fields, and there are 10 names"),
        (GOOD.replace("mme-1", "MME 1"), "`feed`: a name has 1 to 32 lower-case letters"),
        (GOOD.replace("mme-1", ""), "`feed`: it is missing"),
        (GOOD.replace("2026-11-30T09:00:00Z", "30.11.2026"), "`at`: not a time"),
        (GOOD.replace(",1,0", ",-1,0"), "`seq`: no whole number in the range of its field"),
        (GOOD.replace(",1,0", ",+1,0"), "`seq`: no whole number in the range of its field"),
        (GOOD.replace(",1,0", ",1.0,0"), "`seq`: no whole number in the range of its field"),
        (
            GOOD.replace("000102030405060708090a0b0c0d0e0f", "450081234567890"),
            "`subscriber`: a subscriber's key has 32 hex digits",
        ),
        (GOOD.replace("lte:450-08:1", "lte:450-08:01"), "`cell`: a cell is technology:network:identity"),
        (GOOD.replace("attach", "wave"), "`event`: unknown variant `wave`"),
        (GOOD.replace("attach", ""), "`event`: it is missing"),
        (GOOD.replace(",,2", ",lte:450-08:2,2"), "only a handover has a `peer`"),
        (GOOD.replace(",,2", ",,16"), "0 to 15"),
        (GOOD.replace(",,2", ",,256"), "`cipher`: no whole number"),
        (format!("{GOOD}true"), "a row of access has no `sec_agree`"),
        (GOOD.replacen("access", "rain", 1), "unknown kind `rain`"),
        (GOOD.replacen("access", "", 1), "`kind`: it is missing"),
        (long, "longer than 4096 octets"),
        (GOOD.replace("mme-1", "mme-2"), ""),
    ];
    let mut octets: Vec<u8> = cases.iter().flat_map(|(line, _)| [line.as_bytes(), b"\n"].concat()).collect();
    octets.extend(b"\xff\n");
    fs::write(&path, [HEAD.as_bytes(), b"\n", &octets].concat()).unwrap();
    let all = said(open(&path, &Options::default()));
    assert_eq!(all.len(), cases.len() + 1);
    for (number, (given, (line, expected))) in all.iter().zip(&cases).enumerate() {
        let why = given.as_ref().err().map_or("", String::as_str);
        assert!(why.contains(expected) && why.is_empty() == expected.is_empty(), "{line}: {why}");
        assert!(why.is_empty() || why.contains(&format!("a.csv, line {}: ", number + 2)), "{why}");
    }
    assert!(all.last().unwrap().as_ref().unwrap_err().contains("no UTF-8"));
}

#[test]
fn columns_are_known_needed_and_there_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.csv");
    let plain = Options::default();
    let access = Options { kind: Some(lake::Kind::Access), ..plain.clone() };
    let named = Options { feed: "mme-1".parse().ok(), ..plain.clone() };
    let numbered = Options { is_numbered: true, ..plain.clone() };
    for (head, options, why) in [
        (HEAD.replace("cipher", "imsi"), &plain, "column `imsi` is none of rows: leave it out"),
        (HEAD.replace("cipher", "peer"), &plain, "column `peer` is there twice"),
        (HEAD.replace(",at", ""), &plain, "column `at` is missing"),
        (HEAD.replace("kind,", ""), &plain, "column `kind` is missing, and was not given"),
        (HEAD.replace(",feed", ""), &plain, "column `feed` is missing, and was not given"),
        (HEAD.replace(",seq", ""), &plain, "column `seq` is missing, and was not given"),
        (HEAD.to_owned(), &access, "column `sec_agree` is none of access"),
        (HEAD.replace(",sec_agree", ""), &access, "column `kind` is there, and was given"),
        (
            HEAD.replace("kind,", "").replace(",sec_agree", "").replace(",event", ""),
            &access,
            "column `event` is missing, which rows of access need",
        ),
        (HEAD.to_owned(), &named, "column `feed` is there, and was given"),
        (HEAD.to_owned(), &numbered, "column `seq` is there, and was given"),
        (HEAD.replace("cipher", "feed_seq"), &plain, "`seq` and `feed_seq` are the same"),
        (HEAD.replace("cipher", "\"cipher"), &plain, "a quote that does not end in its line"),
    ] {
        fs::write(&path, format!("{head}\n{GOOD}\n")).unwrap();
        let all = said(open(&path, options));
        let [Err(error)] = &all[..] else { panic!("{head}: {all:?}") };
        assert!(error.contains("a.csv: ") && error.contains(why), "{head}: {error}");
    }
    let ignoring = Options { ignores_unknown: true, ..plain };
    fs::write(&path, format!("\u{feff}{},imsi\n{GOOD},450081234567890\n", HEAD)).unwrap();
    assert!(matches!(&said(open(&path, &ignoring))[..], [Ok(_)]));
    fs::write(&path, "").unwrap();
    assert_eq!(said(open(&path, &ignoring)), []);
}

#[test]
fn bad_rows_are_kept_with_reason_place_and_text_in_two_files_of_bounded_length() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.csv");
    let bad = format!("{}\n", GOOD.replace("attach", &"wave ".repeat(200)));
    fs::write(&path, format!("{HEAD}\n{}", bad.repeat(9000))).unwrap();
    let folder = dir.path().join("aside");
    let mut aside = Aside::open(&folder, "mme").unwrap();
    for stop in open(&path, &Options::default()) {
        let Err(Stop::Bad(bad)) = stop else { panic!("{stop:?}") };
        aside.keep(&bad).unwrap();
    }
    let mut lengths: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name(), entry.metadata().unwrap().len()))
        .collect();
    lengths.sort();
    assert!(lengths.len() == 2 && lengths.iter().all(|(_, length)| *length <= 1 << 20), "{lengths:?}");
    drop(aside);
    let mut aside = Aside::open(&folder, "mme").unwrap();
    let Some(Err(Stop::Bad(bad))) = open(&path, &Options::default()).next() else { panic!() };
    aside.keep(&bad).unwrap();
    let text = fs::read_to_string(folder.join("mme.jsonl")).unwrap();
    let last: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!((last["line"].as_u64(), last["text"].as_str().unwrap().len()), (Some(2), 256));
    assert!(
        last["why"].as_str().unwrap().contains("unknown variant")
            && last["file"].as_str().unwrap().ends_with("a.csv")
    );
}
