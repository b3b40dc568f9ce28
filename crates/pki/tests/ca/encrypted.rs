//! Keys that are encrypted with a passphrase, by us and by openssl.

use crate::openssl::openssl;
use crate::world::*;
use pki::{
    Ca, CaKeys, CaSpec, FileKey, Issuing, KeyAlgorithm, KeyError, KeysAbove, PkiError, PrivateKey,
    SecretSource,
};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const PASSPHRASE: &str = "correct horse é battery";

pub(crate) fn secret(folder: &Path, name: &str, text: &str) -> SecretSource {
    let path = folder.join(name);
    fs::write(&path, format!("{text}\n")).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    SecretSource::File(path)
}

#[test]
fn openssl_reads_our_encrypted_keys_and_nobody_without_the_passphrase() {
    let folder = TempDir::new().unwrap();
    let source = secret(folder.path(), "pass", PASSPHRASE);
    let wrong = secret(folder.path(), "wrong", "correct horse");
    for algorithm in [KeyAlgorithm::P256, KeyAlgorithm::P384, KeyAlgorithm::Rsa2048] {
        let path = folder.path().join("a.key");
        let key = PrivateKey::generate(algorithm).unwrap();
        key.keep(&path, Some(&source)).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(PrivateKey::open(&path, Some(&source)).unwrap().pkcs8(), key.pkcs8());
        assert_eq!(
            PrivateKey::open(&path, Some(&wrong)).unwrap_err(),
            KeyError::WrongPassphrase { path: path.clone() }
        );
        assert_eq!(PrivateKey::open(&path, None).unwrap_err(), KeyError::NoPassphrase { path: path.clone() });
        assert!(PrivateKey::read(&path).is_err());
        let check = ["pkey", "-in", "a.key", "-passin", "file:pass", "-check", "-noout", "-text_pub"];
        let Some((ok, text)) = openssl(&check, folder.path()) else { return };
        assert!(ok && text.contains("Key is valid"), "{text}");
        let Some((ok, text)) =
            openssl(&["pkey", "-in", "a.key", "-passin", "file:wrong", "-noout"], folder.path())
        else {
            return;
        };
        assert!(!ok, "{text}");
    }
}

#[test]
fn keys_that_openssl_encrypted_sign() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    let source = secret(folder.path(), "pass", PASSPHRASE);
    for make in [
        &["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "plain.key"][..],
        &["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384", "-out", "plain.key"],
        &["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", "plain.key"],
    ] {
        let Some((true, _)) = openssl(make, folder.path()) else { return };
        let plain = FileKey::new(&PrivateKey::read(&path("plain.key")).unwrap()).unwrap();
        for how in [
            &["-scrypt"][..],
            &["-v2", "aes-256-cbc"],
            &["-v2", "aes-128-cbc", "-v2prf", "hmacWithSHA512", "-iter", "10000"],
        ] {
            let encrypt =
                ["pkcs8", "-topk8", "-in", "plain.key", "-out", "sealed.key", "-passout", "file:pass"];
            let Some((ok, text)) = openssl(&[&encrypt[..], how].concat(), folder.path()) else { return };
            assert!(ok, "{text}");
            let opened = PrivateKey::open(&path("sealed.key"), Some(&source)).unwrap();
            let opened = FileKey::new(&opened).unwrap();
            let public = rcgen::PublicKeyData::subject_public_key_info;
            assert_eq!(public(&opened), public(&plain), "{how:?}");
        }
    }
}

struct Sealed {
    folder: TempDir,
    keys: CaKeys,
}

impl Sealed {
    fn new() -> (Self, Ca) {
        let folder = TempDir::new().unwrap();
        let keys =
            CaKeys { passphrase: Some(secret(folder.path(), "pass", PASSPHRASE)), ..CaKeys::default() };
        let spec = CaSpec::new("Example Telecom", realm());
        let ca = {
            let path = folder.path().join("ca");
            let above = KeysAbove { folder: &path, passphrase: keys.passphrase.as_ref() };
            Ca::create_with(&path, &spec, (above, &keys), now())
        }
        .unwrap();
        (Self { folder, keys }, ca)
    }

    fn ca(&self) -> PathBuf {
        self.folder.path().join("ca")
    }

    fn open(&self) -> Ca {
        Ca::open_with(&self.ca(), &self.keys).unwrap()
    }

    fn lose_passphrase(&self) {
        fs::rename(self.folder.path().join("pass"), self.folder.path().join("away")).unwrap();
    }

    fn bring_passphrase_back(&self) {
        fs::rename(self.folder.path().join("away"), self.folder.path().join("pass")).unwrap();
    }
}

fn issue(ca: &Ca) -> Result<pki::Issued, PkiError> {
    ca.issue(&order(), &mut &Memory::default(), now())
}

#[test]
fn every_key_of_a_hierarchy_is_encrypted_and_signs() {
    let (sealed, ca) = Sealed::new();
    for name in ["root", "devices", "gateways"] {
        let text = fs::read_to_string(sealed.ca().join(name).with_extension("key")).unwrap();
        assert!(text.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"), "{name}");
    }
    issue(&ca).unwrap();
    issue(&sealed.open()).unwrap();
    assert!(matches!(Ca::open(&sealed.ca()).unwrap().key_trouble(), Some(KeyError::NoPassphrase { .. })));
}

#[test]
fn a_ca_without_its_passphrase_is_known_says_why_it_does_not_sign_and_does_once_it_is_there() {
    let (sealed, _) = Sealed::new();
    sealed.lose_passphrase();
    let ca = sealed.open();
    let Err(PkiError::Key(KeyError::Secret { from, .. })) = issue(&ca) else { panic!("signed") };
    assert!(from.starts_with("file:/") && from.ends_with("/pass"), "{from}");
    let list = ca.crl(DEVICES, &[], 1, now(), Duration::from_secs(3600));
    assert!(matches!(list, Err(PkiError::Key(KeyError::Secret { .. }))));
    let signer = ca.ocsp_signer(GATEWAYS, "test", &mut &Memory::default(), now());
    assert!(matches!(signer, Err(PkiError::Key(KeyError::Secret { .. }))));
    assert!(matches!(ca.key_trouble(), Some(KeyError::Secret { .. })));
    assert_eq!(ca.hierarchy().unwrap().len(), 3, "what needs no key goes on");

    sealed.bring_passphrase_back();
    let until = std::time::Instant::now() + Duration::from_secs(20);
    while let Err(error) = issue(&ca) {
        assert!(std::time::Instant::now() < until, "{error}");
        std::thread::yield_now();
    }
    ca.look_for_keys();
    assert_eq!(ca.key_trouble(), None);
}

#[test]
fn a_passphrase_that_never_comes_holds_nobody_up_and_the_ca_signs_once_it_does() {
    let (sealed, _) = Sealed::new();
    sealed.lose_passphrase();
    let ca = sealed.open();
    let pipe = sealed.folder.path().join("pass");
    assert!(Command::new("mkfifo").args(["-m", "600"]).arg(&pipe).status().unwrap().success());
    let until = Instant::now() + Duration::from_secs(20);
    let is_silent = |error: &PkiError| matches!(error, PkiError::Key(KeyError::Silent { .. }));
    while !issue(&ca).is_err_and(|error| is_silent(&error)) {
        assert!(Instant::now() < until);
        std::thread::yield_now();
    }
    let asked = Instant::now();
    for _ in 0..100 {
        assert!(issue(&ca).is_err_and(|error| is_silent(&error)));
        assert!(matches!(ca.key_trouble(), Some(KeyError::Silent { .. })));
    }
    assert!(asked.elapsed() < Duration::from_secs(2), "one waited, and nobody else does");

    fs::write(&pipe, PASSPHRASE).unwrap();
    while let Err(error) = issue(&ca) {
        assert!(Instant::now() < until, "{error}");
        std::thread::yield_now();
    }
    let levels = ca.hierarchy().unwrap();
    let devices = levels.iter().find(|level| level.name == "devices").unwrap();
    assert_eq!(devices.trouble, None);
}

#[test]
fn whose_key_is_not_to_be_had_is_told_of_each_issuing_ca() {
    let (sealed, ca) = Sealed::new();
    let plain = PrivateKey::open(&sealed.ca().join("devices.key"), sealed.keys.passphrase.as_ref()).unwrap();
    fs::remove_file(sealed.ca().join("devices.key")).unwrap();
    plain.keep(&sealed.ca().join("devices.key"), None).unwrap();
    drop(ca);
    sealed.lose_passphrase();
    let ca = sealed.open();
    issue(&ca).unwrap();
    assert_eq!(ca.certifying_trouble(Issuing::Devices), None);
    assert!(matches!(ca.certifying_trouble(Issuing::Gateways), Some(KeyError::Secret { .. })));
    assert!(matches!(ca.key_trouble(), Some(KeyError::Secret { .. })));
}

#[test]
fn another_cas_key_is_none_however_it_is_encrypted() {
    let (sealed, _) = Sealed::new();
    fs::copy(sealed.ca().join("root.key"), sealed.ca().join("devices.key")).unwrap();
    let refused = Ca::open_with(&sealed.ca(), &sealed.keys).map(drop).unwrap_err();
    assert!(matches!(refused, PkiError::Key(KeyError::Foreign { .. })), "{refused}");
}
