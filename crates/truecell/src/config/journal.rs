use super::{ConfigError, located::Located};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The event journal.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Journal {
    /// Room on its disk below which nobody new is admitted, MiB.
    pub(crate) reserve_mib: u32,
    /// Who keeps its checkpoints; absent: whoever can write here could cut it unseen.
    pub(crate) witness: Option<Witness>,
}

/// A witness of the journal: another host, administered by others.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Witness {
    /// The folder of this node there, as it is mounted here. It is never made.
    pub(crate) drop: PathBuf,
}

impl Default for Journal {
    fn default() -> Self {
        Self { reserve_mib: 512, witness: None }
    }
}

impl Journal {
    pub(super) fn wrong(&self, data: &Path, at: &Located<'_>) -> Option<ConfigError> {
        let witness = self.witness.as_ref().filter(|witness| witness.drop.starts_with(data))?;
        let what = format!(
            "{} is in the data directory: who cuts the journal cuts that too",
            witness.drop.display()
        );
        let next = "name a folder of another host, administered by others";
        Some(at.error(&["journal", "witness", "drop"], what, next))
    }

    /// A witness that is out of reach stops no start.
    pub(crate) fn out_of_reach(&self) -> Option<String> {
        let drop = &self.witness.as_ref()?.drop;
        (!drop.is_dir()).then(|| format!("[journal.witness] there is no folder {} now", drop.display()))
    }
}
