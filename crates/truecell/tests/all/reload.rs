//! The configuration of a running node, read again: all of it holds, or nothing.

use crate::{
    bench::Bench,
    crash::{Estate, attach, device},
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader},
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

const APPLY: [&str; 2] = ["config", "apply"];
const APPLIED: &str = "gateway.configuration_applied";

fn edit(bench: &Bench, from: &str, to: &str) {
    let config = fs::read_to_string(bench.path("truecell.toml")).unwrap();
    assert!(config.contains(from), "{config}");
    bench.write("truecell.toml", &config.replace(from, to));
}

fn append(bench: &Bench, section: &str) {
    let config = fs::read_to_string(bench.path("truecell.toml")).unwrap();
    bench.write("truecell.toml", &(config + section));
}

/// Keys, old and new values.
fn changes(applied: &Value) -> Vec<[&str; 3]> {
    let word = |change: &Value, name: &str| change[name].as_str().unwrap_or("-").to_owned().leak() as &str;
    let changes = applied["changes"].as_array().unwrap().iter();
    changes.map(|change| ["key", "from", "to"].map(|name| word(change, name))).collect()
}

fn events(bench: &Bench) -> Vec<String> {
    let journal = bench.good(&["--json", "event", "tail", "--from", "1"]);
    journal.lines().filter(|line| line.contains(APPLIED)).map(str::to_owned).collect()
}

/// A unit that was lost, which two people bring back.
fn bring_back(bench: &Bench, approver: &str) -> i32 {
    bench.good(&["device", "lost", "00aabbccddee", "--why", "a test"]);
    let back = ["device", "move", "00aabbccddee", "suspended", "--why", "found", "--approver", approver];
    bench.run(&back).status.code().unwrap()
}

#[test]
fn what_was_changed_holds_at_once_and_is_in_the_journal_with_who_did_it() {
    let mut bench = Bench::new();
    bench.good(&["device", "add", "00aabbccddee"]);
    bench.good(&["device", "add", "00aabb000001"]);
    bench.serve();
    assert_eq!(bring_back(&bench, "erin"), 1);
    edit(&bench, "[\"dave\"]", "[\"dave\", \"erin\"]");
    append(&bench, "[admission]\nmax_validity_d = 7\n");
    let applied = bench.json(&APPLY);
    let expected = [
        ["admission.max_validity_d", "30", "7"],
        ["control.approvers", "[\"dave\"]", "[\"dave\", \"erin\"]"],
    ];
    assert_eq!(changes(&applied), expected);
    assert_eq!(bring_back(&bench, "erin"), 0);
    let (_, why) = bench.refused(&["cert", "issue", "00aabb000001", "--days", "8", "--out", "unit"]);
    assert!(why.contains("7 days at most"), "{why}");
    let [event] = &events(&bench)[..] else { panic!("one event") };
    let (event, me) = (serde_json::from_str::<Value>(event).unwrap(), api::Caller::here().name);
    assert_eq!((&event["body"]["by"], changes(&event["body"])), (&me.into(), expected.to_vec()));
    assert_eq!(bench.good(&APPLY), "truecell.toml: nothing has changed\n");
    assert_eq!(events(&bench).len(), 1);
    assert!(fs::read_to_string(bench.path("state/rules.json")).unwrap().contains("erin"));
    assert_eq!(bench.stop(), 0);
}

#[test]
fn a_file_that_is_wrong_or_changes_what_only_a_restart_takes_changes_nothing() {
    let mut bench = Bench::new();
    bench.good(&["device", "add", "00aabbccddee"]);
    bench.serve();
    edit(&bench, "[\"dave\"]", "[\"erin\"]");
    edit(&bench, "port = 0", "port = 10500\nshards = 3");
    edit(&bench, "\"json\"", "\"text\"");
    let (code, why) = bench.refused(&APPLY);
    assert!(code == 1 && why.contains("why: gateway.port, gateway.shards, log.format\n"), "{why}");
    edit(&bench, "port = 10500\nshards = 3", "port = 0");
    edit(&bench, "\"text\"", "\"json\"");
    edit(&bench, "[log]", "[log]\nfilter = \"chatty\"");
    let (code, why) = bench.refused(&APPLY);
    assert!(code == 64 && why.contains("`chatty` is no level"), "{why}");
    edit(&bench, "filter = \"chatty\"", "filter = \"info\"");
    assert_eq!((bring_back(&bench, "erin"), events(&bench).len()), (1, 0));
    fs::copy(bench.path("truecell.toml"), bench.path("other.toml")).unwrap();
    let (code, why) = bench.refused(&["-c", "other.toml", "config", "apply"]);
    assert!(code == 1 && why.contains("other.toml is another file"), "{why}");
    assert_eq!(changes(&bench.json(&APPLY)), [["control.approvers", "[\"dave\"]", "[\"erin\"]"]]);
    assert_eq!(bench.stop(), 0);
    let (code, why) = bench.refused(&APPLY);
    assert!(code == 1 && why.contains("no `serve` runs on this data directory"), "{why}");
}

#[test]
fn sighup_does_the_same_and_ends_nothing() {
    let mut bench = Bench::new();
    bench.serve();
    let (mut follower, mut records) = bench.follow();
    edit(&bench, "[\"dave\"]", "[]");
    let (pid, _) = bench.daemon();
    kill_process(Pid::from_raw(pid.try_into().unwrap()).unwrap(), Signal::HUP).unwrap();
    let applied = records.find(|record| record.contains(APPLIED)).unwrap();
    assert!(applied.contains(r#""by":"SIGHUP","changes":[{"key":"control.approvers""#), "{applied}");
    assert_eq!(bench.page("/readyz").0, 200);
    let _ = follower.kill();
    follower.wait().unwrap();
    assert_eq!(bench.stop(), 0);
}

#[test]
fn the_log_follows_its_filter() {
    let bench = Bench::new();
    let mut serve = bench.command(&["serve"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(serve.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(log.any(|line| line.contains("ready")));
    append(&bench, "filter = \"error\"\n");
    assert_eq!(changes(&bench.json(&APPLY)), [["log.filter", "\"info\"", "\"error\""]]);
    kill_process(Pid::from_child(&serve), Signal::TERM).unwrap();
    let rest: Vec<_> = log.collect();
    assert!(serve.wait().unwrap().success());
    assert!(!rest.iter().any(|line| line.contains("stopping")), "{rest:?}");
}

#[test]
fn anchors_are_read_again_although_their_file_has_the_same_name() {
    let (mut bench, other, third) = (Bench::new(), Bench::new(), Bench::new());
    fs::copy(other.path("state/ca/root.pem"), bench.path("anchor.pem")).unwrap();
    append(&bench, "[[realm]]\nname = \"femto.vendor.example\"\nanchors = [\"anchor.pem\"]\n");
    bench.serve();
    assert_eq!(changes(&bench.json(&APPLY)), [[""; 3]; 0]);
    fs::copy(third.path("state/ca/root.pem"), bench.path("anchor.pem")).unwrap();
    let applied = bench.json(&APPLY);
    let [[key, from, to]] = changes(&applied)[..] else { panic!("{applied}") };
    assert_eq!(key, "realm.anchors (SHA-256)");
    let has = |list: &str| list.matches("femto.vendor.example:").count();
    assert!(from != to && (has(from), has(to)) == (1, 1), "{applied}");
    bench.write("anchor.pem", "nothing");
    assert_eq!(bench.refused(&APPLY).0, 64);
}

#[test]
fn a_tunnel_ends_whose_unit_may_reach_something_else_and_the_others_stay() {
    let mut estate = Estate::new();
    let home = device(&estate.units[0].name).to_string();
    estate.bench.good(&["device", "set", &home, "--class", "home", "--why", "a test"]);
    estate.restart(&[]);
    assert_eq!(attach(&estate.gateway, &estate.units[..3], |_| true).len(), 3);
    let bench = &estate.bench;
    let devices = || -> Vec<String> {
        let sessions = bench.json(&["session", "list"])["sessions"].as_array().unwrap().clone();
        sessions.iter().map(|session| session["device"].as_str().unwrap().to_owned()).collect()
    };
    let until = |count: usize| {
        let deadline = Instant::now() + Duration::from_secs(20);
        while devices().len() != count {
            assert!(Instant::now() < deadline, "{:?}", devices());
            thread::park_timeout(Duration::from_millis(20));
        }
    };
    append(bench, "[[gateway.class]]\nname = \"home\"\nreach = [\"10.9.0.0/24\"]\n");
    assert_eq!(changes(&bench.json(&APPLY))[0][0], "gateway.class");
    until(2);
    assert!(!devices().contains(&home));
    let journal = bench.good(&["--json", "event", "tail", "--from", "1"]);
    let closed: Vec<_> = journal.lines().filter(|line| line.contains("gateway.session_closed")).collect();
    assert!(
        closed.len() == 1 && closed[0].contains(&home) && closed[0].contains("class-changed"),
        "{closed:?}"
    );
    assert_eq!(attach(&estate.gateway, &estate.units[..1], |_| true).len(), 1, "it attaches anew");
    until(3);
    edit(bench, "10.9.0.0/24", "10.8.0.0/24");
    bench.good(&APPLY);
    until(2);
}
