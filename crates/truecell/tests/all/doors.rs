//! Those who only connect: what they hold of a running gateway, and who is served all the same.

use crate::{
    bench::Bench,
    crash::{Estate, attach},
};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    os::unix::net::UnixStream,
    process::Command,
    time::Duration,
};

/// Soft and hard limit of open files of a process, as /proc says them.
fn descriptor_limits(pid: u32) -> (String, String) {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let mut values = line.split_whitespace().skip(3).map(str::to_owned);
    (values.next().unwrap(), values.next().unwrap())
}

#[test]
fn serve_takes_as_many_descriptors_as_it_may_have() {
    let mut bench = Bench::new();
    bench.serve_within("-Sn 200; ulimit -Hn 512");
    assert_eq!(descriptor_limits(bench.daemon().0), ("512".to_owned(), "512".to_owned()));
}

#[test]
fn idle_connections_to_the_pages_leave_the_control_socket_and_the_ledger_alone() {
    let mut bench = Bench::new();
    bench.serve_within("-n 160");
    let idle: Vec<_> = (0..180).map(|_| TcpStream::connect(bench.daemon().1).unwrap()).collect();
    let mut control = UnixStream::connect(bench.path("state/control.sock")).unwrap();
    control.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    control.write_all(b"GET /v1/devices HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    control.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    bench.good(&["device", "add", "00aabbccddee"]);
    drop(idle);
    assert_eq!(bench.page("/readyz").0, 200);
    assert!(!bench.good(&["event", "tail"]).contains("gateway.alarm"));
}

#[test]
fn a_limit_of_open_files_that_is_too_low_is_named_at_the_start() {
    let mut bench = Bench::new();
    let folder = bench.path(".");
    let serve = |limit: u64| {
        let mut shell = Command::new("sh");
        let script = format!("ulimit -n {limit}; exec {} serve", env!("CARGO_BIN_EXE_truecell"));
        shell.args(["-c", &script]).current_dir(&folder);
        shell
    };
    let output = serve(24).output().unwrap();
    let why = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(70) && why.contains("the limit of open files is too low"), "{why}");
    assert!(why.contains("LimitNOFILE"), "{why}");
    let (_, needed) = why.split_once("this process may have 24 at once, and needs ").unwrap();
    let needed: u64 = needed.lines().next().unwrap().parse().unwrap();
    assert!(
        why.contains(&format!("`ulimit -n {needed}`")) && why.contains(&format!("`LimitNOFILE={needed}`")),
        "{why}"
    );
    assert_eq!(serve(needed - 1).output().unwrap().status.code(), Some(70));
    // With what it asks for it starts, and has some left.
    bench.start(serve(needed), "ready");
    assert_eq!(bench.page("/readyz").0, 200);
    bench.good(&["device", "add", "00aabbccddee"]);
}

#[test]
fn a_limit_of_open_files_that_root_may_not_raise_either_is_named_with_what_that_takes() {
    let bench = Bench::bare();
    // Of root in a container; whoever is not root has none to give up.
    let is_root = rustix::process::geteuid().is_root();
    let without = if is_root { "setpriv --bounding-set=-sys_resource --inh-caps=-sys_resource" } else { "" };
    let storm = "bench storm --units 500";
    let script = format!("ulimit -n 64; exec {without} {} {storm}", env!("CARGO_BIN_EXE_truecell"));
    let output = Command::new("sh").args(["-c", &script]).current_dir(bench.path(".")).output().unwrap();
    let why = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(70), "{why}");
    let (_, needs) = why.split_once("why: it needs ").unwrap();
    let (needed, rest) = needs.split_once(" open files and may have 64; ").unwrap();
    assert!(needed.parse::<u32>().unwrap() >= 500, "a socket for each unit: {why}");
    assert!(rest.contains("CAP_SYS_RESOURCE") && !why.contains("Operation not permitted"), "{why}");
    assert!(
        why.contains(&format!("`ulimit -n {needed}`")) && why.contains(&format!("`LimitNOFILE={needed}`")),
        "{why}"
    );
}

/// The lowest descriptor that a process has free.
fn lowest_free(pid: u32) -> u64 {
    (0..).find(|fd| !fs::exists(format!("/proc/{pid}/fd/{fd}")).unwrap()).unwrap()
}

#[test]
fn without_a_descriptor_left_units_attach_and_whoever_connects_waits() {
    let mut estate = Estate::of(8);
    estate.restart(&[]);
    let (pid, http) = estate.bench.daemon();
    let process = Pid::from_raw(pid.cast_signed());
    let free = lowest_free(pid);
    let (_, maximum) = descriptor_limits(pid);
    let set = |current| prlimit(process, Resource::Nofile, Rlimit { current, maximum: maximum.parse().ok() });
    set(Some(free)).unwrap();
    let mut waits = TcpStream::connect(http).unwrap();
    write!(waits, "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let said = estate.bench.wait_logged("no connection is taken in");
    assert!(said.contains("Too many open files") && said.contains("LimitNOFILE"), "{said}");
    let attached = attach(&estate.gateway, &estate.units, |_| true);
    assert_eq!(attached.len(), 8, "units need none");
    assert_eq!(estate.bench.logged("no connection is taken in").len(), 1, "{:?}", estate.bench.logged(""));

    set(Some(free + 20)).unwrap();
    let mut answer = String::new();
    waits.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let bench = &estate.bench;
    assert_eq!(bench.json(&["session", "list"])["sessions"].as_array().unwrap().len(), 8);
    assert!(!bench.good(&["event", "tail"]).contains("gateway.alarm"));
    assert_eq!(bench.json(&["ledger", "verify"])["ok"], true);
}
