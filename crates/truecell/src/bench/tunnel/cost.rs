use crate::bench::{
    Row, Runs,
    estate::{Estate, SERVICE, Site},
    process::GatewayProcess,
    serve::serve,
    work::Work,
};
use lab::Load;
use std::{path::Path, time::Duration};

/// What is measured: the gateway's CPU time for each inner packet, in nanoseconds, with more and more tunnels
/// that all carry packets. They are short, come over loopback, and the core within the gateway echoes each.
pub(super) struct Cost {
    /// In each run, each of them an echo's too.
    pub(super) datagrams: u32,
    pub(super) runs: u32,
    /// Most tunnels.
    pub(super) tunnels: u32,
}

/// Numbers of tunnels, as far as there are so many.
const STEPS: [u32; 4] = [1, 100, 1_000, 10_000];
/// Sockets of the units, and how many attach at a time.
const PLACES: usize = 64;

impl Cost {
    /// Measures with all files in `folder`.
    ///
    /// # Errors
    /// Why there is no figure.
    pub(super) fn measure(&self, bench: &'static str, folder: &Path) -> anyhow::Result<Vec<Row>> {
        let units = self.tunnels as usize;
        let mut work = Work::new(2 * units);
        let estate = Estate::make(folder, Site::Loopback, units, || work.one_done())?;
        let gateway = serve(&estate)?;
        let (mut load, mut tunnels) = (gateway.load(PLACES)?, Vec::with_capacity(units));
        let mut rows: Vec<Row> = Vec::new();
        for count in STEPS.into_iter().filter(|count| *count <= self.tunnels) {
            let next = estate.units.get(tunnels.len()..count as usize).unwrap_or_default();
            tunnels.extend(load.attach_tunnels(next, || work.one_done())?);
            let runs = self.runs(&gateway, &mut load, &mut tunnels)?;
            let row =
                Row::new(bench, format!("CPU of our gateway for a packet, tunnels: {count}"), "ns", runs);
            let first = rows.first().map(|first| first.runs.clone());
            rows.push(match first {
                Some(first) => row.beside("1 tunnel".into(), first),
                None => row,
            });
        }
        gateway.process.stop()?;
        Ok(rows)
    }

    fn runs(
        &self,
        gateway: &GatewayProcess,
        load: &mut Load,
        tunnels: &mut [lab::Tunnel],
    ) -> anyhow::Result<Runs> {
        let mut runs = Runs::default();
        // Every tunnel once first: its keys are made ready by its first packet.
        load.exchange(tunnels, SERVICE, tunnels.len())?;
        for _ in 0..self.runs {
            let before = gateway.process.cpu()?;
            load.exchange(tunnels, SERVICE, self.datagrams as usize)?;
            let spent: Duration = gateway.process.cpu()?.since(&before).values().sum();
            runs.push(spent.as_secs_f64() * 1e9 / (2.0 * f64::from(self.datagrams)));
        }
        Ok(runs)
    }
}
