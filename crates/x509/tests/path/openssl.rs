//! Certificates that openssl/make.sh built with the openssl command line.

use crate::world::{NAME, REALM, anchors, now, verify};
use x509::{AnchorSet, CertPathVerified, GatewayName, KeyKind, PathError, Place, verify_gateway};

macro_rules! der {
    ($name:literal) => {
        include_bytes!(concat!("openssl/", $name, ".der")).as_slice()
    };
}

fn under_root(chain: &[&[u8]]) -> Result<CertPathVerified, PathError> {
    verify(&anchors(REALM, der!("root")), NAME, chain)
}

fn refused(chain: &[&[u8]], expected: PathError) {
    assert_eq!(under_root(chain).map(|_| ()).unwrap_err(), expected);
}

#[test]
fn the_profile_of_the_standard_passes() {
    let verified = under_root(&[der!("device"), der!("issuing")]).unwrap();
    assert_eq!(verified.name().to_string(), NAME);
    assert_eq!(verified.key(), KeyKind::P256);
    assert_eq!(verified.not_before().to_string(), "2026-11-01T00:00:00.000000Z");
    assert_eq!(verified.not_after().to_string(), "2026-12-31T23:59:59.000000Z");
    assert_eq!(verified.issuer(), "CN=issuing,O=Example");
    assert_eq!((verified.path().len(), verified.warnings()), (3, &[][..]));
}

#[test]
fn the_older_purpose_beside_server_auth_passes_with_a_warning() {
    let verified = under_root(&[der!("device-older"), der!("issuing")]).unwrap();
    assert!(verified.warnings().contains(&x509::Warning::OlderPurpose));
    assert!(verified.warnings().contains(&x509::Warning::WideKeyUsage));
}

#[test]
fn names_and_purposes_that_are_refused() {
    let issuing = der!("issuing");
    refused(&[der!("device-web"), issuing], PathError::ExtendedKeyUsage(Place::EndEntity));
    refused(&[der!("device-email"), issuing], PathError::SeveralNames);
    refused(&[der!("device-outside"), issuing], PathError::NameMismatch);
    refused(&[der!("device-v1"), issuing], PathError::Malformed(Place::EndEntity));
    let outside = anchors("other.example", der!("root"));
    let result = verify(&outside, "00aabbccddee.other.example", &[der!("device-outside"), issuing]);
    assert_eq!(result.map(|_| ()).unwrap_err(), PathError::NameConstraint);
}

#[test]
fn weak_and_odd_keys_are_refused() {
    let issuing = der!("issuing");
    let (weak, odd) =
        (PathError::WeakKey(Place::EndEntity), PathError::UnsupportedAlgorithm(Place::EndEntity));
    for (device, expected) in [
        (der!("device-rsa1024"), weak),
        (der!("device-rsa2040"), weak),
        (der!("device-rsa4104"), weak),
        (der!("device-rsa3"), weak),
        (der!("device-p521"), odd),
        (der!("device-k256"), odd),
        (der!("device-ed25519"), odd),
        (der!("device-explicit"), odd),
        (der!("device-compressed"), odd),
    ] {
        refused(&[device, issuing], expected);
    }
}

#[test]
fn broken_hashes_are_refused_by_name() {
    refused(&[der!("device-sha1"), der!("issuing")], PathError::WeakSignature(Place::EndEntity));
    refused(&[der!("under-sha1"), der!("sub-sha1")], PathError::WeakSignature(Place::Issuer));
    let chain = [der!("rsa-device-md5"), der!("rsa-issuing"), der!("rsa-mid")];
    let result = verify(&anchors(REALM, der!("rsa-root")), NAME, &chain);
    assert_eq!(result.map(|_| ()).unwrap_err(), PathError::WeakSignature(Place::EndEntity));
}

#[test]
fn issuers_that_nobody_should_trust() {
    refused(&[der!("under-policy"), der!("sub-policy")], PathError::UnknownCriticalExtension(Place::Issuer));
    refused(&[der!("under-rsa1024"), der!("sub-rsa1024")], PathError::BadSignature);
    refused(&[der!("under-ed25519"), der!("sub-ed25519")], PathError::UnsupportedAlgorithm(Place::Issuer));
}

#[test]
fn chains_of_four_certificates_pass_with_rsa_2048_3072_4096_and_pss() {
    let anchors = anchors(REALM, der!("rsa-root"));
    for (device, key) in [
        (der!("rsa-device"), KeyKind::Rsa(2048)),
        (der!("rsa-device-3072"), KeyKind::Rsa(3072)),
        (der!("rsa-device-4096"), KeyKind::Rsa(4096)),
        (der!("rsa-device-pss"), KeyKind::Rsa(2048)),
    ] {
        let chain = [device, der!("rsa-issuing"), der!("rsa-mid")];
        let verified = verify(&anchors, NAME, &chain).unwrap();
        assert_eq!((verified.key(), verified.path().len()), (key, 4));
    }
}

#[test]
fn chains_of_four_certificates_pass_with_p_384() {
    let chain = [der!("p384-device"), der!("p384-issuing"), der!("p384-mid")];
    let verified = verify(&anchors(REALM, der!("p384-root")), NAME, &chain).unwrap();
    assert_eq!((verified.key(), verified.path().len()), (KeyKind::P384, 4));
}

#[test]
fn a_gateway_is_known_by_its_name_or_its_address() {
    let mut anchors = AnchorSet::new();
    anchors.insert(x509::Anchor::from_der(der!("root")).unwrap());
    let chain = [der!("gateway"), der!("issuing")];
    let ask = |name| verify_gateway(&anchors, &name, &chain, now());
    ask(GatewayName::Fqdn("SeGW.femto.example".into())).unwrap();
    ask(GatewayName::Address([192, 0, 2, 1].into())).unwrap();
    for wrong in ["segw2.femto.example", "femto.example", "*.femto.example", "segw.femto.example.", "gateway"]
    {
        let refused = ask(GatewayName::Fqdn(wrong.into())).map(|_| ()).unwrap_err();
        assert_eq!(refused, PathError::NameMismatch);
    }
    let refused = ask(GatewayName::Address([192, 0, 2, 2].into())).map(|_| ()).unwrap_err();
    assert_eq!(refused, PathError::NameMismatch);
}
