use super::NotACheckpoint;
use std::{
    io,
    path::{Path, PathBuf},
};

/// A witness's folder can't be used.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// The system refused.
    #[error("{path}: {source}")]
    Io {
        /// File or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file of that name is there and holds something else.
    #[error("{0} is there already and holds something else: keep it, and find out who wrote it")]
    Taken(PathBuf),
    /// It holds something that is no checkpoint.
    #[error("{path}: {why}")]
    Line {
        /// The file.
        path: PathBuf,
        /// What it is not.
        why: NotACheckpoint,
    },
    /// It holds checkpoints of several journals.
    #[error("{path} is of node {found}, others here of {expected}: one folder for each node")]
    Mixed {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        found: ids::NodeId,
        /// Whose the others are.
        expected: ids::NodeId,
    },
    /// Another process writes there.
    #[error("{0} is in use by another process")]
    InUse(PathBuf),
}

impl WitnessError {
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        |source| Self::Io { path: path.to_owned(), source }
    }
}
