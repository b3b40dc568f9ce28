use super::operator::{Authentic, Awaited};
use super::reply::{Reply, Response};
use super::request::OLD_CERT_ID;
use super::tlv::{BIT_STRING, INTEGER, SEQUENCE, as_sequence, context, tlv};
use super::{
    AnswerError, Nonce, Operator, ProtectionKey, Signer, SignerError, TransactionId, answer, signer,
};
use der::asn1::ObjectIdentifier;
use ids::{CertSha256, DeviceId, DeviceName, UnixTime};
use x509::{Certificate, DevicePolicy, KeyKind, verify_device_by_certificate};

/// Octets that are drawn anew for each message.
#[derive(Clone, Copy, Debug)]
pub struct Fresh {
    /// The transactionID.
    pub transaction: Nonce,
    /// The senderNonce.
    pub nonce: Nonce,
}

/// An ir or kur, and what its answer must be.
#[derive(Clone, Debug)]
pub struct Asked {
    message: Vec<u8>,
    renews: bool,
    transaction: TransactionId,
    nonce: Nonce,
    spki: Vec<u8>,
    device: DeviceId,
}

/// A certificate that the registration authority issued, and that is good: to be stored, then confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The unit's certificate, then its issuers below the root, as DER.
    pub chain: Vec<Vec<u8>>,
    /// Which transaction.
    pub transaction: TransactionId,
    /// The authority's nonce, which the confirmation repeats.
    pub nonce: Vec<u8>,
    /// The authority's time.
    pub time: UnixTime,
}

/// id-at-commonName (X.520).
pub(crate) const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTF8_STRING: u8 = 0x0c;
const SET: u8 = 0x31;

impl Asked {
    /// The ir of a unit by its vendor's certificate. `key`: the new one. `time`: none where the clock is not to be
    /// trusted.
    ///
    /// # Errors
    /// [`SignerError`]: the vendor's certificate names no device, or a key does not sign.
    pub fn ir(
        operator: &Operator,
        vendor: &Signer,
        key: &dyn ProtectionKey,
        time: Option<UnixTime>,
        fresh: Fresh,
    ) -> Result<Self, SignerError> {
        Self::new(operator, vendor, key, (time, fresh), None)
    }

    /// The ir of a unit whose only certificate is one that many units share, and that does not say which of them it is.
    ///
    /// # Errors
    /// As [`Self::ir`].
    pub fn ir_by_shared(
        operator: &Operator,
        shared: &Signer,
        device: DeviceId,
        key: &dyn ProtectionKey,
        time: Option<UnixTime>,
        fresh: Fresh,
    ) -> Result<Self, SignerError> {
        Self::of(operator, (shared, device), key, (time, fresh), None)
    }

    /// The kur of a unit by its certificate of the operator. `key`: the new one.
    ///
    /// # Errors
    /// As [`Self::ir`].
    pub fn kur(
        operator: &Operator,
        current: &Signer,
        key: &dyn ProtectionKey,
        time: UnixTime,
        fresh: Fresh,
    ) -> Result<Self, SignerError> {
        let old = old_certificate(current.certificate());
        Self::new(operator, current, key, (Some(time), fresh), Some(old))
    }

    /// `controls`: those of a kur.
    fn new(
        operator: &Operator,
        by: &Signer,
        key: &dyn ProtectionKey,
        (time, fresh): (Option<UnixTime>, Fresh),
        controls: Option<Vec<u8>>,
    ) -> Result<Self, SignerError> {
        let device = by.device().ok_or(SignerError::NoDevice)?;
        Self::of(operator, (by, device), key, (time, fresh), controls)
    }

    fn of(
        operator: &Operator,
        (by, device): (&Signer, DeviceId),
        key: &dyn ProtectionKey,
        (time, fresh): (Option<UnixTime>, Fresh),
        controls: Option<Vec<u8>>,
    ) -> Result<Self, SignerError> {
        let name = DeviceName { device, realm: operator.realm().clone() };
        let renews = controls.is_some();
        let request = cert_req_msg(&name, key, &controls.unwrap_or_default())?;
        let body = tlv(context(if renews { 7 } else { 0 }), &[&tlv(SEQUENCE, &[&request])]);
        let header = by.header(time, &fresh.transaction, &fresh.nonce, None);
        let message = by.protect(&[header, body].concat()).ok_or(SignerError::Fails)?;
        let transaction = TransactionId::new(&fresh.transaction).ok_or(SignerError::Fails)?;
        Ok(Self { message, renews, transaction, nonce: fresh.nonce, spki: key.spki(), device })
    }

    /// The PKIMessage to be sent.
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// What the answer offers. `earliest`: the latest time that was seen before.
    ///
    /// # Errors
    /// [`AnswerError`], see there.
    pub fn read(&self, operator: &Operator, answer: &[u8], earliest: UnixTime) -> Result<Offer, AnswerError> {
        let awaited = Awaited { transaction: &self.transaction, nonce: &self.nonce, earliest };
        let authentic = operator.authenticate(answer, awaited)?;
        let time = authentic.time;
        let certificate = match (authentic.reply.clone(), self.renews) {
            (Reply::Ip(Response::Granted(der)), false) | (Reply::Kup(Response::Granted(der)), true) => der,
            (Reply::Ip(Response::Rejected(failure)) | Reply::Kup(Response::Rejected(failure)), _)
            | (Reply::Error(failure), _) => return Err(AnswerError::Refused { failure, time }),
            (Reply::Ip(_) | Reply::Kup(_) | Reply::PkiConf, _) => return Err(AnswerError::OtherBody),
        };
        let chain = self.judge(operator, certificate, &authentic)?;
        Ok(Offer { chain, transaction: self.transaction.clone(), nonce: authentic.nonce.to_vec(), time })
    }

    /// The certificate with its issuers, when it is ours.
    fn judge(
        &self,
        operator: &Operator,
        certificate: &[u8],
        authentic: &Authentic<'_>,
    ) -> Result<Vec<Vec<u8>>, AnswerError> {
        let is_issuer = |der: &&[u8]| Certificate::from_der(der).is_ok_and(|read| read.is_ca());
        let mut chain = vec![certificate];
        chain.extend(authentic.certificates.iter().copied().filter(is_issuer));
        let (anchors, policy) = (operator.anchors(), DevicePolicy::default());
        let path = verify_device_by_certificate(anchors, &policy, &chain, authentic.time)
            .map_err(AnswerError::Certificate)?;
        if path.spki() != self.spki {
            return Err(AnswerError::OtherKey);
        }
        if path.name().device != self.device {
            return Err(AnswerError::OtherDevice);
        }
        chain.retain(|der| path.path().contains(&CertSha256::of(der)) && !operator.is_root(der));
        Ok(chain.into_iter().map(<[u8]>::to_vec).collect())
    }
}

impl Signer {
    /// The device that its certificate names, if one.
    pub fn device(&self) -> Option<DeviceId> {
        let [name] = self.certificate().dns_names() else { return None };
        name.parse().ok().map(|name: DeviceName| name.device)
    }

    /// A PKIMessage of header and body, with all its certificates. `None` when the key fails.
    pub(crate) fn protect(&self, protected: &[u8]) -> Option<Vec<u8>> {
        let signature = self.sign(&as_sequence(protected))?;
        let chain: Vec<&[u8]> = self.chain().iter().map(Vec::as_slice).collect();
        Some(answer::protected_message(protected, &signature, &chain))
    }

    /// The header of a unit's message. The recipient is left empty: a unit need not know its name (RFC 9483 §3.1).
    pub(crate) fn header(
        &self,
        time: Option<UnixTime>,
        transaction: &[u8],
        nonce: &Nonce,
        recip_nonce: Option<&[u8]>,
    ) -> Vec<u8> {
        let draft = super::header::HeaderDraft {
            version: 2,
            signer: Some(self),
            recipient: None,
            time,
            transaction_id: Some(transaction),
            sender_nonce: nonce,
            recip_nonce,
        };
        draft.write()
    }
}

/// A CertReqMsg (RFC 4211 §3): subject and key, and the signature over both that proves possession (§4.1).
fn cert_req_msg(name: &DeviceName, key: &dyn ProtectionKey, controls: &[u8]) -> Result<Vec<u8>, SignerError> {
    let spki = key.spki();
    let kind = KeyKind::of_spki(&spki).map_err(|_| SignerError::Kind)?;
    let template = tlv(SEQUENCE, &[&tlv(context(5), &[&subject(name)]), &implicit_key(&spki)?]);
    let request = tlv(SEQUENCE, &[&tlv(INTEGER, &[&[0]]), &template, controls]);
    let signature = key.sign(&request).ok_or(SignerError::Fails)?;
    let signature = tlv(BIT_STRING, &[&[0], &signature]);
    let proof = tlv(context(1), &[&signer::algorithm(kind), &signature]);
    Ok(tlv(SEQUENCE, &[&request, &proof]))
}

/// CN alone. It decides nothing, but a proof of possession without poposkInput needs a subject.
fn subject(name: &DeviceName) -> Vec<u8> {
    let oid = tlv(OBJECT_IDENTIFIER, &[COMMON_NAME.as_bytes()]);
    let value = tlv(UTF8_STRING, &[name.to_string().as_bytes()]);
    tlv(SEQUENCE, &[&tlv(SET, &[&tlv(SEQUENCE, &[&oid, &value])])])
}

/// `[6] IMPLICIT SubjectPublicKeyInfo`.
fn implicit_key(spki: &[u8]) -> Result<Vec<u8>, SignerError> {
    let content = <der::asn1::AnyRef<'_> as der::Decode>::from_der(spki).map_err(|_| SignerError::Kind)?;
    Ok(tlv(context(6), &[content.value()]))
}

/// Controls with oldCertID (RFC 4211 §6.5): issuer and serial number.
fn old_certificate(certificate: &Certificate) -> Vec<u8> {
    let id = tlv(
        SEQUENCE,
        &[&tlv(context(4), &[certificate.issuer_der()]), &tlv(INTEGER, &[certificate.serial_octets()])],
    );
    let oid = tlv(OBJECT_IDENTIFIER, &[OLD_CERT_ID.as_bytes()]);
    tlv(SEQUENCE, &[&tlv(SEQUENCE, &[&oid, &id])])
}
