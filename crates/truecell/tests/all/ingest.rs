//! `truecell ingest` and `detect`: rows of a core in, killed wherever it may be.

use crate::bench::{Bench, text};
use ids::UnixTime;
use lake::{Entry, Kind, Lake};
use serde_json::{Value, json};
use std::{
    fs,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

const FEEDS: &str = "\n[detect]\ncheckpoint_s = 1\n\n[[detect.feed]]\nname = \"core\"\n\n[[detect.feed]]\nname = \"plan\"\nsilence_s = 90000\n";
const END: [&str; 3] = ["ingest", "--end", "--ledger-as-it-is"];
const JUDGE: [&str; 6] =
    ["detect", "--from", "2026-01-01T00:00:00Z", "--to", "2026-01-02T17:40:01Z", "--ledger-as-it-is"];

/// A node with one unit, whose core wrote a row each second for some hours.
fn node(rows: usize) -> Bench {
    let bench = Bench::bare();
    let config = fs::read_to_string(bench.path("truecell.toml")).unwrap();
    bench.write("truecell.toml", &(config + FEEDS));
    bench.good(&["init"]);
    bench.good(&["device", "add", "00aabbccddee"]);
    fs::create_dir(bench.path("rows")).unwrap();
    bench.write("rows/core.jsonl", &core(rows));
    bench
}

/// Each minute somebody comes from the mast to a cell that nobody knows, each hour another.
fn core(rows: usize) -> String {
    let start = "2026-01-01T00:00:00Z".parse::<UnixTime>().unwrap();
    let mast = "lte:450-08:1000001";
    let position = json!({ "lat": 374_999_000, "lon": 1_269_000_000 });
    let plan = json!({ "v": 1, "kind": "macro-cell", "at": start, "feed": "plan", "seq": 1, "cell": mast,
        "position": position, "radius_m": 700, "from": start });
    let mut lines = plan.to_string() + "\n";
    for row in 1..=rows {
        let at = start.after(Duration::from_secs(row as u64));
        let cell =
            if row % 60 == 0 { format!("lte:450-08:200000{:x}", row / 3600 % 16) } else { mast.into() };
        let access = json!({ "v": 1, "kind": "access", "at": at, "feed": "core", "seq": row,
            "subscriber": format!("{:032x}", row % 977), "cell": cell, "event": "update" });
        lines += &(access.to_string() + "\n");
    }
    lines
}

fn lake(bench: &Bench) -> Vec<Entry> {
    let [from, to] = ["2026-01-01T00:00:00Z", "2026-01-04T00:00:00Z"].map(|time| time.parse().unwrap());
    let rows = Lake::open(bench.path("state/lake")).unwrap().read(&Kind::ALL, from, to).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

/// The number of the newest checkpoint.
fn checkpoint(bench: &Bench) -> u64 {
    let octets = fs::read(bench.path("state/detect/commit")).unwrap_or_default();
    let head = octets.split(|octet| *octet == b'\n').next().unwrap();
    serde_json::from_slice::<Value>(head).map_or(0, |head| head["number"].as_u64().unwrap())
}

/// Until it has written another checkpoint; whether it still runs.
fn another(bench: &Bench, child: &mut Child, before: u64) -> bool {
    let until = Instant::now() + Duration::from_secs(120);
    while checkpoint(bench) == before {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        assert!(Instant::now() < until, "no checkpoint came");
        std::thread::yield_now();
    }
    true
}

#[test]
fn killed_after_any_checkpoint_it_loses_nothing_and_says_nothing_twice() {
    let rows = 150_000;
    let whole = node(rows);
    let answer = whole.json(&[&END[..], &["rows"]].concat());
    assert_eq!((&answer["rows"]["access"], &answer["aside"]), (&json!(rows), &json!(0)));
    let found = answer["findings"].as_u64().unwrap();
    assert!(found >= 11, "an unknown cell each hour: {answer}");
    let (mut killed, mut kills) = (node(rows), 0);
    loop {
        let before = checkpoint(&killed);
        let mut child = killed.command(&[&END[..], &["rows"]].concat());
        let mut child = child.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        if !another(&killed, &mut child, before) {
            assert!(child.wait().unwrap().success());
            break;
        }
        // Each time somewhat later behind the checkpoint.
        std::thread::park_timeout(Duration::from_millis(150 * kills));
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
    }
    assert!(kills > 1, "it was killed {kills} times: too few to show anything");
    assert_eq!(lake(&killed), lake(&whole));
    killed.serve();
    for bench in [&whole, &killed] {
        let again = bench.json(&JUDGE);
        let expected = json!({ "same": found, "only_now": [], "only_then": [] });
        for (key, value) in expected.as_object().unwrap() {
            assert_eq!(&again[key], value, "{key}");
        }
    }
}

#[test]
fn what_is_no_row_is_put_aside_and_said() {
    let bench = node(10);
    let core = fs::read_to_string(bench.path("rows/core.jsonl")).unwrap();
    bench.write("rows/core.jsonl", &(core + "{\"v\":1,\"kind\":\"access\"}\n"));
    let output = bench.run(&[&END[..], &["rows"]].concat());
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("put aside:        1"), "{}", text(&output.stdout));
    let aside = fs::read_to_string(bench.path("state/lake/aside/rows.jsonl")).unwrap();
    assert!(aside.contains("missing field"), "{aside}");
}

#[test]
fn without_a_feed_it_says_what_to_configure() {
    let bench = Bench::bare();
    bench.good(&["init"]);
    let (code, said) = bench.refused(&["ingest", "rows"]);
    assert_eq!(code, 2);
    assert!(said.contains("[[detect.feed]]"), "{said}");
}
