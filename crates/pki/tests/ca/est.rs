//! The corpus of the fuzz target `est`, replayed (est/make.sh), and what EST hands out by itself.

use pki::{est, fuzz};
use std::path::Path;

const CORPUS: [(&str, &str); 15] = [
    ("p256", "proven"),
    ("p384", "proven"),
    ("rsa", "proven"),
    ("names", "proven"),
    ("one-line", "proven"),
    ("crlf-and-blanks", "proven"),
    ("sha1", "est-algorithm"),
    ("p521", "template-key"),
    ("weak-rsa", "template-key"),
    ("other-signature", "pop-bad-signature"),
    ("pem", "est-request"),
    ("der", "est-request"),
    ("cut-off", "est-request"),
    ("more-behind-it", "est-request"),
    ("empty", "est-request"),
];

#[test]
fn bodies_by_openssl_are_read_as_their_names_say_and_nothing_else_is_in_the_corpus() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/est");
    for (name, outcome) in CORPUS {
        let read = std::fs::read(folder.join(name));
        let body = read.unwrap_or_else(|_| panic!("{name}"));
        assert_eq!(fuzz::est(&body), outcome, "{name}");
    }
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), CORPUS.len());
}

#[test]
fn a_body_has_a_bound() {
    let blanks = vec![b' '; est::MAX_BODY + 1];
    assert!(est::request(&blanks).is_err());
}
