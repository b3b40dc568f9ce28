//! CPU time of what the responder's handshake is made of, on this machine: `cargo bench -p ike`.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout, reason = "a bench")]

use ids::{IkeSpi, Spi};
use ike::{
    CipherSuite, ExchangeType, Header, SuitePolicy,
    crypto::{AuthKey, AwsLc, CryptoProvider, PrivateAuthKey, SignatureHashes},
    fuzz,
    payload::*,
};
use std::{hint::black_box, time::Instant};

/// Best of nine averages, in microseconds.
fn best(mut run: impl FnMut()) -> f64 {
    const RUNS: u32 = 200;
    let average = |run: &mut dyn FnMut()| {
        let start = Instant::now();
        (0..RUNS).for_each(|_| run());
        start.elapsed().as_secs_f64() / f64::from(RUNS) * 1e6
    };
    (0..9).map(|_| average(&mut run)).fold(f64::MAX, f64::min)
}

fn key_exchanges() {
    let methods = [
        ("X25519", KeyExchangeMethod::CURVE25519),
        ("P-256", KeyExchangeMethod::ECP_256),
        ("P-384", KeyExchangeMethod::ECP_384),
        ("MODP 2048", KeyExchangeMethod::MODP_2048),
    ];
    for (name, method) in methods {
        let own = || AwsLc.key_exchange(method).unwrap();
        let peer = own().public_value().to_vec();
        let generate = best(|| drop(black_box(own())));
        let both = best(|| drop(black_box(own().agree(&peer))));
        println!("{name}: key pair {generate:.1} us, secret {:.1} us", both - generate);
    }
}

fn signatures() {
    use aws_lc_rs::{encoding::AsDer, rand::SystemRandom, rsa, signature::*};
    let random = SystemRandom::new();
    let mut keys = Vec::new();
    for (name, algorithm) in
        [("P-256", &ECDSA_P256_SHA256_ASN1_SIGNING), ("P-384", &ECDSA_P384_SHA384_ASN1_SIGNING)]
    {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref()).unwrap();
        let spki = pair.public_key().as_der().unwrap().as_ref().to_vec();
        keys.push((name, AuthKey::from_pkcs8(pkcs8.as_ref()).unwrap(), spki));
    }
    let sizes = [
        ("RSA 2048", rsa::KeySize::Rsa2048),
        ("RSA 3072", rsa::KeySize::Rsa3072),
        ("RSA 4096", rsa::KeySize::Rsa4096),
    ];
    for (name, size) in sizes {
        let pair = rsa::KeyPair::generate(size).unwrap();
        let pkcs8: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let spki = pair.public_key().as_der().unwrap().as_ref().to_vec();
        keys.push((name, AuthKey::from_pkcs8(pkcs8.as_ref()).unwrap(), spki));
    }
    let octets = [7; 400];
    for (name, key, spki) in keys {
        let sign = best(|| drop(black_box(key.sign(&octets, SignatureHashes::OURS))));
        let auth = key.sign(&octets, SignatureHashes::OURS).unwrap();
        let verify = best(|| assert!(AwsLc.verify_auth(&spki, &auth, &octets, false)));
        println!("{name}: sign {sign:.1} us, verify {verify:.1} us");
    }
}

/// An RSA key of 4096 bits with the longest exponent that is taken, which verifies nothing but costs the most.
fn long_exponent() {
    use aws_lc_rs::{encoding::AsDer, rsa, signature::KeyPair};
    let pair = rsa::KeyPair::generate(rsa::KeySize::Rsa4096).unwrap();
    let mut spki = pair.public_key().as_der().unwrap().as_ref().to_vec();
    assert_eq!(spki.split_off(spki.len() - 5), [2, 3, 1, 0, 1], "the exponent is last");
    spki.extend([2, 5, 0, 0xff, 0xff, 0xff, 0xff]);
    // The outermost SEQUENCE, the BIT STRING behind the algorithm, and the SEQUENCE in it: each two octets longer.
    for at in [2, 21, 26] {
        let length = u16::from_be_bytes([spki[at], spki[at + 1]]) + 2;
        spki[at..at + 2].copy_from_slice(&length.to_be_bytes());
    }
    let pkcs8: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let key = AuthKey::from_pkcs8(pkcs8.as_ref()).unwrap();
    let auth = key.sign(&[7; 400], SignatureHashes::OURS).unwrap();
    let verify = best(|| assert!(!AwsLc.verify_auth(&spki, &auth, &[7; 400], false)));
    println!("RSA 4096, an exponent of 32 bits: verify {verify:.1} us");
}

fn messages() {
    let header = Header {
        spi_i: IkeSpi(1),
        spi_r: IkeSpi(2),
        first_payload: PayloadType::NONE,
        exchange: ExchangeType::IKE_AUTH,
        from_initiator: true,
        is_response: false,
        message_id: 1,
    };
    let encoding = CertEncoding::X509_SIGNATURE;
    let certificate = || Payload::Cert(Certificate { encoding, data: vec![0x30; 600] });
    let payloads = [
        Payload::IdI(Identification::fqdn("00aabbccddee.femto.example")),
        certificate(),
        certificate(),
        Payload::Auth(Authentication { method: AuthMethod::DIGITAL_SIGNATURE, data: vec![1; 84] }),
        Payload::Sa(SuitePolicy::default().offer_esp(Spi(0xc0ff_ee01), false)),
        Payload::TsI(vec![TrafficSelector::ALL_V4]),
        Payload::TsR(vec![TrafficSelector::ALL_V4]),
    ];
    for (suite, name) in CipherSuite::ALL.into_iter().zip(["GCM 256", "GCM 128", "CBC 256", "CBC 128"]) {
        let seal = || fuzz::seal(suite, header, &payloads, None, &AwsLc);
        let datagram = seal().remove(0);
        let sealing = best(|| drop(black_box(seal())));
        println!("IKE_AUTH of {} octets, {name}: keys derived and sealed {sealing:.1} us", datagram.len());
    }
}

fn main() {
    key_exchanges();
    signatures();
    long_exponent();
    messages();
}
