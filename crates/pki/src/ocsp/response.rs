use super::request::{Asked, NONCE};
use super::{Signer, Status};
use der::asn1::{AnyRef, BitStringRef, GeneralizedTime, ObjectIdentifier, OctetString};
use der::oid::AssociatedOid;
use der::{Decode, Encode, Sequence};
use ids::{CrlReason, UnixTime};
use std::time::Duration;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::CrlReason as ReasonCode;
use x509_ocsp::{
    AsResponseBytes, BasicOcspResponse, CertStatus, OcspGeneralizedTime, OcspResponse, ResponderId,
    ResponseData, RevokedInfo, SingleResponse, Version,
};

/// id-pkix-ocsp-extended-revoke (RFC 6960 §4.4.8); its value is NULL.
const EXTENDED_REVOKE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.9");
const DER_NULL: [u8; 2] = [5, 0];

/// A BasicOCSPResponse (RFC 6960 §4.2.1) whose parts are DER already: what was signed goes out octet for octet.
#[derive(Sequence)]
struct Signed<'a> {
    tbs_response_data: AnyRef<'a>,
    signature_algorithm: AnyRef<'a>,
    signature: BitStringRef<'a>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    certs: Vec<AnyRef<'a>>,
}

impl AssociatedOid for Signed<'_> {
    const OID: ObjectIdentifier = BasicOcspResponse::OID;
}

impl AsResponseBytes for Signed<'_> {}

/// Signs the response that says `found` of what was `asked`, one for one.
pub(super) fn encode(
    signer: &Signer,
    asked: Asked,
    found: &[Status],
    now: UnixTime,
    next_update: UnixTime,
) -> der::Result<Vec<u8>> {
    let tbs = response_data(signer, asked, found, now, next_update)?.to_der()?;
    let signature = signer.sign(&tbs).ok_or(der::ErrorKind::Failed)?;
    let signed = Signed {
        tbs_response_data: AnyRef::from_der(&tbs)?,
        signature_algorithm: AnyRef::from_der(signer.algorithm())?,
        signature: BitStringRef::from_bytes(&signature)?,
        certs: vec![AnyRef::from_der(signer.certificate())?],
    };
    OcspResponse::successful(signed)?.to_der()
}

fn response_data(
    signer: &Signer,
    asked: Asked,
    found: &[Status],
    now: UnixTime,
    next_update: UnixTime,
) -> der::Result<ResponseData> {
    let extensions = extensions(asked.nonce, found.contains(&Status::NotIssued))?;
    let (this_update, next_update) = (time(now)?, time(next_update)?);
    let single = |(cert_id, status): (_, &Status)| {
        Ok(SingleResponse {
            cert_id,
            cert_status: cert_status(*status)?,
            this_update,
            next_update: Some(next_update),
            single_extensions: None,
        })
    };
    Ok(ResponseData {
        version: Version::V1,
        responder_id: ResponderId::ByKey(signer.key_hash().clone()),
        produced_at: this_update,
        responses: asked.certificates.into_iter().zip(found).map(single).collect::<der::Result<_>>()?,
        response_extensions: Some(extensions).filter(|extensions| !extensions.is_empty()),
    })
}

fn cert_status(status: Status) -> der::Result<CertStatus> {
    let revoked = |at, reason: Option<ReasonCode>| {
        Ok(CertStatus::revoked(RevokedInfo { revocation_time: time(at)?, revocation_reason: reason }))
    };
    match status {
        Status::Good => Ok(CertStatus::good()),
        Status::Revoked { at, reason } => revoked(at, reason.map(reason_code)),
        Status::NotIssued => revoked(UnixTime::from_secs(0), Some(ReasonCode::CertificateHold)),
    }
}

const fn reason_code(reason: CrlReason) -> ReasonCode {
    match reason {
        CrlReason::KeyCompromise => ReasonCode::KeyCompromise,
        CrlReason::CaCompromise => ReasonCode::CaCompromise,
        CrlReason::AffiliationChanged => ReasonCode::AffiliationChanged,
        CrlReason::Superseded => ReasonCode::Superseded,
        CrlReason::CessationOfOperation => ReasonCode::CessationOfOperation,
        CrlReason::CertificateHold => ReasonCode::CertificateHold,
        CrlReason::PrivilegeWithdrawn => ReasonCode::PrivilegeWithdrawn,
    }
}

fn extensions(nonce: Option<OctetString>, not_issued: bool) -> der::Result<Vec<Extension>> {
    let extension = |extn_id, extn_value| Extension { extn_id, critical: false, extn_value };
    let mut extensions: Vec<_> = nonce.map(|nonce| extension(NONCE, nonce)).into_iter().collect();
    if not_issued {
        extensions.push(extension(EXTENDED_REVOKE, OctetString::new(DER_NULL)?));
    }
    Ok(extensions)
}

fn time(time: UnixTime) -> der::Result<OcspGeneralizedTime> {
    let seconds = u64::try_from(time.secs()).unwrap_or(0);
    GeneralizedTime::from_unix_duration(Duration::from_secs(seconds)).map(OcspGeneralizedTime)
}
