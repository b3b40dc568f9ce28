use crate::KeyError;
use ids::DeviceId;
use std::path::{Path, PathBuf};
use std::time::Duration;

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
    /// The carrier's policy allows no such validity.
    #[error("policy allows a certificate of {} {} days at most", .device, .longest.as_secs() / 86_400)]
    TooLong {
        /// For which unit.
        device: DeviceId,
        /// What policy allows it.
        longest: Duration,
    },
    /// The name ordered is outside the domains that this CA may name.
    #[error("{name} is outside the domains of this CA")]
    OutsideDomains {
        /// The name ordered.
        name: String,
    },
    /// The request proves no possession of its key.
    #[error("the certificate request cannot be taken")]
    Request(#[from] x509::RequestError),
    /// The ledger forbids a certificate for this device.
    #[error("{0}")]
    Forbidden(String),
    /// Ledger or journal cannot be reached: nobody gets a certificate.
    #[error("{0}")]
    Books(String),
    /// A certificate that was brought for an issuing CA will not do.
    #[error("the certificate will not do: {0}")]
    Certificate(&'static str),
    /// A key of the CA cannot be had or used.
    #[error(transparent)]
    Key(#[from] KeyError),
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
            Self::Exists(_) => "ca-exists",
            Self::NoCa(_) => "ca-missing",
            Self::File { .. } => "ca-file-bad",
            Self::Io { .. } => "ca-io",
            Self::Order(_) => "order-not-allowed",
            Self::TooLong { .. } => "order-too-long",
            Self::OutsideDomains { .. } => "order-outside-domains",
            Self::Request(_) => "request-bad",
            Self::Forbidden(_) => "device-may-not-enrol",
            Self::Books(_) => "books-unreachable",
            Self::Certificate(_) => "ca-certificate-bad",
            Self::Key(_) => "ca-key",
            Self::Signing => "ca-signing",
        }
    }

    /// Whether the cause lies with who asked, rather than with us.
    pub const fn is_refusal(&self) -> bool {
        match self {
            Self::Order(_)
            | Self::TooLong { .. }
            | Self::OutsideDomains { .. }
            | Self::Request(_)
            | Self::Forbidden(_)
            | Self::Exists(_)
            | Self::Certificate(_)
            | Self::NoCa(_) => true,
            Self::File { .. } | Self::Io { .. } | Self::Books(_) | Self::Key(_) | Self::Signing => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn codes_are_unique_and_words_joined_by_hyphens() {
        let text = String::new;
        let (path, source) = (PathBuf::new(), std::io::Error::other(""));
        let errors = [
            PkiError::Exists(path.clone()),
            PkiError::NoCa(path.clone()),
            PkiError::File { path: path.clone(), why: "" },
            PkiError::Io { path, source },
            PkiError::Order(""),
            PkiError::TooLong { device: DeviceId::eui48([0; 6]), longest: Duration::ZERO },
            PkiError::OutsideDomains { name: text() },
            PkiError::Request(x509::RequestError::Malformed),
            PkiError::Forbidden(text()),
            PkiError::Books(text()),
            PkiError::Certificate(""),
            PkiError::Key(KeyError::Signing),
            PkiError::Signing,
        ];
        let codes: HashSet<_> = errors.iter().map(PkiError::code).collect();
        assert_eq!(codes.len(), errors.len());
        for code in codes {
            assert!(code.bytes().all(|octet| octet.is_ascii_lowercase() || octet == b'-'), "{code}");
        }
    }
}
