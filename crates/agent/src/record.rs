//! What the store keeps: a key together with its certificate and what came with that.

use crate::{Key, KeyError};
use base64ct::{Base64, Encoding};
use cmp::{Offer, Signer, SignerError, TransactionId};
use der::pem::{self, LineEnding};
use ids::{CertSha256, UnixTime};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};
use x509::Certificate;
use zeroize::Zeroizing;

/// A file of the store, as JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    /// PKCS#8 in PEM.
    key: Zeroizing<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offer: Option<WrittenOffer>,
}

/// What came by ip or kup.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenOffer {
    /// The certificate, then its issuers below the root, each in PEM.
    chain: Vec<String>,
    /// Base64, as the nonce.
    transaction: String,
    nonce: String,
    /// The certificate that protected the request.
    by: CertSha256,
    /// The authority's time.
    time: UnixTime,
}

/// A key whose certificate the registration authority confirmed.
#[derive(Debug)]
pub struct Current {
    pub(crate) key: Key,
    /// The certificate, then its issuers below the root, as DER.
    pub(crate) chain: Vec<Vec<u8>>,
    pub(crate) certificate: Certificate,
    /// When it was issued.
    pub(crate) time: UnixTime,
}

/// A key on its way.
#[derive(Debug)]
pub enum Pending {
    /// Made, and perhaps sent. Its answer, if there was one, is lost: nothing can be made of it any more.
    Key,
    /// Certified, and perhaps confirmed.
    Offered {
        /// The certificate and its transaction.
        offer: Offer,
        /// The certificate that protected the request, and must protect the confirmation.
        by: CertSha256,
    },
}

impl Current {
    /// The certificate as it reads.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Its key.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// The certificate, then its issuers below the root, as DER.
    pub fn chain(&self) -> &[Vec<u8>] {
        &self.chain
    }

    /// Who renews.
    pub(crate) fn signer(&self) -> Result<Signer, SignerError> {
        let key = Key::from_pkcs8(Zeroizing::new(self.key.pkcs8().to_vec()));
        Signer::new(Box::new(key.map_err(|_: KeyError| SignerError::Kind)?), self.chain.clone())
    }

    /// `None` when the file is damaged, or its certificate is not the key's.
    pub(crate) fn read(content: &[u8]) -> Option<Self> {
        let written: Written = serde_json::from_slice(content).ok()?;
        let key = Key::from_pem(written.key.as_bytes()).ok()?;
        let (offer, _) = written.offer?.read()?;
        let certificate = Certificate::from_der(offer.chain.first()?).ok()?;
        let is_its_own = certificate.spki() == cmp::ProtectionKey::spki(&key);
        is_its_own.then_some(Self { key, chain: offer.chain, certificate, time: offer.time })
    }
}

impl Pending {
    /// `None` when the file is damaged.
    pub(crate) fn read(content: &[u8]) -> Option<Self> {
        let written: Written = serde_json::from_slice(content).ok()?;
        match written.offer {
            None => Some(Self::Key),
            Some(offer) => offer.read().map(|(offer, by)| Self::Offered { offer, by }),
        }
    }
}

/// The file of a key, with what was offered for it.
pub(crate) fn write(key: &Key, offer: Option<(&Offer, CertSha256)>) -> Zeroizing<Vec<u8>> {
    let written = Written { key: key.pem(), offer: offer.map(|(offer, by)| WrittenOffer::new(offer, by)) };
    // Large enough that the key is not copied while it grows.
    let mut content = Zeroizing::new(Vec::with_capacity(2 * cmp::MAX_MESSAGE));
    // Writing to memory fails for no value of these types.
    let _ = serde_json::to_writer_pretty(&mut *content, &written);
    content
}

impl WrittenOffer {
    fn new(offer: &Offer, by: CertSha256) -> Self {
        Self {
            chain: offer.chain.iter().map(|der| certificate_pem(der)).collect(),
            transaction: Base64::encode_string(offer.transaction.octets()),
            nonce: Base64::encode_string(&offer.nonce),
            by,
            time: offer.time,
        }
    }

    fn read(self) -> Option<(Offer, CertSha256)> {
        let der = |text: &String| {
            CertificateDer::from_pem_slice(text.as_bytes()).ok().map(|certificate| certificate.to_vec())
        };
        let offer = Offer {
            chain: self.chain.iter().map(der).collect::<Option<_>>()?,
            transaction: TransactionId::new(&Base64::decode_vec(&self.transaction).ok()?)?,
            nonce: Base64::decode_vec(&self.nonce).ok()?,
            time: self.time,
        };
        Some((offer, self.by))
    }
}

/// PEM of a certificate.
pub(crate) fn certificate_pem(der: &[u8]) -> String {
    pem::encode_string("CERTIFICATE", LineEnding::LF, der).unwrap_or_default()
}
