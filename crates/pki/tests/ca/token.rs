//! Keys in a PKCS#11 token: SoftHSM2, each test with a token of its own in a process of its own.
//!
//! A process has one SOFTHSM2_CONF and a module is initialised once in it, so a test runs itself again as a child with the
//! environment set.

use crate::encrypted::secret;
use crate::openssl::openssl;
use crate::world::*;
use cryptoki::context::Pkcs11;
use cryptoki::session::UserType;
use cryptoki::types::AuthPin;
use ids::UnixTime;
use pki::ocsp::{Responder, Status};
use pki::{
    Ca, CaKeys, CaSpec, Issuing, KeyAlgorithm, KeyError, KeyPlace, KeysAbove, PkiError, StatusUris, TokenUri,
    certify,
};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";
const INSIDE: &str = "TRUECELL_TEST_TOKEN";

/// A folder with a configuration of SoftHSM, a token, and its PIN in a file.
struct Token {
    folder: PathBuf,
}

/// Runs `test` in a child that has a token; nothing where there is no SoftHSM2.
fn with_token(name: &str, test: impl FnOnce(&Token)) {
    if let Some(folder) = std::env::var_os(INSIDE) {
        return test(&Token { folder: folder.into() });
    }
    if !Path::new(MODULE).exists() {
        println!("SKIPPED: no softhsm2 on this machine");
        return;
    }
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    let conf = path.join("softhsm2.conf");
    fs::create_dir(path.join("tokens")).unwrap();
    fs::write(
        &conf,
        format!("directories.tokendir = {}\nlog.level = ERROR\n", path.join("tokens").display()),
    )
    .unwrap();
    let init = ["--init-token", "--free", "--label", "The carrier", "--so-pin", "87654321", "--pin", "1234"];
    let made = Command::new("softhsm2-util").args(init).env("SOFTHSM2_CONF", &conf).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("token::{name}"), "--nocapture"])
        .env("SOFTHSM2_CONF", &conf)
        .env(INSIDE, path)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&child.stdout) + String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success() && text.contains("1 passed"), "{text}");
}

impl Token {
    fn uri(&self, object: &str) -> TokenUri {
        secret(&self.folder, "pin", "1234");
        let pin = self.folder.join("pin");
        let text = format!(
            "pkcs11:token=The%20carrier;object={object}?module-path={MODULE}&pin-source=file:{}",
            pin.display()
        );
        text.parse().unwrap()
    }

    fn keys(&self) -> CaKeys {
        CaKeys { devices: Some(self.uri("devices")), ..CaKeys::default() }
    }

    fn ca(&self, key: KeyAlgorithm, now: UnixTime) -> Ca {
        let spec = CaSpec { key, ..CaSpec::new("Example Telecom", realm()) };
        let path = self.folder.join("ca");
        let above = KeysAbove { folder: &path, passphrase: None };
        Ca::create_with(&path, &spec, (above, &self.keys()), now).unwrap()
    }

    fn open(&self) -> Ca {
        Ca::open_with(&self.folder.join("ca"), &self.keys()).unwrap()
    }
}

fn issue(ca: &Ca, now: UnixTime) -> Result<pki::Issued, PkiError> {
    ca.issue(&order(), &mut &Memory::default(), now)
}

fn every_kind_of_signature(token: &Token, key: KeyAlgorithm) {
    let now = UnixTime::now();
    drop(token.ca(key, now));
    let (ca, path) = (token.open(), token.folder.as_path());
    assert!(!path.join("ca/devices.key").exists() && path.join("ca/gateways.key").exists());
    let unit = issue(&ca, now).unwrap();
    unit.write(path, "unit").unwrap();
    let verify = ["verify", "-x509_strict", "-CAfile", "ca/root.pem", "-untrusted", "unit.pem", "unit.pem"];
    let Some((ok, text)) = openssl(&verify, path) else { return };
    assert!(ok, "{text}");
    let list = ca.crl(DEVICES, &[], 1, now, Duration::from_secs(3600)).unwrap();
    fs::write(path.join("list.crl"), list).unwrap();
    let read = ["crl", "-inform", "DER", "-in", "list.crl", "-noout", "-CAfile", "ca/devices.pem"];
    let Some((ok, text)) = openssl(&read, path) else { return };
    assert!(ok && text.contains("verify OK"), "{text}");

    let signer = ca.ocsp_signer(DEVICES, "test", &mut &Memory::default(), now).unwrap();
    let responder = Responder::new(vec![signer], Duration::from_secs(3600)).unwrap();
    let mut books = crate::ocsp::Known::default();
    books.set(DEVICES, &unit.info.serial, Status::Good);
    let ask = ["ocsp", "-issuer", "ca/devices.pem", "-cert", "unit.pem", "-reqout", "request"];
    let Some((true, _)) = openssl(&ask, path) else { return };
    let request = fs::read(path.join("request")).unwrap();
    fs::write(path.join("response"), responder.answer(&request, &books, now).der).unwrap();
    let read = ["ocsp", "-issuer", "ca/devices.pem", "-cert", "unit.pem", "-respin", "response", "-no_nonce"];
    let chain = ["-CAfile", "ca/root.pem", "-verify_other", "unit.pem"];
    let Some((_, text)) = openssl(&[&read[..], &chain].concat(), path) else { return };
    assert!(text.contains("Response verify OK") && text.contains("unit.pem: good"), "{text}");
}

#[test]
fn a_p256_key_in_a_token_signs_certificates_lists_and_the_responder() {
    with_token("a_p256_key_in_a_token_signs_certificates_lists_and_the_responder", |token| {
        every_kind_of_signature(token, KeyAlgorithm::P256);
    });
}

#[test]
fn a_p384_key_in_a_token_signs_certificates_lists_and_the_responder() {
    with_token("a_p384_key_in_a_token_signs_certificates_lists_and_the_responder", |token| {
        every_kind_of_signature(token, KeyAlgorithm::P384);
    });
}

#[test]
fn an_rsa_key_in_a_token_signs_certificates_lists_and_the_responder() {
    with_token("an_rsa_key_in_a_token_signs_certificates_lists_and_the_responder", |token| {
        every_kind_of_signature(token, KeyAlgorithm::Rsa2048);
    });
}

/// ECDSA draws r and s anew each time: one in 128 has a leading zero octet, which DER leaves out.
#[test]
fn signatures_of_a_token_verify_whatever_their_octets() {
    with_token("signatures_of_a_token_verify_whatever_their_octets", |token| {
        let ca = token.ca(KeyAlgorithm::P256, now());
        // Each passes path validation before it is handed out.
        (0..400).for_each(|_| drop(issue(&ca, now()).unwrap()));
    });
}

/// As its security officer.
fn set_pin(pin: &str) {
    let module = Pkcs11::new(MODULE).unwrap();
    let slot = module.get_slots_with_initialized_token().unwrap()[0];
    let session = module.open_rw_session(slot).unwrap();
    session.login(UserType::So, Some(&AuthPin::new("87654321".into()))).unwrap();
    session.init_pin(&AuthPin::new(pin.into())).unwrap();
    session.logout().unwrap();
}

#[test]
fn a_wrong_pin_is_refused_once_and_never_tried_again() {
    with_token("a_wrong_pin_is_refused_once_and_never_tried_again", |token| {
        drop(token.ca(KeyAlgorithm::P256, now()));
        let keys = token.keys();
        secret(&token.folder, "pin", "4321");
        let ca = Ca::open_with(&token.folder.join("ca"), &keys).unwrap();
        let refused = |ca: &Ca| {
            let error = issue(ca, now()).unwrap_err();
            let PkiError::Key(KeyError::WrongPin { token, from }) = error else { panic!("{error}") };
            (token, from)
        };
        let (label, from) = refused(&ca);
        assert_eq!(label, "The carrier");
        assert!(from.ends_with("/pin") && !format!("{:?}", ca.key_trouble()).contains("4321"));
        // The token would take it by now, and is not asked again, by whomever.
        set_pin("4321");
        refused(&Ca::open_with(&token.folder.join("ca"), &keys).unwrap());
        set_pin("5678");
        secret(&token.folder, "pin", "5678");
        issue(&Ca::open_with(&token.folder.join("ca"), &keys).unwrap(), now()).unwrap();
    });
}

#[test]
fn a_token_that_goes_away_is_said_to_be_and_signs_once_it_is_back() {
    with_token("a_token_that_goes_away_is_said_to_be_and_signs_once_it_is_back", |token| {
        let ca = token.ca(KeyAlgorithm::P256, now());
        issue(&ca, now()).unwrap();
        let (tokens, away) = (token.folder.join("tokens"), token.folder.join("away"));
        fs::rename(&tokens, &away).unwrap();
        let until = Instant::now() + Duration::from_secs(20);
        // SoftHSM notices when it next looks into its folder.
        let refused = loop {
            match issue(&ca, now()) {
                Err(error) => break error,
                Ok(_) => assert!(Instant::now() < until, "it signs without its token"),
            }
        };
        assert!(matches!(&refused, PkiError::Key(_)), "{refused}");
        assert!(ca.key_trouble().is_some());
        fs::rename(&away, &tokens).unwrap();
        let until = Instant::now() + Duration::from_secs(20);
        while let Err(error) = issue(&ca, now()) {
            assert!(Instant::now() < until, "{error}");
            ca.look_for_keys();
        }
        assert_eq!(ca.key_trouble(), None);
    });
}

#[test]
fn what_is_missing_is_named() {
    with_token("what_is_missing_is_named", |token| {
        drop(token.ca(KeyAlgorithm::P256, now()));
        let trouble = |from: &str, to: &str| {
            let uri = token.uri("devices").to_string().replace(from, to);
            let keys = CaKeys { devices: Some(uri.parse().unwrap()), ..CaKeys::default() };
            match Ca::open_with(&token.folder.join("ca"), &keys) {
                Ok(ca) => ca.key_trouble().unwrap(),
                Err(PkiError::Key(error)) => error,
                Err(other) => panic!("{other}"),
            }
        };
        assert!(matches!(trouble(MODULE, "/usr/lib/none.so"), KeyError::Module { .. }));
        assert!(matches!(trouble(MODULE, "/etc/hostname"), KeyError::Module { .. }));
        assert!(matches!(trouble("The%20carrier", "another"), KeyError::NoToken { .. }));
        assert!(matches!(trouble("object=devices", "object=others"), KeyError::Missing { .. }));
        assert!(matches!(trouble("/pin", "/none"), KeyError::Secret { .. }));
        KeyPlace::Token(token.uri("others")).make(KeyAlgorithm::P256).unwrap();
        assert!(matches!(trouble("object=devices", "object=others"), KeyError::Foreign { .. }));
        let again = KeyPlace::Token(token.uri("others")).make(KeyAlgorithm::P256).map(drop).unwrap_err();
        assert!(matches!(again, KeyError::Exists { .. }));
    });
}

#[test]
fn a_ca_moves_from_a_file_into_a_token_with_its_next_key() {
    with_token("a_ca_moves_from_a_file_into_a_token_with_its_next_key", |token| {
        let directory = token.folder.join("ca");
        let ca = Ca::create(&directory, &CaSpec::new("Example", realm()), now()).unwrap();
        let before = issue(&ca, now()).unwrap();
        drop(ca);
        let ca = token.open();
        let wanted = ca.prepare(Issuing::Devices).unwrap();
        let root = KeyPlace::File(directory.join("root.key"), None);
        let certificate = certify(ca.spec(), &wanted, &root, now()).unwrap();
        let examined = ca.examine(Issuing::Devices, &certificate, now()).unwrap();
        ca.take_up(examined, StatusUris::default()).unwrap();
        assert!(directory.join("devices.key").exists() && !directory.join("devices-2.key").exists());
        let ca = token.open();
        let after = issue(&ca, now()).unwrap();
        assert_ne!(before.info.issuer, after.info.issuer);
        let places: Vec<_> = ca.hierarchy().unwrap().iter().map(|level| level.key.to_string()).collect();
        assert!(places[2].starts_with("pkcs11:token=The%20carrier;object=devices-2?"), "{places:?}");
        ca.crl(DEVICES, &[], 1, now(), Duration::from_secs(60)).unwrap();
    });
}
