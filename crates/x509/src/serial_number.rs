use ids::Hex;
use std::fmt;

/// Octets of a serial number: 20 (RFC 5280 §4.1.2.2), and the zero that a positive INTEGER may need before them.
const MOST: usize = 21;

/// A certificate's serial number, as the octets of its INTEGER; the order of those that are positive is by number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SerialNumber {
    length: u8,
    octets: [u8; MOST],
}

impl SerialNumber {
    /// From the content of a DER INTEGER; `None` for no octet, or more than a serial number may have.
    pub fn from_octets(octets: &[u8]) -> Option<Self> {
        let length = u8::try_from(octets.len()).ok().filter(|length| *length > 0)?;
        let mut padded = [0; MOST];
        padded.get_mut(..octets.len())?.copy_from_slice(octets);
        Some(Self { length, octets: padded })
    }

    /// From lower- or upper-case hex, as [`crate::Certificate::serial`] writes it.
    pub fn from_hex(hex: &str) -> Option<Self> {
        let octet = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        let is_hex = hex.len().is_multiple_of(2) && hex.bytes().all(|digit| digit.is_ascii_hexdigit());
        let octets: Option<Vec<u8>> = hex.as_bytes().chunks(2).map(octet).collect();
        octets.filter(|_| is_hex).and_then(|octets| Self::from_octets(&octets))
    }

    /// The content of the INTEGER.
    pub fn octets(&self) -> &[u8] {
        self.octets.get(..usize::from(self.length)).unwrap_or_default()
    }
}

impl fmt::Display for SerialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hex(self.octets()).fmt(f)
    }
}

impl fmt::Debug for SerialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_number_survives_its_hex_and_is_ordered_by_number() {
        let of = SerialNumber::from_hex;
        assert_eq!(of("00ff").unwrap().to_string(), "00ff");
        assert!(of("7f") < of("00ff") && of("00ff") < of("0100"));
        assert_eq!(of(&"01".repeat(21)).unwrap().octets().len(), 21);
        for none in ["", "0", "0g", "+1", &"01".repeat(22)] {
            assert_eq!(of(none), None, "{none}");
        }
    }
}
