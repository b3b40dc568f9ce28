use std::path::{Path, PathBuf};

/// Why the CA did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A CA stands in the directory already, or something else does.
    #[error("{0} is not empty")]
    Exists(PathBuf),
    /// No CA stands in the directory.
    #[error("no CA in {0}")]
    NoCa(PathBuf),
    /// A file of the CA cannot be read for what it should be.
    #[error("{path}: {why}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The operating system refused.
    #[error("{path}")]
    Io {
        /// Which file or directory.
        path: PathBuf,
        /// What it said.
        source: std::io::Error,
    },
    /// The order asks for something that the profile or the policy does not allow.
    #[error("{0}")]
    Order(&'static str),
    /// The name ordered is outside the domains that this CA may name.
    #[error("{name} is outside the domains of this CA")]
    OutsideDomains {
        /// The name ordered.
        name: String,
    },
    /// The request proves no possession of its key.
    #[error("the certificate request cannot be taken")]
    Request(#[from] x509::RequestError),
    /// The key to be certified is not one that we accept.
    #[error("the key cannot be certified")]
    Key(#[from] x509::KeyError),
    /// The ledger forbids a certificate for this device.
    #[error("{0}")]
    Forbidden(String),
    /// Ledger or journal cannot be reached; nothing was issued, or what was issued is finished at the next start.
    #[error("{0}")]
    Books(String),
    /// No certificate of this serial.
    #[error("no certificate {0} was issued here")]
    NotFound(String),
    /// The key refused to sign, or made something that does not verify.
    #[error("signing failed")]
    Signing,
}

impl PkiError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }

    pub(crate) fn file(path: &Path, why: &'static str) -> Self {
        Self::File { path: path.to_owned(), why }
    }

    /// Stable code for the API.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Exists(_) => "ca_exists",
            Self::NoCa(_) => "ca_missing",
            Self::File { .. } => "ca_file_bad",
            Self::Io { .. } => "ca_io",
            Self::Order(_) => "order_not_allowed",
            Self::OutsideDomains { .. } => "order_outside_domains",
            Self::Request(_) => "request_bad",
            Self::Key(_) => "key_not_accepted",
            Self::Forbidden(_) => "device_may_not_enrol",
            Self::Books(_) => "books_unreachable",
            Self::NotFound(_) => "cert_not_found",
            Self::Signing => "ca_signing",
        }
    }

    /// Whether the cause lies with who asked, rather than with us.
    pub const fn is_refusal(&self) -> bool {
        match self {
            Self::Order(_)
            | Self::OutsideDomains { .. }
            | Self::Request(_)
            | Self::Key(_)
            | Self::Forbidden(_)
            | Self::NotFound(_)
            | Self::Exists(_)
            | Self::NoCa(_) => true,
            Self::File { .. } | Self::Io { .. } | Self::Books(_) | Self::Signing => false,
        }
    }
}
