use crate::ocsp::{self, OutOfReach, Refusal, Responder, Signer, Status, Statuses};
use crate::order::Subject;
use crate::{Generation, Issuing, KeyAlgorithm};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use der::{Decode, Encode};
use ids::{CrlReason, UnixTime};
use rcgen::{CertificateParams, PublicKeyData};
use std::sync::LazyLock;
use std::time::Duration;
use x509::Certificate;
use x509_ocsp::{BasicOcspResponse, OcspRequest, OcspResponse, OcspResponseStatus};

/// 2026-12-01T00:00:00Z.
const NOW: i64 = 1_796_083_200;

/// The issuer of tests/ca/ocsp, so that a corpus can hold requests that are answered.
static ISSUER: &[u8] = include_bytes!("../../tests/ca/ocsp/issuer.der");

struct World {
    responder: Responder,
    public_key: Vec<u8>,
}

static WORLD: LazyLock<Option<World>> = LazyLock::new(|| {
    let (key, _) = Subject::generate(KeyAlgorithm::P256).ok()?;
    let public_key = key.der_bytes().to_vec();
    let certificate = CertificateParams::default().self_signed(&key).ok()?.der().to_vec();
    let issuer = Certificate::from_der(ISSUER).ok()?;
    let signer = Signer::new(Generation::first(Issuing::Devices), &issuer, certificate, key).ok()?;
    let responder = Responder::new(vec![signer], Duration::from_secs(3600)).ok()?;
    Some(World { responder, public_key })
});

/// The last hex digit of the serial is its status.
struct ByLastDigit;

impl Statuses for ByLastDigit {
    fn status(&self, _: Generation, serial: &str, _: UnixTime) -> Result<Status, OutOfReach> {
        match serial.as_bytes().last() {
            Some(b'0') => Err(OutOfReach),
            Some(b'1') => Ok(Status::NotIssued),
            Some(b'2') => {
                Ok(Status::Revoked { at: UnixTime::from_secs(NOW), reason: Some(CrlReason::KeyCompromise) })
            }
            Some(b'3') => Ok(Status::Revoked { at: UnixTime::from_secs(-1), reason: None }),
            Some(_) | None => Ok(Status::Good),
        }
    }
}

/// An OCSP request; the word of its refusal, or `answered`. Also reads it as the path of a GET.
///
/// # Panics
/// When a response is not what RFC 6960 says of it: status, one answer for each CertID, nonce, signature; or when
/// the same request is answered without its last octet, or with one more.
pub fn ocsp(data: &[u8]) -> &'static str {
    let _ = std::str::from_utf8(data).map(ocsp::from_path);
    let Some(world) = WORLD.as_ref() else { return "no world" };
    let answer = |octets: &[u8]| world.responder.answer(octets, &ByLastDigit, UnixTime::from_secs(NOW));
    let first = answer(data);
    let response = OcspResponse::from_der(&first.der).ok();
    let Err(refusal) = first.outcome else {
        assert!(is_right(data, response, &world.public_key), "a response that its request did not ask for");
        let longer = [data, &[0]].concat();
        let shorter = data.split_last().map_or(data, |(_, shorter)| shorter);
        for other in [shorter, &longer] {
            let refused = answer(other).outcome;
            assert!(
                matches!(refused, Err(Refusal::Malformed | Refusal::TooLarge)),
                "a request has one length"
            );
        }
        return "answered";
    };
    let status = response.map(|response| (response.response_status, response.response_bytes.is_some()));
    assert_eq!(status, Some((refusal.answer(), false)), "a refusal has no signature");
    refusal.word()
}

fn is_right(request: &[u8], response: Option<OcspResponse>, public_key: &[u8]) -> bool {
    let right = || {
        let request = OcspRequest::from_der(request).ok()?;
        let response = response.filter(|it| it.response_status == OcspResponseStatus::Successful)?;
        let basic = BasicOcspResponse::from_der(response.response_bytes?.response.as_bytes()).ok()?;
        let (asked, told) = (&request.tbs_request.request_list, &basic.tbs_response_data.responses);
        let same = asked.iter().map(|one| &one.req_cert).eq(told.iter().map(|one| &one.cert_id));
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, public_key);
        let signed = basic.tbs_response_data.to_der().ok()?;
        key.verify(&signed, basic.signature.raw_bytes()).ok()?;
        Some(same && request.nonce() == basic.nonce())
    };
    right().unwrap_or(false)
}
