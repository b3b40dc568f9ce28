//! OCSP responses per second on one core of this machine, and how many bare P-256 signatures that is.
//! `cargo bench -p pki`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench")]

use aws_lc_rs::digest::{SHA256, digest};
use der::asn1::{Any, OctetString};
use der::{Decode, Encode};
use ids::UnixTime;
use pki::ocsp::{MAX_ASKED, OutOfReach, Responder, Status, Statuses};
use pki::{Ca, CaSpec, FileKey, Generation, Issuing, KeyAlgorithm, OffTheBooks, PrivateKey};
use rcgen::SigningKey;
use std::hint::black_box;
use std::time::{Duration, Instant};
use x509::Certificate;
use x509_cert::ext::Extension;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoRef};
use x509_ocsp::{CertId, OcspRequest, Request, TbsRequest};

/// Books that cost nothing.
struct AllGood;

impl Statuses for AllGood {
    fn status(&self, _: Generation, _: &str, _: UnixTime) -> Result<Status, OutOfReach> {
        Ok(Status::Good)
    }
}

/// Best of nine averages, in microseconds.
fn best(mut run: impl FnMut()) -> f64 {
    const RUNS: u32 = 500;
    let average = |run: &mut dyn FnMut()| {
        let start = Instant::now();
        (0..RUNS).for_each(|_| run());
        start.elapsed().as_secs_f64() / f64::from(RUNS) * 1e6
    };
    (0..9).map(|_| average(&mut run)).fold(f64::MAX, f64::min)
}

/// About `count` certificates, with a nonce of 32 octets.
fn request(issuer: &Certificate, count: usize) -> Vec<u8> {
    let hashed = |octets: &[u8]| OctetString::new(digest(&SHA256, octets).as_ref()).unwrap();
    let key = SubjectPublicKeyInfoRef::from_der(issuer.spki()).unwrap();
    let oid = "2.16.840.1.101.3.4.2.1".parse().unwrap();
    let req_cert = CertId {
        hash_algorithm: AlgorithmIdentifierOwned { oid, parameters: Some(Any::null()) },
        issuer_name_hash: hashed(issuer.subject_der()),
        issuer_key_hash: hashed(key.subject_public_key.raw_bytes()),
        serial_number: SerialNumber::new(&[0x4b; 16]).unwrap(),
    };
    let nonce = OctetString::new([7; 32]).unwrap().to_der().unwrap();
    let nonce = Extension {
        extn_id: "1.3.6.1.5.5.7.48.1.2".parse().unwrap(),
        critical: false,
        extn_value: OctetString::new(nonce).unwrap(),
    };
    let tbs_request = TbsRequest {
        request_list: vec![Request { req_cert, single_request_extensions: None }; count],
        request_extensions: Some(vec![nonce]),
        ..TbsRequest::default()
    };
    OcspRequest { tbs_request, optional_signature: None }.to_der().unwrap()
}

fn main() {
    let directory = tempfile::tempdir().unwrap();
    let now = UnixTime::now();
    let spec = CaSpec::new("Example", "femto.example".parse().unwrap());
    let ca = Ca::create(&directory.path().join("ca"), &spec, now).unwrap();
    let signer = ca.ocsp_signer(Generation::first(Issuing::Devices), "bench", &mut OffTheBooks, now).unwrap();
    let issuer = std::fs::read(directory.path().join("ca/devices.pem")).unwrap();
    let issuer = Certificate::from_der(&der::pem::decode_vec(&issuer).unwrap().1).unwrap();
    let responder = Responder::new(vec![signer], Duration::from_secs(3600)).unwrap();
    let key = FileKey::new(&PrivateKey::generate(KeyAlgorithm::P256).unwrap()).unwrap();
    let bare = best(|| drop(black_box(key.sign(&[0; 300]).unwrap())));
    println!("bare P-256 signature: {bare:.1} us, {:.0} a second", 1e6 / bare);
    for count in [1, MAX_ASKED] {
        let request = request(&issuer, count);
        let one = best(|| {
            let answer = responder.answer(black_box(&request), &AllGood, now);
            assert!(black_box(answer).outcome.is_ok());
        });
        let (second, ratio) = (1e6 / one, one / bare);
        println!(
            "response about {count}, with nonce: {one:.1} us, {second:.0} a second, {ratio:.2} signatures"
        );
    }
    let refused = best(|| drop(black_box(responder.answer(&[0x30; 200], &AllGood, now))));
    println!("refusal of what is no request: {refused:.2} us");
}
