//! EST (RFC 7030, RFC 8951) without HTTP and TLS: who asks is judged by the certificate chain of the TLS client, and what
//! they ask by the body; the rest is the [`Register`]'s, as for CMP.
//!
//! - **Who asks** is whom the client certificate names: a vendor's to enrol, our own to renew ([`Askers`]). Names in the
//!   request decide nothing, also where RFC 7030 §4.2.2 wants those of the certificate of before repeated.
//!   Nobody asks by the certificate of a legacy group: a unit that has no other speaks CMP, whose request names it.
//! - **Possession** is proven by the signature of the PKCS#10 request. It is not linked to the TLS session (RFC 7030
//!   §3.5): TLS 1.3 has no tls-unique. What the link would keep out is a request that somebody else signed, sent on by
//!   who holds a client certificate. That certificate's unit then has a certificate for a key that it does not hold and
//!   cannot attach by; no key that was certified or seen before is certified for another.
//! - **The transaction** has the first 16 octets of SHA-256 over the new key for its name. EST has no confirmation, so
//!   the certificate counts once it is issued ([`Protocol::Est`]); who asks again by the same certificate for the same key,
//!   because the answer was lost, is given the same certificate, and nothing is issued.
//! - **The answer** is a certs-only SignedData in Base64.

use crate::{Ca, Issuing};
use base64ct::{Base64, Encoding};
use cmp::{
    Asker, Askers, Enrol, Nonce, Possession, Protocol, Refusal, Refused, Register, Renew, Stage, Transaction,
    TransactionId, Voucher,
};
use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Encode, Tag, TagNumber};
use ids::{Sha256, UnixTime};
use std::net::IpAddr;
use x509::{RequestError, RequestVerified, verify_request};

/// Octets of a body: the largest PKCS#10 request that is read, in lines of Base64.
pub const MAX_BODY: usize = 32 * 1024;

/// What is recommended for a request (RFC 7030 §4.5.2): a key on P-256, and a signature by ECDSA with SHA-256. DER of
/// a CsrAttrs.
const ATTRIBUTES: [u8; 35] = [
    0x30, 0x21, 0x30, 0x15, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x31, 0x0a, 0x06, 0x08,
    0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03,
    0x02,
];

/// What a client wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// /simpleenroll
    Enrol,
    /// /simplereenroll
    Reenrol,
}

/// A request, and what came with it.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// What is wanted.
    pub operation: Operation,
    /// The client's certificates, the end entity's first; TLS has verified that the client holds its key, and nothing
    /// else. Empty where it has shown none.
    pub chain: &'a [&'a [u8]],
    /// The body, of [`MAX_BODY`] at most.
    pub body: &'a [u8],
    /// The peer's address.
    pub from: IpAddr,
    /// Our time; `None` while the clock is not trusted, and then nobody is judged.
    pub now: Option<UnixTime>,
}

/// The body of the answer: the certificate alone (RFC 7030 §4.2.3). It is durable and counts.
///
/// # Errors
/// [`Refusal`], which the register was told.
pub fn answer(askers: &Askers, asked: &Asked<'_>, register: &dyn Register) -> Result<String, Refusal> {
    let asker = asker(askers, asked);
    let granted = match &asker {
        Ok((asker, now)) => grant(asker, asked, register, *now),
        Err(refusal) => Err(*refusal),
    };
    granted.inspect_err(|refusal| {
        let path = asker.as_ref().ok().map(|(asker, _)| &asker.path);
        let who = path.map(|path| (path.name().clone(), path.cert_sha256()));
        register.refused(&Refused { refusal: *refusal, who, transaction: None, from: asked.from });
    })
}

fn asker(askers: &Askers, asked: &Asked<'_>) -> Result<(Asker, UnixTime), Refusal> {
    let now = asked.now.ok_or(Refusal::ClockUnsure)?;
    if asked.chain.is_empty() {
        return Err(Refusal::NoClientCertificate);
    }
    let asker = match asked.operation {
        Operation::Enrol => askers.to_enrol(asked.chain, now),
        Operation::Reenrol => askers.to_renew(asked.chain, now),
    };
    asker.map(|asker| (asker, now)).map_err(Refusal::Path)
}

fn grant(
    asker: &Asker,
    asked: &Asked<'_>,
    register: &dyn Register,
    now: UnixTime,
) -> Result<String, Refusal> {
    let request = request(asked.body)?;
    if request.spki() == asker.path.spki() {
        return Err(Refusal::SameKey);
    }
    let signer = asked.chain.first().map(|der| der.to_vec()).unwrap_or_default();
    let transaction = Transaction { id: transaction(request.spki())?, signer, nonce: Nonce::default() };
    let possession = &Possession::of_request(&request);
    let (from, transaction, protocol) = (asked.from, &transaction, Protocol::Est);
    // Whoever proved in the handshake to hold the key says it now.
    let said_at = Some(now);
    let Asker { path, expired } = asker;
    let granted = match asked.operation {
        Operation::Enrol => {
            let by = &Voucher::Vendor(path.clone());
            register.enrol(&Enrol { by, possession, from, transaction, said_at, protocol }, now)
        }
        Operation::Reenrol => {
            let (current, expired) = (path, *expired);
            register.renew(&Renew { current, expired, possession, from, transaction, said_at, protocol }, now)
        }
    };
    let certificate = match granted {
        Ok(chain) => chain.into_iter().next().ok_or(Refusal::Failed)?,
        Err(Refusal::TransactionInUse) => again(transaction, register, now)?,
        Err(refusal) => return Err(refusal),
    };
    certs_only(&[&certificate]).ok_or(Refusal::Failed)
}

/// The certificate whose answer was lost: of the same key, to the same client certificate.
fn again(transaction: &Transaction, register: &dyn Register, now: UnixTime) -> Result<Vec<u8>, Refusal> {
    let record = register.find(&transaction.id, now)?.ok_or(Refusal::Unavailable)?;
    match record.stage {
        Stage::Confirmed if record.transaction == *transaction => Ok(record.certificate),
        Stage::Confirmed | Stage::Waiting | Stage::Over => Err(Refusal::TransactionInUse),
    }
}

fn transaction(spki: &[u8]) -> Result<TransactionId, Refusal> {
    let Sha256(hash) = Sha256::of(spki);
    hash.first_chunk::<16>().and_then(|id| TransactionId::new(id)).ok_or(Refusal::Failed)
}

/// The PKCS#10 request of a body, whose signature has verified. Base64 is read over any whitespace (RFC 8951 §3.1).
///
/// # Errors
/// [`Refusal`], as far as the request by itself goes.
pub fn request(body: &[u8]) -> Result<RequestVerified, Refusal> {
    if body.len() > MAX_BODY {
        return Err(Refusal::Request);
    }
    let text: Vec<u8> = body.iter().copied().filter(|octet| !octet.is_ascii_whitespace()).collect();
    let text = String::from_utf8(text).map_err(|_| Refusal::Request)?;
    let der = Base64::decode_vec(&text).map_err(|_| Refusal::Request)?;
    verify_request(&der).map_err(|error| match error {
        RequestError::Malformed => Refusal::Request,
        RequestError::Key(error) => Refusal::Key(error),
        RequestError::Algorithm => Refusal::RequestAlgorithm,
        RequestError::Signature => Refusal::Possession,
    })
}

/// The body of /csrattrs.
pub fn attributes() -> String {
    in_lines(&ATTRIBUTES)
}

impl Ca {
    /// The body of EST's /cacerts: the root, and what stands between it and a device's certificate.
    ///
    /// # Errors
    /// [`crate::PkiError::Signing`] when there is more than DER can hold.
    pub fn est_certificates(&self) -> Result<String, crate::PkiError> {
        let issuing = self.every();
        let issuing =
            issuing.iter().filter(|ca| ca.generation.issuing() == Issuing::Devices).map(|ca| ca.der());
        let above = self.above.iter().map(Vec::as_slice).chain([self.root()]);
        let all: Vec<_> = issuing.chain(above).collect();
        certs_only(&all).ok_or(crate::PkiError::Signing)
    }
}

const ID_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
const ID_SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");

/// A SignedData that nobody signs (RFC 5652 §5.1, RFC 5272 §4.1), in Base64.
fn certs_only(certificates: &[&[u8]]) -> Option<String> {
    signed_data(certificates).ok().map(|der| in_lines(&der))
}

fn signed_data(certificates: &[&[u8]]) -> der::Result<Vec<u8>> {
    // A SET OF is in the order of its octets (X.690 §11.6).
    let mut certificates = certificates.to_vec();
    certificates.sort_unstable();
    let explicit = Tag::ContextSpecific { constructed: true, number: TagNumber::N0 };
    let none = tlv(Tag::Set, &[])?;
    let content = tlv(Tag::Sequence, &[&ID_DATA.to_der()?])?;
    let certificates = tlv(explicit, &certificates)?;
    let signed = tlv(Tag::Sequence, &[&1_u8.to_der()?, &none, &content, &certificates, &none])?;
    tlv(Tag::Sequence, &[&ID_SIGNED_DATA.to_der()?, &tlv(explicit, &[&signed])?])
}

fn tlv(tag: Tag, content: &[&[u8]]) -> der::Result<Vec<u8>> {
    AnyRef::new(tag, &content.concat())?.to_der()
}

/// Characters of a line: older clients read no longer ones (RFC 2045 §6.8).
const LINE: usize = 64;

fn in_lines(der: &[u8]) -> String {
    let text = Base64::encode_string(der);
    let mut lines = String::with_capacity(text.len() + text.len() / LINE + 2);
    for (at, character) in text.char_indices() {
        if at > 0 && at % LINE == 0 {
            lines.push('\n');
        }
        lines.push(character);
    }
    lines.push('\n');
    lines
}
