//! The configuration of a running node, read again: all of it holds, or nothing.

use crate::{
    config::{Config, ConfigError, Values, is_live},
    data_dir::DataDir,
    failure::Failure,
    gateway,
    logging::Filter,
    node::{Node, keep, keep_configured},
};
use ::gateway::{Gateway, GatewayConfig};
use api::{Configuration, Problem, configuration::Applied, public::Public};
use events::{
    Durability, JournalError,
    gateway::{Change, ConfigurationApplied},
};
use ids::UnixTime;
use ledger::LedgerError;
use records::source::Sources;
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};
use x509::Anchors;

/// Where the configuration came from, and what else a start knew.
pub(crate) struct Origin {
    file: PathBuf,
    /// `--data`, where it was given.
    data: Option<PathBuf>,
}

impl Origin {
    pub(crate) fn new(file: PathBuf, data: Option<PathBuf>) -> Self {
        Self { file, data }
    }

    /// The file by its full name, as others may call it; a link may lead elsewhere than at the start.
    fn full_name(&self) -> PathBuf {
        self.file.canonicalize().unwrap_or_else(|_| self.file.clone())
    }
}

/// Everything of a running node that takes another configuration.
pub(crate) struct Reload {
    origin: Origin,
    data: DataDir,
    node: Arc<Node>,
    gateway: Arc<Gateway>,
    /// Where the node enrols.
    public: Option<Arc<Public>>,
    filter: Filter,
    running: Mutex<Running>,
}

/// What a configuration needs of files, read.
struct Ready {
    gateway: GatewayConfig,
    /// Who may vouch for whom.
    anchors: Anchors,
    /// The same for those who want to enrol.
    vendors: Anchors,
    /// Databases of networks, with the SHA-256 of each.
    sources: Option<(Sources, String)>,
}

/// What holds now.
pub(crate) struct Running {
    config: Config,
    /// With what its files hold.
    values: Values,
}

impl Running {
    /// What a start takes. Where it is not what held last, the journal says so first: a restart hides no change.
    ///
    /// # Errors
    /// Journal or data directory cannot be written.
    pub(crate) fn begin(
        config: Config,
        ready: &GatewayConfig,
        vendors: &Anchors,
        data: &DataDir,
        node: &Node,
    ) -> Result<Self, Failure> {
        let anchors = (&node.configured.anchors(), vendors);
        let values = values(&config, ready, anchors, node.databases.clone());
        let changes = data.configuration().changes_to(&values);
        if !changes.is_empty() {
            record(node, "start", &changes)
                .map_err(|error| Failure::system("the configuration cannot be recorded", &error))?;
            keep(&data.configuration_file(), &values)?;
        }
        Ok(Self { config, values })
    }
}

/// A configuration with what its files hold: who the gateway is, who may vouch for whom, to attach and to enrol, and which
/// networks are of which kind.
fn values(
    config: &Config,
    ready: &GatewayConfig,
    (anchors, vendors): (&Anchors, &Anchors),
    databases: Option<String>,
) -> Values {
    Values::of(config)
        .with_content("gateway.certificate", gateway::certificate(ready))
        .with_content("realm.anchors", named(anchors))
        .with_content("vendor.anchors", named(vendors))
        .with_content("records.sources.databases", databases)
}

fn record(node: &Node, by: &str, changes: &[Change]) -> Result<(), JournalError> {
    let event = ConfigurationApplied { by: by.to_owned(), changes: changes.to_vec() };
    node.journal.append(&event, UnixTime::now(), Durability::Durable).map(drop)
}

impl Reload {
    pub(crate) fn new(
        origin: Origin,
        running: Running,
        data: DataDir,
        node: Arc<Node>,
        (gateway, public): (Arc<Gateway>, Option<Arc<Public>>),
        filter: Filter,
    ) -> Self {
        Self { origin, data, node, gateway, public, filter, running: Mutex::new(running) }
    }

    fn read(&self) -> Result<Config, Vec<ConfigError>> {
        let mut config = Config::read(&self.origin.file)?;
        if let Some(data) = &self.origin.data {
            config.data.clone_from(data);
        }
        let wrong = config.wrong_here(&self.origin.file, UnixTime::now());
        if wrong.is_empty() { Ok(config) } else { Err(wrong) }
    }

    /// All that it needs, ready to be used.
    fn prepare(&self, config: &Config) -> Result<Ready, Problem> {
        let anchors = self.node.anchors_with(config).map_err(|error| wrong(&[error]))?;
        let vendors = config.vendor_anchors().map_err(|error| wrong(&[error]))?;
        let sources = config.records.read_sources().map_err(|error| wrong(&[error]))?;
        let gateway = gateway::configuration(&self.data, config, &self.node).map_err(not_ready)?;
        Ok(Ready { gateway, anchors, vendors, sources })
    }

    /// For the next start, and for commands without `serve`.
    fn keep(&self, config: &Config, values: &Values) -> Result<(), Failure> {
        keep_configured(&self.data, config)?;
        keep(&self.data.configuration_file(), values)
    }
}

impl Configuration for Reload {
    fn apply(&self, file: Option<&Path>, by: &str) -> Result<Applied, Problem> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(other) = file.filter(|file| **file != *self.origin.full_name()) {
            return Err(self.another(other));
        }
        let config = self.read().map_err(|errors| wrong(&errors))?;
        let fixed = Values::of(&running.config).changes_to(&Values::of(&config));
        let fixed: Vec<_> =
            fixed.iter().map(|change| change.key.as_str()).filter(|key| !is_live(key)).collect();
        if !fixed.is_empty() {
            return Err(needs_restart(&fixed));
        }
        let Ready { gateway, anchors, vendors, sources } = self.prepare(&config)?;
        let asked = config.asked().map_err(|error| wrong(&[error]))?;
        let hashes = sources.as_ref().map(|(_, hashes)| hashes.clone());
        let values = values(&config, &gateway, (&anchors, &vendors), hashes);
        let changes = running.values.changes_to(&values);
        if !changes.is_empty() {
            record(&self.node, by, &changes).map_err(LedgerError::Journal)?;
            changes.iter().for_each(log);
            self.node.configured.replace(config.rules(), anchors.clone());
            self.gateway.reconfigure(gateway, anchors);
            self.public.iter().for_each(|public| public.trust(vendors.clone()));
            self.node.foreign.replace(asked, UnixTime::now());
            self.node.origins.look_in(sources.map(|(sources, _)| sources));
            self.set_feeds(&config);
            self.filter.set(&config.log.filter);
            let kept = self.keep(&config, &values);
            *running = Running { config, values };
            kept.map_err(|failure| {
                Problem::ours("it holds, but not yet for commands without `serve`").because(failure)
            })?;
        }
        Ok(Applied { file: self.origin.file.clone(), changes })
    }
}

impl Reload {
    fn set_feeds(&self, config: &Config) {
        let lines = self.node.origins.lines().zip(config.records.line.as_ref());
        lines.into_iter().for_each(|(feed, line)| feed.set(line.terms()));
        let facts = self.node.origins.facts().zip(config.records.facts.as_ref());
        facts.into_iter().for_each(|(feed, facts)| feed.set(facts.terms()));
    }

    fn another(&self, file: &Path) -> Problem {
        let own = self.origin.full_name();
        Problem::conflict("another-file", format!("`serve` runs with {}", own.display()))
            .because(format!("{} is another file", file.display()))
            .next("name that one with -c, or restart `serve` with yours")
    }
}

fn named(anchors: &Anchors) -> Option<String> {
    let all: Vec<_> = anchors.iter().map(|(realm, sha256)| format!("{realm}:{sha256}")).collect();
    (!all.is_empty()).then(|| all.join(" "))
}

/// On one line, for the log too.
fn wrong(errors: &[ConfigError]) -> Problem {
    let all: Vec<_> = errors.iter().map(|error| format!("{}: {}", error.place(), error.what)).collect();
    let next = match errors {
        [only] => only.next.clone(),
        _ => "correct them; `truecell config check` says how".into(),
    };
    unchanged(all.join("; "), next)
}

/// What it names cannot be used.
fn not_ready(failure: Failure) -> Problem {
    match failure {
        Failure::Config(errors) => wrong(&errors),
        Failure::No(own) | Failure::Usage(own) | Failure::Ours(own) => {
            unchanged(format!("{}: {}", own.title, own.detail), own.next)
        }
    }
}

fn unchanged(why: String, next: String) -> Problem {
    Problem::conflict("config", "the configuration is wrong; nothing was changed").because(why).next(next)
}

/// No value of a configuration is a secret: keys are in files.
fn log(change: &Change) {
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".into());
    tracing::info!(
        key = change.key,
        old = %value(&change.from),
        new = %value(&change.to),
        "configuration changed"
    );
}

fn needs_restart(keys: &[&str]) -> Problem {
    Problem::conflict("needs-restart", "only a restart takes these changes; nothing was changed")
        .because(keys.join(", "))
        .next("restart `serve`, or put these keys back and apply the rest")
}
