use crate::bench::{
    estate::SERVICE,
    network::Link,
    process::{Process, said},
};
use anyhow::{Context, ensure};
use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

/// From where to where data goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// From the unit.
    Uplink,
    /// To the unit.
    Downlink,
}

/// What one TCP connection between the unit and [`SERVICE`] carries, Gbit/s at the receiver.
///
/// # Errors
/// iperf3 is missing, or nothing passes.
pub(super) fn tcp(link: &Link, direction: Direction, seconds: u32) -> anyhow::Result<f64> {
    run(link, direction, seconds, &[])
}

/// The same at no more than `limit` Gbit/s.
///
/// # Errors
/// As [`tcp`].
pub(super) fn tcp_up_to(limit: f64, link: &Link, direction: Direction, seconds: u32) -> anyhow::Result<f64> {
    run(link, direction, seconds, &["-b", &format!("{:.0}", limit * 1e9)])
}

fn run(link: &Link, direction: Direction, seconds: u32, more: &[&str]) -> anyhow::Result<f64> {
    let _server = serve(link)?;
    let mut client = link.unit.command("iperf3");
    client.args(["-J", "--connect-timeout", "10000", "-c", &SERVICE.to_string(), "-t", &seconds.to_string()]);
    client.args((direction == Direction::Downlink).then_some("-R")).args(more);
    let answer: serde_json::Value = serde_json::from_str(&said(&mut client)?)?;
    let rate = answer.pointer("/end/sum_received/bits_per_second").and_then(serde_json::Value::as_f64);
    Ok(rate.with_context(|| format!("no rate in {answer}"))? / 1e9)
}

/// A server for one run, listening.
fn serve(link: &Link) -> anyhow::Result<Process> {
    let mut command = link.gateway.command("iperf3");
    command.args(["-s", "-1", "--forceflush", "-B", &SERVICE.to_string()]).stdout(Stdio::piped());
    let mut server = Process(command.stdin(Stdio::null()).spawn()?);
    let lines = BufReader::new(server.0.stdout.take().context("a pipe was asked for")?).lines();
    let listens = lines.map_while(Result::ok).any(|line| line.contains("Server listening"));
    ensure!(listens, "iperf3 does not serve");
    Ok(server)
}
