//! What counts as an OCSP answer about one certificate (RFC 6960).

use crate::world::*;
use der::asn1::{AnyRef, BitString, GeneralizedTime, Null, OctetString};
use der::{Decode, Encode};
use ids::UnixTime;
use rcgen::{ExtendedKeyUsagePurpose as Purpose, PKCS_ECDSA_P256_SHA256, SigningKey};
use std::time::Duration;
use x509::{Anchor, NONCE, NoAnswer, OcspAnswer, OcspQuestion, SerialNumber, SignatureError};
use x509_cert::ext::Extension;
use x509_cert::spki::AlgorithmIdentifierOwned;
use x509_ocsp::{
    BasicOcspResponse, CertStatus, OcspGeneralizedTime, OcspRequest, OcspResponse, OcspResponseStatus,
    ResponderId, ResponseData, RevokedInfo, SingleResponse, Version,
};

const ECDSA_WITH_SHA256: &str = "1.2.840.10045.4.3.2";
const OCSP_NONCE: &str = "1.3.6.1.5.5.7.48.1.2";

/// A CA, its responder, and a question about a certificate.
struct Bench {
    ca: Cert,
    signer: Cert,
    question: OcspQuestion,
}

fn at(seconds: i64) -> OcspGeneralizedTime {
    let time = UnixTime::from_secs(now().secs() + seconds);
    let since = Duration::from_secs(u64::try_from(time.secs()).unwrap());
    OcspGeneralizedTime(GeneralizedTime::from_unix_duration(since).unwrap())
}

fn signer_of(ca: &Cert, purpose: Purpose) -> Cert {
    let mut params = device_params(NAME);
    params.subject_alt_names.clear();
    params.distinguished_name.push(rcgen::DnType::OrganizationalUnitName, "OCSP");
    params.extended_key_usages = vec![purpose];
    ca.sign(params, key(&PKCS_ECDSA_P256_SHA256))
}

fn subject(cert: &Cert) -> ResponderId {
    let certificate = x509_cert::Certificate::from_der(&cert.der).unwrap();
    ResponderId::ByName(certificate.tbs_certificate.subject)
}

fn key_hash(cert: &Cert) -> ResponderId {
    use rcgen::PublicKeyData;
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, cert.key.der_bytes());
    ResponderId::ByKey(OctetString::new(hash.as_ref()).unwrap())
}

impl Bench {
    fn new() -> Self {
        let ca = root("CA", |_| ());
        let anchor = Anchor::from_der(&ca.der).unwrap();
        let question = OcspQuestion::new(&anchor, serial(&[0, 0xab, 1]), [7; NONCE]).unwrap();
        Self { signer: signer_of(&ca, Purpose::OcspSigning), question, ca }
    }

    /// A good answer by the delegated responder, as RFC 6960 has it.
    fn data(&self) -> ResponseData {
        let request = OcspRequest::from_der(self.question.der()).unwrap().tbs_request;
        let single = SingleResponse {
            cert_id: request.request_list[0].req_cert.clone(),
            cert_status: CertStatus::good(),
            this_update: at(-60),
            next_update: Some(at(600)),
            single_extensions: None,
        };
        ResponseData {
            version: Version::V1,
            responder_id: subject(&self.signer),
            produced_at: at(0),
            responses: vec![single],
            response_extensions: request.request_extensions,
        }
    }

    fn answer(&self, response: &[u8]) -> Result<OcspAnswer, NoAnswer> {
        self.question.answer(&Anchor::from_der(&self.ca.der).unwrap(), response, now())
    }

    fn bent(&self, bend: impl FnOnce(&mut ResponseData)) -> Result<OcspAnswer, NoAnswer> {
        let mut data = self.data();
        bend(&mut data);
        self.answer(&signed(&data, &self.signer, &[&self.signer.der]))
    }
}

fn signed(data: &ResponseData, by: &Cert, certificates: &[&[u8]]) -> Vec<u8> {
    let signature = by.key.sign(&data.to_der().unwrap()).unwrap();
    let certs = certificates.iter().map(|der| x509_cert::Certificate::from_der(der).unwrap()).collect();
    let basic = BasicOcspResponse {
        tbs_response_data: data.clone(),
        signature_algorithm: AlgorithmIdentifierOwned {
            oid: ECDSA_WITH_SHA256.parse().unwrap(),
            parameters: None,
        },
        signature: BitString::from_bytes(&signature).unwrap(),
        certs: Some(certs),
    };
    OcspResponse::successful(basic).unwrap().to_der().unwrap()
}

fn serial(octets: &[u8]) -> SerialNumber {
    SerialNumber::from_octets(octets).unwrap()
}

fn extension(oid: &str, critical: bool, value: &[u8]) -> Extension {
    Extension {
        extn_id: oid.parse().unwrap(),
        critical,
        extn_value: OctetString::new(OctetString::new(value).unwrap().to_der().unwrap()).unwrap(),
    }
}

#[test]
fn a_question_has_one_certificate_and_a_nonce_of_thirty_two_octets() {
    let bench = Bench::new();
    let request = OcspRequest::from_der(bench.question.der()).unwrap().tbs_request;
    assert_eq!(request.request_list.len(), 1);
    let id = &request.request_list[0].req_cert;
    assert_eq!(id.hash_algorithm.oid.to_string(), "1.3.14.3.2.26");
    assert_eq!(id.hash_algorithm.parameters.as_ref().map(|it| it.to_der().unwrap()), Some(vec![5, 0]));
    assert_eq!(id.serial_number.to_der().unwrap(), [2, 3, 0, 0xab, 1]);
    let extensions = request.request_extensions.unwrap();
    let value = AnyRef::from_der(extensions[0].extn_value.as_bytes()).unwrap();
    assert_eq!((extensions[0].extn_id.to_string().as_str(), value.value()), (OCSP_NONCE, &[7; 32][..]));
}

#[test]
fn good_and_revoked_by_the_delegated_responder_or_the_ca_itself_are_answers() {
    let bench = Bench::new();
    let good = bench.bent(|_| ()).unwrap();
    assert_eq!(good.revoked, None);
    assert_eq!((good.this_update.secs(), good.until.secs()), (now().secs() - 60, now().secs() + 600));
    assert_eq!(bench.bent(|data| data.responder_id = key_hash(&bench.signer)), Ok(good));
    let info = RevokedInfo { revocation_time: at(-7200), revocation_reason: None };
    let revoked = bench.bent(|data| data.responses[0].cert_status = CertStatus::Revoked(info)).unwrap();
    assert_eq!(revoked.revoked.map(|it| (it.at.secs(), it.reason)), Some((now().secs() - 7200, None)));
    for named in [subject(&bench.ca), key_hash(&bench.ca)] {
        let data = ResponseData { responder_id: named, ..bench.data() };
        assert_eq!(bench.answer(&signed(&data, &bench.ca, &[])), Ok(good));
    }
}

#[test]
fn unknown_and_every_status_but_successful_are_no_answer() {
    let bench = Bench::new();
    let unknown = bench.bent(|data| data.responses[0].cert_status = CertStatus::Unknown(Null));
    assert_eq!(unknown, Err(NoAnswer::Unknown));
    for (status, word) in [
        (OcspResponseStatus::TryLater, "tryLater"),
        (OcspResponseStatus::InternalError, "internalError"),
        (OcspResponseStatus::MalformedRequest, "malformedRequest"),
        (OcspResponseStatus::SigRequired, "sigRequired"),
        (OcspResponseStatus::Unauthorized, "unauthorized"),
    ] {
        let response = OcspResponse { response_status: status, response_bytes: None };
        assert_eq!(bench.answer(&response.to_der().unwrap()), Err(NoAnswer::Refused(word)));
    }
    let nothing = OcspResponse { response_status: OcspResponseStatus::Successful, response_bytes: None };
    assert_eq!(bench.answer(&nothing.to_der().unwrap()), Err(NoAnswer::Malformed));
}

#[test]
fn the_nonce_must_be_that_of_the_question() {
    let bench = Bench::new();
    let with = |extensions| bench.bent(|data| data.response_extensions = extensions);
    let nonce = |octet: u8, length: usize| extension(OCSP_NONCE, false, &vec![octet; length]);
    assert_eq!(with(None), Err(NoAnswer::Nonce), "an older answer has none either");
    assert_eq!(with(Some(vec![nonce(8, 32)])), Err(NoAnswer::Nonce));
    assert_eq!(with(Some(vec![nonce(7, 31)])), Err(NoAnswer::Nonce));
    assert_eq!(with(Some(vec![nonce(7, 32), nonce(7, 32)])), Err(NoAnswer::Nonce));
    assert!(with(Some(vec![extension("1.2.3.4", false, &[]), nonce(7, 32)])).is_ok());
    let critical = vec![nonce(7, 32), extension("1.2.3.4", true, &[])];
    assert_eq!(with(Some(critical)), Err(NoAnswer::CriticalExtension));
}

#[test]
fn an_answer_counts_in_its_time_alone() {
    let bench = Bench::new();
    let times = |this, next: Option<i64>| {
        bench.bent(|data| {
            data.responses[0].this_update = at(this);
            data.responses[0].next_update = next.map(at);
        })
    };
    assert!(times(-60, Some(0)).is_ok(), "nextUpdate itself");
    assert_eq!(times(-60, Some(-1)), Err(NoAnswer::Stale));
    assert!(times(300, Some(600)).is_ok(), "clocks differ a little");
    assert_eq!(times(301, Some(600)), Err(NoAnswer::Future));
    assert_eq!(times(-60, None).unwrap().until.secs(), now().secs() + 3540, "an hour");
    assert_eq!(times(-3601, None), Err(NoAnswer::Stale));
}

#[test]
fn it_must_be_about_the_certificate_that_was_asked_about() {
    let bench = Bench::new();
    let other = Err(NoAnswer::OtherCertificate);
    let id = |bend: &dyn Fn(&mut x509_ocsp::CertId)| bench.bent(|data| bend(&mut data.responses[0].cert_id));
    let octets = || OctetString::new(vec![1; 20]).unwrap();
    assert_eq!(
        id(&|id| id.serial_number = x509_cert::serial_number::SerialNumber::new(&[0xab, 2]).unwrap()),
        other
    );
    assert_eq!(id(&|id| id.issuer_name_hash = octets()), other);
    assert_eq!(id(&|id| id.issuer_key_hash = octets()), other);
    assert_eq!(id(&|id| id.hash_algorithm.oid = "2.16.840.1.101.3.4.2.1".parse().unwrap()), other);
    assert!(id(&|id| id.hash_algorithm.parameters = None).is_ok());
    assert_eq!(bench.bent(|data| data.responses.clear()), other);
    assert_eq!(bench.bent(|data| data.responses.push(data.responses[0].clone())), other, "which of them?");
    let beside = bench.bent(|data| {
        let mut more = data.responses[0].clone();
        more.cert_id.serial_number = x509_cert::serial_number::SerialNumber::new(&[5]).unwrap();
        data.responses.insert(0, more);
    });
    assert!(beside.is_ok());
    let critical = Some(vec![extension("1.2.3.4", true, &[])]);
    assert_eq!(
        bench.bent(|data| data.responses[0].single_extensions = critical),
        Err(NoAnswer::CriticalExtension)
    );
}

#[test]
fn only_the_ca_and_whom_it_delegated_may_answer() {
    let bench = Bench::new();
    let by = |signer: &Cert| {
        let data = ResponseData { responder_id: subject(signer), ..bench.data() };
        bench.answer(&signed(&data, signer, &[&signer.der]))
    };
    let stranger = root("CA of its own", |_| ());
    let purposeless = signer_of(&bench.ca, ipsec_ike());
    assert!(matches!(by(&purposeless), Err(NoAnswer::Signer(_))), "any device could answer");
    assert!(matches!(by(&signer_of(&stranger, Purpose::OcspSigning)), Err(NoAnswer::Signer(_))));
    assert!(matches!(by(&stranger), Err(NoAnswer::Signer(_))));
    let unnamed = signed(&bench.data(), &bench.signer, &[]);
    assert_eq!(bench.answer(&unnamed), Err(NoAnswer::NoSigner));
    let data = ResponseData { responder_id: key_hash(&stranger), ..bench.data() };
    assert_eq!(bench.answer(&signed(&data, &bench.signer, &[&bench.signer.der])), Err(NoAnswer::NoSigner));
    let mismatch = Err(NoAnswer::Signature(SignatureError::Mismatch));
    assert_eq!(bench.answer(&signed(&bench.data(), &stranger, &[&bench.signer.der])), mismatch);
    let as_ca = ResponseData { responder_id: subject(&bench.ca), ..bench.data() };
    assert_eq!(bench.answer(&signed(&as_ca, &bench.signer, &[&bench.signer.der])), mismatch);
}

#[test]
fn no_more_certificates_are_looked_at_than_may_be() {
    let bench = Bench::new();
    let other = root("Another", |_| ());
    let before = |count: usize| {
        let mut all = vec![other.der.as_slice(); count];
        all.push(&bench.signer.der);
        bench.answer(&signed(&bench.data(), &bench.signer, &all))
    };
    assert!(before(x509::MAX_SIGNERS - 1).is_ok());
    assert_eq!(before(x509::MAX_SIGNERS), Err(NoAnswer::NoSigner));
    let large = vec![0; x509::MAX_RESPONSE + 1];
    assert_eq!(bench.answer(&large), Err(NoAnswer::TooLarge));
}

#[test]
fn what_was_altered_or_cut_off_is_no_answer() {
    let bench = Bench::new();
    let response = signed(&bench.data(), &bench.signer, &[&bench.signer.der]);
    assert!(bench.answer(&response).is_ok());
    for end in 0..response.len() {
        assert!(bench.answer(&response[..end]).is_err(), "{end}");
    }
    assert_eq!(bench.answer(&[&response[..], &[0]].concat()), Err(NoAnswer::Malformed));
    for place in 0..response.len() {
        let mut altered = response.clone();
        altered[place] ^= 1;
        let answer = bench.answer(&altered);
        assert!(answer.is_err() || answer == bench.bent(|_| ()), "octet {place}");
    }
}

/// Inputs of the fuzz target: name, whether the answer is good where it is one, octets.
pub(crate) fn seeds(behind_ca: fn(&Cert, &[u8]) -> Vec<u8>) -> Vec<(&'static str, Option<bool>, Vec<u8>)> {
    let bench = Bench::new();
    let with = |bend: &dyn Fn(&mut ResponseData)| {
        let mut data = bench.data();
        bend(&mut data);
        behind_ca(&bench.ca, &signed(&data, &bench.signer, &[&bench.signer.der]))
    };
    let info = RevokedInfo { revocation_time: at(-7200), revocation_reason: None };
    let by_ca = ResponseData { responder_id: key_hash(&bench.ca), ..bench.data() };
    let try_later = OcspResponse { response_status: OcspResponseStatus::TryLater, response_bytes: None };
    let good = signed(&bench.data(), &bench.signer, &[&bench.signer.der]);
    vec![
        ("good", Some(true), behind_ca(&bench.ca, &good)),
        ("good-by-ca", Some(true), behind_ca(&bench.ca, &signed(&by_ca, &bench.ca, &[]))),
        ("revoked", Some(false), with(&|it| it.responses[0].cert_status = CertStatus::Revoked(info))),
        ("unknown", None, with(&|it| it.responses[0].cert_status = CertStatus::unknown())),
        ("no-nonce", None, with(&|it| it.response_extensions = None)),
        ("stale", None, with(&|it| it.responses[0].next_update = Some(at(-1)))),
        ("about-nothing", None, with(&|it| it.responses.clear())),
        ("by-nobody", None, behind_ca(&bench.ca, &signed(&bench.data(), &bench.signer, &[]))),
        ("try-later", None, behind_ca(&bench.ca, &try_later.to_der().unwrap())),
        ("of-another", None, behind_ca(&root("Another", |_| ()), &good)),
        ("cut-off", None, behind_ca(&bench.ca, &good[..200])),
    ]
}
