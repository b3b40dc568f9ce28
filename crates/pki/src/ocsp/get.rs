use super::{MAX_REQUEST, Refusal};
use crate::percent;
use base64ct::{Base64, Encoding};

/// The request in a GET: `path` is what stands behind the responder's URI and its slash, as it came, the Base64
/// of the OCSPRequest with or without its `+`, `/` and `=` percent-encoded (RFC 6960 A.1, RFC 3986 §2.1).
///
/// Base64 is padded and has no line breaks (RFC 4648 §4). A `+` is a `+`, as everywhere in a path.
///
/// # Errors
/// [`Refusal::TooLarge`], [`Refusal::Malformed`].
pub fn from_path(path: &str) -> Result<Vec<u8>, Refusal> {
    // Three characters stand for one of Base64 at most, and four of those for three octets.
    if path.len() > 3 * MAX_REQUEST.div_ceil(3) * 4 {
        return Err(Refusal::TooLarge);
    }
    let text = percent::decode(path).ok_or(Refusal::Malformed)?;
    let der = Base64::decode_vec(&text).map_err(|_| Refusal::Malformed)?;
    if der.len() > MAX_REQUEST { Err(Refusal::TooLarge) } else { Ok(der) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_with_and_without_percent_encoding() {
        // 0xfb 0xff 0xbf is all `+` and `/`; RFC 4648 §10 has "fo" and "foo".
        for (path, octets) in [
            ("Zm8=", b"fo".as_slice()),
            ("Zm8%3D", b"fo"),
            ("%5Am9v", b"foo"),
            ("+/+/", &[0xfb, 0xff, 0xbf]),
            ("%2B%2f%2b%2F", &[0xfb, 0xff, 0xbf]),
            ("", b""),
        ] {
            assert_eq!(from_path(path).as_deref(), Ok(octets), "{path}");
        }
    }

    #[test]
    fn what_is_no_base64_is_malformed() {
        for path in
            ["Zm8", "Zm9v\n", "Zm8%", "Zm8%3", "Zm8%3g", "Zm8%+1", "-_-_", "Zm9=", "%FF", "Zm8=Zm8=", "Zm 8="]
        {
            assert_eq!(from_path(path), Err(Refusal::Malformed), "{path}");
        }
    }

    #[test]
    fn a_path_is_as_long_as_the_largest_request_and_no_longer() {
        let largest = Base64::encode_string(&[0; MAX_REQUEST]);
        assert_eq!(from_path(&largest).unwrap().len(), MAX_REQUEST);
        let encoded: String = largest.bytes().map(|octet| format!("%{octet:02X}")).collect();
        assert_eq!(from_path(&encoded).unwrap().len(), MAX_REQUEST);
        assert_eq!(from_path(&Base64::encode_string(&[0; MAX_REQUEST + 1])), Err(Refusal::TooLarge));
        assert_eq!(from_path(&(encoded + "%3D")), Err(Refusal::TooLarge));
    }
}
