use super::{FailureInfo, Refusal};
use ids::UnixTime;
use x509::PathError;

/// Why a unit does not take an answer, or what the answer refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// The registration authority refuses. This is authentic.
    #[error("the registration authority refuses: {}", .failure.map_or("without a reason", FailureInfo::name))]
    Refused {
        /// The first bit that it names.
        failure: Option<FailureInfo>,
        /// Its time.
        time: UnixTime,
    },
    /// An error that nobody signed: whoever is on the way can send it.
    #[error("an error that nobody signed: {}", .0.map_or("without a reason", FailureInfo::name))]
    Unsigned(Option<FailureInfo>),
    /// Not a message that can be read, or not protected by a registration authority under the operator's root.
    #[error("{0}")]
    Message(Refusal),
    /// Of another transaction, or an old one of this: transactionID or recipNonce is not ours.
    #[error("the answer is to another message")]
    OtherMessage,
    /// No messageTime, by which the answer could be judged.
    #[error("the answer has no time")]
    NoTime,
    /// messageTime lies before a time that was seen.
    #[error("the answer is of {0}, and it was later before")]
    Early(UnixTime),
    /// Another body than the request asks for, or a status that nobody here waits for.
    #[error("the answer is no answer to the request")]
    OtherBody,
    /// The certificate is for another key.
    #[error("the certificate is for another key")]
    OtherKey,
    /// The certificate names another device.
    #[error("the certificate is for another unit")]
    OtherDevice,
    /// The certificate does not lead to the operator's root in its realm.
    #[error("the certificate: {0}")]
    Certificate(PathError),
}

impl AnswerError {
    /// Stable code for status and logs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Refused { .. } => "refused",
            Self::Unsigned(_) => "answer-unsigned",
            Self::Message(refusal) => refusal.code(),
            Self::OtherMessage => "answer-other-message",
            Self::NoTime => "answer-no-time",
            Self::Early(_) => "answer-early",
            Self::OtherBody => "answer-other-body",
            Self::OtherKey => "answer-other-key",
            Self::OtherDevice => "answer-other-device",
            Self::Certificate(error) => error.code(),
        }
    }

    /// What a person at the unit, or at the operator's desk, does next.
    pub const fn next(self) -> &'static str {
        match self {
            Self::Refused { failure: Some(failure), .. } => refused(failure),
            Self::Refused { failure: None, .. } => "ask the operator why, with this unit's name",
            Self::Unsigned(_) | Self::OtherMessage | Self::OtherBody => {
                "nothing once; if it goes on, ask what stands between the unit and the operator's server"
            }
            Self::Message(Refusal::Path(_) | Refusal::NoSigner) => {
                "compare the unit's operator root with the operator's; if they agree, another server answers"
            }
            Self::Message(_) => "ask whether the server's address leads to the operator's CMP server",
            Self::NoTime => "ask the operator whether its clock is in step",
            Self::Early(_) => "compare the operator's clock with the true time",
            Self::OtherKey | Self::OtherDevice => {
                "tell the operator: its registration authority confuses units"
            }
            Self::Certificate(_) => "compare the unit's operator root and realm with the operator's",
        }
    }
}

const fn refused(failure: FailureInfo) -> &'static str {
    match failure {
        FailureInfo::NOT_AUTHORIZED => {
            "ask the operator: an install order for this unit, from this line; or it waits for a person's decision"
        }
        FailureInfo::CERT_REVOKED => "ask the operator why the unit's certificate is revoked",
        FailureInfo::SIGNER_NOT_TRUSTED => {
            "ask the operator whether it takes this vendor's certificates, and compare the unit's own"
        }
        FailureInfo::BAD_TIME => "nothing: the unit takes the time from the answer",
        FailureInfo::SYSTEM_UNAVAIL | FailureInfo::SYSTEM_FAILURE => {
            "nothing: the unit asks again; if it goes on, tell the operator"
        }
        FailureInfo::TRANSACTION_ID_IN_USE | FailureInfo::BAD_REQUEST | FailureInfo::BAD_RECIPIENT_NONCE => {
            "nothing: the unit begins anew"
        }
        FailureInfo::BAD_ALG | FailureInfo::BAD_CERT_TEMPLATE | FailureInfo::BAD_POP => {
            "tell the vendor: the operator does not take this kind of key or signature"
        }
        _ => "tell the operator, with this unit's name and the time",
    }
}
