//! The journal's witness: what a node sends there, what the witness keeps, and what no longer passes unseen.

use crate::bench::{Bench, text};
use events::{
    Journal, JournalKey,
    witness::{CheckpointLine, DropFolder},
};
use ids::UnixTime;
use serde_json::Value;
use std::{
    fs, thread,
    time::{Duration, Instant},
};

const SEGMENT: &str = "state/journal/segw-1/00000000000000000001.jsonl";

/// Initialised, with a witness that is there or not.
fn witnessed(is_there: bool) -> Bench {
    let bench = Bench::bare();
    let config = fs::read_to_string(bench.path("truecell.toml")).unwrap();
    bench.write("truecell.toml", &(config + "[journal.witness]\ndrop = \"drop\"\n"));
    if is_there {
        fs::create_dir(bench.path("drop")).unwrap();
    }
    bench.good(&["init"]);
    bench
}

fn key(bench: &Bench) -> String {
    fs::read_to_string(bench.path("state/journal.pub")).unwrap().trim().to_owned()
}

fn lines(bench: &Bench) -> Vec<String> {
    let journal = fs::read_to_string(bench.path(SEGMENT)).unwrap();
    journal.split_inclusive('\n').map(str::to_owned).collect()
}

/// Code and JSON answer.
fn asked(bench: &Bench, arguments: &[&str]) -> (i32, Value) {
    let output = bench.run(&[&["--json"], arguments].concat());
    let answer = serde_json::from_slice(&output.stdout);
    (output.status.code().unwrap(), answer.unwrap_or_else(|_| panic!("{}", text(&output.stderr))))
}

fn wait_for(what: &str, holds: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < until, "{what}");
        thread::park_timeout(Duration::from_millis(20));
    }
}

fn checkpoints(bench: &Bench) -> usize {
    let entries = fs::read_dir(bench.path("drop")).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|end| end == "checkpoint")).count()
}

/// A node that served for a moment with some units, witnessed to its end.
fn served() -> Bench {
    let mut bench = witnessed(true);
    bench.serve();
    (0..20).for_each(|unit| drop(bench.good(&["device", "add", &format!("00aabb0000{unit:02x}")])));
    assert_eq!(bench.stop(), 0);
    bench
}

#[test]
fn without_a_witness_the_end_is_reported_as_unproven() {
    let bench = Bench::new();
    let (code, answer) = asked(&bench, &["event", "verify"]);
    assert_eq!((code, &answer["witnessed"]), (0, &Value::Null));
    let (last, proven) = (answer["last"].as_u64().unwrap(), answer["proven"].as_u64().unwrap());
    assert_eq!(answer["unproven_from"], proven + 1);
    let said = bench.good(&["event", "verify"]);
    let unproven = format!("unproven: whether anything was cut off from record {} on", proven + 1);
    assert!(said.contains(&unproven) && said.contains("none was asked"), "{said}");
    fs::write(bench.path(SEGMENT), lines(&bench)[..2].concat()).unwrap();
    let (code, answer) = asked(&bench, &["event", "verify"]);
    assert!(last > 2 && code == 0 && answer["last"] == 2, "a cut passes unseen: {answer}");
}

#[test]
fn a_node_is_witnessed_to_its_end_and_every_cut_is_named_by_the_first_record_that_is_missing() {
    let bench = served();
    assert!(checkpoints(&bench) >= 2, "at the start and at the stop");
    let all = lines(&bench);
    let verify = ["event", "verify", "--witness", "drop"];
    let (code, answer) = asked(&bench, &verify);
    assert_eq!((code, &answer["last"]), (0, &all.len().into()));
    assert_eq!(
        (&answer["witnessed"]["seq"], &answer["unproven_from"]),
        (&all.len().into(), &(all.len() + 1).into())
    );
    for cut in [1, all.len() / 2, all.len() - 1] {
        fs::write(bench.path(SEGMENT), all[..cut].concat()).unwrap();
        assert_eq!(asked(&bench, &["event", "verify"]).0, 0);
        let (code, answer) = asked(&bench, &verify);
        assert_eq!((code, &answer["broken"]["seq"]), (1, &(cut + 1).into()), "{answer}");
        let said = text(&bench.run(&verify).stdout);
        let first = format!("BROKEN at record {}\n", cut + 1);
        assert!(said.starts_with(&first) && said.contains("it is missing: the witness saw record"), "{said}");
    }
    fs::remove_file(bench.path(SEGMENT)).unwrap();
    let (code, answer) = asked(&bench, &verify);
    assert_eq!((code, &answer["broken"]["seq"]), (1, &1.into()), "{answer}");
}

#[test]
fn a_journal_written_anew_with_its_own_key_is_named_also_in_a_copy_elsewhere() {
    let (bench, elsewhere) = (served(), Bench::bare());
    let key = JournalKey::open(&bench.path("state/keys/journal.key")).unwrap();
    let (dir, now) = (elsewhere.path("copy"), UnixTime::now());
    let (journal, _) = Journal::open(&dir, "segw-1".parse().unwrap(), key.clone(), now).unwrap();
    for _ in 0..200 {
        journal.checkpoint(now).unwrap();
    }
    journal.close().unwrap();
    let drop = bench.path("drop");
    let (key, drop) = (key.public_key().to_string(), drop.to_str().unwrap());
    let verify = ["event", "verify", "--journal", "copy", "--key", &key];
    assert_eq!(asked(&elsewhere, &verify).0, 0, "every signature is good");
    let (code, answer) = asked(&elsewhere, &[&verify[..], &["--witness", drop]].concat());
    assert_eq!((code, &answer["broken"]["seq"]), (1, &1.into()), "{answer}");
    assert!(answer["broken"]["why"].as_str().unwrap().contains("the journal's key has signed"), "{answer}");
}

#[test]
fn the_witness_takes_in_what_was_sent_and_a_node_that_goes_back_contradicts_itself() {
    let mut bench = witnessed(true);
    let beginning = lines(&bench).concat();
    bench.serve();
    (0..20).for_each(|unit| drop(bench.good(&["device", "add", &format!("00aabb0000{unit:02x}")])));
    assert_eq!(bench.stop(), 0);
    fs::create_dir(bench.path("kept")).unwrap();
    let (key, sent) = (key(&bench), checkpoints(&bench));
    let collect = ["event", "witness", "kept", "--from", "drop", "--key", &key];
    let (code, answer) = asked(&bench, &collect);
    assert_eq!((code, &answer["ok"], &answer["taken"]), (0, &true.into(), &sent.into()), "{answer}");
    assert_eq!((&answer["node"], &answer["seq"]), (&"segw-1".into(), &lines(&bench).len().into()));
    assert_eq!((checkpoints(&bench), asked(&bench, &collect).1["taken"].as_u64()), (0, Some(0)));
    let said = bench.good(&["event", "witness", "kept"]);
    assert!(said.starts_with("good\nnode:") && said.contains("witnessed: up to record "), "{said}");
    assert_eq!(asked(&bench, &["event", "verify", "--witness", "kept"]).0, 0);

    // Somebody cuts the journal, and the ledger with it, and lets the node go on.
    fs::write(bench.path(SEGMENT), beginning).unwrap();
    for file in ["ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"] {
        let _ = fs::remove_file(bench.path("state").join(file));
    }
    bench.serve();
    assert_eq!(bench.stop(), 0);
    assert_eq!(asked(&bench, &["event", "verify"]).0, 0, "nothing here tells");
    let (code, answer) = asked(&bench, &collect);
    assert_eq!((code, &answer["taken"], checkpoints(&bench)), (1, &0.into(), 0), "{answer}");
    assert!(answer["contradictions"].as_array().unwrap().len() >= 2, "{answer}");
    let said = text(&bench.run(&["event", "witness", "kept"]).stdout);
    assert!(said.starts_with("BAD: the node has signed what contradicts its journal"), "{said}");
    assert_eq!(asked(&bench, &["event", "verify", "--witness", "kept"]).0, 1);
}

#[test]
fn a_witness_out_of_reach_is_an_alarm_that_stops_no_admission_and_it_catches_up() {
    let mut bench = witnessed(false);
    let said = bench.good(&["config", "check"]);
    assert!(said.contains("warning: [journal.witness] there is no folder"), "{said}");
    bench.serve();
    let (mut follower, records) = bench.follow();
    let mut alarms = records.filter(|line| line.contains("gateway.alarm"));
    let raised = alarms.next().unwrap();
    assert!(raised.contains(r#""alarm":"witness-unreachable","raised":true"#), "{raised}");
    let (status, why) = bench.page("/readyz");
    assert!(status == 200 && why.contains("\"ready\":true") && why.contains("\"witness\":\""), "{why}");
    assert!(bench.page("/metrics").1.contains("truecell_check_good{check=\"witness\"} 0"));
    let top = bench.json(&["top", "--once"]);
    assert_eq!((&top["ready"], &top["alarms"][0]["alarm"]), (&true.into(), &"witness-unreachable".into()));
    bench.good(&["device", "add", "00aabbccddee"]);
    assert!(!bench.path("drop").exists());

    fs::create_dir(bench.path("drop")).unwrap();
    let over = alarms.next().unwrap();
    assert!(over.contains(r#""raised":false"#), "{over}");
    wait_for("nothing is caught up", || checkpoints(&bench) > 0);
    assert_eq!(asked(&bench, &["event", "verify", "--witness", "drop"]).0, 0, "while it serves");
    let _ = follower.kill();
    follower.wait().unwrap();
    assert_eq!(bench.stop(), 0);
    let (_, answer) = asked(&bench, &["event", "verify", "--witness", "drop"]);
    assert_eq!(answer["witnessed"]["seq"], answer["last"], "all that it missed too");
}

#[test]
fn a_stop_waits_for_a_missing_witness_no_longer_than_it_must() {
    let mut bench = witnessed(false);
    bench.serve();
    assert_eq!(bench.stop(), 0);
    assert!(bench.good(&["event", "verify"]).starts_with("good"));
}

#[test]
fn a_witness_of_nothing_an_old_one_and_one_with_strange_files_ask_for_a_person() {
    let bench = Bench::new();
    let (code, why) = bench.refused(&["event", "witness", "kept"]);
    assert!(code == 2 && why.contains("see that it is mounted"), "{why}");
    let (code, why) = bench.refused(&["event", "verify", "--witness", "kept"]);
    assert!(code == 2 && why.contains("the witness cannot be read"), "{why}");
    for folder in ["kept", "drop"] {
        fs::create_dir(bench.path(folder)).unwrap();
    }
    let (code, why) = bench.refused(&["event", "verify", "--witness", "kept"]);
    assert!(code == 1 && why.contains("holds no checkpoint"), "{why}");
    let said = text(&bench.run(&["event", "witness", "kept"]).stdout);
    assert_eq!(said, "BAD: nothing was witnessed yet\n");

    let old = old_checkpoint(&bench);
    DropFolder::new(bench.path("drop")).put(&old).unwrap();
    let key = key(&bench);
    let collect = ["event", "witness", "kept", "--from", "drop", "--key", &key];
    let (code, answer) = asked(&bench, &collect);
    assert_eq!((code, &answer["taken"], &answer["ok"]), (1, &1.into(), &false.into()));
    let said = text(&bench.run(&["event", "witness", "kept"]).stdout);
    assert!(said.starts_with("BAD: the last checkpoint is not of now"), "{said}");
    bench.good(&["event", "witness", "kept", "--max-age", &u32::MAX.to_string()]);

    let strange = format!("drop/{:020}.0000000000000000.checkpoint", 9);
    bench.write(&strange, "{}\n");
    let far = ["--max-age", &u32::MAX.to_string()];
    let (code, answer) = asked(&bench, &[&collect[..], &far].concat());
    assert_eq!((code, answer["refused"].as_array().unwrap().len()), (1, 1), "{answer}");
    assert!(bench.path(&strange).exists());
    let (code, why) = bench.refused(&["event", "verify", "--witness", "drop"]);
    assert!(code == 1 && why.contains("no checkpoint of a journal"), "{why}");
}

/// Of this node's key, of long ago.
fn old_checkpoint(bench: &Bench) -> CheckpointLine {
    let key = JournalKey::open(&bench.path("state/keys/journal.key")).unwrap();
    let then = UnixTime::from_secs(1_790_000_000);
    let (journal, _) = Journal::open(&bench.path("other"), "segw-1".parse().unwrap(), key, then).unwrap();
    journal.checkpoint(then).unwrap()
}

#[test]
fn a_drop_in_the_data_directory_is_refused() {
    let bench = witnessed(true);
    let config = fs::read_to_string(bench.path("truecell.toml")).unwrap();
    bench.write("truecell.toml", &config.replace("\"drop\"", "\"state/drop\""));
    let (code, why) = bench.refused(&["config", "check"]);
    assert!(code == 64 && why.contains("journal.witness.drop: state/drop is in the data directory"), "{why}");
}

#[test]
fn why_a_witness_asks_for_a_person_is_in_its_json_as_well() {
    let bench = witnessed(true);
    fs::create_dir(bench.path("kept")).unwrap();
    let key = key(&bench);
    let take_in = ["event", "witness", "kept", "--from", "drop", "--key", &key];
    let (code, answer) = asked(&bench, &take_in);
    assert_eq!((code, &answer["ok"], &answer["code"]), (1, &false.into(), &"nothing-witnessed".into()));
    assert_eq!(answer["why"], "nothing was witnessed yet");
    let bench = served();
    let (code, answer) = asked(&bench, &["event", "witness", "drop", "--max-age", "3000"]);
    assert_eq!((code, &answer["ok"]), (0, &true.into()), "{answer}");
    assert_eq!((&answer["code"], &answer["why"]), (&Value::Null, &Value::Null));
}
