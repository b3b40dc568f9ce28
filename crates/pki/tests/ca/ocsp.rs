//! The OCSP responder in memory: requests as RFC 6960 and RFC 9654 have them, and as they should not be.

use crate::world::*;
use aws_lc_rs::digest;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use der::asn1::{Any, BitString, Ia5String, ObjectIdentifier, OctetString};
use der::{Decode, Encode};
use ids::{CrlReason, UnixTime};
use pki::ocsp::{
    Answer, MAX_ASKED, MAX_NONCE, MAX_REQUEST, OutOfReach, Refusal, Responder, Signer, Status, Statuses,
};
use pki::{CertificateInfo, Generation, Kind};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex};
use std::time::Duration;
use x509::Certificate;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::CrlReason as ReasonCode;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoRef};
use x509_ocsp::{
    BasicOcspResponse, CertId, CertStatus, OcspRequest, OcspResponse, OcspResponseStatus, Request,
    ResponderId, Signature, TbsRequest,
};

pub(crate) const SHA1: &str = "1.3.14.3.2.26";
pub(crate) const SHA256: &str = "2.16.840.1.101.3.4.2.1";
const NONCE: &str = "1.3.6.1.5.5.7.48.1.2";
const EXTENDED_REVOKE: &str = "1.3.6.1.5.5.7.48.1.9";
const HOUR: Duration = Duration::from_secs(3600);

/// Books that know some serials; nothing else was issued.
#[derive(Default)]
pub(crate) struct Known {
    pub(crate) serials: BTreeMap<(Generation, String), Status>,
    pub(crate) asked: Mutex<usize>,
    pub(crate) out_of_reach: bool,
}

impl Known {
    pub(crate) fn set(&mut self, issuing: Generation, serial: &str, status: Status) {
        self.serials.insert((issuing, serial.to_owned()), status);
    }
}

impl Statuses for Known {
    fn status(&self, issuing: Generation, serial: &str, _: UnixTime) -> Result<Status, OutOfReach> {
        *self.asked.lock().unwrap() += 1;
        match self.out_of_reach {
            true => Err(OutOfReach),
            false => Ok(*self.serials.get(&(issuing, serial.to_owned())).unwrap_or(&Status::NotIssued)),
        }
    }
}

fn oid(text: &str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(text)
}

/// A CertID by hand.
pub(crate) fn cert_id(issuer: &Certificate, hash: &str, serial: &str) -> CertId {
    let algorithm = match hash {
        SHA1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        SHA256 => &digest::SHA256,
        _ => &digest::SHA384,
    };
    let hashed = |octets: &[u8]| OctetString::new(digest::digest(algorithm, octets).as_ref()).unwrap();
    let spki = SubjectPublicKeyInfoRef::from_der(issuer.spki()).unwrap();
    let octets: Vec<u8> =
        serial.as_bytes().chunks(2).map(|pair| hex(std::str::from_utf8(pair).unwrap())).collect();
    CertId {
        hash_algorithm: AlgorithmIdentifierOwned { oid: oid(hash), parameters: Some(Any::null()) },
        issuer_name_hash: hashed(issuer.subject_der()),
        issuer_key_hash: hashed(spki.subject_public_key.raw_bytes()),
        serial_number: SerialNumber::new(&octets).unwrap(),
    }
}

fn hex(pair: &str) -> u8 {
    u8::from_str_radix(pair, 16).unwrap()
}

fn extension(id: &str, critical: bool, value: &[u8]) -> Extension {
    Extension { extn_id: oid(id), critical, extn_value: OctetString::new(value).unwrap() }
}

pub(crate) fn nonce(octets: &[u8]) -> Extension {
    extension(NONCE, false, &OctetString::new(octets).unwrap().to_der().unwrap())
}

/// A request as it may be bent.
pub(crate) fn request(ids: impl IntoIterator<Item = CertId>, extensions: Vec<Extension>) -> OcspRequest {
    let one = |req_cert| Request { req_cert, single_request_extensions: None };
    let tbs_request = TbsRequest {
        request_list: ids.into_iter().map(one).collect(),
        request_extensions: Some(extensions).filter(|extensions| !extensions.is_empty()),
        ..TbsRequest::default()
    };
    OcspRequest { tbs_request, optional_signature: None }
}

/// A CA, its responder for both issuing CAs, and one certificate of a unit.
struct Office {
    world: World,
    responder: Responder,
    unit: CertificateInfo,
    books: Known,
}

impl Office {
    fn new() -> Self {
        let world = World::new();
        let unit = world.issue(&order()).unwrap().info;
        let signers = [DEVICES, GATEWAYS].map(|issuing| signer(&world, issuing)).into();
        let responder = Responder::new(signers, HOUR).unwrap();
        let mut books = Known::default();
        books.set(DEVICES, &unit.serial, Status::Good);
        Self { world, responder, unit, books }
    }

    fn issuer(&self, issuing: Generation) -> Certificate {
        issuer(&self.world, issuing)
    }

    fn id(&self, hash: &str, serial: &str) -> CertId {
        cert_id(&self.issuer(DEVICES), hash, serial)
    }

    fn unit_id(&self) -> CertId {
        self.id(SHA1, &self.unit.serial)
    }

    fn answer(&self, request: &OcspRequest) -> Answer {
        self.responder.answer(&request.to_der().unwrap(), &self.books, now())
    }

    fn refused(&self, request: &OcspRequest) -> (Refusal, OcspResponseStatus) {
        let answer = self.answer(request);
        let response = OcspResponse::from_der(&answer.der).unwrap();
        assert_eq!(response.response_bytes, None);
        (answer.outcome.unwrap_err(), response.response_status)
    }

    /// The signed part, its signature checked with the key of the one certificate that comes with it.
    fn told(&self, request: &OcspRequest) -> BasicOcspResponse {
        let answer = self.answer(request);
        answer.outcome.unwrap();
        basic(&answer.der)
    }
}

fn issuer(world: &World, issuing: Generation) -> Certificate {
    let path = world.directory.path().join(format!("ca/{issuing}.pem"));
    let (_, der) = der::pem::decode_vec(&std::fs::read(path).unwrap()).unwrap();
    Certificate::from_der(&der).unwrap()
}

fn signer(world: &World, issuing: Generation) -> Signer {
    world.ca.ocsp_signer(issuing, "test", &mut world.books(), now()).unwrap()
}

fn basic(der: &[u8]) -> BasicOcspResponse {
    let response = OcspResponse::from_der(der).unwrap();
    assert_eq!(response.response_status, OcspResponseStatus::Successful);
    let basic = BasicOcspResponse::from_der(response.response_bytes.unwrap().response.as_bytes()).unwrap();
    let [certificate] = basic.certs.as_deref().unwrap() else { panic!("one certificate") };
    let key = certificate.tbs_certificate.subject_public_key_info.subject_public_key.raw_bytes();
    let signed = basic.tbs_response_data.to_der().unwrap();
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key)
        .verify(&signed, basic.signature.raw_bytes())
        .unwrap();
    let by_key = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, key);
    let by_key = ResponderId::ByKey(OctetString::new(by_key.as_ref()).unwrap());
    assert_eq!(basic.tbs_response_data.responder_id, by_key);
    basic
}

fn seconds(time: x509_ocsp::OcspGeneralizedTime) -> u64 {
    time.0.to_unix_duration().as_secs()
}

/// 2026-12-01T12:00:00Z, by `date -u -d 2026-12-01T12:00:00Z +%s`.
const AT: u64 = 1_796_126_400;

#[test]
fn a_certificate_in_good_standing_is_good_for_a_period_from_now() {
    let office = Office::new();
    for hash in [SHA1, SHA256] {
        let id = office.id(hash, &office.unit.serial);
        let told = office.told(&request([id.clone()], vec![])).tbs_response_data;
        let [one] = told.responses.as_slice() else { panic!("one answer") };
        assert_eq!((&one.cert_id, one.cert_status), (&id, CertStatus::good()));
        let next = one.next_update.map(seconds);
        assert_eq!((seconds(told.produced_at), seconds(one.this_update), next), (AT, AT, Some(AT + 3600)));
        assert_eq!((&told.response_extensions, &one.single_extensions), (&None, &None));
    }
    let asked = request([office.unit_id()], vec![]).to_der().unwrap();
    let late_in_the_second = now().after(Duration::from_millis(999));
    let answered = office.responder.answer(&asked, &office.books, late_in_the_second).outcome.unwrap();
    assert_eq!(answered.next_update, now().after(HOUR), "as the response has it, in whole seconds");
    assert_eq!((answered.certificates, answered.has_nonce), (1, false));
}

#[test]
fn parameters_of_the_hash_may_be_null_or_absent_and_come_back_as_they_were() {
    let office = Office::new();
    let mut id = office.unit_id();
    id.hash_algorithm.parameters = None;
    let told = office.told(&request([id.clone()], vec![]));
    assert_eq!(told.tbs_response_data.responses[0].cert_id, id);
    id.hash_algorithm.parameters = Some(Any::from_der(&[4, 1, 0]).unwrap());
    assert_eq!(office.refused(&request([id], vec![])).0, Refusal::OtherIssuer);
}

#[test]
fn a_revoked_certificate_is_revoked_with_time_and_reason() {
    let mut office = Office::new();
    let reasons = [
        (None, None),
        (Some(CrlReason::KeyCompromise), Some(ReasonCode::KeyCompromise)),
        (Some(CrlReason::CaCompromise), Some(ReasonCode::CaCompromise)),
        (Some(CrlReason::AffiliationChanged), Some(ReasonCode::AffiliationChanged)),
        (Some(CrlReason::Superseded), Some(ReasonCode::Superseded)),
        (Some(CrlReason::CessationOfOperation), Some(ReasonCode::CessationOfOperation)),
        (Some(CrlReason::CertificateHold), Some(ReasonCode::CertificateHold)),
        (Some(CrlReason::PrivilegeWithdrawn), Some(ReasonCode::PrivilegeWithdrawn)),
    ];
    for (reason, expected) in reasons {
        let at = UnixTime::from_micros(1_796_000_000_999_999);
        office.books.set(DEVICES, &office.unit.serial, Status::Revoked { at, reason });
        let told = office.told(&request([office.unit_id()], vec![])).tbs_response_data;
        let CertStatus::Revoked(info) = told.responses[0].cert_status else { panic!("{told:?}") };
        assert_eq!((seconds(info.revocation_time), info.revocation_reason), (1_796_000_000, expected));
        assert_eq!(told.response_extensions, None, "extended-revoke is for what was not issued");
    }
}

#[test]
fn a_serial_that_was_never_issued_is_revoked_in_the_extended_sense() {
    let office = Office::new();
    let ids = [office.id(SHA256, "4b00"), office.unit_id()];
    let told = office.told(&request(ids, vec![nonce(&[7; 32])])).tbs_response_data;
    let CertStatus::Revoked(info) = told.responses[0].cert_status else { panic!("{told:?}") };
    let hold = Some(ReasonCode::CertificateHold);
    assert_eq!((seconds(info.revocation_time), info.revocation_reason), (0, hold), "RFC 6960 section 2.2");
    assert_eq!(told.responses[0].single_extensions, None);
    assert_eq!(told.responses[1].cert_status, CertStatus::good());
    let extensions = told.response_extensions.unwrap();
    assert_eq!(extensions, [nonce(&[7; 32]), extension(EXTENDED_REVOKE, false, &[5, 0])]);
}

#[test]
fn a_nonce_of_1_to_128_octets_comes_back_and_any_other_is_refused() {
    let office = Office::new();
    for length in [1, 16, 32, 33, MAX_NONCE] {
        let asked = request([office.unit_id()], vec![nonce(&vec![0xab; length])]);
        let answer = office.answer(&asked);
        assert!(answer.outcome.unwrap().has_nonce);
        let told = basic(&answer.der).tbs_response_data;
        assert_eq!(told.response_extensions.unwrap(), [nonce(&vec![0xab; length])], "{length}");
    }
    let malformed = (Refusal::Nonce, OcspResponseStatus::MalformedRequest);
    for bad in [
        vec![nonce(&[])],
        vec![nonce(&[0; MAX_NONCE + 1])],
        vec![nonce(&[1; 32]), nonce(&[1; 32])],
        vec![extension(NONCE, false, &[1; 32])],
        vec![extension(NONCE, false, &[])],
    ] {
        assert_eq!(office.refused(&request([office.unit_id()], bad.clone())), malformed, "{bad:?}");
    }
}

#[test]
fn extensions_that_we_do_not_know_are_ignored_unless_they_are_critical() {
    let office = Office::new();
    let preferred = "1.3.6.1.5.5.7.48.1.8";
    let asked = |critical| request([office.unit_id()], vec![extension(preferred, critical, &[0x30, 0])]);
    assert!(office.answer(&asked(false)).outcome.is_ok());
    let malformed = (Refusal::CriticalExtension, OcspResponseStatus::MalformedRequest);
    assert_eq!(office.refused(&asked(true)), malformed);
    let service_locator = "1.3.6.1.5.5.7.48.1.7";
    let single = |critical| {
        let mut asked = request([office.unit_id(), office.unit_id()], vec![]);
        let extensions = vec![extension(service_locator, critical, &[0x30, 0])];
        asked.tbs_request.request_list[1].single_request_extensions = Some(extensions);
        asked
    };
    assert!(office.answer(&single(false)).outcome.is_ok());
    assert_eq!(office.refused(&single(true)), malformed);
    let critical_nonce = Extension { critical: true, ..nonce(&[9; 32]) };
    assert!(office.answer(&request([office.unit_id()], vec![critical_nonce])).outcome.is_ok());
}

#[test]
fn an_ocsp_request_asks_about_sixteen_certificates_and_no_more() {
    let office = Office::new();
    let asked = |count: usize| request((0..count).map(|_| office.unit_id()), vec![nonce(&[0; MAX_NONCE])]);
    let told = office.told(&asked(MAX_ASKED)).tbs_response_data;
    assert_eq!(told.responses.len(), MAX_ASKED);
    assert_eq!(*office.books.asked.lock().unwrap(), MAX_ASKED);
    let malformed = OcspResponseStatus::MalformedRequest;
    assert_eq!(office.refused(&asked(MAX_ASKED + 1)), (Refusal::TooMany, malformed));
    assert_eq!(office.refused(&asked(0)), (Refusal::Malformed, malformed));
    assert_eq!(*office.books.asked.lock().unwrap(), MAX_ASKED, "nobody asked the books");
}

#[test]
fn an_ocsp_request_has_eight_kib_and_no_more() {
    let office = Office::new();
    let padded = |octets: usize| {
        let padding = extension("1.3.6.1.5.5.7.48.1.4", false, &vec![0; octets]);
        request([office.unit_id()], vec![padding]).to_der().unwrap()
    };
    let around = padded(MAX_REQUEST - 200).len() - (MAX_REQUEST - 200);
    let largest = padded(MAX_REQUEST - around);
    assert_eq!(largest.len(), MAX_REQUEST);
    let answer = |octets: &[u8]| office.responder.answer(octets, &office.books, now()).outcome;
    assert!(answer(&largest).is_ok());
    assert_eq!(answer(&padded(MAX_REQUEST - around + 1)), Err(Refusal::TooLarge));
}

#[test]
fn what_is_no_certificate_of_ours_is_unauthorized_and_costs_no_signature() {
    let office = Office::new();
    let other = Office::new();
    let unauthorized = (Refusal::OtherIssuer, OcspResponseStatus::Unauthorized);
    let unit = &office.unit.serial;
    assert_eq!(office.refused(&request([other.unit_id()], vec![])), unauthorized);
    assert_eq!(office.refused(&request([office.unit_id(), other.unit_id()], vec![])), unauthorized);
    let sha384 = office.id("2.16.840.1.101.3.4.2.2", unit);
    assert_eq!(office.refused(&request([sha384], vec![])), unauthorized);
    let (mut name, mut key, mut mixed) = (office.unit_id(), office.unit_id(), office.unit_id());
    name.issuer_name_hash = other.id(SHA256, unit).issuer_name_hash;
    key.issuer_key_hash = other.unit_id().issuer_key_hash;
    mixed.issuer_key_hash = office.id(SHA256, unit).issuer_key_hash;
    for id in [name, key, mixed] {
        assert_eq!(office.refused(&request([id], vec![])), unauthorized);
    }
    assert_eq!(*office.books.asked.lock().unwrap(), 0);
}

#[test]
fn each_issuing_ca_has_its_own_signer_and_no_message_is_about_both() {
    let mut office = Office::new();
    let gateway =
        office.world.ca.issue_gateway(&gateway_order(), &mut office.world.books(), now()).unwrap().info;
    office.books.set(GATEWAYS, &gateway.serial, Status::Good);
    let id = cert_id(&office.issuer(GATEWAYS), SHA1, &gateway.serial);
    let told = office.told(&request([id.clone()], vec![]));
    assert_eq!(told.tbs_response_data.responses[0].cert_status, CertStatus::good());
    let about_unit = office.told(&request([office.unit_id()], vec![]));
    assert_ne!(told.certs, about_unit.certs);
    assert_eq!(office.refused(&request([id, office.unit_id()], vec![])).0, Refusal::OtherIssuer);
    let devices_alone = Responder::new(vec![signer(&office.world, DEVICES)], HOUR).unwrap();
    let id = cert_id(&office.issuer(GATEWAYS), SHA1, &gateway.serial);
    let asked = request([id], vec![]).to_der().unwrap();
    assert_eq!(devices_alone.answer(&asked, &office.books, now()).outcome, Err(Refusal::OtherIssuer));
}

#[test]
fn books_out_of_reach_mean_try_later() {
    let mut office = Office::new();
    office.books.out_of_reach = true;
    let later = (Refusal::OutOfReach, OcspResponseStatus::TryLater);
    assert_eq!(office.refused(&request([office.unit_id()], vec![nonce(&[1])])), later);
}

#[test]
fn neither_requestor_nor_signature_is_evaluated_but_both_must_be_well_formed() {
    let office = Office::new();
    let mut asked = request([office.unit_id()], vec![]);
    let name = Ia5String::new("http://nobody.example").unwrap();
    asked.tbs_request.requestor_name = Some(GeneralName::UniformResourceIdentifier(name));
    asked.optional_signature = Some(Signature {
        signature_algorithm: AlgorithmIdentifierOwned { oid: oid(SHA1), parameters: None },
        signature: BitString::from_bytes(b"no signature").unwrap(),
        certs: None,
    });
    assert!(office.answer(&asked).outcome.is_ok());
    let mut der = asked.to_der().unwrap();
    let at = der.windows(12).position(|octets| octets == b"no signature").unwrap();
    der[at - 3] = 4; // BIT STRING becomes OCTET STRING
    assert_eq!(office.responder.answer(&der, &office.books, now()).outcome, Err(Refusal::Malformed));
}

#[test]
fn no_answer_outlives_the_certificate_that_signs_it() {
    let office = Office::new();
    let asked = request([office.unit_id()], vec![]).to_der().unwrap();
    let end: UnixTime = "2026-12-15T11:54:59Z".parse().unwrap(); // 14 days from 2026-12-01T11:55:00Z, both counted
    let answer = |at| office.responder.answer(&asked, &office.books, at);
    let late = answer(end.before(Duration::from_secs(60)));
    assert_eq!(late.outcome.unwrap().next_update, end);
    let told = basic(&late.der).tbs_response_data;
    assert_eq!(told.responses[0].next_update.map(seconds), u64::try_from(end.secs()).ok());
    assert!(answer(end).outcome.is_ok());
    for at in [end.after(Duration::from_secs(1)), now().before(Duration::from_secs(301))] {
        assert_eq!(answer(at).outcome, Err(Refusal::SignerEnded));
        let response = OcspResponse::from_der(&answer(at).der).unwrap();
        assert_eq!(response.response_status, OcspResponseStatus::InternalError);
    }
    let renew_at = office.responder.renew_at();
    assert!(renew_at > now() && renew_at < end.before(Duration::from_secs(6 * DAY)), "{renew_at}");
}

#[test]
fn a_signer_is_issued_in_the_books_and_is_no_certificate_for_anything_else() {
    let world = World::new();
    let signer = signer(&world, DEVICES);
    let written: Vec<_> = world.books.issued().into_iter().map(|(what, der)| (what.kind, der)).collect();
    assert_eq!(written, [(Kind::OcspSigner, signer.certificate().to_vec())]);
    assert_eq!(signer.not_after().since(signer.not_before()), Duration::from_secs(14 * DAY - 1));
    let chain = [signer.certificate()];
    assert!(x509::verify_device(world.ca.anchors(), &Default::default(), NAME, &chain, now()).is_err());
}

const NAME: &[u8] = b"00aabbccddee.femto.example";

#[test]
fn a_responder_needs_a_signer_and_a_period() {
    let world = World::new();
    assert!(Responder::new(vec![], HOUR).is_err());
    assert!(Responder::new(vec![signer(&world, DEVICES)], Duration::from_millis(999)).is_err());
}

/// One office for the many hostile requests below.
static OFFICE: LazyLock<Office> = LazyLock::new(Office::new);

/// Whatever it is, the answer is a response that can be read.
fn is_answered(octets: &[u8]) -> Result<(), Refusal> {
    let answer = OFFICE.responder.answer(octets, &OFFICE.books, now());
    let response = OcspResponse::from_der(&answer.der).unwrap();
    assert_eq!(answer.outcome.is_ok(), response.response_status == OcspResponseStatus::Successful);
    assert_eq!(answer.outcome.is_ok(), response.response_bytes.is_some());
    answer.outcome.map(drop)
}

#[test]
fn a_request_cut_off_anywhere_or_with_more_behind_it_is_malformed() {
    let ids = [OFFICE.unit_id(), OFFICE.id(SHA256, &OFFICE.unit.serial)];
    let whole = request(ids, vec![nonce(&[5; 32])]).to_der().unwrap();
    assert_eq!(is_answered(&whole), Ok(()));
    for cut in 0..whole.len() {
        assert_eq!(is_answered(&whole[..cut]), Err(Refusal::Malformed), "{cut}");
    }
    for more in [&[0][..], &[5, 0], &whole] {
        assert_eq!(is_answered(&[&whole, more].concat()), Err(Refusal::Malformed));
    }
}

#[test]
fn a_request_with_any_octet_changed_is_answered_in_good_form() {
    let whole = request([OFFICE.unit_id()], vec![nonce(&[5; 32])]).to_der().unwrap();
    for at in 0..whole.len() {
        for mask in [0x01, 0x80, 0xff] {
            let mut changed = whole.clone();
            changed[at] ^= mask;
            let _ = is_answered(&changed);
        }
    }
}

#[test]
fn a_length_of_more_than_there_is_allocates_nothing_and_is_malformed() {
    for octets in
        [&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff][..], &[0x30, 0x80, 0, 0], &[0x30, 0x88, 1, 1, 1, 1], &[]]
    {
        assert_eq!(is_answered(octets), Err(Refusal::Malformed));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn every_well_formed_request_is_answered_one_for_one_with_its_nonce(
        serials in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..=19), 1..=4),
        sha256 in any::<bool>(),
        octets in prop::option::of(prop::collection::vec(any::<u8>(), 1..=MAX_NONCE)),
    ) {
        let hash = if sha256 { SHA256 } else { SHA1 };
        let text = |serial: &Vec<u8>| serial.iter().map(|octet| format!("{octet:02x}")).collect::<String>();
        let ids: Vec<_> = serials.iter().map(|serial| OFFICE.id(hash, &text(serial))).collect();
        let extensions: Vec<_> = octets.iter().map(|octets| nonce(octets)).collect();
        let told = OFFICE.told(&request(ids.clone(), extensions.clone())).tbs_response_data;
        prop_assert!(told.responses.iter().map(|one| &one.cert_id).eq(&ids));
        let echoed = told.response_extensions.unwrap_or_default();
        prop_assert!(echoed.starts_with(&extensions));
    }

    #[test]
    fn whatever_comes_is_answered_in_good_form(octets in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = is_answered(&octets);
    }

    #[test]
    fn a_request_that_is_mangled_is_answered_in_good_form(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut octets = request([OFFICE.unit_id()], vec![nonce(&[5; 32])]).to_der().unwrap();
        for (at, octet) in changes {
            let at = at.index(octets.len());
            octets[at] = octet;
        }
        let _ = is_answered(&octets);
    }
}
