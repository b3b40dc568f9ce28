use crate::payload::{Malformed, NotifyType};

/// Why the responder refused, gave up or dropped something. The peer learns [`Reason::answer`] alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum Reason {
    // Malformed.
    /// Bytes that are no IKEv2 message, or a payload that breaks its format.
    #[error("the message breaks its format")]
    Malformed,
    /// A critical payload that we don't know (RFC 7296 §2.5).
    #[error("a critical payload is unknown")]
    UnknownCritical,
    /// A major version other than 2.
    #[error("not IKE version 2")]
    MajorVersion,
    // The peer is not compatible.
    /// None of its IKE proposals is acceptable.
    #[error("no acceptable IKE proposal")]
    NoProposalChosen,
    /// Its KE payload has another method than the one we choose; it may try again.
    #[error("key exchange method differs from the chosen one")]
    InvalidKe,
    /// Its public value fails the tests of RFC 6989.
    #[error("public value fails the tests of RFC 6989")]
    PublicValue,
    // The peer did not prove who it is.
    /// IKE_AUTH without AUTH payload: EAP (RFC 7296 §2.16), which is not spoken.
    #[error("no AUTH payload: EAP is not spoken")]
    EapOnly,
    /// IKE_AUTH without IDi.
    #[error("no IDi payload")]
    NoIdentity,
    /// No CERT payload, or none with an X.509 certificate.
    #[error("no X.509 certificate")]
    NoCertificate,
    /// Hash-and-URL or another encoding that would make us fetch or guess; raw keys.
    #[error("certificate encoding is refused")]
    CertificateEncoding,
    /// More than 8 certificates, or one over 4096 octets.
    #[error("too many or too long certificates")]
    CertificateSize,
    /// Shared key, NULL or an unknown AUTH method; RSA with SHA-1 where it is not allowed.
    #[error("AUTH method is refused")]
    AuthMethod,
    /// The answer to `AskPeer` was final: no path for this identity.
    #[error("the identity has no certificate path")]
    PeerRefused,
    /// The answer to `AskPeer` was transient.
    #[error("the identity could not be judged now")]
    PeerUnavailable,
    /// AUTH does not verify.
    #[error("AUTH does not verify")]
    AuthMismatch,
    // It proved who it is, and was not let in.
    /// The answer to `AskAdmission` was final.
    #[error("admission refused")]
    AdmissionRefused,
    /// The answer to `AskAdmission` was transient.
    #[error("admission could not judge now")]
    AdmissionUnavailable,
    // Limits.
    /// As many half-open IKE SAs as we keep.
    #[error("too many half-open IKE SAs")]
    HalfOpenFull,
    /// As many half-open IKE SAs as one source prefix may have.
    #[error("too many half-open IKE SAs of one prefix")]
    PrefixQuota,
    /// Group 14, of which strangers have had all that they get in this second.
    #[error("no more costly cryptography for strangers in this second")]
    CostlyQuota,
    /// A half-open IKE SA went no further in time.
    #[error("half-open IKE SA timed out")]
    HalfOpenTimeout,
    // Dropped without a word.
    /// No IKE SA has this SPI.
    #[error("no such IKE SA")]
    UnknownSpi,
    /// IKE_AUTH from another address than IKE_SA_INIT.
    #[error("IKE_AUTH from another address than IKE_SA_INIT")]
    OtherAddress,
    /// The integrity check failed.
    #[error("integrity check failed")]
    NotAuthentic,
    /// A Message ID outside the window of one.
    #[error("message ID outside the window")]
    MessageId,
    /// An exchange that does not fit the state.
    #[error("exchange does not fit the state")]
    UnexpectedExchange,
    /// Our own signature or key generation failed.
    #[error("our own cryptography failed")]
    OurFault,
}

/// What a peer learns of a [`Reason`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// This notification, with the data that belongs to it.
    Notify(NotifyType),
    /// Nothing.
    Silence,
}

impl Reason {
    /// All reasons, in the order of their declaration.
    pub const ALL: [Self; 27] = [
        Self::Malformed,
        Self::UnknownCritical,
        Self::MajorVersion,
        Self::NoProposalChosen,
        Self::InvalidKe,
        Self::PublicValue,
        Self::EapOnly,
        Self::NoIdentity,
        Self::NoCertificate,
        Self::CertificateEncoding,
        Self::CertificateSize,
        Self::AuthMethod,
        Self::PeerRefused,
        Self::PeerUnavailable,
        Self::AuthMismatch,
        Self::AdmissionRefused,
        Self::AdmissionUnavailable,
        Self::HalfOpenFull,
        Self::PrefixQuota,
        Self::CostlyQuota,
        Self::HalfOpenTimeout,
        Self::UnknownSpi,
        Self::OtherAddress,
        Self::NotAuthentic,
        Self::MessageId,
        Self::UnexpectedExchange,
        Self::OurFault,
    ];

    /// Stable code and metric label; never reused for something else.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Malformed => "ike-malformed",
            Self::UnknownCritical => "ike-unknown-critical",
            Self::MajorVersion => "ike-major-version",
            Self::NoProposalChosen => "ike-no-proposal-chosen",
            Self::InvalidKe => "ike-invalid-ke",
            Self::PublicValue => "ike-public-value",
            Self::EapOnly => "ike-eap-only",
            Self::NoIdentity => "ike-no-identity",
            Self::NoCertificate => "ike-no-certificate",
            Self::CertificateEncoding => "ike-certificate-encoding",
            Self::CertificateSize => "ike-certificate-size",
            Self::AuthMethod => "ike-auth-method",
            Self::PeerRefused => "ike-peer-refused",
            Self::PeerUnavailable => "ike-peer-unavailable",
            Self::AuthMismatch => "ike-auth-mismatch",
            Self::AdmissionRefused => "ike-admission-refused",
            Self::AdmissionUnavailable => "ike-admission-unavailable",
            Self::HalfOpenFull => "ike-half-open-full",
            Self::PrefixQuota => "ike-prefix-quota",
            Self::CostlyQuota => "ike-costly-quota",
            Self::HalfOpenTimeout => "ike-half-open-timeout",
            Self::UnknownSpi => "ike-unknown-spi",
            Self::OtherAddress => "ike-other-address",
            Self::NotAuthentic => "ike-not-authentic",
            Self::MessageId => "ike-message-id",
            Self::UnexpectedExchange => "ike-unexpected-exchange",
            Self::OurFault => "ike-our-fault",
        }
    }

    /// What the peer learns. Whatever comes of IKE_AUTH, a malformed one included, is
    /// AUTHENTICATION_FAILED or silence (RFC 7296 §2.21.2); the rest keeps the notification that the RFC
    /// gives it. Bytes in the clear that are malformed get no answer.
    pub const fn answer(self) -> Answer {
        match self {
            Self::UnknownCritical => Answer::Notify(NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD),
            Self::MajorVersion => Answer::Notify(NotifyType::INVALID_MAJOR_VERSION),
            Self::NoProposalChosen => Answer::Notify(NotifyType::NO_PROPOSAL_CHOSEN),
            Self::InvalidKe => Answer::Notify(NotifyType::INVALID_KE_PAYLOAD),
            Self::Malformed
            | Self::EapOnly
            | Self::NoIdentity
            | Self::NoCertificate
            | Self::CertificateEncoding
            | Self::CertificateSize
            | Self::AuthMethod
            | Self::PeerRefused
            | Self::AuthMismatch
            | Self::AdmissionRefused => Answer::Notify(NotifyType::AUTHENTICATION_FAILED),
            Self::PublicValue
            | Self::PeerUnavailable
            | Self::AdmissionUnavailable
            | Self::HalfOpenFull
            | Self::PrefixQuota
            | Self::CostlyQuota
            | Self::HalfOpenTimeout
            | Self::UnknownSpi
            | Self::OtherAddress
            | Self::NotAuthentic
            | Self::MessageId
            | Self::UnexpectedExchange
            | Self::OurFault => Answer::Silence,
        }
    }
}

impl From<Malformed> for Reason {
    fn from(malformed: Malformed) -> Self {
        match malformed {
            Malformed::UnknownCritical(_) => Self::UnknownCritical,
            Malformed::MajorVersion(_) => Self::MajorVersion,
            Malformed::Truncated | Malformed::Header | Malformed::Payload(_) | Malformed::TooMany => {
                Self::Malformed
            }
        }
    }
}
