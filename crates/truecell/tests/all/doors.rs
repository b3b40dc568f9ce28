//! Those who only connect: what they hold of a running gateway, and who is served all the same.

use crate::bench::Bench;
use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    os::unix::net::UnixStream,
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
