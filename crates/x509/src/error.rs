use std::fmt;

/// Which certificate of a path is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// The device's or gateway's own.
    EndEntity,
    /// An intermediate CA's.
    Issuer,
    /// The configured anchor's.
    Anchor,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EndEntity => "the end-entity certificate",
            Self::Issuer => "an issuer's certificate",
            Self::Anchor => "the configured anchor",
        })
    }
}

/// Why a chain proves nothing. The first check that fails names it; cheap checks come first, so a
/// forged certificate may be refused for its contents before any signature is looked at.
///
/// The peer learns nothing of it: all of these are AUTHENTICATION_FAILED on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum PathError {
    /// No CERT payload at all.
    #[error("no certificate was sent")]
    NoCertificate,
    /// More than [`crate::MAX_CERTIFICATES`].
    #[error("more certificates than a chain may have")]
    TooManyCertificates,
    /// More than [`crate::MAX_CHAIN_OCTETS`].
    #[error("the certificates are larger than a chain may be")]
    TooLarge,
    /// No DER certificate, or not version 3.
    #[error("{0} is malformed")]
    Malformed(Place),
    /// IDi is no `<12 or 16 hex digits>.<realm>`.
    #[error("IDi is no device name")]
    IdentityMalformed,
    /// No subjectAltName with a dNSName.
    #[error("the certificate has no dNSName; a common name does not count")]
    NoName,
    /// More than one name in the subjectAltName.
    #[error("the certificate has more names than one dNSName")]
    SeveralNames,
    /// IDi (or the gateway's name) and the certificate's differ.
    #[error("the identity claimed is not the certificate's dNSName")]
    NameMismatch,
    /// IDi of type DER_ASN1_DN differs from the certificate's subject.
    #[error("the distinguished name claimed is not the certificate's subject")]
    SubjectMismatch,
    /// No anchors are configured for this realm.
    #[error("no anchor is configured for the realm")]
    UnknownRealm,
    /// The chain leads towards an anchor that is configured for another realm only.
    #[error("the chain leads to another realm's anchor")]
    OtherRealm,
    /// No path to an anchor of the realm.
    #[error("no path leads to an anchor of the realm")]
    Untrusted,
    /// A signature on the path does not verify.
    #[error("a signature of the chain does not verify")]
    BadSignature,
    /// Past its notAfter.
    #[error("{0} has expired")]
    Expired(Place),
    /// Before its notBefore.
    #[error("{0} is not yet valid")]
    NotYetValid(Place),
    /// notAfter before notBefore.
    #[error("{0} ends before it begins")]
    BadValidity(Place),
    /// cA=TRUE in the end entity.
    #[error("a CA's certificate cannot stand for a device or a gateway")]
    CaAsEndEntity,
    /// An issuer without cA=TRUE.
    #[error("an end entity's certificate cannot issue another")]
    EndEntityAsCa,
    /// pathLenConstraint exceeded.
    #[error("more issuers than the path length allows")]
    PathLength,
    /// The name is outside an issuer's name constraints (or those cannot be evaluated).
    #[error("an issuer's name constraints do not permit the name")]
    NameConstraint,
    /// keyUsage present without the bit that its place needs.
    #[error("keyUsage of {0} does not allow its use here")]
    KeyUsage(Place),
    /// extKeyUsage present without an IKE purpose.
    #[error("extKeyUsage of {0} does not allow IKE")]
    ExtendedKeyUsage(Place),
    /// A critical extension that nothing heeds, or policyConstraints, marked as critical or not.
    #[error("{0} has a critical extension that is not understood")]
    UnknownCriticalExtension(Place),
    /// SHA-1, MD5 or MD2.
    #[error("{0} is signed with a broken hash")]
    WeakSignature(Place),
    /// RSA outside 2048 to 4096 bits, or a public exponent below 65537 or above 2^32.
    #[error("{0} has a key of unacceptable strength")]
    WeakKey(Place),
    /// An algorithm or curve that we do not use.
    #[error("{0} uses an algorithm that is not accepted")]
    UnsupportedAlgorithm(Place),
    /// The chain asked for more work than a stranger may.
    #[error("checking the chain costs more than an unauthenticated peer may ask for")]
    TooCostly,
}

impl PathError {
    /// Stable code for events and the API; also the metric label. Never re-used for another cause.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NoCertificate => "cert-missing",
            Self::TooManyCertificates => "cert-chain-too-long",
            Self::TooLarge => "cert-chain-too-large",
            Self::Malformed(_) => "cert-malformed",
            Self::IdentityMalformed => "identity-malformed",
            Self::NoName => "cert-no-dns-name",
            Self::SeveralNames => "cert-several-names",
            Self::NameMismatch => "identity-not-in-cert",
            Self::SubjectMismatch => "identity-not-subject",
            Self::UnknownRealm => "realm-unknown",
            Self::OtherRealm => "realm-of-other-anchor",
            Self::Untrusted => "cert-untrusted",
            Self::BadSignature => "cert-bad-signature",
            Self::Expired(_) => "cert-expired",
            Self::NotYetValid(_) => "cert-not-yet-valid",
            Self::BadValidity(_) => "cert-bad-validity",
            Self::CaAsEndEntity => "cert-ca-as-end-entity",
            Self::EndEntityAsCa => "cert-end-entity-as-ca",
            Self::PathLength => "cert-path-length",
            Self::NameConstraint => "cert-name-constraint",
            Self::KeyUsage(_) => "cert-key-usage",
            Self::ExtendedKeyUsage(_) => "cert-ext-key-usage",
            Self::UnknownCriticalExtension(_) => "cert-unknown-critical",
            Self::WeakSignature(_) => "cert-weak-signature",
            Self::WeakKey(_) => "cert-weak-key",
            Self::UnsupportedAlgorithm(_) => "cert-unsupported-algorithm",
            Self::TooCostly => "cert-chain-too-costly",
        }
    }

    /// Metric label: [`Self::code`].
    pub const fn label(self) -> &'static str {
        self.code()
    }

    /// What a person does next.
    pub const fn next(self) -> &'static str {
        match self {
            Self::NoCertificate => "configure the unit to send its certificate and intermediates",
            Self::TooManyCertificates | Self::TooLarge | Self::TooCostly => {
                "send the end entity and its own intermediates only, without the root"
            }
            Self::Malformed(_) | Self::BadSignature | Self::BadValidity(_) => {
                "replace the certificate; if it is genuine, ask who altered it"
            }
            Self::IdentityMalformed | Self::NameMismatch | Self::SubjectMismatch => {
                "set the unit's IKE identity to the dNSName of its certificate; otherwise treat it as a claim to another's name"
            }
            Self::NoName | Self::SeveralNames => "issue a certificate with exactly one dNSName",
            Self::UnknownRealm | Self::OtherRealm | Self::Untrusted => {
                "check which CA issued it; add its anchor to the realm only if that CA may name this realm's devices"
            }
            Self::Expired(Place::EndEntity) => "renew the unit's certificate",
            Self::NotYetValid(_) => "check the clocks of the CA and of this gateway",
            Self::Expired(Place::Issuer | Place::Anchor) => "replace the CA certificate",
            Self::CaAsEndEntity | Self::EndEntityAsCa | Self::PathLength | Self::NameConstraint => {
                "do not trust this issuer: it certified what it may not"
            }
            Self::KeyUsage(_) | Self::ExtendedKeyUsage(_) | Self::UnknownCriticalExtension(_) => {
                "issue a certificate with the profile for IKE"
            }
            Self::WeakSignature(_) | Self::WeakKey(_) | Self::UnsupportedAlgorithm(_) => {
                "issue a certificate with P-256, P-384 or RSA of 2048 to 4096 bits and SHA-256 or better"
            }
        }
    }
}
