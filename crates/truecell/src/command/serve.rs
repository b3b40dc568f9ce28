use crate::{
    cli::Cli,
    config::expired,
    daemon::Daemon,
    data_dir::{DataDir, Lock},
    failure::Failure,
    gateway, logging,
    node::Node,
    privilege,
    reload::{Origin, Reload},
};
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
/// Threads that wait for the disk: the ledger has one writer and one reader, the rest are journals' readers.
const BLOCKING: usize = 16;

impl Serve {
    pub(crate) fn run(&self, cli: &Cli) -> Result<(), Failure> {
        let config = cli.read_config()?;
        let filter = logging::start(&config.log);
        let origin = Origin::new(cli.config_file()?, cli.data.clone());
        allow_descriptors();
        let data = DataDir::new(config.data.clone());
        data.node()?;
        Lock::look(&data).map_err(|held| held.failure(&data))?;
        let file = cli.config_file()?;
        let differs = config.differs(&file);
        if !differs.is_empty() {
            return Err(Failure::Config(differs));
        }
        let opened = gateway::open(&config)?;
        privilege::give_up(&data)?;
        let lock = Lock::take(&data, "serve").map_err(|not_taken| not_taken.failure(&data))?;
        let node = Node::open_configured(&data, &config, &file)?;
        node.trust(&config)?;
        for what in node.mended.iter().chain(&expired(&node.configured.anchors(), UnixTime::now())) {
            tracing::warn!("{what}");
        }
        let configuration = gateway::configuration(&data, &config, &node)?;
        let certificate = gateway::certificate(&configuration);
        let (gateway, node) = (Arc::new(gateway::start(opened, configuration, &node)?), Arc::new(node));
        let running = (gateway.clone(), certificate);
        let reload = Reload::new(origin, config.clone(), data.clone(), node.clone(), running, filter);
        let served = runtime()?.block_on(async {
            let daemon = Daemon::start(&data, &config, node, gateway, Arc::new(reload)).await?;
            daemon.until_stopped().await
        });
        drop(lock);
        served
    }
}

/// Raises the limit of open files to what the system allows. Too few are no reason to stay down: the doors
/// of the API are bounded far below the usual limit of 1024.
fn allow_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::warn!(%error, limit = limit.current, "the limit of open files stays as it is");
    }
}

fn runtime() -> Result<Runtime, Failure> {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(WORKERS).max_blocking_threads(BLOCKING).enable_all();
    let runtime = builder.build();
    runtime.map_err(|error| Failure::system("no runtime", &error))
}
