//! extKeyUsage, keyUsage and basicConstraints.

use super::*;
use rcgen::{BasicConstraints, ExtendedKeyUsagePurpose as Purpose, IsCa, KeyUsagePurpose as Usage};

fn purpose(arc: u64) -> Purpose {
    Purpose::Other(vec![1, 3, 6, 1, 5, 5, 7, 3, arc])
}

fn purposes(world: &World, purposes: Vec<Purpose>) -> Outcome {
    device(world, |params| params.extended_key_usages = purposes)
}

fn issuers_purposes(world: &World, purposes: Vec<Purpose>) -> Outcome {
    issuer(world, |params| params.extended_key_usages = purposes)
}

/// keyUsage with this value.
fn usage(params: &mut CertificateParams, is_critical: bool, value: &[u8]) {
    params.key_usages.clear();
    params.custom_extensions = vec![extension(&[2, 5, 29, 15], is_critical, value)];
}

/// basicConstraints with this content of the SEQUENCE.
fn constraints(params: &mut CertificateParams, is_critical: bool, content: &[u8]) {
    params.is_ca = IsCa::NoCa;
    let value = crate::der::tlv(0x30, content);
    params.custom_extensions = vec![extension(&[2, 5, 29, 19], is_critical, &value)];
}

/// A device under issuers with these path lengths, from the root's side.
fn lengths(world: &World, lengths: &[u8]) -> Outcome {
    let mut issuers: Vec<Cert> = Vec::new();
    for (number, length) in lengths.iter().enumerate() {
        let above = issuers.last().unwrap_or(&world.root);
        issuers.push(above.ca(&format!("CA {number}"), |params| {
            params.is_ca = IsCa::Ca(BasicConstraints::Constrained(*length));
        }));
    }
    let device = issuers.last().unwrap_or(&world.root).device(|_| {});
    let chain: Vec<&[u8]> =
        std::iter::once(&device).chain(&issuers).map(|cert| cert.der.as_slice()).collect();
    world.verify(NAME, &chain).map(drop)
}

pub(super) const ROWS: &[Row] = &[
    (
        "any purpose beside a web server's",
        "RFC 5280 §4.2.1.12",
        |world| purposes(world, vec![Purpose::ServerAuth, Purpose::Any]),
        Ok(()),
    ),
    (
        "purposes that are critical",
        "RFC 5280 §4.2.1.12: may be critical",
        |world| {
            device(world, |params| {
                params.extended_key_usages.clear();
                // id-kp-ipsecIKE
                let value = [0x30, 10, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 17];
                params.custom_extensions = vec![extension(&[2, 5, 29, 37], true, &value)];
            })
        },
        Ok(()),
    ),
    (
        "a registration authority's purpose",
        "RFC 6402 §2.10: not for IKE",
        |world| purposes(world, vec![purpose(28)]),
        Err(PathError::ExtendedKeyUsage(DEVICE)),
    ),
    (
        "an OCSP responder's purpose",
        "RFC 6960 §4.2.2.2: not for IKE",
        |world| purposes(world, vec![Purpose::OcspSigning]),
        Err(PathError::ExtendedKeyUsage(DEVICE)),
    ),
    (
        "ipsecEndSystem",
        "RFC 4945 §5.1.3.12: not to be used",
        |world| purposes(world, vec![purpose(5)]),
        Err(PathError::ExtendedKeyUsage(DEVICE)),
    ),
    (
        "ipsecUser",
        "RFC 4945 §5.1.3.12: not to be used",
        |world| purposes(world, vec![purpose(7)]),
        Err(PathError::ExtendedKeyUsage(DEVICE)),
    ),
    (
        "a purpose that is no OID",
        "RFC 5280 §4.2.1.12: KeyPurposeId",
        |world| {
            device(world, |params| {
                params.extended_key_usages.clear();
                params.custom_extensions = vec![extension(&[2, 5, 29, 37], false, &[0x30, 2, 5, 0])];
            })
        },
        Err(PathError::Malformed(DEVICE)),
    ),
    (
        "an issuer for any purpose",
        "RFC 5280 §4.2.1.12",
        |world| issuers_purposes(world, vec![Purpose::Any]),
        Ok(()),
    ),
    (
        "an issuer for the older purpose of IKE",
        "our profile: accepted in each place",
        |world| issuers_purposes(world, vec![ike_intermediate()]),
        Ok(()),
    ),
    (
        "an issuer for IKE and for the web",
        "RFC 5280 §4.2.1.12: one of them does",
        |world| issuers_purposes(world, vec![Purpose::ServerAuth, ipsec_ike()]),
        Ok(()),
    ),
    (
        "an issuer for no purpose",
        "RFC 5280 §4.2.1.12: one or more",
        |world| {
            issuer(world, |params| {
                params.custom_extensions = vec![extension(&[2, 5, 29, 37], false, &[0x30, 0])];
            })
        },
        Err(PathError::ExtendedKeyUsage(ISSUER)),
    ),
    (
        "keyUsage without a bit",
        "RFC 5280 §4.2.1.3: at least one",
        |world| device(world, |params| usage(params, true, &[3, 1, 0])),
        Err(PathError::KeyUsage(DEVICE)),
    ),
    (
        "keyUsage for signatures and key agreement",
        "RFC 4945 §5.1.3.2: digitalSignature does",
        |world| device(world, |params| params.key_usages.push(Usage::KeyAgreement)),
        Ok(()),
    ),
    (
        "a device that may sign certificates and nothing else",
        "RFC 4945 §5.1.3.2",
        |world| device(world, |params| params.key_usages = vec![Usage::KeyCertSign]),
        Err(PathError::KeyUsage(DEVICE)),
    ),
    (
        "keyUsage of a device that is not critical",
        "RFC 5280 §4.2.1.3: should be critical",
        |world| device(world, |params| usage(params, false, &[3, 2, 7, 0x80])),
        Ok(()),
    ),
    (
        "keyUsage that is not critical and does not fit",
        "RFC 5280 §4.2.1.3",
        |world| device(world, |params| usage(params, false, &[3, 2, 5, 0x20])),
        Err(PathError::KeyUsage(DEVICE)),
    ),
    (
        "an issuer without keyUsage",
        "RFC 5280 §6.1.4 n: checked where present",
        |world| issuer(world, |params| params.key_usages.clear()),
        Ok(()),
    ),
    (
        "an issuer that may sign certificates and no CRLs",
        "RFC 5280 §6.1.4 n",
        |world| issuer(world, |params| params.key_usages = vec![Usage::KeyCertSign]),
        Ok(()),
    ),
    (
        "an issuer's keyUsage that is not critical and does not fit",
        "RFC 5280 §6.1.4 n",
        |world| issuer(world, |params| usage(params, false, &[3, 2, 1, 2])),
        Err(PathError::KeyUsage(ISSUER)),
    ),
    (
        "a device without basicConstraints",
        "RFC 5280 §4.2.1.9: may be left out",
        |world| device(world, |params| params.is_ca = IsCa::NoCa),
        Ok(()),
    ),
    (
        "an issuer's basicConstraints that are not critical",
        "RFC 5280 §6.1.4 k",
        |world| issuer(world, |params| constraints(params, false, &[1, 1, 0xff])),
        Ok(()),
    ),
    (
        "an issuer's empty basicConstraints",
        "RFC 5280 §6.1.4 k: cA",
        |world| issuer(world, |params| constraints(params, true, &[])),
        Err(PathError::EndEntityAsCa),
    ),
    (
        "a path length of 255",
        "RFC 5280 §4.2.1.9",
        |world| issuer(world, |params| constraints(params, true, &[1, 1, 0xff, 2, 2, 0, 0xff])),
        Ok(()),
    ),
    (
        "a path length of 256",
        "our limits: one octet",
        |world| issuer(world, |params| constraints(params, true, &[1, 1, 0xff, 2, 2, 1, 0])),
        Err(PathError::Malformed(ISSUER)),
    ),
    (
        "a path length below 0",
        "RFC 5280 §4.2.1.9: 0 or more",
        |world| issuer(world, |params| constraints(params, true, &[1, 1, 0xff, 2, 1, 0xff])),
        Err(PathError::Malformed(ISSUER)),
    ),
    (
        "issuers with path lengths 2, 1 and 0",
        "RFC 5280 §6.1.4 l, m",
        |world| lengths(world, &[2, 1, 0]),
        Ok(()),
    ),
    (
        "issuers with path lengths 1, 5 and 5",
        "RFC 5280 §6.1.4 l, m",
        |world| lengths(world, &[1, 5, 5]),
        Err(PathError::PathLength),
    ),
    (
        "issuers with path lengths 5, 0 and 5",
        "RFC 5280 §6.1.4 l, m",
        |world| lengths(world, &[5, 0, 5]),
        Err(PathError::PathLength),
    ),
];
