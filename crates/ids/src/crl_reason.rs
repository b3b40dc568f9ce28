use crate::serde_as_text;
use std::{fmt, str::FromStr};

/// Why a certificate was revoked: CRLReason (RFC 5280 §5.3.1), without removeFromCRL, which only delta CRLs
/// have, and aACompromise, which is about attribute certificates. Where none is known there is none, which is how lists say
/// `unspecified`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CrlReason {
    /// The private key is known, or believed to be known, to somebody else.
    KeyCompromise,
    /// The same, of the CA's key.
    CaCompromise,
    /// The subject's name or other facts have changed.
    AffiliationChanged,
    /// There is a newer certificate.
    Superseded,
    /// It is no longer needed.
    CessationOfOperation,
    /// For the time being only.
    CertificateHold,
    /// A privilege that it speaks for was withdrawn.
    PrivilegeWithdrawn,
}

impl CrlReason {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::KeyCompromise,
        Self::CaCompromise,
        Self::AffiliationChanged,
        Self::Superseded,
        Self::CessationOfOperation,
        Self::CertificateHold,
        Self::PrivilegeWithdrawn,
    ];

    /// Its name in RFC 5280, words joined by hyphens.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::KeyCompromise => "key-compromise",
            Self::CaCompromise => "ca-compromise",
            Self::AffiliationChanged => "affiliation-changed",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessation-of-operation",
            Self::CertificateHold => "certificate-hold",
            Self::PrivilegeWithdrawn => "privilege-withdrawn",
        }
    }
}

impl fmt::Display for CrlReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is no reason to revoke a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no reason of RFC 5280 §5.3.1, such as key-compromise")]
pub struct ParseCrlReasonError;

impl FromStr for CrlReason {
    type Err = ParseCrlReasonError;

    fn from_str(text: &str) -> Result<Self, ParseCrlReasonError> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text).ok_or(ParseCrlReasonError)
    }
}

serde_as_text!(CrlReason);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_read_as_it_is_written() {
        for reason in CrlReason::ALL {
            assert_eq!(reason.to_string().parse(), Ok(reason));
        }
        assert_eq!("keyCompromise".parse::<CrlReason>(), Err(ParseCrlReasonError));
    }
}
