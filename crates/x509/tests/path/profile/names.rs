//! The subjectAltName and the subject of a device.

use super::*;
use rcgen::{DnType, SanType};

/// The subjectAltName of these GeneralNames, as DER.
fn names(params: &mut CertificateParams, general_names: &[u8]) {
    params.subject_alt_names.clear();
    let value = crate::der::tlv(0x30, general_names);
    params.custom_extensions = vec![extension(&[2, 5, 29, 17], false, &value)];
}

/// The device's dNSName, and another GeneralName behind it.
fn beside(params: &mut CertificateParams, general_name: &[u8]) {
    names(params, &[&crate::der::tlv(0x82, NAME.as_bytes()), general_name].concat());
}

fn dns_name(world: &World, name: &str) -> Outcome {
    device(world, |params| params.subject_alt_names = vec![dns(name)])
}

pub(super) const ROWS: &[Row] = &[
    (
        "a wildcard for the realm",
        "RFC 4945 §3.1: the identity itself",
        |world| dns_name(world, "*.femto.example"),
        Err(PathError::NameMismatch),
    ),
    (
        "a wildcard is no identity either",
        "TS 23.003 §4.10: hex digits and a realm",
        |world| {
            let device =
                world.issuing.device(|params| params.subject_alt_names = vec![dns("*.femto.example")]);
            world.verify("*.femto.example", &[&device.der, &world.issuing.der]).map(drop)
        },
        Err(PathError::IdentityMalformed),
    ),
    (
        "a dot behind the name",
        "RFC 5280 §4.2.1.6: preferred name syntax",
        |world| dns_name(world, &format!("{NAME}.")),
        Err(PathError::NameMismatch),
    ),
    (
        "a space before the name",
        "RFC 5280 §4.2.1.6: preferred name syntax",
        |world| dns_name(world, &format!(" {NAME}")),
        Err(PathError::NameMismatch),
    ),
    (
        "a label before the name",
        "RFC 4945 §3.1: equal as a whole",
        |world| dns_name(world, &format!("x.{NAME}")),
        Err(PathError::NameMismatch),
    ),
    (
        "the realm alone",
        "RFC 4945 §3.1: equal as a whole",
        |world| dns_name(world, REALM),
        Err(PathError::NameMismatch),
    ),
    (
        "a name of no letters",
        "RFC 5280 §4.2.1.6: no empty dNSName",
        |world| dns_name(world, ""),
        Err(PathError::NameMismatch),
    ),
    (
        "a directoryName beside it",
        "our profile: one name",
        |world| device(world, |params| beside(params, &[0xa4, 2, 0x30, 0])),
        Err(PathError::SeveralNames),
    ),
    (
        "a registeredID beside it",
        "our profile: one name",
        |world| device(world, |params| beside(params, &[0x88, 3, 0x2a, 3, 4])),
        Err(PathError::SeveralNames),
    ),
    (
        "an iPAddress of five octets beside it",
        "our profile: one name",
        |world| device(world, |params| beside(params, &[0x87, 5, 192, 0, 2, 1, 0])),
        Err(PathError::SeveralNames),
    ),
    (
        "a name of a tenth kind beside it",
        "RFC 5280 §4.2.1.6: GeneralName has nine",
        |world| device(world, |params| beside(params, &[0x89, 0])),
        Err(PathError::Malformed(DEVICE)),
    ),
    (
        "no name in it",
        "RFC 5280 §4.2.1.6: at least one",
        |world| device(world, |params| names(params, &[])),
        Err(PathError::NoName),
    ),
    (
        "letters that are not ASCII",
        "RFC 5280 §4.2.1.6: dNSName is an IA5String",
        |world| device(world, |params| names(params, &[0x82, 3, b'f', 0xe9, b'm'])),
        Err(PathError::Malformed(DEVICE)),
    ),
    (
        "octets behind the list of names",
        "X.690 §8.9: one SEQUENCE",
        |world| {
            device(world, |params| {
                params.subject_alt_names.clear();
                let value =
                    [crate::der::tlv(0x30, &crate::der::tlv(0x82, NAME.as_bytes())), vec![5, 0]].concat();
                params.custom_extensions = vec![extension(&[2, 5, 29, 17], false, &value)];
            })
        },
        Err(PathError::Malformed(DEVICE)),
    ),
    (
        "the common name of another device",
        "our profile: the subject is not read for a name",
        |world| {
            device(world, |params| {
                params.distinguished_name.push(DnType::CommonName, "00aabbccddef.femto.example");
            })
        },
        Ok(()),
    ),
    (
        "an emailAddress in the subject",
        "RFC 5280 §4.1.2.6",
        |world| {
            device(world, |params| {
                let email = DnType::CustomDnType(vec![1, 2, 840, 113_549, 1, 9, 1]);
                params.distinguished_name.push(email, "ops@femto.example");
            })
        },
        Ok(()),
    ),
    (
        "a subject of 3,000 letters",
        "our limits: a chain of 24 KiB",
        |world| {
            device(world, |params| params.distinguished_name.push(DnType::OrganizationName, "x".repeat(3000)))
        },
        Ok(()),
    ),
    (
        "another device's name in a second certificate of the chain",
        "RFC 7296 §3.6: the first is the peer's",
        |world| {
            let other = world.issuing.device(|params| {
                params.subject_alt_names = vec![dns("00aabbccddef.femto.example")];
            });
            let device = world.issuing.device(|_| {});
            world.verify(NAME, &[&other.der, &device.der, &world.issuing.der]).map(drop)
        },
        Err(PathError::NameMismatch),
    ),
    (
        "a name of the host of a URI alone",
        "RFC 4945 §3.1: ID_FQDN is compared with dNSNames",
        |world| {
            let uri = SanType::URI(format!("https://{NAME}/").try_into().unwrap());
            device(world, |params| params.subject_alt_names = vec![uri])
        },
        Err(PathError::NoName),
    ),
];
