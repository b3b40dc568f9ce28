use super::*;
use crate::payload::AuthMethod;
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, KeyPair},
};

fn agree(method: KeyExchangeMethod, one: &dyn CryptoProvider, two: &dyn CryptoProvider) {
    let (a, b) = (one.key_exchange(method).unwrap(), two.key_exchange(method).unwrap());
    let (of_a, of_b) = (a.public_value().to_vec(), b.public_value().to_vec());
    let secret = a.agree(&of_b).unwrap();
    assert_eq!(secret, b.agree(&of_a).unwrap());
    let expected = match method {
        KeyExchangeMethod::MODP_2048 => (256, 256),
        KeyExchangeMethod::ECP_256 => (64, 32),
        KeyExchangeMethod::ECP_384 => (96, 48),
        _ => (32, 32),
    };
    assert_eq!((of_a.len(), secret.len()), expected);
}

#[test]
fn every_key_exchange_method_agrees_with_lengths_of_its_rfc() {
    let methods = [
        KeyExchangeMethod::CURVE25519,
        KeyExchangeMethod::ECP_256,
        KeyExchangeMethod::ECP_384,
        KeyExchangeMethod::MODP_2048,
    ];
    for method in methods {
        agree(method, &AwsLc, &AwsLc);
        agree(method, &SeededProvider::new(1), &AwsLc);
    }
    assert!(AwsLc.key_exchange(KeyExchangeMethod(2)).is_none());
}

#[test]
fn section_4_line_21_public_values_outside_the_group_are_refused() {
    let agree = |method, peer: &[u8]| AwsLc.key_exchange(method).unwrap().agree(peer).is_ok();
    assert!(!agree(KeyExchangeMethod::CURVE25519, &[0; 32]), "the secret would be zero (RFC 8031 §5)");
    assert!(!agree(KeyExchangeMethod::CURVE25519, &[9; 31]));
    assert!(!agree(KeyExchangeMethod::ECP_256, &[1; 64]), "not on the curve");
    assert!(!agree(KeyExchangeMethod::ECP_384, &[1; 96]), "not on the curve");
    assert!(!agree(KeyExchangeMethod::ECP_256, &[1; 65]));
    assert!(!agree(KeyExchangeMethod::MODP_2048, &[0; 256]));
}

#[test]
fn prf_plus_is_as_rfc_7296_section_2_13_defines_it() {
    let key = PrfAlgorithm::HmacSha256.key(b"Jefe");
    let t1 = key.apply(&[b"seed", &[1]]);
    let t2 = key.apply(&[&t1, b"seed", &[2]]);
    assert_eq!(*key.expand(&[b"se", b"ed"], 50), [t1.as_slice(), &t2].concat()[..50]);
}

fn spki(public_key: &[u8]) -> Vec<u8> {
    let head: &[u8] = if public_key.len() == 65 {
        b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00"
    } else {
        b"\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22\x03\x62\x00"
    };
    [head, public_key].concat()
}

#[test]
fn section_4_line_2_methods_14_9_and_10_verify_and_only_over_what_was_signed() {
    let none = SignatureHashes::default();
    for (algorithm, old) in [
        (&ECDSA_P256_SHA256_ASN1_SIGNING, AuthMethod::ECDSA_SHA256_P256),
        (&ECDSA_P384_SHA384_ASN1_SIGNING, AuthMethod::ECDSA_SHA384_P384),
    ] {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref()).unwrap();
        let spki = spki(pair.public_key().as_ref());
        let key = AuthKey::from_pkcs8(pkcs8.as_ref()).unwrap();
        let other = AuthKey::from_pkcs8(
            EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).unwrap().as_ref(),
        );
        assert!(key.is_of(&spki) && !other.unwrap().is_of(&spki));
        for (hashes, method) in [(SignatureHashes::OURS, AuthMethod::DIGITAL_SIGNATURE), (none, old)] {
            let auth = key.sign(b"octets", hashes).unwrap();
            assert_eq!(auth.method, method);
            assert!(signature_is_valid(&spki, &auth, b"octets", false));
            assert!(!signature_is_valid(&spki, &auth, b"other", false));
            let mut bent = auth.clone();
            *bent.data.last_mut().unwrap() ^= 1;
            assert!(!signature_is_valid(&spki, &bent, b"octets", false));
        }
    }
}

#[test]
fn section_4_line_2_method_1_needs_the_legacy_profile_and_rsa_verifies_under_method_14() {
    use aws_lc_rs::{encoding::AsDer, rsa};
    let pair = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap();
    let pkcs8: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let spki: aws_lc_rs::encoding::PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    let key = AuthKey::from_pkcs8(pkcs8.as_ref()).unwrap();
    let auth = key.sign(b"octets", SignatureHashes::OURS).unwrap();
    assert_eq!(auth.method, AuthMethod::DIGITAL_SIGNATURE);
    assert!(signature_is_valid(spki.as_ref(), &auth, b"octets", false));
    assert!(key.is_of(spki.as_ref()));
    assert!(key.sign(b"octets", SignatureHashes::default()).is_none(), "we never sign with SHA-1");
}

#[test]
fn the_seeded_provider_draws_the_same_keys_again_and_others_from_another_seed() {
    let public_value = |seed, method| {
        let provider = SeededProvider::new(seed);
        provider.key_exchange(method).unwrap().public_value().to_vec()
    };
    for method in [KeyExchangeMethod::CURVE25519, KeyExchangeMethod::ECP_384, KeyExchangeMethod::MODP_2048] {
        assert_eq!(public_value(1, method), public_value(1, method));
        assert_ne!(public_value(1, method), public_value(2, method));
    }
}
