use crate::vici::ViciError;
use crate::{KeyError, WireError};
use cmp::{AnswerError, SignerError};
use std::io;

/// Why a unit is not where it should be.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The way to the server, or the server.
    #[error("the operator's server: {0}")]
    Wire(#[from] WireError),
    /// The answer is no good, or a refusal.
    #[error("{0}")]
    Answer(#[from] AnswerError),
    /// The state cannot be read or written.
    #[error("the unit's storage: {0}")]
    Disk(#[from] io::Error),
    /// A key cannot be made or read.
    #[error("{0}")]
    Key(#[from] KeyError),
    /// Key and certificate of the vendor, or of the unit, do not go together.
    #[error("key and certificate: {0}")]
    Signer(#[from] SignerError),
    /// strongSwan does not take the certificate.
    #[error("strongSwan: {0}")]
    Vici(#[from] ViciError),
}

impl Failure {
    /// Whether the operator's authority said no, or confuses units, so that asking again soon changes nothing. What nobody
    /// signed is none: whoever is on the way could keep the unit waiting by it.
    pub const fn is_refusal(&self) -> bool {
        use cmp::FailureInfo as F;
        match self {
            Self::Answer(AnswerError::Refused { failure, .. }) => !matches!(
                failure,
                Some(
                    F::BAD_TIME
                        | F::SYSTEM_UNAVAIL
                        | F::SYSTEM_FAILURE
                        | F::TRANSACTION_ID_IN_USE
                        | F::BAD_REQUEST
                        | F::BAD_RECIPIENT_NONCE
                )
            ),
            Self::Answer(
                AnswerError::OtherBody
                | AnswerError::OtherKey
                | AnswerError::OtherDevice
                | AnswerError::Certificate(_),
            )
            | Self::Key(_)
            | Self::Signer(_) => true,
            Self::Answer(
                AnswerError::Unsigned(_)
                | AnswerError::Message(_)
                | AnswerError::OtherMessage
                | AnswerError::NoTime
                | AnswerError::Early(_),
            )
            | Self::Wire(_)
            | Self::Disk(_)
            | Self::Vici(_) => false,
        }
    }

    /// Stable code: of a refusal, the name of its bit.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Wire(error) => error.code(),
            Self::Answer(AnswerError::Refused { failure: Some(failure), .. }) => failure.name(),
            Self::Answer(error) => error.code(),
            Self::Disk(_) => "storage",
            Self::Key(_) | Self::Signer(_) => "key",
            Self::Vici(_) => "strongswan",
        }
    }

    /// What a person does next.
    pub const fn next(&self) -> &'static str {
        match self {
            Self::Wire(error) => error.next(),
            Self::Answer(error) => error.next(),
            Self::Disk(_) => "look at the unit's flash: is it full, read-only or broken?",
            Self::Key(_) | Self::Signer(_) => {
                "compare vendor_certificate and vendor_key: one P-256, P-384 or RSA key, its certificate first"
            }
            Self::Vici(_) => "look whether charon runs, at vici, and at the connection's name in strongSwan",
        }
    }
}
