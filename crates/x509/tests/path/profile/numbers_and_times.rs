//! Serial numbers and validity, as DER.

use super::*;
use crate::der::{SERIAL, VALIDITY, tlv};

fn serial(world: &World, content: &[u8]) -> Outcome {
    device_again(world, |tbs| tbs[SERIAL] = tlv(2, content))
}

const UTC: u8 = 0x17;
const GENERALIZED: u8 = 0x18;

fn validity(from: (u8, &str), to: (u8, &str)) -> Vec<u8> {
    let time = |(tag, text): (u8, &str)| tlv(tag, text.as_bytes());
    tlv(0x30, &[time(from), time(to)].concat())
}

/// A device's certificate with this notBefore, as if it ended in 2027.
fn from(world: &World, tag: u8, text: &str) -> Outcome {
    device_again(world, |tbs| tbs[VALIDITY] = validity((tag, text), (UTC, "270101000000Z")))
}

/// The same with this notAfter, as if it began in 2026.
fn to(world: &World, tag: u8, text: &str) -> Outcome {
    device_again(world, |tbs| tbs[VALIDITY] = validity((UTC, "260101000000Z"), (tag, text)))
}

pub(super) const ROWS: &[Row] = &[
    (
        "a serial number below 0",
        "RFC 5280 §4.1.2.2: to be handled gracefully",
        |world| serial(world, &[0x80, 1]),
        Ok(()),
    ),
    (
        "the serial number 0",
        "RFC 5280 §4.1.2.2: to be handled gracefully",
        |world| serial(world, &[0]),
        Ok(()),
    ),
    (
        "a serial number of 20 octets",
        "RFC 5280 §4.1.2.2: must be handled",
        |world| serial(world, &[0x7f; 20]),
        Ok(()),
    ),
    (
        "a serial number of 40 octets",
        "RFC 5280 §4.1.2.2: CAs must not; it names and decides nothing here",
        |world| serial(world, &[0x7f; 40]),
        Ok(()),
    ),
    (
        "a serial number with a zero too many",
        "X.690 §8.3.2: shortest",
        |world| serial(world, &[0, 1]),
        Err(PathError::Malformed(DEVICE)),
    ),
    (
        "a serial number of no octets",
        "X.690 §8.3.1",
        |world| serial(world, &[]),
        Err(PathError::Malformed(DEVICE)),
    ),
    (
        "a GeneralizedTime before 2050",
        "RFC 5280 §4.1.2.5: both must be read",
        |world| from(world, GENERALIZED, "20260101000000Z"),
        Ok(()),
    ),
    (
        "a GeneralizedTime from 2050 on",
        "RFC 5280 §4.1.2.5",
        |world| to(world, GENERALIZED, "20500101000000Z"),
        Ok(()),
    ),
    (
        "a UTCTime of 2049",
        "RFC 5280 §4.1.2.5.1: below 50 is 20xx",
        |world| to(world, UTC, "490101000000Z"),
        Ok(()),
    ),
    (
        "a UTCTime of 1970",
        "RFC 5280 §4.1.2.5.1: from 50 on is 19xx",
        |world| {
            device_again(world, |tbs| {
                tbs[VALIDITY] = validity((UTC, "700101000000Z"), (UTC, "710101000000Z"))
            })
        },
        Err(PathError::Expired(DEVICE)),
    ),
    (
        "a UTCTime of 1950",
        "our profile: no time before 1970",
        |world| from(world, UTC, "500101000000Z"),
        Err(PathError::Malformed(DEVICE)),
    ),
    (
        "a UTCTime without seconds",
        "RFC 5280 §4.1.2.5.1",
        |world| from(world, UTC, "2601010000Z"),
        Err(PathError::Malformed(DEVICE)),
    ),
    (
        "a UTCTime of another zone",
        "RFC 5280 §4.1.2.5.1: Z",
        |world| from(world, UTC, "260101000000+0100"),
        Err(PathError::Malformed(DEVICE)),
    ),
    (
        "a GeneralizedTime with fractions of a second",
        "RFC 5280 §4.1.2.5.2",
        |world| to(world, GENERALIZED, "20500101000000.5Z"),
        Err(PathError::Malformed(DEVICE)),
    ),
    (
        "a thirteenth month",
        "X.680 §47.3",
        |world| from(world, UTC, "261301000000Z"),
        Err(PathError::Malformed(DEVICE)),
    ),
    (
        "a validity of this one second",
        "RFC 5280 §4.1.2.5: both inclusive",
        |world| {
            device_again(world, |tbs| {
                tbs[VALIDITY] = validity((UTC, "261201000000Z"), (UTC, "261201000000Z"))
            })
        },
        Ok(()),
    ),
    (
        "an issuer without end",
        "RFC 5280 §4.1.2.5: 99991231235959Z",
        |world| {
            issuer_again(world, |tbs| {
                tbs[VALIDITY] = validity((UTC, "260101000000Z"), (GENERALIZED, "99991231235959Z"));
            })
        },
        Ok(()),
    ),
    (
        "an issuer's UTCTime without seconds",
        "RFC 5280 §4.1.2.5.1",
        |world| {
            issuer_again(world, |tbs| tbs[VALIDITY] = validity((UTC, "2601010000Z"), (UTC, "270101000000Z")))
        },
        Err(PathError::Malformed(ISSUER)),
    ),
];
