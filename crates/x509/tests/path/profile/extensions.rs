//! Extensions that are unknown, known and not heeded, or marked otherwise than they should be.

use super::*;

const UNKNOWN: &[u64] = &[1, 3, 6, 1, 4, 1, 32_473, 1];
/// What nobody reads.
const NULL: &[u8] = &[5, 0];
/// cRLDistributionPoints with one URI, `http://a/`.
const DISTRIBUTION_POINTS: &[u8] =
    &[0x30, 17, 0x30, 15, 0xa0, 13, 0xa0, 11, 0x86, 9, b'h', b't', b't', b'p', b':', b'/', b'/', b'a', b'/'];
/// certificatePolicies with anyPolicy.
const POLICIES: &[u8] = &[0x30, 8, 0x30, 6, 6, 4, 0x55, 0x1d, 0x20, 0];

fn in_device(world: &World, oid: &[u64], is_critical: bool, value: &[u8]) -> Outcome {
    device(world, |params| params.custom_extensions = vec![extension(oid, is_critical, value)])
}

fn in_issuer(world: &World, oid: &[u64], is_critical: bool, value: &[u8]) -> Outcome {
    issuer(world, |params| params.custom_extensions = vec![extension(oid, is_critical, value)])
}

fn in_anchor(oid: &[u64], is_critical: bool, value: &[u8]) -> Outcome {
    let root = root("Root", |params| params.custom_extensions = vec![extension(oid, is_critical, value)]);
    let device = root.device(|_| {});
    verify(&anchors(REALM, &root.der), NAME, &[&device.der]).map(drop)
}

pub(super) const ROWS: &[Row] = &[
    (
        "unknown in a device, not critical",
        "RFC 5280 §4.2",
        |world| in_device(world, UNKNOWN, false, NULL),
        Ok(()),
    ),
    (
        "unknown in an issuer, not critical",
        "RFC 5280 §4.2",
        |world| in_issuer(world, UNKNOWN, false, NULL),
        Ok(()),
    ),
    ("unknown in an anchor, not critical", "RFC 5280 §6.1.1 d", |_| in_anchor(UNKNOWN, false, NULL), Ok(())),
    (
        "unknown in an anchor, critical",
        "RFC 5280 §6.1.1 d: of an anchor, name and key count",
        |_| in_anchor(UNKNOWN, true, NULL),
        Ok(()),
    ),
    (
        "policies in a device, not critical",
        "RFC 5280 §4.2.1.4",
        |world| in_device(world, &[2, 5, 29, 32], false, POLICIES),
        Ok(()),
    ),
    (
        "policies in an issuer, not critical",
        "RFC 5280 §4.2.1.4",
        |world| in_issuer(world, &[2, 5, 29, 32], false, POLICIES),
        Ok(()),
    ),
    (
        "inhibitAnyPolicy that is not critical",
        "RFC 5280 §4.2.1.14: without a demand for policies it changes nothing",
        |world| in_issuer(world, &[2, 5, 29, 54], false, &[2, 1, 0]),
        Ok(()),
    ),
    (
        "policyMappings that are critical",
        "RFC 5280 §4.2.1.5; §4.2: not processed",
        // anyPolicy to itself
        |world| {
            in_issuer(
                world,
                &[2, 5, 29, 33],
                true,
                &[0x30, 14, 0x30, 12, 6, 4, 0x55, 0x1d, 0x20, 0, 6, 4, 0x55, 0x1d, 0x20, 0],
            )
        },
        Err(PathError::UnknownCriticalExtension(ISSUER)),
    ),
    (
        "distribution points in a device, not critical",
        "RFC 5280 §4.2.1.13: should not be critical",
        |world| in_device(world, &[2, 5, 29, 31], false, DISTRIBUTION_POINTS),
        Ok(()),
    ),
    (
        "distribution points in a device that are critical",
        "RFC 5280 §4.2: no CRL is read",
        |world| in_device(world, &[2, 5, 29, 31], true, DISTRIBUTION_POINTS),
        Err(PathError::UnknownCriticalExtension(DEVICE)),
    ),
    (
        "distribution points in an issuer that are critical",
        "RFC 5280 §4.2: no CRL is read",
        |world| in_issuer(world, &[2, 5, 29, 31], true, DISTRIBUTION_POINTS),
        Err(PathError::UnknownCriticalExtension(ISSUER)),
    ),
    (
        "signed certificate timestamps that are critical",
        "RFC 5280 §4.2: not processed",
        |world| in_device(world, &[1, 3, 6, 1, 4, 1, 11_129, 2, 4, 2], true, &[4, 0]),
        Err(PathError::UnknownCriticalExtension(DEVICE)),
    ),
    (
        "an authorityKeyIdentifier that is critical",
        "RFC 5280 §4.2.1.1: must not be",
        |world| {
            device(world, |params| {
                params.use_authority_key_identifier_extension = false;
                params.custom_extensions = vec![extension(&[2, 5, 29, 35], true, &[0x30, 3, 0x80, 1, 7])];
            })
        },
        Err(PathError::UnknownCriticalExtension(DEVICE)),
    ),
    (
        "an authorityKeyIdentifier of another key",
        "RFC 5280 §6: no part of validation",
        |world| {
            device(world, |params| {
                params.use_authority_key_identifier_extension = false;
                params.custom_extensions = vec![extension(&[2, 5, 29, 35], false, &[0x30, 3, 0x80, 1, 7])];
            })
        },
        Ok(()),
    ),
];
