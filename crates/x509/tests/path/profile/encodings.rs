//! Versions, fields and encodings that are not those of RFC 5280 §4.1, with signatures that verify.

use super::*;
use crate::der::{EXTENSIONS, ISSUER as ISSUER_NAME, SUBJECT, VERSION, fields, tlv};

fn version(tbs: &mut [Vec<u8>], number: u8) {
    tbs[VERSION] = vec![0xa0, 3, 2, 1, number];
}

/// Writes `to` where `from` stands among the extensions.
fn swap(tbs: &mut [Vec<u8>], from: &[u8], to: &[u8]) {
    let octets = &mut tbs[EXTENSIONS];
    let at = octets.windows(from.len()).position(|window| window == from).unwrap();
    octets[at..at + from.len()].copy_from_slice(to);
}

/// Adds an extension to the others.
fn add(tbs: &mut [Vec<u8>], extension: &[u8]) {
    let list = fields(&tbs[EXTENSIONS]).concat();
    let longer = [fields(&list).concat().as_slice(), extension].concat();
    tbs[EXTENSIONS] = tlv(0xa3, &tlv(0x30, &longer));
}

/// The device's certificate with its outermost header written in another way.
fn outermost(world: &World, header: impl Fn(&[u8]) -> Vec<u8>) -> Outcome {
    let device = world.issuing.device(|_| {});
    let again = header(&fields(&device.der).concat());
    world.verify(NAME, &[&again, &world.issuing.der]).map(drop)
}

/// The device's certificate with another content of the BIT STRING that holds its signature.
fn signature(world: &World, bend: impl Fn(&mut Vec<u8>)) -> Outcome {
    let device = world.issuing.device(|_| {});
    let mut whole = fields(&device.der);
    // Below 128 octets, as P-256 has it: a header of two.
    let mut content = whole[2].split_off(2);
    bend(&mut content);
    whole[2] = tlv(3, &content);
    world.verify(NAME, &[&tlv(0x30, &whole.concat()), &world.issuing.der]).map(drop)
}

pub(super) const ROWS: &[Row] = &[
    (
        "version 1, written out",
        "RFC 5280 §4.1.2.1: v3 with extensions",
        |world| device_again(world, |tbs| version(tbs, 0)),
        Err(PathError::Malformed(DEVICE)),
    ),
    (
        "version 1, left out",
        "RFC 5280 §4.1.2.1: v3 with extensions",
        |world| device_again(world, |tbs| tbs[VERSION].clear()),
        Err(PathError::Malformed(DEVICE)),
    ),
    (
        "version 2",
        "RFC 5280 §4.1.2.1",
        |world| device_again(world, |tbs| version(tbs, 1)),
        Err(PathError::Malformed(DEVICE)),
    ),
    (
        "version 4",
        "RFC 5280 §4.1.2.1",
        |world| device_again(world, |tbs| version(tbs, 3)),
        Err(PathError::Malformed(DEVICE)),
    ),
    (
        "an issuer of version 1 without extensions",
        "RFC 5280 §6.1.4 k: a v1 issuer is known otherwise, and we do not",
        |world| {
            issuer_again(world, |tbs| {
                tbs[VERSION].clear();
                tbs[EXTENSIONS].clear();
            })
        },
        Err(PathError::Malformed(ISSUER)),
    ),
    (
        "no extensions",
        "our profile: one dNSName",
        |world| device_again(world, |tbs| tbs[EXTENSIONS].clear()),
        Err(PathError::NoName),
    ),
    (
        "unique identifiers",
        "RFC 5280 §4.1.2.8: CAs must not write them",
        |world| device_again(world, |tbs| tbs.insert(EXTENSIONS, vec![0x81, 2, 0, 1])),
        Err(PathError::Malformed(DEVICE)),
    ),
    (
        "a field behind the extensions",
        "RFC 5280 §4.1: the last field",
        |world| device_again(world, |tbs| tbs.push(vec![5, 0])),
        Err(PathError::Malformed(DEVICE)),
    ),
    (
        "a subject that is no SEQUENCE",
        "RFC 5280 §4.1.2.6",
        |world| device_again(world, |tbs| tbs[SUBJECT] = vec![5, 0]),
        Err(PathError::Malformed(DEVICE)),
    ),
    (
        "an issuer's name in capitals",
        "our profile: names are compared octet by octet",
        |world| device_again(world, |tbs| tbs[ISSUER_NAME].make_ascii_uppercase()),
        Err(PathError::Untrusted),
    ),
    (
        "TRUE as 01",
        "X.690 §11.1: FF",
        |world| {
            device_again(world, |tbs| swap(tbs, &[0x55, 0x1d, 15, 1, 1, 0xff], &[0x55, 0x1d, 15, 1, 1, 1]))
        },
        Err(PathError::Malformed(DEVICE)),
    ),
    (
        "an issuer's TRUE as 01",
        "X.690 §11.1: FF",
        |world| {
            issuer_again(world, |tbs| swap(tbs, &[0x55, 0x1d, 15, 1, 1, 0xff], &[0x55, 0x1d, 15, 1, 1, 1]))
        },
        Err(PathError::Malformed(ISSUER)),
    ),
    (
        "FALSE written out where it is the default",
        "X.690 §11.5: left out; it means the same",
        |world| device_again(world, |tbs| add(tbs, &[0x30, 11, 6, 3, 0x2a, 3, 4, 1, 1, 0, 4, 1, 0])),
        Ok(()),
    ),
    (
        "an indefinite length",
        "X.690 §10.1: definite",
        |world| outermost(world, |content| [&[0x30, 0x80], content, &[0, 0]].concat()),
        Err(PathError::Malformed(DEVICE)),
    ),
    (
        "a length with zeros before it",
        "X.690 §10.1: shortest",
        |world| {
            outermost(world, |content| {
                let length = u32::try_from(content.len()).unwrap().to_be_bytes();
                [&[0x30, 0x84], length.as_slice(), content].concat()
            })
        },
        Err(PathError::Malformed(DEVICE)),
    ),
    (
        "a signature with an unused bit",
        "RFC 3279 §2.2.3: whole octets",
        |world| signature(world, |content| content[0] = 1),
        Err(PathError::Malformed(DEVICE)),
    ),
    (
        "a signature with an octet behind it",
        "RFC 3279 §2.2.3: one SEQUENCE",
        |world| signature(world, |content| content.push(0)),
        Err(PathError::BadSignature),
    ),
    (
        "a signature of no octets",
        "RFC 3279 §2.2.3",
        |world| signature(world, |content| content.truncate(1)),
        Err(PathError::BadSignature),
    ),
    (
        "a signature as in IEEE P1363, without DER",
        "RFC 3279 §2.2.3: ECDSA-Sig-Value",
        |world| signature(world, |content| *content = vec![0; 65]),
        Err(PathError::BadSignature),
    ),
];
