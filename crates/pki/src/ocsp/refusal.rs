use std::fmt;
use x509_ocsp::OcspResponseStatus;

/// Why a request got no signed response. Whose fault: the first six are who asked, the next ours for now, the
/// last two ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// More than [`super::MAX_REQUEST`] octets.
    TooLarge,
    /// No OCSPRequest of version 1 in DER, or no Base64 of one; or it asks about nothing.
    Malformed,
    /// It asks about more than [`super::MAX_ASKED`] certificates.
    TooMany,
    /// Its nonce has no octet or more than [`super::MAX_NONCE`], is no OCTET STRING, or is there twice.
    Nonce,
    /// A critical extension that we do not know.
    CriticalExtension,
    /// It asks about a certificate of a CA that we do not speak for, or about two of our CAs at once.
    OtherIssuer,
    /// The books are out of reach.
    OutOfReach,
    /// The certificate to sign with has ended, or has not begun.
    SignerEnded,
    /// The key refused to sign.
    Signing,
}

impl Refusal {
    /// Every one.
    pub const ALL: [Self; 9] = [
        Self::TooLarge,
        Self::Malformed,
        Self::TooMany,
        Self::Nonce,
        Self::CriticalExtension,
        Self::OtherIssuer,
        Self::OutOfReach,
        Self::SignerEnded,
        Self::Signing,
    ];

    /// Stable word for metrics and logs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::TooLarge => "ocsp-too-large",
            Self::Malformed => "ocsp-malformed",
            Self::TooMany => "ocsp-too-many",
            Self::Nonce => "ocsp-nonce",
            Self::CriticalExtension => "ocsp-critical-extension",
            Self::OtherIssuer => "ocsp-other-issuer",
            Self::OutOfReach => "ocsp-books-unreachable",
            Self::SignerEnded => "ocsp-signer-ended",
            Self::Signing => "ocsp-signing",
        }
    }

    /// What a person does about it.
    pub const fn next_step(self) -> &'static str {
        match self {
            Self::TooLarge | Self::TooMany => "have the client ask about fewer certificates at once",
            Self::Malformed => "look at the client: it sends no OCSP request",
            Self::Nonce => "have the client send one nonce of 1 to 128 octets, better 32",
            Self::CriticalExtension => "have the client mark its extensions as not critical",
            Self::OtherIssuer => {
                "have the client ask the responder of the certificate's issuer, one issuer at once"
            }
            Self::OutOfReach => "see to ledger and journal; clients come again",
            Self::SignerEnded => "check the clock, and why the responder's certificate was not renewed",
            Self::Signing => "check the key of the responder",
        }
    }

    /// What the client learns (RFC 6960 §2.3).
    pub(crate) const fn answer(self) -> OcspResponseStatus {
        match self {
            Self::TooLarge | Self::Malformed | Self::TooMany | Self::Nonce | Self::CriticalExtension => {
                OcspResponseStatus::MalformedRequest
            }
            Self::OtherIssuer => OcspResponseStatus::Unauthorized,
            Self::OutOfReach => OcspResponseStatus::TryLater,
            Self::SignerEnded | Self::Signing => OcspResponseStatus::InternalError,
        }
    }

    /// The OCSPResponse: a SEQUENCE of one ENUMERATED. For what is refused before there is a request, too.
    pub const fn to_der(self) -> [u8; 5] {
        [0x30, 3, 0x0a, 1, self.answer() as u8]
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;
    use der::Decode;
    use std::collections::HashSet;
    use x509_ocsp::OcspResponse;

    #[test]
    fn words_are_unique_and_each_refusal_is_a_response_without_a_signature() {
        let words: HashSet<_> = Refusal::ALL.iter().map(|refusal| refusal.word()).collect();
        assert_eq!(words.len(), Refusal::ALL.len());
        for refusal in Refusal::ALL {
            let response = OcspResponse::from_der(&refusal.to_der()).unwrap();
            assert_eq!(response.response_status, refusal.answer(), "{refusal}");
            assert_eq!(response.response_bytes, None);
        }
    }
}
