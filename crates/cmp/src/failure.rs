use x509::{KeyError, PathError};

/// A bit of PKIFailureInfo (RFC 9810 §5.2.3): all that a peer learns of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FailureInfo(u8);

#[expect(missing_docs, reason = "the names of RFC 9810 §5.2.3")]
impl FailureInfo {
    pub const BAD_ALG: Self = Self(0);
    pub const BAD_MESSAGE_CHECK: Self = Self(1);
    pub const BAD_REQUEST: Self = Self(2);
    pub const BAD_TIME: Self = Self(3);
    pub const BAD_CERT_ID: Self = Self(4);
    pub const BAD_DATA_FORMAT: Self = Self(5);
    pub const BAD_POP: Self = Self(9);
    pub const CERT_REVOKED: Self = Self(10);
    pub const CERT_CONFIRMED: Self = Self(11);
    pub const WRONG_INTEGRITY: Self = Self(12);
    pub const BAD_RECIPIENT_NONCE: Self = Self(13);
    pub const BAD_SENDER_NONCE: Self = Self(18);
    pub const BAD_CERT_TEMPLATE: Self = Self(19);
    pub const SIGNER_NOT_TRUSTED: Self = Self(20);
    pub const TRANSACTION_ID_IN_USE: Self = Self(21);
    pub const UNSUPPORTED_VERSION: Self = Self(22);
    pub const NOT_AUTHORIZED: Self = Self(23);
    pub const SYSTEM_UNAVAIL: Self = Self(24);
    pub const SYSTEM_FAILURE: Self = Self(25);
}

impl FailureInfo {
    /// Number of the bit.
    pub const fn bit(self) -> u8 {
        self.0
    }

    /// The first bit set in the content of a BIT STRING; `None` when none is.
    pub(crate) fn of_bit_string(content: &[u8]) -> Option<Self> {
        let (_, octets) = content.split_first()?;
        let position = octets.iter().position(|octet| *octet != 0)?;
        let within = octets.get(position)?.leading_zeros();
        Some(Self(u8::try_from(position * 8).ok()?.checked_add(u8::try_from(within).ok()?)?))
    }

    /// Its name in RFC 9810, `unknown` for bits that have none here.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BAD_ALG => "badAlg",
            Self::BAD_MESSAGE_CHECK => "badMessageCheck",
            Self::BAD_REQUEST => "badRequest",
            Self::BAD_TIME => "badTime",
            Self::BAD_CERT_ID => "badCertId",
            Self::BAD_DATA_FORMAT => "badDataFormat",
            Self::BAD_POP => "badPOP",
            Self::CERT_REVOKED => "certRevoked",
            Self::CERT_CONFIRMED => "certConfirmed",
            Self::WRONG_INTEGRITY => "wrongIntegrity",
            Self::BAD_RECIPIENT_NONCE => "badRecipientNonce",
            Self::BAD_SENDER_NONCE => "badSenderNonce",
            Self::BAD_CERT_TEMPLATE => "badCertTemplate",
            Self::SIGNER_NOT_TRUSTED => "signerNotTrusted",
            Self::TRANSACTION_ID_IN_USE => "transactionIdInUse",
            Self::UNSUPPORTED_VERSION => "unsupportedVersion",
            Self::NOT_AUTHORIZED => "notAuthorized",
            Self::SYSTEM_UNAVAIL => "systemUnavail",
            Self::SYSTEM_FAILURE => "systemFailure",
            Self(_) => "unknown",
        }
    }

    /// Content of the BIT STRING, without zeros behind the bit (X.690 §11.2.2).
    pub(crate) fn bit_string(self) -> Vec<u8> {
        let mut octets = vec![7 - self.0 % 8];
        octets.resize(1 + usize::from(self.0 / 8), 0);
        octets.push(0x80 >> (self.0 % 8));
        octets
    }
}

/// Why a CMP message is refused. Found by the registration authority as far as `OldCertificate`; what follows is
/// the register's to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// More than [`super::MAX_MESSAGE`].
    #[error("the message is larger than one may be")]
    TooLarge,
    /// No DER PKIMessage.
    #[error("no PKIMessage in DER")]
    Malformed,
    /// More than one PKIMessage, or octets behind it.
    #[error("more than one PKIMessage")]
    SeveralMessages,
    /// More extraCerts than [`x509::MAX_CERTIFICATES`].
    #[error("more certificates than a chain may have")]
    TooManyCertificates,
    /// A pvno that is neither 2 nor 3.
    #[error("a version that is neither 2 nor 3")]
    Version,
    /// A body other than ir, kur, certConf and error.
    #[error("a kind of message that is not served")]
    Body,
    /// More than one request, or confirmation, in one message.
    #[error("more than one request in a message")]
    SeveralRequests,
    /// A certReqId other than 0.
    #[error("certReqId is not 0")]
    RequestId,
    /// No transactionID, or one of another length.
    #[error("transactionID is missing, too short or too long")]
    TransactionId,
    /// No senderNonce, or one of another length.
    #[error("senderNonce is missing, too short or too long")]
    SenderNonce,
    /// messageTime is missing or more than [`super::MAX_SKEW`] away.
    #[error("messageTime is missing, or too far from our time")]
    Time,
    /// Our own clock is not trusted.
    #[error("our own clock is not trusted")]
    ClockUnsure,
    /// No protection.
    #[error("the message is not protected")]
    Unprotected,
    /// Protected by a shared secret.
    #[error("the message is protected by a shared secret")]
    Mac,
    /// SHA-1, MD5 or MD2, in the protection or the proof of possession.
    #[error("signed with a broken hash")]
    BrokenHash,
    /// A signature algorithm that is not accepted.
    #[error("signature algorithm is not accepted")]
    Algorithm,
    /// No certificate among the extraCerts is named by senderKID or sender.
    #[error("the certificate that protects the message is not in it")]
    NoSigner,
    /// The sender is not the subject of the certificate that protects the message.
    #[error("the sender is not the subject of the certificate that protects the message")]
    Sender,
    /// The certificate that protects the message leads to no anchor.
    #[error("the certificate that protects the message: {0}")]
    Path(PathError),
    /// The protection does not verify.
    #[error("the protection does not verify")]
    Protection,
    /// The template has no public key.
    #[error("the template has no public key")]
    NoKey,
    /// The key to be certified is not accepted.
    #[error("the key to be certified: {0}")]
    Key(KeyError),
    /// The key to be certified is the one that protects the message.
    #[error("the key to be certified is the old one")]
    SameKey,
    /// The certificate that protects the message is one that many units share, and the template names none of them.
    #[error("the certificate is one that many units share, and the request does not say which of them asks")]
    Unnamed,
    /// No proof of possession.
    #[error("no proof of possession")]
    NoPossession,
    /// raVerified, which only we could say.
    #[error("the peer says itself that possession is proven")]
    RaVerified,
    /// A proof for keys that do not sign.
    #[error("a proof of possession that is no signature")]
    OtherPossession,
    /// poposkInput is missing beside a template without subject, or there beside one with a subject, or names
    /// another sender or key.
    #[error("poposkInput does not fit template and sender")]
    PossessionInput,
    /// The signature is not by the key to be certified.
    #[error("the signature does not prove possession of the key")]
    Possession,
    /// The body of an EST request is no PKCS#10 request in Base64.
    #[error("no certificate request in Base64")]
    Request,
    /// A PKCS#10 request is signed with SHA-1, or an algorithm that is not accepted.
    #[error("signature algorithm of the certificate request is not accepted")]
    RequestAlgorithm,
    /// An EST request over TLS without a certificate of the client.
    #[error("the client has shown no certificate")]
    NoClientCertificate,
    /// The transactionID was used before.
    #[error("the transaction is known already")]
    TransactionInUse,
    /// A confirmation of nothing.
    #[error("no such transaction")]
    NoTransaction,
    /// A confirmation that does not repeat our nonce.
    #[error("recipNonce is not the nonce of our answer")]
    RecipientNonce,
    /// certHash is not of the certificate that was issued.
    #[error("certHash is not of the certificate that was issued")]
    OtherCertificate,
    /// A rejection of what was confirmed.
    #[error("the certificate is confirmed already")]
    Confirmed,
    /// A confirmation after its time.
    #[error("the transaction is over")]
    Over,
    /// oldCertID is not the certificate that protects the kur.
    #[error("oldCertID is not the certificate that protects the message")]
    OldCertificate,

    /// No unit of this vendor enrols.
    #[error("no unit of this vendor enrols")]
    VendorDistrusted,
    /// No order lets the unit enrol.
    #[error("no open order for the unit")]
    NoOrder,
    /// It asks from another line than its own.
    #[error("not from the unit's line")]
    OtherLine,
    /// The vendor named another key for this unit.
    #[error("not the key that the vendor named for the unit")]
    OtherVendorKey,
    /// The vendor's credential vouches for another unit already.
    #[error("the vendor's credential is another unit's")]
    SharedCredential,
    /// The vendor's credential is that of a legacy group whose time is over.
    #[error("the time of the legacy group is over")]
    LegacyOver,
    /// The unit is enrolled.
    #[error("the unit is enrolled already")]
    AlreadyEnrolled,
    /// The key to be certified was seen before, of this unit or of another.
    #[error("the key to be certified was seen before")]
    KnownKey,
    /// A person decides.
    #[error("a person decides on the unit")]
    Held,
    /// The unit's life cycle allows it no certificate.
    #[error("the unit may have no certificate")]
    Barred,
    /// A kur by a certificate that has a successor.
    #[error("the certificate has a successor already")]
    Superseded,
    /// A kur by a certificate that the register does not know.
    #[error("the certificate is not in the register")]
    UnknownCertificate,
    /// A kur by an expired certificate that nothing excuses.
    #[error("the certificate has expired")]
    Expired,
    /// The vendor's CA does not say whether the certificate that protects the message still counts.
    #[error("the vendor's CA does not say whether the certificate that protects the message still counts")]
    VendorUnchecked,
    /// The certificate that protects the message is revoked.
    #[error("the certificate that protects the message is revoked")]
    Revoked,
    /// The unit had so many certificates lately that it must wait for the next.
    #[error("the unit had several certificates lately, and waits for the next")]
    TooOften,
    /// Ledger or journal cannot be reached.
    #[error("the register cannot be reached")]
    Unavailable,
    /// We broke.
    #[error("the certificate could not be issued")]
    Failed,
}

impl From<der::Error> for Refusal {
    fn from(_: der::Error) -> Self {
        Self::Malformed
    }
}

impl Refusal {
    /// What the peer learns. Whatever the register decides about a unit is `notAuthorized`, so that nobody can
    /// tell orders, lines and keys apart by asking; that its own certificate is revoked, a peer may know.
    pub const fn failure_info(self) -> FailureInfo {
        match self {
            Self::TooLarge
            | Self::Malformed
            | Self::SeveralMessages
            | Self::TooManyCertificates
            | Self::TransactionId
            | Self::Request => FailureInfo::BAD_DATA_FORMAT,
            Self::Version => FailureInfo::UNSUPPORTED_VERSION,
            Self::Body | Self::SeveralRequests | Self::RequestId | Self::NoTransaction => {
                FailureInfo::BAD_REQUEST
            }
            Self::SenderNonce => FailureInfo::BAD_SENDER_NONCE,
            Self::RecipientNonce => FailureInfo::BAD_RECIPIENT_NONCE,
            Self::Time => FailureInfo::BAD_TIME,
            Self::ClockUnsure | Self::VendorUnchecked | Self::TooOften | Self::Unavailable => {
                FailureInfo::SYSTEM_UNAVAIL
            }
            Self::Mac => FailureInfo::WRONG_INTEGRITY,
            Self::Unprotected | Self::Sender | Self::Protection => FailureInfo::BAD_MESSAGE_CHECK,
            Self::BrokenHash | Self::Algorithm | Self::RequestAlgorithm => FailureInfo::BAD_ALG,
            Self::Path(
                PathError::WeakSignature(_) | PathError::WeakKey(_) | PathError::UnsupportedAlgorithm(_),
            ) => FailureInfo::BAD_ALG,
            Self::NoSigner | Self::NoClientCertificate | Self::Path(_) => FailureInfo::SIGNER_NOT_TRUSTED,
            Self::NoKey | Self::SameKey | Self::Unnamed | Self::Key(KeyError::Malformed) => {
                FailureInfo::BAD_CERT_TEMPLATE
            }
            Self::Key(KeyError::Unsupported | KeyError::Strength) => FailureInfo::BAD_ALG,
            Self::NoPossession
            | Self::RaVerified
            | Self::OtherPossession
            | Self::PossessionInput
            | Self::Possession => FailureInfo::BAD_POP,
            Self::TransactionInUse => FailureInfo::TRANSACTION_ID_IN_USE,
            Self::OtherCertificate | Self::OldCertificate => FailureInfo::BAD_CERT_ID,
            Self::Confirmed => FailureInfo::CERT_CONFIRMED,
            Self::Over | Self::Revoked => FailureInfo::CERT_REVOKED,
            Self::VendorDistrusted
            | Self::NoOrder
            | Self::OtherLine
            | Self::OtherVendorKey
            | Self::SharedCredential
            | Self::LegacyOver
            | Self::AlreadyEnrolled
            | Self::KnownKey
            | Self::Held
            | Self::Barred
            | Self::Superseded
            | Self::UnknownCertificate
            | Self::Expired => FailureInfo::NOT_AUTHORIZED,
            Self::Failed => FailureInfo::SYSTEM_FAILURE,
        }
    }

    /// Stable code for events and the API; also the metric label. Never re-used for another cause.
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooLarge => "cmp-too-large",
            Self::Malformed => "cmp-malformed",
            Self::SeveralMessages => "cmp-several-messages",
            Self::TooManyCertificates => "cmp-too-many-certs",
            Self::Version => "cmp-version",
            Self::Body => "cmp-body",
            Self::SeveralRequests => "cmp-several-requests",
            Self::RequestId => "cmp-request-id",
            Self::TransactionId => "cmp-transaction-id",
            Self::SenderNonce => "cmp-sender-nonce",
            Self::Time => "cmp-time",
            Self::ClockUnsure => "clock-unsure",
            Self::Unprotected => "cmp-unprotected",
            Self::Mac => "cmp-mac",
            Self::BrokenHash => "cmp-broken-hash",
            Self::Algorithm => "cmp-algorithm",
            Self::NoSigner => "cmp-no-signer",
            Self::Sender => "cmp-sender",
            Self::Path(error) => error.code(),
            Self::Protection => "cmp-protection",
            Self::NoKey => "template-no-key",
            Self::Key(_) => "template-key",
            Self::SameKey => "template-same-key",
            Self::Unnamed => "template-no-unit",
            Self::NoPossession => "pop-missing",
            Self::RaVerified => "pop-ra-verified",
            Self::OtherPossession => "pop-no-signature",
            Self::PossessionInput => "pop-input",
            Self::Possession => "pop-bad-signature",
            Self::Request => "est-request",
            Self::RequestAlgorithm => "est-algorithm",
            Self::NoClientCertificate => "est-no-certificate",
            Self::TransactionInUse => "transaction-in-use",
            Self::NoTransaction => "transaction-unknown",
            Self::RecipientNonce => "cmp-recipient-nonce",
            Self::OtherCertificate => "confirms-other-cert",
            Self::Confirmed => "transaction-confirmed",
            Self::Over => "transaction-over",
            Self::OldCertificate => "renews-other-cert",
            Self::VendorDistrusted => "vendor-distrusted",
            Self::NoOrder => "no-order",
            Self::OtherLine => "enrol-other-line",
            Self::OtherVendorKey => "vendor-key-other",
            Self::SharedCredential => "vendor-credential-shared",
            Self::LegacyOver => "legacy-group-over",
            Self::AlreadyEnrolled => "already-enrolled",
            Self::KnownKey => "key-known",
            Self::Held => "enrolment-held",
            Self::Barred => "device-may-not-enrol",
            Self::Superseded => "lineage-fork",
            Self::UnknownCertificate => "cert-unknown",
            Self::Expired => "renewal-expired",
            Self::VendorUnchecked => "vendor-unchecked",
            Self::Revoked => "cert-revoked",
            Self::TooOften => "too-often",
            Self::Unavailable => "books-unreachable",
            Self::Failed => "ca-signing",
        }
    }

    /// What a person does next.
    pub const fn next(self) -> &'static str {
        match self {
            Self::TooLarge | Self::TooManyCertificates => {
                "have the unit send its certificate and its own intermediates only"
            }
            Self::Malformed
            | Self::SeveralMessages
            | Self::Version
            | Self::Body
            | Self::SeveralRequests
            | Self::RequestId
            | Self::TransactionId
            | Self::SenderNonce
            | Self::Request => {
                "nothing if it is noise; a unit that sends it has a client for another profile"
            }
            Self::Time => {
                "nothing once: the answer tells the unit the time; if it goes on, look at the unit's clock"
            }
            Self::ClockUnsure => "bring the clock of this node back in step",
            Self::Unprotected | Self::Mac => {
                "configure the unit to protect its messages with its vendor certificate"
            }
            Self::BrokenHash | Self::Algorithm | Self::RequestAlgorithm => {
                "configure the unit to sign with SHA-256 or SHA-384"
            }
            Self::NoSigner | Self::Sender => {
                "have the unit send its certificate in extraCerts, and the certificate's subject as sender"
            }
            Self::NoClientCertificate => "configure the unit to show its certificate in TLS",
            Self::Path(error) => error.next(),
            Self::Protection => {
                "nothing once; if it goes on, ask who alters the messages, or who claims to be the unit"
            }
            Self::NoKey | Self::Key(_) | Self::SameKey => {
                "have the unit make a new key: P-256, P-384 or RSA of 2048 to 4096 bits"
            }
            Self::Unnamed => "configure the unit to name itself in the subject of its request, as CN=<EUI>",
            Self::NoPossession | Self::RaVerified | Self::OtherPossession | Self::PossessionInput => {
                "have the unit sign its request with the new key, and name its subject"
            }
            Self::Possession => "treat it as an attempt to have another's key certified",
            Self::TransactionInUse | Self::NoTransaction | Self::RecipientNonce => {
                "nothing once: the unit begins anew; if it goes on, somebody replays its messages"
            }
            Self::OtherCertificate | Self::Confirmed | Self::OldCertificate => {
                "look at the unit's certificates: it confuses them, or two holders share its key"
            }
            Self::Over => "nothing: the unit begins anew",
            Self::VendorDistrusted => {
                "find out which of the vendor's certificates are genuine; `truecell ca trust` lets its units enrol again"
            }
            Self::NoOrder => "order its installation, if it should be there",
            Self::OtherLine => "ask whether the unit was moved; correct its order or its line",
            Self::OtherVendorKey | Self::SharedCredential => {
                "hold the unit, and ask its vendor which units have this credential"
            }
            Self::LegacyOver => {
                "replace the unit, or give it a credential of its own; `truecell migrate group` names another time"
            }
            Self::AlreadyEnrolled => {
                "ask whether the unit was reset or replaced; otherwise two holders share its key"
            }
            Self::KnownKey => "have the unit make a new key; if another unit has it, treat both as copies",
            Self::Held => "decide on the unit",
            Self::Barred => "move the unit in its life cycle first, if it should be there",
            Self::Superseded => "decide which of the two lines of certificates is the unit's",
            Self::UnknownCertificate => "import the certificate, or enrol the unit anew",
            Self::Expired => "order its installation anew",
            Self::VendorUnchecked => {
                "nothing once: the unit comes again; if it goes on, see whether the vendor's list or responder can be reached"
            }
            Self::Revoked => "enrol the unit anew, once you know why its certificate was revoked",
            Self::TooOften => {
                "nothing once: the unit comes again; if it goes on, look at its client, or two holders share its key"
            }
            Self::Unavailable => "bring ledger and journal back",
            Self::Failed => "look at the CA's key and its directory",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn codes_are_unique_and_words_joined_by_hyphens_and_someone_can_do_something() {
        let refusals = [
            Refusal::TooLarge,
            Refusal::Malformed,
            Refusal::SeveralMessages,
            Refusal::TooManyCertificates,
            Refusal::Version,
            Refusal::Body,
            Refusal::SeveralRequests,
            Refusal::RequestId,
            Refusal::TransactionId,
            Refusal::SenderNonce,
            Refusal::Time,
            Refusal::ClockUnsure,
            Refusal::Unprotected,
            Refusal::Mac,
            Refusal::BrokenHash,
            Refusal::Algorithm,
            Refusal::NoSigner,
            Refusal::Sender,
            Refusal::Path(PathError::NoCertificate),
            Refusal::Protection,
            Refusal::NoKey,
            Refusal::Key(KeyError::Malformed),
            Refusal::SameKey,
            Refusal::Unnamed,
            Refusal::NoPossession,
            Refusal::RaVerified,
            Refusal::OtherPossession,
            Refusal::PossessionInput,
            Refusal::Possession,
            Refusal::Request,
            Refusal::RequestAlgorithm,
            Refusal::NoClientCertificate,
            Refusal::TransactionInUse,
            Refusal::NoTransaction,
            Refusal::RecipientNonce,
            Refusal::OtherCertificate,
            Refusal::Confirmed,
            Refusal::Over,
            Refusal::OldCertificate,
            Refusal::VendorDistrusted,
            Refusal::NoOrder,
            Refusal::OtherLine,
            Refusal::OtherVendorKey,
            Refusal::SharedCredential,
            Refusal::LegacyOver,
            Refusal::AlreadyEnrolled,
            Refusal::KnownKey,
            Refusal::Held,
            Refusal::Barred,
            Refusal::Superseded,
            Refusal::UnknownCertificate,
            Refusal::Expired,
            Refusal::VendorUnchecked,
            Refusal::Revoked,
            Refusal::TooOften,
            Refusal::Unavailable,
            Refusal::Failed,
        ];
        let codes: HashSet<_> = refusals.iter().map(|refusal| refusal.code()).collect();
        assert_eq!(codes.len(), refusals.len());
        for refusal in refusals {
            let code = refusal.code();
            assert!(code.bytes().all(|octet| octet.is_ascii_lowercase() || octet == b'-'), "{code}");
            assert!(!refusal.next().is_empty());
        }
    }

    #[test]
    fn a_bit_is_written_without_zeros_behind_it() {
        assert_eq!(FailureInfo::BAD_ALG.bit_string(), [7, 0x80]);
        assert_eq!(FailureInfo::BAD_DATA_FORMAT.bit_string(), [2, 0x04]);
        assert_eq!(FailureInfo::BAD_POP.bit_string(), [6, 0, 0x40]);
        assert_eq!(FailureInfo::NOT_AUTHORIZED.bit_string(), [0, 0, 0, 0x01]);
        assert_eq!(FailureInfo::SYSTEM_UNAVAIL.bit_string(), [7, 0, 0, 0, 0x80]);
        for bit in 0..=25 {
            assert_eq!(FailureInfo::of_bit_string(&FailureInfo(bit).bit_string()), Some(FailureInfo(bit)));
        }
        assert_eq!(FailureInfo::of_bit_string(&[0, 0, 0]), None);
        assert_eq!(FailureInfo::of_bit_string(&[]), None);
    }
}
