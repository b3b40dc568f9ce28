use crate::est::{MAX_BODY, request};

/// The body of an EST request; the code of its refusal, or `proven`.
///
/// # Panics
/// When whitespace or one octet more changes what must not change.
pub fn est(data: &[u8]) -> &'static str {
    let spaced: Vec<u8> = data.iter().flat_map(|octet| [*octet, b'\r', b'\n']).collect();
    let read = request(data);
    let code = read.as_ref().map_or_else(|refusal| refusal.code(), |_| "proven");
    if spaced.len() <= MAX_BODY {
        let again = request(&spaced);
        assert_eq!(
            again.as_ref().map(|read| read.spki()),
            read.as_ref().map(|read| read.spki()),
            "whitespace says nothing"
        );
    }
    if read.is_ok() {
        assert!(request(&[data, b"A"].concat()).is_err(), "a request has one length");
    }
    code
}
