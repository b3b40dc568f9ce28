//! Percent-encoding (RFC 3986 §2.1).

use std::fmt::Write;

/// `None` for a `%` without two hex digits behind it, and for what is no UTF-8.
pub(crate) fn decode(text: &str) -> Option<String> {
    let (mut rest, mut decoded) = (text.as_bytes(), Vec::with_capacity(text.len()));
    while let Some((&first, behind)) = rest.split_first() {
        let (octet, after) = match first {
            b'%' => {
                let (digits, after) = behind.split_at_checked(2)?;
                (octet(digits)?, after)
            }
            other => (other, behind),
        };
        decoded.push(octet);
        rest = after;
    }
    String::from_utf8(decoded).ok()
}

fn octet(digits: &[u8]) -> Option<u8> {
    let digit = |digit: &u8| char::from(*digit).to_digit(16);
    let [high, low] = digits else { return None };
    u8::try_from(digit(high)? << 4 | digit(low)?).ok()
}

/// Everything but what is unreserved and what `also` has.
pub(crate) fn encode(text: &str, also: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for octet in text.bytes() {
        let character = char::from(octet);
        match octet.is_ascii_alphanumeric() || "-._~".contains(character) || also.contains(character) {
            true => encoded.push(character),
            false => write!(encoded, "%{octet:02X}").unwrap_or(()),
        }
    }
    encoded
}
