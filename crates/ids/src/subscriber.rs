use crate::digest::{Hex, hex_octet};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::{borrow::Cow, fmt, str::FromStr};

/// A subscriber's pseudonym: HMAC-SHA-256 of the IMSI under the lake's key, cut to 16 octets. The same construction over an MSISDN
/// names a number.
///
/// In files 32 hex digits, lower case ([`Self::hex`], serde). Display and Debug show 8 of them and no more, so that logs tell
/// two people apart and join with nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriberKey([u8; 16]);

/// The text is not 32 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a subscriber's key has 32 hex digits, in lower case")]
pub struct ParseSubscriberError;

impl SubscriberKey {
    /// From the octets of the keyed hash.
    pub fn new(octets: [u8; 16]) -> Self {
        Self(octets)
    }

    /// The octets of the keyed hash.
    pub fn octets(self) -> [u8; 16] {
        self.0
    }

    /// The whole key as it is written in files and feeds, never in logs.
    pub fn hex(&self) -> Hex<'_> {
        Hex(&self.0)
    }
}

impl FromStr for SubscriberKey {
    type Err = ParseSubscriberError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_plain = text.len() == 32 && !text.bytes().any(|octet| octet.is_ascii_uppercase());
        let pairs = Some(text.as_bytes()).filter(|_| is_plain).ok_or(ParseSubscriberError)?;
        let mut octets = [0; 16];
        for (octet, pair) in octets.iter_mut().zip(pairs.chunks(2)) {
            *octet = hex_octet(pair).ok_or(ParseSubscriberError)?;
        }
        Ok(Self(octets))
    }
}

impl fmt::Display for SubscriberKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "{}…", Hex(&[a, b, c, d]))
    }
}

impl fmt::Debug for SubscriberKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// 32 hex digits in text, 16 octets in a binary format.
impl Serialize for SubscriberKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(&self.hex())
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for SubscriberKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(D::Error::custom)
        } else {
            <[u8; 16]>::deserialize(deserializer).map(Self)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "000102030405060708090a0b0c0d0eff";

    #[test]
    fn written_whole_in_files_and_cut_where_people_read() {
        let key: SubscriberKey = TEXT.parse().unwrap();
        assert_eq!((format!("{key}"), format!("{key:?}")), ("00010203…".into(), "00010203…".into()));
        assert_eq!(key.hex().to_string(), TEXT);
        let json = serde_json::to_string(&key).unwrap();
        assert_eq!(json, format!("\"{TEXT}\""));
        assert_eq!(serde_json::from_str::<SubscriberKey>(&json).unwrap(), key);
        for bad in ["", &TEXT[1..], &TEXT.replace('f', "F"), &TEXT.replace('f', "g"), &TEXT.replace('0', "é")]
        {
            assert!(bad.parse::<SubscriberKey>().is_err(), "{bad:?}");
        }
    }
}
