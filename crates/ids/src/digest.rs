use crate::serde_as_text;
use aws_lc_rs::digest;
use std::{fmt, str::FromStr};

/// A SHA-256 value (FIPS 180-4). Text: 64 hex digits, lower case. Not secret: never use it for a key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256(pub [u8; 32]);

/// SHA-256 over the DER of a certificate: how the ledger names the certificates it issued.
pub type CertSha256 = Sha256;

/// The text is not 64 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a SHA-256 value has 64 hex digits")]
pub struct ParseSha256Error;

impl FromStr for Sha256 {
    type Err = ParseSha256Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut octets = [0; 32];
        if text.len() != 64 {
            return Err(ParseSha256Error);
        }
        for (octet, pair) in octets.iter_mut().zip(text.as_bytes().chunks(2)) {
            *octet = hex_octet(pair).ok_or(ParseSha256Error)?;
        }
        Ok(Self(octets))
    }
}

impl Sha256 {
    /// Hashes.
    pub fn of(octets: &[u8]) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, octets).as_ref());
        Self(hash)
    }
}

/// Octets as hex digits, two each, lower case.
#[derive(Clone, Copy)]
pub struct Hex<'a>(pub &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digit = |value: u8| if value < 10 { b'0' + value } else { b'a' + (value - 10) };
        for octets in self.0.chunks(32) {
            let mut digits = [0; 64];
            for (pair, octet) in digits.as_chunks_mut().0.iter_mut().zip(octets) {
                *pair = [digit(octet >> 4), digit(octet & 15)];
            }
            let text = digits.get(..2 * octets.len()).and_then(|digits| std::str::from_utf8(digits).ok());
            f.write_str(text.ok_or(fmt::Error)?)?;
        }
        Ok(())
    }
}

/// Two hex digits as one octet; `None` when either is none.
pub(crate) fn hex_octet(pair: &[u8]) -> Option<u8> {
    let digit = |b: &u8| char::from(*b).to_digit(16);
    let [high, low] = pair else { return None };
    u8::try_from(digit(high)? << 4 | digit(low)?).ok()
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hex(&self.0).fmt(f)
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

serde_as_text!(Sha256);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixty_four_hex_digits_and_nothing_else() {
        let text = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(text.parse::<Sha256>().unwrap().to_string(), text);
        assert!(text[1..].parse::<Sha256>().is_err());
        assert!(text.replace('e', "g").parse::<Sha256>().is_err());
    }

    /// FIPS 180-4, the examples published with it.
    #[test]
    fn hashes_are_those_of_the_standard() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Sha256::of(b"abc").to_string(), abc);
    }

    #[test]
    fn octets_are_written_as_two_digits_each_however_many_there_are() {
        let octets: Vec<u8> = (0..=255).collect();
        let digits: Vec<String> = octets.iter().map(|octet| format!("{octet:02x}")).collect();
        assert_eq!(Hex(&octets).to_string(), digits.concat());
        assert_eq!(Hex(&octets[..33]).to_string(), digits[..33].concat());
        assert_eq!(Hex(&[]).to_string(), "");
    }
}
