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
    #[error("{}: encrypted, and nobody says where its passphrase is", .path.display())]
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
    /// The module of a token's maker cannot be loaded.
    #[error("the PKCS#11 module {} cannot be loaded: {why}", .path.display())]
    Module {
        /// Which library.
        path: PathBuf,
        /// What it or the system says.
        why: String,
    },
    /// The token is not there.
    #[error("{} has no token `{token}` now", .module.display())]
    NoToken {
        /// Its label.
        token: String,
        /// Of which module.
        module: PathBuf,
    },
    /// The token refuses the PIN, which is not tried again.
    #[error("the token `{token}` refuses the PIN of {from}")]
    WrongPin {
        /// Its label.
        token: String,
        /// Where the PIN was read from.
        from: String,
    },
    /// The token does not do what it should.
    #[error("the token `{token}` fails: {why}")]
    Token {
        /// Its label.
        token: String,
        /// What it says.
        why: String,
    },
    /// Whoever has the key was asked, and says nothing.
    #[error("{place}: does not answer")]
    Silent {
        /// Where the key is.
        place: String,
    },
    /// Where a key was to be made there is one already.
    #[error("{place}: there is a key already, and nobody knows whose it is")]
    Exists {
        /// Where.
        place: String,
    },
    /// The key has not signed.
    #[error("signing failed")]
    Signing,
}

impl KeyError {
    /// Whether time changes nothing about it: neither a passphrase nor a token is what is missing.
    pub fn is_lasting(&self) -> bool {
        match self {
            Self::Missing { .. } | Self::File { .. } | Self::Foreign { .. } | Self::Exists { .. } => true,
            Self::Secret { .. }
            | Self::NoPassphrase { .. }
            | Self::WrongPassphrase { .. }
            | Self::Module { .. }
            | Self::NoToken { .. }
            | Self::WrongPin { .. }
            | Self::Token { .. }
            | Self::Silent { .. }
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
                "say where: `passphrase` in [ca.keys], or --root-passphrase file:PATH for a root's key"
            }
            Self::WrongPassphrase { .. } => "put the right one there",
            Self::Module { .. } => "correct module-path in [ca.keys], or install what it names",
            Self::NoToken { .. } => "bring the token back, or correct its label in [ca.keys]",
            Self::WrongPin { .. } => {
                "put the right PIN there; the wrong one is not tried again, as tokens lock themselves"
            }
            Self::Token { .. } => "see to the token and its module",
            Self::Silent { .. } => {
                "see to the token, or to the disk that key and passphrase are on; it signs again once they answer"
            }
            Self::Exists { .. } => "remove it if it is nobody's, or name another in [ca.keys]",
            Self::Signing => "see to the key",
        }
    }

    pub(crate) fn file(path: &Path, why: impl ToString) -> Self {
        Self::File { path: path.to_owned(), why: why.to_string() }
    }
}
