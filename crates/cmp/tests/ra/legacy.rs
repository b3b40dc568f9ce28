//! Units that all have one certificate, which names none of them and leads to no anchor.

use super::network::Network;
use super::unit::{Ask, Credential, Draft, IP, IR, KUR, key, named, public_key};
use cmp::{FailureInfo, Refusal};
use ids::CertSha256;
use pki::{FileKey, KeyAlgorithm, PrivateKey};
use rcgen::{CertificateParams, DnType, KeyPair};

/// For ten years, by nobody, and expired; known to the register.
fn shared(network: &Network) -> Credential {
    let private = PrivateKey::generate(KeyAlgorithm::P256).unwrap();
    let mut params = CertificateParams::new(["femto.vendor.example".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "femto.vendor.example");
    (params.not_before, params.not_after) =
        (rcgen::date_time_ymd(2009, 1, 1), rcgen::date_time_ymd(2019, 1, 1));
    let certificate = params.self_signed(&KeyPair::try_from(private.pkcs8()).unwrap()).unwrap();
    let chain = vec![certificate.der().to_vec()];
    *network.register.legacy.lock().unwrap() = Some(CertSha256::of(&chain[0]));
    Credential { key: FileKey::new(&private).unwrap(), chain }
}

/// What is asked for under these commonNames.
fn ask(names: &[&str]) -> Ask {
    let new = key(KeyAlgorithm::P256);
    let template = [named(names), public_key(&new)].concat();
    Ask { template, ..Ask::for_key(new) }
}

fn ir(network: &Network, shared: &Credential, id: u8, names: &[&str]) -> Draft {
    Draft::new(shared, id, network.now, ask(names).body(IR))
}

#[test]
fn a_unit_that_shares_its_certificate_says_which_one_it_is() {
    let network = Network::new();
    let shared = shared(&network);
    for (id, name) in (1..).zip(["00aabbccddee", "00AABBCCDDEF", "00aabbccddf0.femto.example"]) {
        let reply = network.send(&ir(&network, &shared, id, &[name]).sign(&shared.key));
        assert_eq!(reply.kind(), IP, "{name}: {:?}", network.why());
        assert!(!reply.certificate().is_empty());
    }
    let asked =
        ["00aabbccddee", "00aabbccddef", "00aabbccddf0"].map(|unit| format!("enrol {unit}.vendor.example"));
    assert_eq!(network.asked(), asked);
}

#[test]
fn who_does_not_say_so_or_says_two_is_asked_nothing_more() {
    let network = Network::new();
    let shared = shared(&network);
    let bad: [&[&str]; 5] = [
        &["whatever"],
        &["femto.vendor.example"],
        &["00aabbccddee", "00aabbccddef"],
        &[],
        &["00aabbccddeeff"],
    ];
    for (id, names) in (1..).zip(bad) {
        let reply = network.send(&ir(&network, &shared, id, names).sign(&shared.key));
        assert_eq!(reply.failure(), Some(FailureInfo::BAD_CERT_TEMPLATE.bit()), "{names:?}");
        assert_eq!(network.why(), Some(Refusal::Unnamed));
    }
    assert_eq!(network.asked(), [""; 0]);
}

#[test]
fn it_is_known_by_its_octets_alone_and_good_for_ir_alone_by_its_own_key() {
    let network = Network::new();
    let (first, second) = (shared(&network), shared(&network));
    let unknown = network.send(&ir(&network, &first, 1, &["00aabbccddee"]).sign(&first.key));
    assert_eq!(
        unknown.failure(),
        Some(FailureInfo::SIGNER_NOT_TRUSTED.bit()),
        "the register knows the second"
    );
    let forged = network.send(&ir(&network, &second, 2, &["00aabbccddee"]).sign(&first.key));
    assert_eq!(
        (forged.failure(), network.why()),
        (Some(FailureInfo::BAD_MESSAGE_CHECK.bit()), Some(Refusal::Protection))
    );
    let kur = Draft::new(&second, 3, network.now, ask(&["00aabbccddee"]).body(KUR));
    let kur = network.send(&kur.sign(&second.key));
    assert_eq!(kur.failure(), Some(FailureInfo::SIGNER_NOT_TRUSTED.bit()), "{:?}", network.why());
    assert_eq!(network.asked(), [""; 0]);
}
