//! PKCS#10 requests: who proves possession of a key, and who does not.

use crate::world::{NAME, device_params, dns, key};
use x509::{KeyKind, RequestError, verify_request};

pub(crate) fn params() -> rcgen::CertificateParams {
    let mut params = device_params(NAME);
    params.use_authority_key_identifier_extension = false;
    params
}

pub(crate) fn request(key: &rcgen::KeyPair) -> Vec<u8> {
    params().serialize_request(key).unwrap().der().to_vec()
}

#[test]
fn possession_is_proven_by_p_256_p_384_and_rsa_keys() {
    for (algorithm, expected) in [
        (&rcgen::PKCS_ECDSA_P256_SHA256, KeyKind::P256),
        (&rcgen::PKCS_ECDSA_P384_SHA384, KeyKind::P384),
        (&rcgen::PKCS_RSA_SHA256, KeyKind::Rsa(2048)),
    ] {
        let key = key(algorithm);
        let verified = verify_request(&request(&key)).unwrap();
        assert_eq!(verified.key(), expected);
        assert_eq!(verified.spki(), rcgen::PublicKeyData::subject_public_key_info(&key));
        assert_eq!((verified.dns_names(), verified.name_count()), (&[NAME.to_owned()][..], 1));
    }
}

#[test]
fn a_request_for_anothers_key_or_with_altered_contents_proves_nothing() {
    let (own, other) = (key(&rcgen::PKCS_ECDSA_P256_SHA256), key(&rcgen::PKCS_ECDSA_P256_SHA256));
    let mut bytes = request(&own);
    let swap = |bytes: &mut Vec<u8>, from: &[u8], to: &[u8]| {
        let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
        bytes[at..at + from.len()].copy_from_slice(to);
    };
    swap(&mut bytes, own.public_key_raw(), other.public_key_raw());
    assert_eq!(verify_request(&bytes).map(|_| ()), Err(RequestError::Signature));
    let mut bytes = request(&own);
    swap(&mut bytes, b"ccddee.femto", b"ccddef.femto");
    assert_eq!(verify_request(&bytes).map(|_| ()), Err(RequestError::Signature));
}

#[test]
fn odd_keys_and_no_requests_are_told_apart() {
    let odd = request(&key(&rcgen::PKCS_ED25519));
    assert_eq!(verify_request(&odd).map(|_| ()), Err(RequestError::Key(x509::KeyError::Unsupported)));
    for bytes in [&b""[..], b"0", &vec![0x30; 20_000]] {
        assert_eq!(verify_request(bytes).map(|_| ()), Err(RequestError::Malformed));
    }
}

#[test]
fn every_name_asked_for_is_seen() {
    let mut params = params();
    params.subject_alt_names.push(dns("00aabbccddef.femto.example"));
    let der = params.serialize_request(&key(&rcgen::PKCS_ECDSA_P256_SHA256)).unwrap();
    assert_eq!(verify_request(der.der()).unwrap().name_count(), 2);
    params.subject_alt_names.clear();
    let der = params.serialize_request(&key(&rcgen::PKCS_ECDSA_P256_SHA256)).unwrap();
    assert_eq!(verify_request(der.der()).unwrap().name_count(), 0);
}
