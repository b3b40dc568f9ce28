//! `truecell lab`: what it tells, and what it leaves.

use crate::{
    bench::{Bench, text},
    document::{apart, has_name_spaces},
};
use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader},
    process::Stdio,
};

#[test]
fn a_lab_that_serves_says_how_its_journal_is_checked_and_leaves_nothing() {
    let bench = Bench::bare();
    let mut lab = bench.command(&["--data", "tour", "lab"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(lab.stdout.take().unwrap()).lines().map_while(Result::ok);
    let told: Vec<_> = lines.by_ref().take_while(|line| !line.starts_with("Serving")).collect();
    let copy = "    the unit: answered, then deleted; 0 of 1 ping passed".to_owned();
    assert!(
        told.contains(&copy) && told.contains(&"    the unit: AUTHENTICATION_FAILED".to_owned()),
        "{told:#?}"
    );
    let command = lines.find_map(|line| line.trim().strip_prefix("truecell ").map(str::to_owned)).unwrap();
    let good = bench.good(&command.split(' ').collect::<Vec<_>>());
    assert!(good.starts_with("good: records 1 to "), "{good}");
    assert_eq!(fs::read_dir(bench.path("tour")).unwrap().count(), 1);
    let pid = rustix::process::Pid::from_child(&lab);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(lab.wait().unwrap().success());
    assert_eq!(fs::read_dir(bench.path("tour")).unwrap().count(), 0);
}

#[test]
fn the_last_json_line_of_a_lab_is_its_conclusion() {
    let bench = Bench::bare();
    let output = bench.run(&["lab", "--once", "--json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let lines: Vec<Value> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (last, steps) = lines.split_last().unwrap();
    assert!(steps.iter().all(|step| step["as_it_must"] == true));
    assert_eq!(
        (last["attempts"].as_u64(), last["all_as_they_must_be"].as_bool()),
        (Some(steps.len() as u64), Some(true))
    );
    assert_eq!(last["attached"], 3);
    assert!(last["records"].as_u64() > Some(0));
    assert!(last.get("journal").is_none() && last.get("key").is_none(), "it is gone by now: {last}");
}

#[test]
fn scenarios_that_come_along_are_listed_and_end_as_they_say() {
    let bench = Bench::bare();
    let listed = bench.json(&["lab", "list"]);
    let names: Vec<_> =
        listed["scenarios"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert!(names.len() >= 12 && names.contains(&"bus-stop"));
    let output = bench.run(&["lab", "run", names[0], "bus-stop", "--json"]);
    assert!(output.status.success(), "{}", text(&output.stdout));
    let reports: Vec<Value> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(reports.len(), 2);
    for (report, name) in reports.iter().zip([names[0], "bus-stop"]) {
        assert_eq!((report["name"].as_str(), &report["as_expected"]), (Some(name), &Value::Bool(true)));
        assert_eq!(report["digest"].as_str().unwrap().len(), 64);
    }
    let again: Value = bench.json(&["lab", "run", names[0], "--seed", "1"]);
    assert_eq!(again["digest"], reports[0]["digest"]);
    let other: Value = bench.json(&["lab", "run", names[0], "--seed", "2"]);
    assert_ne!(other["digest"], reports[0]["digest"]);
}

#[test]
fn a_scenario_that_does_not_end_as_it_says_is_a_no_and_one_that_cannot_be_played_is_its_own_fault() {
    let bench = Bench::bare();
    let file = "format = 1\nabout = \"nothing happens\"\nspan_d = 1\n[[expect]]\nfinding = \"war_driving\"\non = \"any\"\n";
    bench.write("quiet.toml", file);
    let output = bench.run(&["lab", "run", "quiet.toml"]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("MISSED   war_driving on any") && said.contains("NOT AS EXPECTED"), "{said}");
    bench.good(&["lab", "check", "quiet.toml"]);
    bench.write("wrong.toml", &file.replace("war_driving", "flying"));
    bench.write("typo.toml", &file.replace("span_d", "spam_d"));
    for (arguments, why) in [
        (["lab", "run", "wrong.toml"], "there is no detector `flying`"),
        (["lab", "check", "wrong.toml"], "there is no detector `flying`"),
        (["lab", "check", "typo.toml"], "line 3, column 1"),
        (["lab", "run", "nothing-of-the-kind"], "truecell lab list"),
    ] {
        let (code, said) = bench.refused(&arguments);
        assert!(code == 2 && said.contains(why) && said.contains("\n  next: "), "{code}: {said}");
    }
}

#[test]
fn a_score_is_the_same_for_the_same_seeds_and_has_every_method_in_each_case() {
    let bench = Bench::bare();
    let score = |seed: &str| bench.json(&["lab", "score", "unknown-cell", "--seeds", "1", "--seed", seed]);
    let first = score("5");
    assert_eq!((first["first_seed"].as_u64(), first["seeds"].as_u64()), (Some(5), Some(1)));
    let cases = first["cases"].as_array().unwrap();
    let missing: Vec<_> = cases.iter().map(|case| case["missing"].as_str().unwrap()).collect();
    assert_eq!(missing, ["nothing", "lost", "unwritten", "gaps"]);
    for case in cases {
        let methods = case["methods"].as_array().unwrap();
        assert_eq!(methods.len(), 15);
        let unknown = methods.iter().find(|row| row["method"] == "cell_unknown").unwrap();
        assert_eq!((&unknown["recall"]["hits"], &unknown["recall"]["of"]), (&1.into(), &1.into()));
    }
    assert_eq!(score("5"), first);
    assert_ne!(score("6"), first);
    let (code, said) = bench.refused(&["lab", "score", "nothing-of-the-kind"]);
    assert!(code == 2 && said.contains("truecell lab list"), "{code}: {said}");
}

/// The gateway stops, starts again, and then does not want the unit any more; `said` is what the unit said.
const COMES_BACK: &str = r#"
ip netns add femtocell
ip link add access type veth peer name eth0 netns femtocell
ip addr add 192.0.2.1/24 dev access
ip link set access up
ip -n femtocell addr add 192.0.2.2/24 dev eth0
ip -n femtocell link set eth0 up
unit() { ip netns exec femtocell "$truecell" lab unit unit/00aabbccddee --to 192.0.2.1 "$@"; }
until_said() { until [ "$(grep -c "$1" said)" = "$2" ]; do sleep 0.1; done; }
"$truecell" init
"$truecell" device add 00aabbccddee
"$truecell" cert issue 00aabbccddee --approver dave --out unit
"$truecell" serve 2> log & gateway=$!
code=0; unit --gateway another.operator.example 2> another || code=$?
[ $code = 1 ]
ip netns exec femtocell "$truecell" lab unit unit/00aabbccddee --to 192.0.2.9 --gateway nobody > silent 2>&1 & silent=$!
until grep -q '^no answer yet from 192.0.2.9:500, after 5 s$' silent; do sleep 0.1; done
kill $silent
wait $silent
[ "$(grep -c . silent)" = 1 ]
unit --gateway segw.operator.example --route 10.96.0.1/32,10.96.0.2/32 --route 10.96.0.3/32 > said 2>&1 & unit=$!
until_said ^attached 1
ip netns exec femtocell ping -c 1 -W 5 10.96.0.1
kill $gateway
wait $gateway
until_said '; attaching again in' 1
"$truecell" serve 2> log & gateway=$!
until_said ^attached 2
ip netns exec femtocell ping -c 1 -W 5 10.96.0.1
"$truecell" device suspend 00aabbccddee --why test
code=0; wait $unit || code=$?
[ $code = 1 ]
kill $gateway
wait $gateway
"#;

#[test]
fn a_unit_comes_back_when_its_gateway_does_and_ends_when_it_is_refused() {
    if !has_name_spaces() {
        return println!("skipped: needs root, and /dev/net/tun");
    }
    let bench = Bench::bare();
    let config = "node = \"segw-1\"\ndata = \"state\"\ngateway.identity = \"segw.operator.example\"\n\
        gateway.listen = [\"192.0.2.1\"]\ngateway.pools.v4 = \"10.64.0.0/12\"\n\
        gateway.service.addresses = [\"10.96.0.1\"]\ngateway.tun.reachable = [\"10.96.0.0/24\"]\n\
        ca.organization = \"Operator\"\nca.realm = \"femto.operator.example\"\ncontrol.approvers = [\"dave\"]\n";
    bench.write("truecell.toml", config);
    let folder = bench.path("");
    let output = apart(COMES_BACK, &folder).env("truecell", env!("CARGO_BIN_EXE_truecell")).output().unwrap();
    let read = |name| fs::read_to_string(bench.path(name)).unwrap_or_default();
    let (said, log) = (read("said"), read("log"));
    let all = format!("{}{}{said}{log}", text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{all}");
    let another =
        "error: the gateway did not prove to be who was asked for\n  next: let --gateway be `identity`";
    assert!(read("another").starts_with(another), "{}", read("another"));
    let attached = "attached: 10.64.0.1 on femtocell0, routes: 10.96.0.1/32 10.96.0.2/32 10.96.0.3/32";
    let expected = [
        attached,
        "the gateway ended the tunnel; attaching again in 1 s",
        attached,
        "the gateway ended the tunnel; attaching again in 2 s",
        "error: the gateway refused the unit: AUTHENTICATION_FAILED",
        "  next: see why on the gateway: `truecell event tail --device 00aabbccddee`",
    ];
    assert_eq!(said.lines().collect::<Vec<_>>(), expected, "{all}");
}
