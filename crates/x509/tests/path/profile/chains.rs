//! What is sent, and in which order.

use super::*;
use rcgen::{KeyPair, PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256};

fn copy(key: &KeyPair) -> KeyPair {
    KeyPair::from_pem(&key.serialize_pem()).unwrap()
}

/// A device under so many CAs, one under the other.
fn under(world: &World, issuers: usize) -> Outcome {
    let mut cas: Vec<Cert> = Vec::new();
    for number in 0..issuers {
        let above = cas.last().unwrap_or(&world.root);
        cas.push(above.ca(&format!("CA {number}"), |_| {}));
    }
    let device = cas.last().unwrap_or(&world.root).device(|_| {});
    let chain: Vec<&[u8]> = std::iter::once(&device).chain(&cas).map(|cert| cert.der.as_slice()).collect();
    world.verify(NAME, &chain).map(drop)
}

pub(super) const ROWS: &[Row] = &[
    (
        "certificates that have nothing to do with it",
        "RFC 7296 §3.6: others may be sent",
        |world| {
            let (stranger, device) = (root("Stranger", |_| {}), world.issuing.device(|_| {}));
            let theirs = stranger.device(|_| {});
            world.verify(NAME, &[&device.der, &stranger.der, &theirs.der, &world.issuing.der]).map(drop)
        },
        Ok(()),
    ),
    (
        "the device's certificate twice",
        "RFC 7296 §3.6",
        |world| {
            let device = world.issuing.device(|_| {});
            world.verify(NAME, &[&device.der, &device.der, &world.issuing.der]).map(drop)
        },
        Ok(()),
    ),
    (
        "the issuer before the device",
        "RFC 7296 §3.6: the first is the peer's",
        |world| {
            let device = world.issuing.device(|_| {});
            world.verify(NAME, &[&world.issuing.der, &device.der]).map(drop)
        },
        Err(PathError::NoName),
    ),
    (
        "the anchor itself, with the device's name",
        "our profile: no CA",
        |_| {
            let root = root("Root", |params| params.subject_alt_names = vec![dns(NAME)]);
            verify(&anchors(REALM, &root.der), NAME, &[&root.der]).map(drop)
        },
        Err(PathError::CaAsEndEntity),
    ),
    (
        "an issuer that a stranger has certified as well, the stranger's first",
        "RFC 4158 §2.4: the other way is found",
        |world| {
            let crossed =
                root("Stranger", |_| {}).ca_with("Example issuing CA", copy(&world.issuing.key), |_| {});
            let device = world.issuing.device(|_| {});
            world.verify(NAME, &[&device.der, &crossed.der, &world.issuing.der]).map(drop)
        },
        Ok(()),
    ),
    (
        "an issuer of whom only the stranger's certificate is sent",
        "RFC 5280 §6.1: to an anchor",
        |world| {
            let crossed =
                root("Stranger", |_| {}).ca_with("Example issuing CA", copy(&world.issuing.key), |_| {});
            let device = world.issuing.device(|_| {});
            world.verify(NAME, &[&device.der, &crossed.der]).map(drop)
        },
        Err(PathError::Untrusted),
    ),
    (
        "an anchor that is no root",
        "RFC 5280 §6.1.1 d: any CA may be one",
        |world| {
            let device = world.issuing.device(|_| {});
            verify(&anchors(REALM, &world.issuing.der), NAME, &[&device.der, &world.root.der]).map(drop)
        },
        Ok(()),
    ),
    (
        "the root's old certificate as anchor, its new one sent",
        "RFC 5280 §6.1.1 d: the anchor's own time counts",
        |_| {
            let old = root("Root", |params| valid(params, -30, -1));
            let new = root_with("Root", copy(&old.key), |_| {});
            let device = new.device(|_| {});
            verify(&anchors(REALM, &old.der), NAME, &[&device.der, &new.der]).map(drop)
        },
        Err(PathError::Expired(Place::Anchor)),
    ),
    (
        "a CA that has certified its own new key",
        "RFC 5280 §6.1: self-issued",
        |world| {
            let new = world.issuing.ca("Example issuing CA", |_| {});
            let device = new.device(|_| {});
            world.verify(NAME, &[&device.der, &world.issuing.der, &new.der]).map(drop)
        },
        Ok(()),
    ),
    ("five issuers", "our limits: six certificates", |world| under(world, 5), Ok(())),
    (
        "nine issuers",
        "our limits: six certificates",
        |world| under(world, 9),
        Err(PathError::TooManyCertificates),
    ),
    (
        "P-384 above RSA above P-256",
        "our profile: each of them",
        |world| {
            let upper = world.root.ca_with("Upper CA", key(&PKCS_ECDSA_P384_SHA384), |_| {});
            let lower = upper.ca_with("Lower CA", key(&PKCS_RSA_SHA256), |_| {});
            let device = lower.device(|_| {});
            world.verify(NAME, &[&device.der, &lower.der, &upper.der]).map(drop)
        },
        Ok(()),
    ),
    (
        "a CA's certificate that ends before the device's begins to count",
        "RFC 5280 §6.1.3 a: each at the same time",
        |world| {
            issuer(world, |params| {
                (params.not_before, params.not_after) =
                    (rcgen::date_time_ymd(2025, 1, 1), rcgen::date_time_ymd(2026, 1, 1));
            })
        },
        Err(PathError::Expired(ISSUER)),
    ),
];
