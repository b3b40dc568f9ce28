//! `truecell lab`: what it tells, and what it leaves.

use crate::bench::{Bench, text};
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
