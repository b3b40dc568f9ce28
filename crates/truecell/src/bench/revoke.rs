use super::{
    Row, Runs,
    estate::{Estate, SERVICE, Site},
    serve::serve,
    work::Work,
};
use crate::{data_dir::DataDir, folder::Folder};
use anyhow::{Context, anyhow, ensure};
use api::{
    Client,
    certificate::{RevokeCertificate, RevokedCertificate},
};
use clap::Args;
use ids::CertSha256;
use lab::{Heard, UnitIdentity};
use std::{
    collections::HashMap,
    path::Path,
    sync::{
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc::sync_channel,
    },
    thread,
    time::{Duration, Instant},
};
use tokio::runtime::{Builder, Runtime};

#[derive(Debug, Args)]
pub(crate) struct Revoke {
    /// Units with a tunnel, whose certificates are revoked one after another
    #[arg(long, default_value_t = 100, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=2000))]
    tunnels: u32,

    /// Datagrams of each unit in a second; an echo comes back for each
    #[arg(long, default_value_t = 100, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1000))]
    rate: u32,
}

const BENCH: &str = "revoke";
/// Until something has come back through each tunnel.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between an answer and the next request.
const PAUSE: Duration = Duration::from_millis(50);
/// For so long everybody goes on sending once all are revoked: who is heard until then was not cut.
const BEHIND: Duration = Duration::from_secs(2);

/// When an operator asked, and was answered.
struct Asked {
    at: Instant,
    took: Duration,
}

impl Revoke {
    /// Measures, with all files in a folder below `parent`.
    ///
    /// # Errors
    /// Why there is no figure; also a tunnel that was not cut.
    pub(crate) fn measure(&self, parent: Option<&Path>) -> anyhow::Result<Vec<Row>> {
        let folder = Folder::make(parent, "truecell-bench")?;
        let units = self.tunnels as usize;
        let mut work = Work::new(3 * units);
        let estate = Estate::make(folder.path(), Site::Loopback, units, || work.one_done())?;
        let gateway = serve(&estate)?;
        let mut load = gateway.load(units)?;
        let mut tunnels = load.attach_tunnels(&estate.units, || work.one_done())?;
        let ended = &AtomicBool::new(false);
        let (steady, are_steady) = sync_channel(1);
        let goes_on = move |all_heard: bool| {
            if all_heard {
                // It is said once; nobody listens any more then.
                let _ = steady.try_send(());
            }
            !ended.load(Relaxed)
        };
        let every = Duration::from_secs(1) / self.rate;
        let (asked, heard) = thread::scope(|threads| {
            let flows = threads.spawn(|| load.flow(&mut tunnels, SERVICE, every, goes_on));
            let steady = are_steady.recv_timeout(PATIENCE).context("no echo comes back through some tunnel");
            let asked = steady.and_then(|()| revoke_all(&estate.data, &estate.units, &mut work));
            ended.store(true, Relaxed);
            let heard = flows.join().map_err(|_| anyhow!("the load panicked"))??;
            anyhow::Ok((asked?, heard))
        })?;
        let ended = Instant::now();
        gateway.process.stop()?;
        rows(&asked, &heard, ended)
    }
}

/// As an operator does, each over a connection of its own.
fn revoke_all(
    data: &DataDir,
    units: &[UnitIdentity],
    work: &mut Work,
) -> anyhow::Result<HashMap<String, Asked>> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let mut asked = HashMap::new();
    for unit in units {
        asked.insert(unit.name.clone(), revoke(&runtime, data, unit)?);
        work.one_done();
        thread::sleep(PAUSE);
    }
    thread::sleep(BEHIND);
    Ok(asked)
}

fn revoke(runtime: &Runtime, data: &DataDir, unit: &UnitIdentity) -> anyhow::Result<Asked> {
    let name = CertSha256::of(unit.chain.first().context("no certificate")?);
    let request = RevokeCertificate { request_id: None, why: "bench".parse()?, reason: None };
    let at = Instant::now();
    runtime.block_on(async {
        let mut client = Client::connect(&data.socket()).await?;
        let path = format!("/v1/certificates/{name}/revoke");
        anyhow::Ok(client.post::<RevokedCertificate>(&path, &request).await?)
    })?;
    Ok(Asked { at, took: at.elapsed() })
}

fn rows(asked: &HashMap<String, Asked>, heard: &[Heard], ended: Instant) -> anyhow::Result<Vec<Row>> {
    let ms = |took: Duration| took.as_secs_f64() * 1000.0;
    let mut cut = Runs::default();
    for Heard { name, last } in heard {
        let asked = asked.get(name).with_context(|| format!("{name} was not revoked"))?;
        let last = last.with_context(|| format!("nothing of {name} was forwarded"))?;
        ensure!(ended - last > BEHIND / 2, "{name} was not cut");
        cut.push(ms(last.saturating_duration_since(asked.at)));
    }
    let answered: Runs = asked.values().map(|asked| ms(asked.took)).collect();
    let row = |case: &str, value: Option<f64>| Row::new(BENCH, case, "ms", value.into_iter().collect());
    Ok(vec![
        row("from the request to the last forwarded octet, median", cut.median()),
        row("from the request to the last forwarded octet, 99 of 100", cut.most_of(99)),
        row("from the request to the last forwarded octet, all", cut.most_of(100)),
        row("from the request to its answer, median", answered.median()),
        row("from the request to its answer, 99 of 100", answered.most_of(99)),
    ])
}
