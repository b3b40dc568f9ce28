//! The mock server of `openssl cmp` as the registration authority of our unit: it reads our ir and kur, checks their
//! protection and proof of possession, and we read its ip and kup. Passes by where openssl is not installed.

use super::network::Network;
use super::unit::{Credential, key};
use super::world;
use cmp::{AnswerError, Asked, Fresh, Offer, Operator, ProtectionKey, Signer};
use ids::UnixTime;
use pki::{FileKey, KeyAlgorithm, OffTheBooks, PrivateKey, certificate_pem};
use std::path::Path;
use std::process::Command;
use x509::{Anchor, Certificate};

/// What a unit needs to ask, and what the server issues to it.
struct Scene {
    network: Network,
    operator: Operator,
    /// The certificate that the server has for everyone.
    chain: Vec<Vec<u8>>,
    private: PrivateKey,
}

impl Scene {
    fn new() -> Self {
        let network = Network::at(UnixTime::now(), KeyAlgorithm::P256);
        network.ra();
        let ca = &network.carrier.ca;
        let issued = ca.issue(&world::order(), &mut OffTheBooks, network.now).unwrap();
        let (private, chain) = (issued.private_key.unwrap(), issued.chain);
        let operator = Operator::new("femto.example".parse().unwrap(), Anchor::from_der(ca.root()).unwrap());
        let pem = |name: &str, ders: &[&[u8]]| {
            let text: String = ders.iter().map(|der| certificate_pem(der)).collect();
            std::fs::write(network.carrier.directory.path().join(name), text).unwrap();
        };
        pem("issued.pem", &[&chain[0]]);
        pem("issuing.pem", &[&chain[1]]);
        pem("roots.pem", &[network.vendor.ca.root(), ca.root()]);
        Self { operator, chain, private, network }
    }

    /// The key that the server's certificate is for.
    fn new_key(&self) -> FileKey {
        FileKey::new(&self.private).unwrap()
    }

    fn directory(&self) -> &Path {
        self.network.carrier.directory.path()
    }

    /// What the server answers; `None` where there is no openssl.
    fn answer(&self, message: &[u8]) -> Option<Vec<u8>> {
        let directory = self.directory();
        std::fs::write(directory.join("req.der"), message).unwrap();
        let _ = std::fs::remove_file(directory.join("rsp.der"));
        let mock = "cmp -config  -use_mock_srv -srv_cert ca/ra.pem -srv_key ca/ra.key -srv_trusted roots.pem \
                    -srv_untrusted issuing.pem -rsp_cert issued.pem -rsp_extracerts issuing.pem -reqin req.der \
                    -rspout rsp.der";
        // Its client only carries our message, so that what it has of its own does not matter.
        let client = "-cmd ir -certout own.pem -cert ca/ra.pem -key ca/ra.key -newkey ca/ra.key -subject /CN=any -recipient /CN=any \
                      -trusted roots.pem -untrusted issuing.pem -unprotected_requests";
        let arguments = mock.split(' ').chain(client.split_whitespace());
        let mut command = Command::new("openssl");
        let arguments = arguments.enumerate().filter(|(n, word)| *n == 2 || !word.is_empty());
        let output = command.args(arguments.map(|(_, word)| word)).current_dir(directory).output();
        let Ok(output) = output else {
            println!("SKIPPED: no openssl on this machine");
            return None;
        };
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Some(std::fs::read(directory.join("rsp.der")).unwrap_or_else(|error| panic!("{error}: {said}")))
    }
}

fn signer(credential: Credential) -> Signer {
    Signer::new(Box::new(credential.key), credential.chain).unwrap()
}

fn fresh(number: u8) -> Fresh {
    Fresh { transaction: [number; 16], nonce: [number ^ 0xff; 16] }
}

#[test]
fn openssl_takes_our_ir_and_we_its_ip() {
    for algorithm in [KeyAlgorithm::P256, KeyAlgorithm::P384, KeyAlgorithm::Rsa2048] {
        let scene = Scene::new();
        let vendor = signer(scene.network.unit(algorithm));
        let now = scene.network.now;
        for time in [None, Some(now)] {
            let asked = Asked::ir(&scene.operator, &vendor, &scene.new_key(), time, fresh(1)).unwrap();
            let Some(answer) = scene.answer(asked.message()) else { return };
            let Offer { chain, time, .. } = asked.read(&scene.operator, &answer, now).unwrap();
            assert_eq!(chain[0], scene.chain[0]);
            assert!(Certificate::from_der(&chain[1]).unwrap().is_ca() && chain.len() == 2);
            assert!(time.since(now).as_secs() < 300);
        }
    }
}

/// The server wants oldCertID to name the one certificate that it issues, so that it is renewed by itself.
#[test]
fn openssl_takes_our_kur_and_we_its_kup() {
    let scene = Scene::new();
    let current = Signer::new(Box::new(scene.new_key()), scene.chain.clone()).unwrap();
    let now = scene.network.now;
    let asked = Asked::kur(&scene.operator, &current, &scene.new_key(), now, fresh(2)).unwrap();
    let Some(answer) = scene.answer(asked.message()) else { return };
    let offer = asked.read(&scene.operator, &answer, now).unwrap();
    assert_eq!(offer.chain[0], scene.chain[0]);
    // The same certificate is none for another key.
    let other = key(KeyAlgorithm::P256);
    let asked = Asked::kur(&scene.operator, &current, &other, now, fresh(3)).unwrap();
    let answer = scene.answer(asked.message()).unwrap();
    assert_eq!(asked.read(&scene.operator, &answer, now), Err(AnswerError::OtherKey));
}

/// The possession that OpenSSL checks: without the right signature it refuses, and we read that as its refusal.
#[test]
fn openssl_refuses_what_another_key_signed() {
    let scene = Scene::new();
    let vendor = signer(scene.network.unit(KeyAlgorithm::P256));
    let false_key = Liar(key(KeyAlgorithm::P256), key(KeyAlgorithm::P256));
    let asked = Asked::ir(&scene.operator, &vendor, &false_key, None, fresh(4)).unwrap();
    let Some(answer) = scene.answer(asked.message()) else { return };
    let refused = asked.read(&scene.operator, &answer, scene.network.now);
    assert!(matches!(refused, Err(AnswerError::Refused { .. })), "{refused:?}");
}

/// It says one public key and signs by another.
struct Liar(FileKey, FileKey);

impl ProtectionKey for Liar {
    fn spki(&self) -> Vec<u8> {
        self.0.spki()
    }

    fn sign(&self, octets: &[u8]) -> Option<Vec<u8>> {
        ProtectionKey::sign(&self.1, octets)
    }
}

/// Another oldCertID than the server's: it reads ours.
#[test]
fn openssl_refuses_a_kur_for_another_certificate() {
    let scene = Scene::new();
    let current = signer(scene.network.enrolled());
    let now = scene.network.now;
    let asked = Asked::kur(&scene.operator, &current, &scene.new_key(), now, fresh(5)).unwrap();
    let Some(answer) = scene.answer(asked.message()) else { return };
    let refused = asked.read(&scene.operator, &answer, now);
    assert!(matches!(refused, Err(AnswerError::Refused { .. })), "{refused:?}");
}
