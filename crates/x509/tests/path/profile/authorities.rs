//! Who protects answers of CMP, and whom CMP and EST know by their certificate.

use super::*;
use rcgen::{BasicConstraints, ExtendedKeyUsagePurpose as Purpose, IsCa, KeyUsagePurpose};
use x509::{verify_device_by_certificate, verify_registration_authority};

/// id-kp-cmcRA (RFC 6402 §2.10).
fn cmc_ra() -> Purpose {
    Purpose::Other(vec![1, 3, 6, 1, 5, 5, 7, 3, 28])
}

/// An authority's certificate by `issuing`, under the root of `world`.
fn authority_by(world: &World, issuing: &Cert, bend: impl FnOnce(&mut CertificateParams)) -> Outcome {
    let authority = issuing.device(|params| {
        params.extended_key_usages = vec![cmc_ra()];
        bend(params);
    });
    let set = world.anchors.of(&realm(REALM)).unwrap();
    verify_registration_authority(set, &[&authority.der, &issuing.der], now()).map(drop)
}

fn authority(world: &World, bend: impl FnOnce(&mut CertificateParams)) -> Outcome {
    authority_by(world, &world.issuing, bend)
}

fn purposes(world: &World, purposes: Vec<Purpose>) -> Outcome {
    authority(world, |params| params.extended_key_usages = purposes)
}

fn issuers_purposes(world: &World, purposes: Vec<Purpose>) -> Outcome {
    let issuing = world.root.ca("Bent CA", |params| params.extended_key_usages = purposes);
    authority_by(world, &issuing, |_| {})
}

/// A device that claims no name beside its certificate's.
fn device_without_claim(world: &World, name: &str) -> Outcome {
    let device = world.issuing.device(|params| params.subject_alt_names = vec![dns(name)]);
    let chain: [&[u8]; 2] = [&device.der, &world.issuing.der];
    verify_device_by_certificate(&world.anchors, &Default::default(), &chain, now()).map(drop)
}

pub(super) const ROWS: &[Row] = &[
    ("an authority", "RFC 9810 §4.5; RFC 6402 §2.10", |world| authority(world, |_| {}), Ok(())),
    (
        "an authority without a name",
        "RFC 9810 §4.5",
        |world| authority(world, |params| params.subject_alt_names.clear()),
        Ok(()),
    ),
    (
        "an authority that is more",
        "RFC 5280 §4.2.1.12",
        |world| purposes(world, vec![ipsec_ike(), cmc_ra()]),
        Ok(()),
    ),
    (
        "an authority without purposes",
        "RFC 6402 §2.10: must be there",
        |world| purposes(world, vec![]),
        Err(PathError::ExtendedKeyUsage(DEVICE)),
    ),
    (
        "an authority for any purpose",
        "RFC 6402 §2.10: that very one",
        |world| purposes(world, vec![Purpose::Any]),
        Err(PathError::ExtendedKeyUsage(DEVICE)),
    ),
    (
        "a device for an authority",
        "RFC 6402 §2.10",
        |world| purposes(world, vec![ipsec_ike()]),
        Err(PathError::ExtendedKeyUsage(DEVICE)),
    ),
    (
        "an authority under a CA for IKE alone",
        "RFC 5280 §4.2.1.12, of each issuer that has it",
        |world| issuers_purposes(world, vec![ipsec_ike()]),
        Err(PathError::ExtendedKeyUsage(ISSUER)),
    ),
    (
        "an authority under a CA for its purpose",
        "RFC 5280 §4.2.1.12",
        |world| issuers_purposes(world, vec![cmc_ra()]),
        Ok(()),
    ),
    (
        "an authority that may not sign",
        "RFC 9810 §5.1.3.3",
        |world| authority(world, |params| params.key_usages = vec![KeyUsagePurpose::KeyEncipherment]),
        Err(PathError::KeyUsage(DEVICE)),
    ),
    (
        "a CA as its own authority",
        "our profile: no CA",
        |world| authority(world, |params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)),
        Err(PathError::CaAsEndEntity),
    ),
    (
        "an authority that has expired",
        "RFC 5280 §6.1.3 a",
        |world| authority(world, |params| valid(params, -30, -1)),
        Err(PathError::Expired(DEVICE)),
    ),
    (
        "an authority of strangers",
        "RFC 5280 §6.1",
        |world| authority_by(world, &root("Stranger", |_| {}), |_| {}),
        Err(PathError::Untrusted),
    ),
    ("a device by its certificate", "TS 23.003 §4.10", |world| device_without_claim(world, NAME), Ok(())),
    (
        "a gateway by its certificate",
        "TS 23.003 §4.10: hex digits and a realm",
        |world| device_without_claim(world, "segw.femto.example"),
        Err(PathError::IdentityMalformed),
    ),
    (
        "a device of a realm that is not configured",
        "our profile: anchors by realm",
        |world| device_without_claim(world, "00aabbccddee.other.example"),
        Err(PathError::UnknownRealm),
    ),
];
