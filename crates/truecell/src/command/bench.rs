use crate::{
    bench::{Esp, Handshake, Lacks, Row, Tunnel},
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
}

impl Bench {
    pub(crate) fn run(&self, cli: &Cli, output: &Output) -> Result<(), Failure> {
        let rows = match self {
            Self::Handshake(handshake) => handshake.measure(cli.data.as_deref(), output).map_err(broken)?,
            Self::Esp(esp) => esp.measure().map_err(broken)?,
            Self::Tunnel(tunnel) => tunnel.measure(cli.data.as_deref(), output).map_err(broken)?,
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
    table.to_string()
}
