//! The configuration of a running node, read again: all of it holds, or nothing.

use crate::{
    config::{Config, ConfigError, changes, is_live},
    data_dir::DataDir,
    gateway,
    logging::Filter,
    node::{Node, keep_configured},
};
use ::gateway::{Gateway, GatewayConfig};
use api::{Configuration, Problem, configuration::Applied};
use events::{
    Durability,
    gateway::{Change, ConfigurationApplied},
};
use ids::UnixTime;
use ledger::LedgerError;
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};
use x509::Anchors;

/// Where the configuration came from, and what else a start knew.
pub(crate) struct Origin {
    file: PathBuf,
    /// The file by its full name, as others may call it.
    canonical: PathBuf,
    /// `--data`, where it was given.
    data: Option<PathBuf>,
}

impl Origin {
    pub(crate) fn new(file: PathBuf, data: Option<PathBuf>) -> Self {
        Self { canonical: file.canonicalize().unwrap_or_else(|_| file.clone()), file, data }
    }
}

/// Everything of a running node that takes another configuration.
pub(crate) struct Reload {
    origin: Origin,
    data: DataDir,
    node: Arc<Node>,
    gateway: Arc<Gateway>,
    filter: Filter,
    running: Mutex<Running>,
}

/// What holds now.
struct Running {
    config: Config,
    certificate: Option<String>,
}

impl Reload {
    pub(crate) fn new(
        origin: Origin,
        config: Config,
        data: DataDir,
        node: Arc<Node>,
        gateway: (Arc<Gateway>, Option<String>),
        filter: Filter,
    ) -> Self {
        let (gateway, certificate) = gateway;
        Self { origin, data, node, gateway, filter, running: Mutex::new(Running { config, certificate }) }
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
    fn prepare(&self, config: &Config) -> Result<(GatewayConfig, Anchors), Problem> {
        let anchors = self.node.anchors_with(config).map_err(|error| wrong(&[error]))?;
        let ready = gateway::configuration(&self.data, config, &self.node);
        let ready = ready.map_err(|failure| wrong(&failure.texts()))?;
        Ok((ready, anchors))
    }

    fn record(&self, by: &str, changes: &[Change]) -> Result<(), Problem> {
        let event = ConfigurationApplied { by: by.to_owned(), changes: changes.to_vec() };
        let written = self.node.journal.append(&event, UnixTime::now(), Durability::Durable);
        Ok(written.map(drop).map_err(LedgerError::Journal)?)
    }
}

impl Configuration for Reload {
    fn apply(&self, file: Option<&Path>, by: &str) -> Result<Applied, Problem> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(other) = file.filter(|file| **file != *self.origin.canonical) {
            return Err(self.another(other));
        }
        let config = self.read().map_err(|errors| wrong(&errors))?;
        let mut changes = changes(&running.config, &config);
        let fixed: Vec<_> =
            changes.iter().map(|change| change.key.as_str()).filter(|key| !is_live(key)).collect();
        if !fixed.is_empty() {
            return Err(needs_restart(&fixed));
        }
        let (ready, anchors) = self.prepare(&config)?;
        let certificate = gateway::certificate(&ready);
        changes.extend(content("gateway.certificate", running.certificate.clone(), certificate.clone()));
        changes.extend(content("realm.anchors", named(&self.node.configured.anchors()), named(&anchors)));
        if !changes.is_empty() {
            self.record(by, &changes)?;
            self.node.configured.replace(config.rules(), anchors.clone());
            self.gateway.reconfigure(ready, anchors);
            self.filter.set(&config.log.filter);
            let kept = keep_configured(&self.data, &config);
            *running = Running { config, certificate };
            kept.map_err(|failure| {
                Problem::ours("it holds, but not yet for commands without `serve`").because(failure)
            })?;
        }
        Ok(Applied { file: self.origin.file.clone(), changes })
    }
}

impl Reload {
    fn another(&self, file: &Path) -> Problem {
        let own = self.origin.canonical.display();
        Problem::conflict("another-file", format!("`serve` runs with {own}"))
            .because(format!("{} is another file", file.display()))
            .next("name that one with -c, or restart `serve` with yours")
    }
}

/// A change of what files hold, whether or not their names have changed; by the hashes of certificates.
fn content(key: &str, from: Option<String>, to: Option<String>) -> Option<Change> {
    let key = format!("{key} (SHA-256)");
    (from != to).then_some(Change { key, from, to })
}

fn named(anchors: &Anchors) -> Option<String> {
    let all: Vec<_> = anchors.iter().map(|(realm, sha256)| format!("{realm}:{sha256}")).collect();
    (!all.is_empty()).then(|| all.join(" "))
}

fn wrong(errors: &[impl ToString]) -> Problem {
    let all: Vec<_> = errors.iter().map(ToString::to_string).collect();
    Problem::conflict("config", "the configuration is wrong; nothing was changed")
        .because(all.join("\n"))
        .next("correct it; `truecell config check` names the same")
}

fn needs_restart(keys: &[&str]) -> Problem {
    Problem::conflict("needs-restart", "only a restart takes these changes; nothing was changed")
        .because(keys.join(", "))
        .next("restart `serve`, or put these keys back and apply the rest")
}
