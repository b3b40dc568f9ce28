use super::tlv::{self, as_sequence, sequence, tagged};
use super::{Header, Refusal, Request, protection};
use der::asn1::AnyRef;
use der::{Reader, SliceReader, Tag, TagNumber, Tagged};
use x509::{KeyKind, RequestVerified, SignatureError, verify_signature};

/// A public key whose holder proved, by a request that was checked, to have the private one.
#[derive(Clone, Debug)]
pub struct Possession {
    spki: Vec<u8>,
    key: KeyKind,
    proof: &'static str,
}

impl Possession {
    /// By a PKCS#10 request whose signature has verified.
    pub fn of_request(request: &RequestVerified) -> Self {
        Self { spki: request.spki().to_vec(), key: request.key(), proof: "request" }
    }

    /// By what it was proven, for the record: `cmp`, or `request` for a PKCS#10 request.
    pub fn proof(&self) -> &'static str {
        self.proof
    }

    /// The key as DER SubjectPublicKeyInfo.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// What kind of key that is.
    pub fn key(&self) -> KeyKind {
        self.key
    }

    /// Verifies a POPOSigningKey (RFC 4211 §4.1): over the CertRequest when the template has a subject beside its
    /// key, and over poposkInput, which repeats sender and key, when it has none. A subject left out (TS 33.310
    /// clause 9.5.4.2 allows that) with a signature over the CertRequest, as OpenSSL sends it, is therefore no proof.
    pub(crate) fn prove(request: &Request<'_>, header: &Header<'_>) -> Result<Self, Refusal> {
        let spki = request.public_key.as_deref().ok_or(Refusal::NoKey)?;
        let key = KeyKind::of_spki(spki).map_err(Refusal::Key)?;
        let proof = SigningKey::read(request.possession)?;
        let signed = match (request.subject.is_some(), proof.input) {
            (true, None) => request.cert_request.to_vec(),
            (false, Some(input)) => {
                check_input(input, header, spki)?;
                as_sequence(input)
            }
            (true, Some(_)) | (false, None) => return Err(Refusal::PossessionInput),
        };
        verify_signature(spki, proof.algorithm, &signed, proof.signature).map_err(|error| match error {
            SignatureError::Broken => Refusal::BrokenHash,
            SignatureError::Algorithm => Refusal::Algorithm,
            SignatureError::Key(error) => Refusal::Key(error),
            SignatureError::Malformed | SignatureError::Mismatch => Refusal::Possession,
        })?;
        Ok(Self { spki: spki.to_vec(), key, proof: "cmp" })
    }
}

/// A POPOSigningKey as it reads.
struct SigningKey<'a> {
    /// Content of poposkInput.
    input: Option<&'a [u8]>,
    algorithm: &'a [u8],
    signature: &'a [u8],
}

impl<'a> SigningKey<'a> {
    /// Of the ProofOfPossession only `[1] signature` counts: raVerified would be our own to say, and the others
    /// are for keys that do not sign.
    fn read(possession: Option<AnyRef<'a>>) -> Result<Self, Refusal> {
        let possession = possession.ok_or(Refusal::NoPossession)?;
        let Tag::ContextSpecific { number, constructed } = possession.tag() else {
            return Err(Refusal::Malformed);
        };
        match (number, constructed) {
            (TagNumber::N0, false) => Err(Refusal::RaVerified),
            (TagNumber::N1, true) => Self::read_fields(SliceReader::new(possession.value())?),
            (TagNumber::N2 | TagNumber::N3, true) => Err(Refusal::OtherPossession),
            (_, _) => Err(Refusal::Malformed),
        }
    }

    fn read_fields(mut fields: SliceReader<'a>) -> Result<Self, Refusal> {
        let tag = Tag::ContextSpecific { constructed: true, number: TagNumber::N0 };
        let input = match tlv::next_is(&fields, tag) {
            true => Some(tagged(&mut fields, tag)?),
            false => None,
        };
        let algorithm = tlv::sequence_bytes(&mut fields)?;
        let signature = tlv::whole_bit_string(&mut fields)?;
        fields.finish(())?;
        protection::accept(algorithm)?;
        Ok(Self { input, algorithm, signature })
    }
}

/// poposkInput names the sender of the message, and the key of the template. A publicKeyMAC is no name of anybody
/// who signs.
fn check_input(input: &[u8], header: &Header<'_>, spki: &[u8]) -> Result<(), Refusal> {
    let mut fields = SliceReader::new(input)?;
    let sender = match tlv::optional(&mut fields, TagNumber::N0)? {
        Some(mut content) => {
            let sender = content.tlv_bytes()?;
            content.finish(Some(sender))?
        }
        None => {
            sequence(&mut fields)?;
            None
        }
    };
    let key = tlv::sequence_bytes(&mut fields)?;
    fields.finish(())?;
    match sender == Some(header.sender) && key == spki {
        true => Ok(()),
        false => Err(Refusal::PossessionInput),
    }
}
