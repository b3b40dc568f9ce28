use crate::{
    bench::{Claims, Detect, Enrol, Esp, Flood, Handshake, Lacks, Ocsp, Revoke, Row, Storm, Tunnel, Verdict},
    cli::Cli,
    failure::{Failure, Problem},
    output::Output,
    table::Table,
};
use clap::Subcommand;
use std::io;

#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// What a tunnel that comes up costs the gateway in CPU time, and an idle one in memory
    ///
    /// Runs `truecell serve` on a data directory of its own, with devices and certificates in it, and attaches
    /// virtual units over loopback; then the same units to strongSwan's charon where that can run (root, and
    /// strongswan-charon, strongswan-swanctl, libcharon-extra-plugins and libstrongswan-standard-plugins
    /// installed). Only the CPU time and the memory of the gateway's process count.
    Handshake(Handshake),
    /// What ESP adds to its cipher, in memory and on one processor
    ///
    /// Whole packets, with headers, padding, selectors, sequence number and replay window, are sealed and opened
    /// beside the bare cipher over as many octets.
    Esp(Esp),
    /// What a tunnel carries through UDP and TUN devices, between two network name spaces
    ///
    /// Needs root, iperf3, and iproute2 and util-linux for the name spaces. Our gateway and unit are
    /// measured beside TUN, cipher and UDP alone, and beside strongSwan's charon with kernel-libipsec where
    /// that can run; everything shares two processors. Round trips are measured under one load for all: TCP down
    /// to the unit at a tenth of what charon at both ends has carried in the same run (without charon, ours).
    Tunnel(Tunnel),
    /// Whether genuine units still attach during a flood, and what it takes
    ///
    /// First without a flood, then beside IKE_SA_INIT from addresses that hear no answer, then beside attempts with
    /// copies of the keys of lost units. No genuine unit was ever there before, so none is known. Flood, units and
    /// gateway share this machine's processors.
    Flood(Flood),
    /// How long it takes until very many units that all attach at once stand, and what that costs the gateway
    ///
    /// Once when none of them was there before, and once after the gateway was killed and started again. Units send
    /// again as charon does, and share this machine's processors with the gateway. Journal, ledger and leases are on.
    Storm(Storm),
    /// What it costs to enrol a unit by CMP, and how many enrol in a second
    ///
    /// `truecell serve` with very many units in its ledger, each with an install order. Units with certificates of their
    /// vendor send ir and certConf over loopback, many at a time, and share this machine's processors with it. Journal and
    /// ledger are on disk, and every certificate is, before its unit has it. Beside it: what one processor can do of the
    /// signatures that this needs, and of nothing else.
    Enrol(Enrol),
    /// How many OCSP requests are answered in a second
    ///
    /// `truecell serve` with certificates in its ledger. Clients POST requests with a nonce over loopback, on connections
    /// that are kept as long as the listener keeps them, so that each response is signed for its request alone; they share
    /// this machine's processors with it. Beside it: how many signatures one processor makes that does nothing else.
    Ocsp(Ocsp),
    /// How long a unit's packets still pass once its certificate is revoked
    ///
    /// Virtual units send a steady flow, each through its tunnel, and an echo comes back for each datagram. One certificate
    /// after another is revoked over the control socket. What counts is the time from an operator's request to the last
    /// echo that the unit received.
    Revoke(Revoke),
    /// How long a claim waits until it is judged and in the ledger
    ///
    /// `truecell serve` with units in its ledger, all of which attach, so many in a second whether those before them stand or
    /// not; they share this machine's processors with it. What counts is the time from the end of a unit's authentication
    /// until it is told. Beside it: a commit of one row to a database of its own, in the same folder at the same time.
    Claims(Claims),
    /// How many records of the core are judged in a second, from Parquet on disk, with the lake written
    ///
    /// A carrier with 200,000 femtocells, 100,000 macro cells and 10 million subscribers is written to Parquet files and a journal
    /// first. Then `truecell ingest`'s two threads take them: one reads, and writes the lake, the other judges by all detectors, and
    /// writes checkpoints. Beside it: the same files read by one thread that does nothing else. Memory is that of the whole process.
    Detect(Detect),
    /// How often a copy of a unit is told from the unit, and how often an honest unit is turned away: simulated
    ///
    /// The rules are the gateway's own; what happens is drawn by a seed, at the rates in docs/verdict.md: attacks with each kind
    /// of evidence that there may be, and the lives of honest units. Bounds are exact, one-sided, 95 % (Clopper-Pearson). Beside
    /// that, the time that a verdict between two takes.
    Verdict(Verdict),
}

impl Bench {
    pub(crate) fn run(&self, cli: &Cli, output: &Output) -> Result<(), Failure> {
        let rows = match self {
            Self::Verdict(verdict) => {
                let simulated = verdict.measure(cli.data.as_deref()).map_err(broken)?;
                return output.answer(&simulated.rows(), |_| simulated.text());
            }
            Self::Handshake(handshake) => handshake.measure(cli.data.as_deref(), output).map_err(broken)?,
            Self::Esp(esp) => esp.measure().map_err(broken)?,
            Self::Tunnel(tunnel) => tunnel.measure(cli.data.as_deref(), output).map_err(broken)?,
            Self::Flood(flood) => flood.measure(cli.data.as_deref()).map_err(broken)?,
            Self::Storm(storm) => storm.measure(cli.data.as_deref()).map_err(broken)?,
            Self::Enrol(enrol) => enrol.measure(cli.data.as_deref()).map_err(broken)?,
            Self::Ocsp(ocsp) => ocsp.measure(cli.data.as_deref()).map_err(broken)?,
            Self::Detect(detect) => detect.measure(cli.data.as_deref()).map_err(broken)?,
            Self::Claims(claims) => claims.measure(cli.data.as_deref()).map_err(broken)?,
            Self::Revoke(revoke) => revoke.measure(cli.data.as_deref()).map_err(broken)?,
        };
        output.answer(&rows, |rows| table(rows))
    }
}

fn broken(error: anyhow::Error) -> Failure {
    let problem = Problem::new("bench", "nothing was measured").because(format!("{error:#}"));
    Failure::Ours(problem.next(next(&error)))
}

fn next(error: &anyhow::Error) -> String {
    let kind = error.chain().find_map(|cause| cause.downcast_ref()).map(io::Error::kind);
    match (error.downcast_ref::<Lacks>(), kind) {
        (Some(lacks), _) => lacks.next(),
        (None, Some(io::ErrorKind::StorageFull)) => {
            "make room, or name another folder with --data DIR".into()
        }
        (None, _) => "correct what it names, and try again".into(),
    }
}

/// With several runs and a peer all columns; what no row has is left out.
fn table(rows: &[Row]) -> String {
    let mut table = Table::new(&[
        "CASE",
        "MEDIAN",
        "SPREAD",
        "UNIT",
        "PEER",
        "ITS MEDIAN",
        "ITS SPREAD",
        "RATIO",
        "RUNS",
    ]);
    let number = |value: Option<f64>| value.map(|value| format!("{value:.3}")).unwrap_or_default();
    let spread = |spread: Option<(f64, f64)>| {
        spread.map(|(least, most)| format!("{least:.3} to {most:.3}")).unwrap_or_default()
    };
    for row in rows {
        table.row([
            row.case.clone(),
            number(row.value),
            spread(row.runs.spread()),
            row.unit.to_owned(),
            row.peer.clone().unwrap_or_default(),
            number(row.peer_value),
            spread(row.peer_runs.spread()),
            number(row.ratio),
            row.runs.len().to_string(),
        ]);
    }
    table.without_empty().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::Runs;

    #[test]
    fn columns_are_those_that_have_something_to_say() {
        let row = |runs: &[f64]| Row::new("esp", "seal", "packets/s", runs.iter().copied().collect());
        assert_eq!(table(&[row(&[2.0])]), "CASE  MEDIAN  UNIT       RUNS\nseal  2.000   packets/s  1\n");
        let two = table(&[row(&[2.0]), row(&[2.0, 4.0])]);
        assert!(two.starts_with("CASE  MEDIAN  SPREAD          UNIT       RUNS\n"), "{two}");
        let beside = table(&[row(&[2.0]).beside("cipher".into(), Runs::from_iter([4.0]))]);
        assert!(beside.starts_with("CASE  MEDIAN  UNIT       PEER    ITS MEDIAN  RATIO  RUNS\n"), "{beside}");
    }
}
