use crate::{
    cli::Cli,
    config::{Config, expired},
    daemon::{Daemon, hangups},
    data_dir::{DataDir, Lock},
    enrol,
    failure::{Failure, Problem, allow_files},
    gateway, logging,
    node::Node,
    privilege,
    reload::{Origin, Reload, Running},
};
use api::public::BEGUN;
use clap::Args;
use ids::UnixTime;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::sync::Arc;
use tokio::runtime::{Builder, Runtime};

/// Run the gateway and its services until SIGTERM or Ctrl-C
///
/// It holds DATA/lock, finishes or undoes what a crash left half done and says what that was, and logs
/// `ready` once units can attach and DATA/control.sock answers. SIGTERM ends every tunnel politely, SIGHUP
/// does what `truecell config apply` does.
#[derive(Debug, Args)]
pub(crate) struct Serve {}

/// Services only: ledger reads, HTTP, the journal's followers. Tunnels have threads of their own.
const WORKERS: usize = 2;
/// Threads that wait for the disk: the ledger has one writer and one reader, the public listener takes two for OCSP and
/// those of enrolments that have begun, the feed of lines one, the rest are journals' readers.
const BLOCKING: usize = 19 + BEGUN;

impl Serve {
    pub(crate) fn run(&self, cli: &Cli) -> Result<(), Failure> {
        let hangup = hangups().map_err(|error| Failure::system("no signals", &error))?;
        let config = cli.read_config()?;
        let filter = logging::start(&config.log);
        let origin = Origin::new(cli.config_file()?, cli.data.clone());
        allow_descriptors(&config)?;
        let data = DataDir::new(config.data.clone());
        data.node()?;
        Lock::look(&data).map_err(|held| held.failure(&data))?;
        let file = cli.config_file()?;
        let differs = config.differs(&file);
        if !differs.is_empty() {
            return Err(Failure::Config(differs));
        }
        let opened = gateway::open(&config)?;
        let doors = enrol::open(&config)?;
        privilege::give_up(&data)?;
        let lock = Lock::take(&data, "serve").map_err(|not_taken| not_taken.failure(&data))?;
        let mut node = Node::open_configured(&data, &config, &file)?;
        node.trust(&config)?;
        node.follow(&config, &data)?;
        for what in node.mended.iter().chain(&expired(&node.configured.anchors(), UnixTime::now())) {
            tracing::warn!("{what}");
        }
        let configuration = gateway::configuration(&data, &config, &node)?;
        let vendors = config.vendor_anchors().map_err(|error| Failure::Config(vec![error]))?;
        let running = Running::begin(config.clone(), &configuration, &vendors, &data, &node)?;
        let (gateway, node) = (Arc::new(gateway::start(opened, configuration, &node)?), Arc::new(node));
        let public = enrol::public(&config, vendors, &node, &gateway)?;
        let served = (gateway.clone(), public.clone());
        let reload = Reload::new(origin, running, data.clone(), node.clone(), served, filter);
        let served = runtime()?.block_on(async {
            let reload = (Arc::new(reload), hangup);
            let enrolment = public.map(|public| (public, doors));
            let daemon = Daemon::start(&data, &config, node, (gateway, enrolment), reload).await?;
            daemon.until_stopped().await
        });
        drop(lock);
        served
    }
}

/// Raises the limit of open files to what the system allows. Fewer than the API's doors could take are no reason to
/// stay down; fewer than a start takes would end it somewhere, with a word about anything but the limit.
fn allow_descriptors(config: &Config) -> Result<(), Failure> {
    let limit = getrlimit(Resource::Nofile);
    let doors = config.enrol.iter().map(|enrol| enrol.listen.len() + enrol.tls_listen.len()).sum();
    let needed = descriptors(config.gateway.listen.len(), gateway::shards(config), doors);
    if let Some(few) = limit.maximum.filter(|maximum| *maximum < needed) {
        let problem = Problem::new("open-files", "the limit of open files is too low");
        let why = format!("this process may have {few} at once, and needs {needed}");
        return Err(Failure::Ours(problem.because(why).next(allow_files(needed))));
    }
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::warn!(%error, limit = limit.current, "the limit of open files stays as it is");
    }
    Ok(())
}

/// Open files of a gateway that is ready and has some room: its sockets; for each shard its waker, and its queue of the
/// TUN device; the public listener's sockets; the data directory, the runtime, and the first connections.
fn descriptors(addresses: usize, shards: usize, doors: usize) -> u64 {
    const OTHERS: usize = 40;
    (addresses * (1 + shards) + 2 * shards + doors + OTHERS) as u64
}

fn runtime() -> Result<Runtime, Failure> {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(WORKERS).max_blocking_threads(BLOCKING).enable_all();
    let runtime = builder.build();
    runtime.map_err(|error| Failure::system("no runtime", &error))
}
