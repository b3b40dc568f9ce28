//! Private keys in files.

use pki::{FileKey, KeyAlgorithm, PkiError, PrivateKey};

#[test]
fn a_key_survives_its_file_and_never_its_debug_output() {
    let directory = tempfile::TempDir::new().unwrap();
    for algorithm in [KeyAlgorithm::P256, KeyAlgorithm::P384, KeyAlgorithm::Rsa2048, KeyAlgorithm::Rsa3072] {
        let key = PrivateKey::generate(algorithm).unwrap();
        let path = directory.path().join("a.key");
        key.write(&path).unwrap();
        let again = PrivateKey::read(&path).unwrap();
        assert_eq!(again.pkcs8(), key.pkcs8());
        assert_eq!(format!("{again:?}"), "PrivateKey(..)");
        assert!(!format!("{:?}", FileKey::new(&again).unwrap()).contains("PRIVATE"));
    }
}

#[test]
fn what_is_no_key_is_named() {
    let directory = tempfile::TempDir::new().unwrap();
    let path = directory.path().join("a.key");
    assert!(matches!(PrivateKey::read(&path).unwrap_err(), PkiError::Io { .. }));
    std::fs::write(&path, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    assert!(matches!(PrivateKey::read(&path).unwrap_err(), PkiError::File { .. }));
}
