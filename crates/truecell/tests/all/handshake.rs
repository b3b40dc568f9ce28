//! `truecell bench handshake` in its short form: the shape of its rows, never how fast this machine is.

use crate::bench::{Bench, text};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};
use serde_json::Value;
use std::{
    fs::{self, File},
    os::fd::OwnedFd,
    process::{Child, Command, Output},
    time::{Duration, Instant},
};

const SHORT: [&str; 14] = [
    "--json",
    "--data",
    "work",
    "bench",
    "handshake",
    "--attaches",
    "8",
    "--in-flight",
    "4",
    "--runs",
    "2",
    "--tunnels",
    "22",
    "--rest",
];

fn short<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&SHORT[..], &["0"], more].concat()
}

fn row<'a>(rows: &'a Value, case: &str) -> &'a Value {
    let mut rows = rows.as_array().unwrap().iter();
    rows.find(|row| row["case"] == case).unwrap_or_else(|| panic!("no row {case}"))
}

fn keys(row: &Value) -> Vec<&str> {
    row.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn the_handshake_bench_shows_what_an_attach_costs_in_all_and_by_thread_and_what_an_idle_tunnel_does() {
    let bench = Bench::bare();
    let rows: Value = serde_json::from_str(&bench.good(&short(&["--alone"]))).unwrap();
    let attach = row(&rows, "attach");
    let expected = ["bench", "case", "value", "unit", "peer", "peer_value", "ratio", "runs", "peer_runs"];
    assert!(expected.iter().all(|key| keys(attach).contains(key)) && keys(attach).len() == expected.len());
    assert_eq!((&attach["bench"], &attach["unit"]), (&"handshake".into(), &"ms of CPU".into()));
    assert_eq!((&attach["peer"], &attach["ratio"]), (&Value::Null, &Value::Null));
    let runs: Vec<f64> = attach["runs"].as_array().unwrap().iter().map(|run| run.as_f64().unwrap()).collect();
    assert!(runs.len() == 2 && runs.iter().all(|run| *run > 0.0), "{attach}");
    assert_eq!(attach["value"].as_f64().unwrap(), (runs[0] + runs[1]) / 2.0);
    assert!(row(&rows, "attach, thread ike")["value"].as_f64().unwrap() < runs[0].max(runs[1]));
    assert_eq!(row(&rows, "idle tunnel")["unit"], "KiB");
    assert_eq!(fs::read_dir(bench.path("work")).unwrap().count(), 0, "what it made is left behind");
}

#[test]
fn charon_is_measured_beside_or_named_as_left_out() {
    let bench = Bench::bare();
    let output = bench.run(&short(&[]));
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    let rows: Value = serde_json::from_slice(&output.stdout).unwrap();
    let attach = row(&rows, "attach");
    if text(&output.stderr).contains("charon is left out: ") {
        return assert_eq!(attach["peer"], Value::Null);
    }
    assert!(attach["peer"].as_str().unwrap().starts_with("strongSwan "), "{attach}");
    let ratio = attach["value"].as_f64().unwrap() / attach["peer_value"].as_f64().unwrap();
    assert_eq!(attach["ratio"].as_f64().unwrap(), ratio);
    assert_eq!(row(&rows, "idle tunnel")["peer_runs"].as_array().unwrap().len(), 1);
}

/// What the binary does as a user who is not root; `None`, and a word about it, where that can't be had.
fn as_nobody(bench: &Bench, arguments: &[&str]) -> Option<Output> {
    if !rustix::process::geteuid().is_root() || Command::new("setpriv").arg("--version").output().is_err() {
        eprintln!("skipped: needs root and setpriv");
        return None;
    }
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    fs::set_permissions(bench.path("."), open).unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(bench.binary_for_everyone());
    Some(command.args(arguments).current_dir(bench.path(".")).output().unwrap())
}

#[test]
fn without_root_the_tunnel_bench_says_what_it_needs() {
    let bench = Bench::bare();
    let Some(output) = as_nobody(&bench, &["--data", "work", "bench", "tunnel"]) else { return };
    let said = text(&output.stderr);
    assert!(!output.status.success() && said.contains("network name spaces, which takes root"), "{said}");
    assert!(said.ends_with("\n  next: run it as root\n"), "{said}");
}

#[test]
fn the_tunnel_bench_names_the_program_that_it_lacks() {
    if !rustix::process::geteuid().is_root() {
        return eprintln!("skipped: needs root");
    }
    let bench = Bench::bare();
    let output =
        bench.command(&["--data", "work", "bench", "tunnel"]).env("PATH", "/nowhere").output().unwrap();
    let said = text(&output.stderr);
    assert!(!output.status.success() && said.contains("why: iperf3 does not run: "), "{said}");
    assert!(said.ends_with("\n  next: install iperf3\n"), "{said}");
}

#[test]
fn without_root_charon_is_left_out_and_the_rest_measured() {
    let bench = Bench::bare();
    let Some(output) = as_nobody(&bench, &short(&[])) else { return };
    let said = text(&output.stderr);
    assert!(output.status.success() && said.contains("charon is left out: this is not root"), "{said}");
    let rows: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(row(&rows, "attach")["peer"], Value::Null);
}

#[test]
fn fewer_tunnels_than_show_a_slope_are_refused() {
    let (code, why) = Bench::bare().refused(&["bench", "handshake", "--tunnels", "10"]);
    assert_eq!(code, 2);
    assert!(why.contains("fewer than 11 show no slope"), "{why}");
}

/// Long enough for any machine.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn gateways_of_a_bench_that_is_killed_end_with_it() {
    let bench = Bench::bare();
    let mut command = bench.command(&["--data", "work", "bench", "handshake", "--attaches", "1"]);
    command.args(["--runs", "1", "--tunnels", "11", "--rest", "600"]);
    let mut killed = command.stderr(File::create(bench.path("said")).unwrap()).spawn().unwrap();
    let until = Instant::now() + PATIENCE;
    let (gateways, expected) = loop {
        let said = fs::read_to_string(bench.path("said")).unwrap();
        let expected = if said.contains("charon is left out: ") { 1 } else { 2 };
        let gateways = gateways_of(&killed);
        if gateways.len() == expected || Instant::now() > until {
            break (gateways, expected);
        }
        std::thread::park_timeout(Duration::from_millis(10));
    };
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(gateways.len(), expected);
    for gateway in gateways {
        let patience = Timespec { tv_sec: PATIENCE.as_secs().cast_signed(), tv_nsec: 0 };
        let ended = poll(&mut [PollFd::new(&gateway, PollFlags::IN)], Some(&patience));
        // Nothing is left behind, whatever the outcome.
        let _ = pidfd_send_signal(&gateway, Signal::KILL);
        assert_eq!(ended, Ok(1), "a gateway goes on");
    }
}

/// Its children that are gateways: `truecell serve`, and charon once it serves.
fn gateways_of(bench: &Child) -> Vec<OwnedFd> {
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", bench.id())).unwrap_or_default();
    let gateways = children.split_whitespace().filter(|child| {
        // It may have ended meanwhile.
        let line = fs::read_to_string(format!("/proc/{child}/cmdline")).unwrap_or_default();
        let arguments: Vec<_> = line.trim_end_matches('\0').split('\0').collect();
        arguments == ["/usr/lib/ipsec/charon"]
            || (arguments[0] != "setpriv" && arguments.ends_with(&["serve"]))
    });
    let open = |child: &str| pidfd_open(Pid::from_raw(child.parse().unwrap())?, PidfdFlags::empty()).ok();
    gateways.filter_map(open).collect()
}
