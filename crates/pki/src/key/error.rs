use std::path::{Path, PathBuf};

/// Why a key of the CA cannot be had or used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// There is none.
    #[error("{place}: there is no such key")]
    Missing {
        /// Where it should be.
        place: String,
    },
    /// A file of another kind, or one that cannot be read.
    #[error("{}: {why}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// It is another CA's.
    #[error("{place}: does not belong to the CA's certificate")]
    Foreign {
        /// Where it is.
        place: String,
    },
    /// A passphrase or PIN cannot be had.
    #[error("{from} cannot be read: {why}")]
    Secret {
        /// Its source.
        from: String,
        /// What the system says.
        why: String,
    },
    /// The key is encrypted, and nobody said with what.
    #[error("{}: encrypted, and no passphrase is configured", .path.display())]
    NoPassphrase {
        /// Which file.
        path: PathBuf,
    },
    /// The passphrase opens another key.
    #[error("{}: the passphrase is not that of this key, or the file is damaged", .path.display())]
    WrongPassphrase {
        /// Which file.
        path: PathBuf,
    },
    /// The key has not signed.
    #[error("signing failed")]
    Signing,
}

impl KeyError {
    /// Whether time changes nothing about it: neither a passphrase nor a token is what is missing.
    pub fn is_lasting(&self) -> bool {
        match self {
            Self::Missing { .. } | Self::File { .. } | Self::Foreign { .. } => true,
            Self::Secret { .. }
            | Self::NoPassphrase { .. }
            | Self::WrongPassphrase { .. }
            | Self::Signing => false,
        }
    }

    /// What to do about it.
    pub const fn next(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "bring the key back",
            Self::File { .. } => "bring the key back, or let the user that Truecell runs as read it",
            Self::Foreign { .. } => "bring back the key that was made with this certificate",
            Self::Secret { .. } => "see to that file or credential (docs/deployment.md, The CA's keys)",
            Self::NoPassphrase { .. } => {
                "name its source: `passphrase` in [ca.keys], or --root-passphrase for a root's"
            }
            Self::WrongPassphrase { .. } => "put the right one there",
            Self::Signing => "see to the key",
        }
    }

    pub(crate) fn file(path: &Path, why: impl ToString) -> Self {
        Self::File { path: path.to_owned(), why: why.to_string() }
    }
}
