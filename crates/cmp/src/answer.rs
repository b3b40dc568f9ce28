use super::header::HeaderDraft;
use super::tlv::{BIT_STRING, INTEGER, NULL, SEQUENCE, as_sequence, context, tlv};
use super::{FailureInfo, Header, Nonce, Signer};
use ids::UnixTime;

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// ip or kup with a certificate and its issuers below the root.
    Granted { to: Kind, chain: Vec<Vec<u8>> },
    /// ip or kup without.
    Rejected { to: Kind, failure: FailureInfo },
    /// pkiConf.
    Confirmed,
    /// error.
    Error(FailureInfo),
}

/// Which request it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Ir,
    Kur,
}

/// What an answer repeats of the message that it answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReturnAddress {
    version: Option<u8>,
    recipient: Option<Vec<u8>>,
    transaction_id: Option<Vec<u8>>,
    recip_nonce: Option<Vec<u8>>,
}

impl ReturnAddress {
    /// Nonces beyond their length are not repeated.
    pub(crate) fn of(header: &Header<'_>) -> Self {
        let fitting = |octets: Option<&[u8]>| {
            octets.filter(|octets| octets.len() <= super::MAX_NONCE).map(<[u8]>::to_vec)
        };
        Self {
            version: header.version.filter(|version| matches!(version, 2 | 3)),
            recipient: Some(header.sender.to_vec()),
            transaction_id: fitting(header.transaction_id),
            recip_nonce: fitting(header.sender_nonce),
        }
    }
}

impl Answer {
    /// Writes the PKIMessage, protected by the registration authority's signature. Where its key fails, an error
    /// without protection says so, which a peer need not believe (RFC 9810 §5.3.21).
    pub(crate) fn write(
        &self,
        to: &ReturnAddress,
        signer: &Signer,
        nonce: &Nonce,
        now: Option<UnixTime>,
    ) -> Vec<u8> {
        let protected = [header(to, Some(signer), nonce, now), self.body()].concat();
        match signer.sign(&as_sequence(&protected)) {
            Some(signature) => protected_message(&protected, &signature, &self.extra_certs(signer)),
            None => {
                let body = Self::Error(FailureInfo::SYSTEM_FAILURE).body();
                tlv(SEQUENCE, &[&header(to, None, nonce, now), &body])
            }
        }
    }

    /// The protecting certificate first (RFC 9483 §3.3), its issuers and the root, and what else the new
    /// certificate needs (TS 33.310 clause 9.5.4.3).
    fn extra_certs<'a>(&'a self, signer: &'a Signer) -> Vec<&'a [u8]> {
        let mut certificates: Vec<&[u8]> = signer.chain().iter().map(Vec::as_slice).collect();
        let issuers = match self {
            Self::Granted { chain, .. } => chain.get(1..).unwrap_or_default(),
            Self::Rejected { .. } | Self::Confirmed | Self::Error(_) => &[],
        };
        for issuer in issuers {
            if !certificates.contains(&issuer.as_slice()) {
                certificates.push(issuer);
            }
        }
        certificates
    }

    fn body(&self) -> Vec<u8> {
        match self {
            Self::Granted { to, chain } => {
                let certificate = chain.first().map(Vec::as_slice).unwrap_or_default();
                let pair = tlv(SEQUENCE, &[&tlv(context(0), &[certificate])]);
                to.response(&tlv(SEQUENCE, &[&tlv(INTEGER, &[&[ACCEPTED]])]), &pair)
            }
            Self::Rejected { to, failure } => to.response(&rejection(*failure), &[]),
            Self::Confirmed => tlv(context(19), &[&tlv(NULL, &[])]),
            Self::Error(failure) => tlv(context(23), &[&tlv(SEQUENCE, &[&rejection(*failure)])]),
        }
    }
}

/// A PKIMessage. `protected`: header and body.
pub(crate) fn protected_message(protected: &[u8], signature: &[u8], extra_certs: &[&[u8]]) -> Vec<u8> {
    let protection = tlv(context(0), &[&tlv(BIT_STRING, &[&[0], signature])]);
    let extra_certs = tlv(context(1), &[&tlv(SEQUENCE, extra_certs)]);
    tlv(SEQUENCE, &[protected, &protection, &extra_certs])
}

const ACCEPTED: u8 = 0;
const REJECTION: u8 = 2;

impl Kind {
    /// A CertRepMessage with one CertResponse (RFC 9810 §5.3.4): to certReqId 0, without caPubs.
    fn response(self, status: &[u8], pair: &[u8]) -> Vec<u8> {
        let number = match self {
            Self::Ir => 1,
            Self::Kur => 8,
        };
        let response = tlv(SEQUENCE, &[&tlv(INTEGER, &[&[0]]), status, pair]);
        tlv(context(number), &[&tlv(SEQUENCE, &[&tlv(SEQUENCE, &[&response])])])
    }
}

/// A PKIStatusInfo without text: nothing that tells the checks apart.
fn rejection(failure: FailureInfo) -> Vec<u8> {
    let bits = tlv(BIT_STRING, &[&failure.bit_string()]);
    tlv(SEQUENCE, &[&tlv(INTEGER, &[&[REJECTION]]), &bits])
}

/// `signer`: none for an answer without protection.
fn header(to: &ReturnAddress, signer: Option<&Signer>, nonce: &Nonce, now: Option<UnixTime>) -> Vec<u8> {
    let draft = HeaderDraft {
        version: to.version.unwrap_or(2),
        signer,
        recipient: to.recipient.as_deref(),
        time: now,
        transaction_id: to.transaction_id.as_deref(),
        sender_nonce: nonce,
        recip_nonce: to.recip_nonce.as_deref(),
    };
    draft.write()
}
