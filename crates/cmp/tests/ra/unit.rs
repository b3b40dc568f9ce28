//! A unit that speaks CMP, honest or not, and what it hears.

use super::tlv::{SEQUENCE, Value, bits, explicit, inside, octets, sequence, tlv, values};
use ids::UnixTime;
use pki::{FileKey, KeyAlgorithm, PrivateKey};
use rcgen::{PublicKeyData, SigningKey};
use x509::Certificate;

/// AlgorithmIdentifier of ecdsa-with-SHA256, as TS 33.310 and RFC 5758 §3.2 have it.
pub(crate) const ECDSA_SHA256: &[u8] = &[0x30, 0x0a, 0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
/// ecdsa-with-SHA384.
const ECDSA_SHA384: &[u8] = &[0x30, 0x0a, 0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3];
/// ecdsa-with-SHA1.
pub(crate) const ECDSA_SHA1: &[u8] = &[0x30, 0x09, 0x06, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1];
/// sha256WithRSAEncryption.
const RSA_SHA256: &[u8] = &[0x30, 0x0d, 0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 0x0b, 5, 0];

pub(crate) const IR: u8 = 0;
pub(crate) const IP: u8 = 1;
pub(crate) const KUR: u8 = 7;
pub(crate) const KUP: u8 = 8;
pub(crate) const PKI_CONF: u8 = 19;
pub(crate) const ERROR: u8 = 23;
pub(crate) const CERT_CONF: u8 = 24;

pub(crate) fn key(algorithm: KeyAlgorithm) -> FileKey {
    FileKey::new(&PrivateKey::generate(algorithm).unwrap()).unwrap()
}

fn algorithm_of(key: &FileKey) -> &'static [u8] {
    let algorithm = key.algorithm();
    if algorithm == &rcgen::PKCS_RSA_SHA256 {
        RSA_SHA256
    } else if algorithm == &rcgen::PKCS_ECDSA_P384_SHA384 {
        ECDSA_SHA384
    } else {
        ECDSA_SHA256
    }
}

/// A key with its certificate and the issuers.
pub(crate) struct Credential {
    pub(crate) key: FileKey,
    pub(crate) chain: Vec<Vec<u8>>,
}

impl Credential {
    pub(crate) fn certificate(&self) -> Certificate {
        Certificate::from_der(&self.chain[0]).unwrap()
    }

    pub(crate) fn name(&self) -> Vec<u8> {
        explicit(4, self.certificate().subject_der())
    }
}

/// What a request asks for, and how it is proven.
pub(crate) struct Ask {
    pub(crate) id: u8,
    /// The fields of the template.
    pub(crate) template: Vec<u8>,
    pub(crate) controls: Vec<u8>,
    pub(crate) popo: Popo,
}

/// Ways to prove possession, or not.
pub(crate) enum Popo {
    Missing,
    RaVerified,
    KeyEncipherment,
    /// Over the CertRequest, or over a poposkInput with this content.
    Signature {
        input: Option<Vec<u8>>,
        algorithm: Vec<u8>,
        by: FileKey,
    },
}

/// subject, which decides nothing.
pub(crate) fn subject() -> Vec<u8> {
    named(&["whatever"])
}

/// subject with these commonNames.
pub(crate) fn named(names: &[&str]) -> Vec<u8> {
    let name = |name: &&str| tlv(0x31, &sequence(&[&[0x06, 3, 0x55, 4, 3], &tlv(0x0c, name.as_bytes())]));
    explicit(5, &sequence(&[&names.iter().flat_map(name).collect::<Vec<_>>()]))
}

/// publicKey: IMPLICIT, so that the SEQUENCE's tag goes.
pub(crate) fn public_key(key: &FileKey) -> Vec<u8> {
    explicit(6, values(&key.subject_public_key_info())[0].content)
}

impl Ask {
    /// An honest one for this key.
    pub(crate) fn for_key(new: FileKey) -> Self {
        let template = [subject(), public_key(&new)].concat();
        let algorithm = algorithm_of(&new).to_vec();
        let popo = Popo::Signature { input: None, algorithm, by: new };
        Self { id: 0, template, controls: Vec::new(), popo }
    }

    /// A CertReqMsg.
    pub(crate) fn message(&self) -> Vec<u8> {
        let request = [tlv(0x02, &[self.id]), sequence(&[&self.template]), self.controls.clone()];
        let request = sequence(&[&request.concat()]);
        let popo = match &self.popo {
            Popo::Missing => Vec::new(),
            Popo::RaVerified => tlv(0x80, &[]),
            Popo::KeyEncipherment => explicit(2, &tlv(0x81, &[0])),
            Popo::Signature { input, algorithm, by } => {
                let signed = input.as_ref().map_or_else(|| request.clone(), |input| tlv(SEQUENCE, input));
                let input = input.as_ref().map_or_else(Vec::new, |input| explicit(0, input));
                explicit(1, &[input, algorithm.clone(), bits(&by.sign(&signed).unwrap())].concat())
            }
        };
        sequence(&[&request, &popo])
    }

    /// The body of an ir or kur.
    pub(crate) fn body(&self, number: u8) -> Vec<u8> {
        explicit(number, &sequence(&[&self.message()]))
    }
}

/// A message before its protection.
#[derive(Clone)]
pub(crate) struct Draft {
    pub(crate) version: u8,
    /// GeneralName.
    pub(crate) sender: Vec<u8>,
    pub(crate) time: Option<UnixTime>,
    pub(crate) algorithm: Option<Vec<u8>>,
    pub(crate) kid: Option<Vec<u8>>,
    pub(crate) id: Option<Vec<u8>>,
    pub(crate) nonce: Option<Vec<u8>>,
    pub(crate) recip_nonce: Option<Vec<u8>>,
    pub(crate) body: Vec<u8>,
    pub(crate) extra_certs: Vec<Vec<u8>>,
}

impl Draft {
    pub(crate) fn new(credential: &Credential, id: u8, time: UnixTime, body: Vec<u8>) -> Self {
        Self {
            version: 2,
            sender: credential.name(),
            time: Some(time),
            algorithm: Some(algorithm_of(&credential.key).to_vec()),
            kid: credential.certificate().ski().map(<[u8]>::to_vec),
            id: Some(vec![id; 16]),
            nonce: Some(vec![id ^ 0xff; 16]),
            recip_nonce: None,
            body,
            extra_certs: credential.chain.clone(),
        }
    }

    fn header(&self) -> Vec<u8> {
        let time = self.time.map_or_else(Vec::new, |time| explicit(0, &generalized_time(time)));
        let algorithm = self.algorithm.as_ref().map_or_else(Vec::new, |algorithm| explicit(1, algorithm));
        sequence(&[
            &tlv(0x02, &[self.version]),
            &self.sender,
            &explicit(4, &sequence(&[])),
            &time,
            &algorithm,
            &octets(2, self.kid.as_deref()),
            &octets(4, self.id.as_deref()),
            &octets(5, self.nonce.as_deref()),
            &octets(6, self.recip_nonce.as_deref()),
        ])
    }

    /// Header and body.
    pub(crate) fn protected(&self) -> Vec<u8> {
        [self.header(), self.body.clone()].concat()
    }

    /// The message without protection.
    pub(crate) fn bare(&self) -> Vec<u8> {
        sequence(&[&self.header(), &self.body, &explicit(1, &sequence(&[&self.extra_certs.concat()]))])
    }

    /// The message protected by this key.
    pub(crate) fn sign(&self, key: &FileKey) -> Vec<u8> {
        let protected = self.protected();
        let signature = key.sign(&sequence(&[&protected])).unwrap();
        let extra_certs = match self.extra_certs.is_empty() {
            true => Vec::new(),
            false => explicit(1, &sequence(&[&self.extra_certs.concat()])),
        };
        sequence(&[&protected, &explicit(0, &bits(&signature)), &extra_certs])
    }
}

/// `2026-12-01T12:00:00Z` as GeneralizedTime.
fn generalized_time(time: UnixTime) -> Vec<u8> {
    let text: String = time.to_string().chars().filter(|c| c.is_ascii_digit()).take(14).collect();
    tlv(0x18, format!("{text}Z").as_bytes())
}

/// A CertConfirmContent. `status`: PKIStatus, where there is one; `behind`: what else the CertStatus holds.
pub(crate) fn confirmation(hash: &[u8], status: Option<u8>, behind: &[u8]) -> Vec<u8> {
    let status = status.map_or_else(Vec::new, |status| sequence(&[&tlv(0x02, &[status])]));
    let status = sequence(&[&tlv(0x04, hash), &tlv(0x02, &[0]), &status, behind]);
    explicit(CERT_CONF, &sequence(&[&status]))
}

/// An answer as a unit reads it.
pub(crate) struct Reply(pub(crate) Vec<u8>);

impl Reply {
    fn parts(&self) -> Vec<Value<'_>> {
        values(values(&self.0)[0].content)
    }

    pub(crate) fn header(&self) -> Vec<Value<'_>> {
        values(self.parts()[0].content)
    }

    /// Content of the OCTET STRING in this field of the header.
    pub(crate) fn octets(&self, number: u8) -> Option<Vec<u8>> {
        // sender and recipient before them have tags of their own that look the same.
        let field = self.header().into_iter().skip(3).find(|field| field.tag == 0xa0 | number)?;
        inside(field.content, &[0x04]).map(|value| value.content.to_vec())
    }

    /// Which body.
    pub(crate) fn kind(&self) -> u8 {
        self.parts()[1].tag & 0x1f
    }

    pub(crate) fn body(&self) -> Vec<u8> {
        self.parts()[1].content.to_vec()
    }

    pub(crate) fn extra_certs(&self) -> Vec<Vec<u8>> {
        let list = inside(self.parts()[3].whole, &[0xa1, SEQUENCE]).unwrap();
        values(list.content).iter().map(|value| value.whole.to_vec()).collect()
    }

    /// The one CertResponse of an ip or kup.
    fn response(&self) -> Vec<Value<'_>> {
        let content = values(self.parts()[1].content)[0].content;
        let responses = values(content);
        assert_eq!(responses.len(), 1, "no caPubs");
        let responses = values(responses[0].content);
        assert_eq!(responses.len(), 1);
        values(responses[0].content)
    }

    /// The certificate in an ip or kup, whose status is accepted.
    pub(crate) fn certificate(&self) -> Vec<u8> {
        assert!(matches!(self.kind(), IP | KUP), "{:02x?}", self.0);
        let response = self.response();
        assert_eq!(response[0].content, [0], "certReqId");
        assert_eq!(inside(response[1].content, &[0x02]).unwrap().content, [0], "accepted");
        inside(response[2].content, &[0xa0]).unwrap().content.to_vec()
    }

    /// The bit that a refusal names.
    pub(crate) fn failure(&self) -> Option<u8> {
        let status = match self.kind() {
            IP | KUP => self.response()[1].content.to_vec(),
            ERROR => inside(self.parts()[1].content, &[SEQUENCE, SEQUENCE])?.content.to_vec(),
            _ => return None,
        };
        assert_eq!(values(&status)[0].content, [2], "rejection");
        let bits = inside(&status, &[0x03])?.content;
        let set: Vec<u8> = (0..8 * (bits.len() - 1))
            .filter(|bit| bits[1 + bit / 8] & (0x80 >> (bit % 8)) != 0)
            .map(|bit| u8::try_from(bit).unwrap())
            .collect();
        assert_eq!(set.len(), 1, "one bit");
        Some(set[0])
    }

    /// What the protection is over, its AlgorithmIdentifier, and the signature.
    pub(crate) fn protection(&self) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
        let parts = self.parts();
        let signed = sequence(&[parts[0].whole, parts[1].whole]);
        let algorithm = self.header().into_iter().skip(3).find(|field| field.tag == 0xa1);
        let algorithm = algorithm.unwrap().content.to_vec();
        let signature = inside(parts[2].content, &[0x03]).unwrap().content[1..].to_vec();
        (signed, algorithm, signature)
    }
}
