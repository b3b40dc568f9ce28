//! iperf3 between two hosts.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::deadline::until;
use crate::internet::Host;
use crate::process::Process;

/// A run that goes on. `Drop` ends it.
#[derive(Debug)]
pub struct Iperf {
    client: Process,
    report: PathBuf,
    _server: Process,
}

/// What iperf3 found: of one direction, or of both.
#[derive(Clone, Debug)]
pub struct Report(Value);

/// How long a side may take to begin.
const PROMPT: Duration = Duration::from_secs(10);

impl Iperf {
    /// Begins a run from `from` to `address` of `to`, with the arguments in `how`; it writes into `dir`.
    ///
    /// # Errors
    /// When a side does not start.
    pub fn start(from: &Host, to: &Host, address: IpAddr, how: &str, dir: &Path) -> Result<Self> {
        let mut serve = to.namespace.command("iperf3");
        // Not the same log twice: the line that is awaited below may be an earlier run's.
        let nth = std::fs::read_dir(dir)?.count();
        let mut server =
            Process::spawn(serve.args(["-s", "-1", "--forceflush"]), &dir.join(format!("server-{nth}.log")))?;
        server.wait_for_line("Server listening", PROMPT)?;
        let report = dir.join(format!("client-{nth}.json"));
        let mut client = from.namespace.command("iperf3");
        client.args(["-c", &address.to_string(), "-J", "--logfile"]).arg(&report);
        let client =
            Process::spawn(client.args(how.split_whitespace()), &dir.join(format!("client-{nth}.log")))?;
        Ok(Self { client, report, _server: server })
    }

    /// Waits for its end, by itself.
    ///
    /// # Errors
    /// When it does not end within `within`, or not well.
    pub fn finish(mut self, within: Duration) -> Result<Report> {
        let ended = until("iperf3's end", within, || self.client.ended())?;
        let said = std::fs::read_to_string(&self.report).unwrap_or_default();
        ensure!(ended.success(), "iperf3 {ended}: {said}");
        Ok(Report(serde_json::from_str(&said).context(said)?))
    }
}

impl Report {
    /// Octets per second at the receiver, in each direction that there was.
    ///
    /// # Errors
    /// When there is no such figure.
    pub fn octets_per_second(&self) -> Result<Vec<f64>> {
        let received = ["sum_received", "sum_received_bidir_reverse"];
        let sums = received.iter().filter_map(|key| self.0["end"].get(*key));
        sums.map(|sum| Ok(sum["bits_per_second"].as_f64().context("no rate")? / 8.0)).collect()
    }

    /// Datagrams that did not arrive, of all, in each direction that there was; none with TCP.
    #[must_use]
    pub fn lost(&self) -> Vec<(u64, u64)> {
        let sums = ["sum", "sum_bidir_reverse"].iter().filter_map(|key| self.0["end"].get(*key));
        sums.filter_map(|sum| Some((sum["lost_packets"].as_u64()?, sum["packets"].as_u64()?))).collect()
    }
}
