//! The configuration of a running node, read again: all of it holds, or nothing.

use crate::{
    bench::Bench,
    crash::{Estate, attach, device},
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

const APPLY: [&str; 2] = ["config", "apply"];
const APPLIED: &str = "gateway.configuration_applied";
const AT_START: &str = r#""by":"start""#;

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
    let applied = journal.lines().filter(|line| line.contains(APPLIED) && !line.contains(AT_START));
    applied.map(str::to_owned).collect()
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
    let (_, why) = bench.refused(&[
        "cert",
        "issue",
        "00aabb000001",
        "--approver",
        "dave",
        "--days",
        "8",
        "--out",
        "unit",
    ]);
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
fn what_was_changed_while_nothing_ran_is_in_the_journal_as_soon_as_it_holds() {
    let mut bench = Bench::new();
    let at_start = |bench: &Bench| -> Vec<Value> {
        let journal = bench.good(&["--json", "event", "tail", "--from", "1"]);
        let lines = journal.lines().filter(|line| line.contains(APPLIED) && line.contains(AT_START));
        lines.map(|line| serde_json::from_str::<Value>(line).unwrap()["body"].take()).collect()
    };
    bench.serve();
    assert_eq!(bench.stop(), 0);
    let [first] = &at_start(&bench)[..] else { panic!("one event") };
    assert!(changes(first).contains(&["control.approvers", "-", "[\"dave\"]"]), "{first}");
    bench.serve();
    edit(&bench, "[\"dave\"]", "[]");
    bench.good(&APPLY);
    assert_eq!(bench.stop(), 0);
    bench.serve();
    assert_eq!(bench.stop(), 0);
    assert_eq!(at_start(&bench).len(), 1, "the same again, and what was applied, are no news");
    edit(&bench, "[]", "[\"erin\"]");
    append(&bench, "[journal]\nreserve_mib = 1\n");
    bench.serve();
    assert_eq!(bench.stop(), 0);
    let expected = [["control.approvers", "[]", "[\"erin\"]"], ["journal.reserve_mib", "512", "1"]];
    assert_eq!(changes(&at_start(&bench)[1]), expected);
    fs::remove_file(bench.path("state/configuration.json")).unwrap();
    bench.serve();
    assert_eq!(bench.stop(), 0);
    assert!(changes(&at_start(&bench)[2]).contains(&["control.approvers", "-", "[\"erin\"]"]));
}

#[test]
fn a_link_to_the_file_may_lead_to_another_one_when_it_is_read_again() {
    let mut bench = Bench::new();
    fs::rename(bench.path("truecell.toml"), bench.path("first.toml")).unwrap();
    std::os::unix::fs::symlink("first.toml", bench.path("truecell.toml")).unwrap();
    bench.serve();
    let config = fs::read_to_string(bench.path("first.toml")).unwrap();
    bench.write("second.toml", &config.replace("[\"dave\"]", "[\"erin\"]"));
    fs::remove_file(bench.path("truecell.toml")).unwrap();
    std::os::unix::fs::symlink("second.toml", bench.path("truecell.toml")).unwrap();
    assert_eq!(changes(&bench.json(&APPLY)), [["control.approvers", "[\"dave\"]", "[\"erin\"]"]]);
    assert_eq!(bench.stop(), 0);
}

#[test]
fn sighup_does_the_same_and_ends_nothing() {
    let mut bench = Bench::new();
    bench.serve();
    let (mut follower, mut records) = bench.follow();
    edit(&bench, "[\"dave\"]", "[]");
    let (pid, _) = bench.daemon();
    kill_process(Pid::from_raw(pid.try_into().unwrap()).unwrap(), Signal::HUP).unwrap();
    let applied = records.find(|record| record.contains(APPLIED) && !record.contains(AT_START)).unwrap();
    assert!(applied.contains(r#""by":"SIGHUP","changes":[{"key":"control.approvers""#), "{applied}");
    let logged: Value = serde_json::from_str(&bench.wait_logged("configuration changed")).unwrap();
    let told = ["key", "old", "new"].map(|name| logged[name].as_str().unwrap());
    assert_eq!(told, ["control.approvers", "[\"dave\"]", "[]"]);
    assert_eq!(bench.page("/readyz").0, 200);
    let _ = follower.kill();
    follower.wait().unwrap();
    assert_eq!(bench.stop(), 0);
}

#[test]
fn what_sighup_finds_wrong_is_one_line_with_one_next_step() {
    let mut bench = Bench::new();
    bench.serve();
    append(&bench, "filter = \"chatty\"\n");
    let hangup = || {
        let pid = Pid::from_raw(bench.daemon().0.cast_signed()).unwrap();
        kill_process(pid, Signal::HUP).unwrap();
    };
    hangup();
    let one: Value = serde_json::from_str(&bench.wait_logged("log.filter")).unwrap();
    let why = one["why"].as_str().unwrap();
    assert!(why.starts_with("truecell.toml:") && why.ends_with("`chatty` is no level"), "{one}");
    assert!(one["next"].as_str().is_some_and(|next| next.contains("trace")), "{one}");
    append(&bench, "[admission]\nmax_validity_d = 0\n");
    hangup();
    let two: Value = serde_json::from_str(&bench.wait_logged("admission.max_validity_d")).unwrap();
    let why = two["why"].as_str().unwrap();
    assert!(why.contains("; truecell.toml:") && !why.contains('\n') && !why.contains("next:"), "{two}");
    assert_eq!(two["next"], "correct them; `truecell config check` says how");
    assert_eq!(bench.stop(), 0);
}

#[test]
fn what_is_applied_has_its_warnings_for_people_and_for_programs() {
    let mut bench = Bench::new();
    bench.serve();
    let over = "[[gateway.legacy]]\nname = \"old\"\nrealm = \"femto.operator.example\"\nuntil = \"2020-01-01T00:00:00Z\"\n";
    append(&bench, over);
    let applied = bench.run(&["--json", "config", "apply"]);
    assert_eq!(crate::bench::text(&applied.stderr), "");
    let applied: Value = serde_json::from_slice(&applied.stdout).unwrap();
    let warning = applied["warnings"][0].as_str().unwrap();
    assert!(warning.starts_with("[[gateway.legacy]] \"old\" ended at 2020-01-01"), "{applied}");
    assert_eq!(changes(&applied)[0][0], "gateway.legacy");
    let said = bench.run(&APPLY).stderr;
    assert_eq!(crate::bench::text(&said), format!("warning: {warning}\n"));
}

/// The start waits for its certificate, which comes by a pipe; what is read again is a file of the same name.
#[test]
fn sighup_before_it_serves_ends_nothing_and_counts_once_it_does() {
    let bench = Bench::new();
    let both = fs::read_to_string(bench.path("state/keys/gateway.pem")).unwrap();
    bench.write("gateway.pem", &both);
    let pipe = bench.path("pipe.pem");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    edit(&bench, "[gateway]", "[gateway]\ncertificate = \"pipe.pem\"\nkey = \"gateway.pem\"");
    let mut serve = bench.command(&["serve"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut writer = fs::OpenOptions::new().write(true).open(&pipe).unwrap();
    edit(&bench, "[\"dave\"]", "[\"erin\"]");
    kill_process(Pid::from_child(&serve), Signal::HUP).unwrap();
    fs::rename(bench.path("gateway.pem"), bench.path("other.pem")).unwrap();
    fs::copy(bench.path("other.pem"), bench.path("gateway.pem")).unwrap();
    fs::rename(bench.path("other.pem"), &pipe).unwrap();
    writer.write_all(both.as_bytes()).unwrap();
    drop(writer);
    let mut log = BufReader::new(serve.stderr.take().unwrap()).lines().map_while(Result::ok);
    let applied =
        log.find(|line| line.contains("configuration applied")).expect("it serves, and reads again");
    assert!(applied.contains("control.approvers"), "{applied}");
    kill_process(Pid::from_child(&serve), Signal::TERM).unwrap();
    log.for_each(drop);
    assert!(serve.wait().unwrap().success());
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
