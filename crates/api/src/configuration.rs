//! The configuration of a running node, read again.

use crate::{Caller, Problem, Rules, Services};
use axum::{Extension, Json, extract::State};
use events::gateway::Change;
use serde::{Deserialize, Serialize};
use std::{
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
};
use x509::Anchors;

/// Asks to read the configuration again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApplyConfiguration {
    /// The file that is meant: another one than the node was started with is refused.
    #[serde(default)]
    pub file: Option<PathBuf>,
}

/// What has changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// The file that was read.
    pub file: PathBuf,
    /// By key; none when the file says what holds already.
    pub changes: Vec<Change>,
}

/// Who can read the configuration again.
pub trait Configuration: Send + Sync {
    /// Reads the whole file, and has all of it hold from now on, or nothing. `by` is for the record.
    ///
    /// # Errors
    /// `config` (409) when it is wrong, `needs-restart` (409) when it changes what only a start takes,
    /// `another-file` (409), or what went wrong on the way.
    fn apply(&self, file: Option<&std::path::Path>, by: &str) -> Result<Applied, Problem>;
}

/// What the routes must know of the configuration. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Configured(Arc<RwLock<(Rules, Anchors)>>);

impl Configured {
    /// With what the carrier allows, and who may vouch for the devices of which realm.
    pub fn new(rules: Rules, anchors: Anchors) -> Self {
        Self(Arc::new(RwLock::new((rules, anchors))))
    }

    /// What the carrier allows.
    pub fn rules(&self) -> Rules {
        self.0.read().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// Who may vouch for the devices of which realm.
    pub fn anchors(&self) -> Anchors {
        self.0.read().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    /// Both anew, for every clone.
    pub fn replace(&self, rules: Rules, anchors: Anchors) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = (rules, anchors);
    }
}

pub(crate) async fn apply(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Json(request): Json<ApplyConfiguration>,
) -> Result<Json<Applied>, Problem> {
    let applied = services.blocking(move |services| match &services.configuration {
        Some(configuration) => configuration.apply(request.file.as_deref(), &caller.name),
        None => Err(Problem::conflict("not-serving", "no `serve` runs on this data directory")
            .next("nothing: the next start reads the file")),
    });
    applied.await.map(Json)
}
