use std::{
    io,
    path::{Path, PathBuf},
};

/// Why rows cannot be taken on. What the newest [`crate::Commit`] says still holds.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// A file or folder of its own.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The checkpoint cannot be used.
    #[error("{path}: {why}")]
    Commit {
        /// Its file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A source.
    #[error(transparent)]
    Source(#[from] lake::SourceError),
    /// The lake.
    #[error(transparent)]
    Lake(#[from] lake::LakeError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] events::journal::TailError),
    /// A record of the journal.
    #[error(transparent)]
    Record(#[from] events::UnreadRecord),
    /// Something in a record of the journal, or in a file of its own.
    #[error("not of its form: {0}")]
    Form(#[from] serde_json::Error),
    /// Whoever is told the findings cannot take them.
    #[error("findings cannot be told: {0}")]
    Told(String),
    /// Another one runs.
    #[error("{path} is in use by another process")]
    InUse {
        /// The file that it holds.
        path: PathBuf,
    },
}

impl IntakeError {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }
}
