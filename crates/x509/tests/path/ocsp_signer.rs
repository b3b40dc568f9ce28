//! Who may sign OCSP responses for a CA (RFC 6960 section 4.2.2.2).

use crate::world::*;
use rcgen::{
    BasicConstraints, ExtendedKeyUsagePurpose as Purpose, IsCa, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use x509::{Anchor, PathError, Place, verify_ocsp_signer};

/// Signed by `issuer`, bent, and judged for the issuing CA of `world`.
fn verdict(
    world: &World,
    issuer: &Cert,
    bend: impl FnOnce(&mut rcgen::CertificateParams),
) -> Result<(), PathError> {
    let mut params = device_params(NAME);
    params.subject_alt_names.clear();
    params.extended_key_usages = vec![Purpose::OcspSigning];
    bend(&mut params);
    let signer = issuer.sign(params, key(&PKCS_ECDSA_P256_SHA256));
    verify_ocsp_signer(&Anchor::from_der(&world.issuing.der).unwrap(), &signer.der, now())
}

#[test]
fn only_a_certificate_of_that_very_ca_for_that_purpose_may_sign() {
    let world = World::new();
    let place = Place::EndEntity;
    let (issuing, root) = (&world.issuing, &world.root);
    assert_eq!(verdict(&world, issuing, |_| ()), Ok(()));
    assert_eq!(verdict(&world, issuing, |params| params.key_usages.clear()), Ok(()));
    assert_eq!(verdict(&world, root, |_| ()), Err(PathError::Untrusted), "the CA above is another");
    let purposes = |purposes: Vec<Purpose>| verdict(&world, issuing, |it| it.extended_key_usages = purposes);
    for other in [vec![], vec![Purpose::Any], vec![ipsec_ike(), Purpose::ServerAuth]] {
        assert_eq!(purposes(other), Err(PathError::ExtendedKeyUsage(place)));
    }
    assert_eq!(purposes(vec![ipsec_ike(), Purpose::OcspSigning]), Ok(()));
    let usage = verdict(&world, issuing, |it| it.key_usages = vec![KeyUsagePurpose::CrlSign]);
    assert_eq!(usage, Err(PathError::KeyUsage(place)));
    assert_eq!(verdict(&world, issuing, |it| valid(it, -20, -1)), Err(PathError::Expired(place)));
    assert_eq!(verdict(&world, issuing, |it| valid(it, 1, 20)), Err(PathError::NotYetValid(place)));
    let ca = verdict(&world, issuing, |it| it.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    assert_eq!(ca, Err(PathError::CaAsEndEntity));
}

#[test]
fn a_signature_by_another_key_under_the_same_name_is_refused() {
    let world = World::new();
    let impostor =
        root("issuing", |params| params.distinguished_name = world.issuing.params.distinguished_name.clone());
    assert_eq!(
        verdict(&world, &impostor, |params| params.use_authority_key_identifier_extension = false),
        Err(PathError::BadSignature)
    );
    let anchor = Anchor::from_der(&world.issuing.der).unwrap();
    let malformed = Err(PathError::Malformed(Place::EndEntity));
    assert_eq!(verify_ocsp_signer(&anchor, &[], now()), malformed);
    assert_eq!(verify_ocsp_signer(&anchor, &world.issuing.der[..100], now()), malformed);
}
