//! The responder with `openssl ocsp` as its client: it makes the request, verifies the response and says what it
//! understood. By the clock of this machine, which openssl compares times with.

use crate::ocsp::Known;
use crate::openssl::openssl;
use crate::world::*;
use ids::{CrlReason, UnixTime};
use pki::ocsp::{Responder, Status};
use pki::{Ca, CaSpec, Issued, KeyAlgorithm};
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

/// A CA of today, a unit's certificate, and a responder.
struct Today {
    directory: TempDir,
    unit: Issued,
    responder: Responder,
    books: Known,
    now: UnixTime,
}

impl Today {
    fn new(key: KeyAlgorithm, intermediates: u8) -> Self {
        let (directory, now) = (TempDir::new().unwrap(), UnixTime::now());
        let spec = CaSpec { key, intermediates, ..CaSpec::new("Example Telecom", realm()) };
        let ca = Ca::create(&directory.path().join("ca"), &spec, now).unwrap();
        let unit = ca.issue(&order(), &mut &Memory::default(), now).unwrap();
        unit.write(directory.path(), "unit").unwrap();
        let signer = ca.ocsp_signer(DEVICES, "test", &mut &Memory::default(), now).unwrap();
        let responder = Responder::new(vec![signer], Duration::from_secs(3600)).unwrap();
        Self { directory, unit, responder, books: Known::default(), now }
    }

    fn set(&mut self, status: Status) {
        self.books.set(DEVICES, &self.unit.info.serial, status);
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Has openssl make a request with these arguments, and answers it.
    fn ask(&self, arguments: &[&str]) -> Option<()> {
        let made = [&["ocsp", "-issuer", "ca/devices.pem", "-reqout", "request"], arguments].concat();
        let (ok, text) = openssl(&made, self.path())?;
        assert!(ok, "{text}");
        let request = std::fs::read(self.path().join("request")).unwrap();
        let answer = self.responder.answer(&request, &self.books, self.now);
        std::fs::write(self.path().join("response"), answer.der).unwrap();
        Some(())
    }

    /// What openssl makes of the response. Its request, nonce and all, counts only where `arguments` name no
    /// certificate.
    fn understood(&self, arguments: &[&str]) -> Option<(bool, String)> {
        let chain = ["-CAfile", "ca/root.pem", "-verify_other", "unit.pem", "-x509_strict"];
        let read =
            ["ocsp", "-issuer", "ca/devices.pem", "-reqin", "request", "-respin", "response", "-no_nonce"];
        openssl(&[&read, &chain[..], arguments].concat(), self.path())
    }

    fn understands(&self, ask: &[&str], expected: &str) -> Option<()> {
        self.ask(ask)?;
        let plain: Vec<_> = ask.iter().copied().filter(|word| !word.contains("nonce")).collect();
        let (ok, text) = self.understood(&plain)?;
        assert!(ok && text.contains("Response verify OK"), "{text}");
        assert!(text.contains(expected), "{expected:?} is missing in\n{text}");
        assert!(!text.contains("WARNING"), "of invalid times, for one: {text}");
        let (ok, text) = self.understood(&[])?;
        assert!(ok && text == "Response verify OK\n", "the nonce, if there is one, came back: {text}");
        Some(())
    }
}

#[test]
fn openssl_verifies_answers_in_every_kind_of_hierarchy() {
    for (key, intermediates) in [(KeyAlgorithm::P256, 0), (KeyAlgorithm::P384, 1), (KeyAlgorithm::Rsa2048, 2)]
    {
        let mut today = Today::new(key, intermediates);
        today.set(Status::Good);
        for hash in ["-sha1", "-sha256"] {
            for nonce in ["-nonce", "-no_nonce"] {
                let asked = today.understands(&[nonce, hash, "-cert", "unit.pem"], "unit.pem: good\n");
                if asked.is_none() {
                    return;
                }
            }
        }
    }
}

#[test]
fn openssl_sees_the_nonce_come_back_and_misses_another() {
    let mut today = Today::new(KeyAlgorithm::P256, 0);
    today.set(Status::Good);
    let Some(()) = today.ask(&["-cert", "unit.pem", "-nonce"]) else { return };
    let Some((ok, text)) = today.understood(&[]) else { return };
    assert!(ok && text == "Response verify OK\n", "{text}");
    // Another request, with another nonce than the response has.
    let again = ["ocsp", "-issuer", "ca/devices.pem", "-cert", "unit.pem", "-nonce", "-reqout", "request"];
    let Some((true, _)) = openssl(&again, today.path()) else { return };
    let Some((_, text)) = today.understood(&[]) else { return };
    assert!(text.contains("Nonce Verify error"), "{text}");
}

#[test]
fn openssl_understands_revoked_with_its_reason_and_what_was_never_issued() {
    let mut today = Today::new(KeyAlgorithm::P256, 0);
    let at = today.now.before(Duration::from_secs(60));
    today.set(Status::Revoked { at, reason: Some(CrlReason::KeyCompromise) });
    let ask = ["-nonce", "-cert", "unit.pem"];
    let Some(()) = today.understands(&ask, "unit.pem: revoked\n") else { return };
    let Some(()) = today.understands(&ask, "Reason: keyCompromise\n") else { return };
    let ask = ["-nonce", "-sha256", "-serial", "0x4b00aa05"];
    let Some(()) = today.understands(&ask, "0x4b00aa05: revoked\n") else { return };
    let Some(()) = today.understands(&ask, "Revocation Time: Jan  1 00:00:00 1970 GMT\n") else { return };
    let Some((_, text)) = today.understood(&["-resp_text"]) else { return };
    for expected in ["Reason: certificateHold", "Responder Id: ", "OCSP Nonce"] {
        assert!(text.contains(expected), "{expected:?} is missing in\n{text}");
    }
    // id-pkix-ocsp-extended-revoke, by its name of today and by that of OpenSSL 3.0.
    assert!(["Extended OCSP Status: \n", " valid: \n"].iter().any(|name| text.contains(name)), "{text}");
}

#[test]
fn openssl_understands_each_refusal() {
    let mut today = Today::new(KeyAlgorithm::P256, 0);
    let Some(()) = today.ask(&["-sha512", "-cert", "unit.pem"]) else { return };
    let Some((_, text)) = today.understood(&[]) else { return };
    assert!(text.contains("Responder Error: unauthorized (6)"), "{text}");
    today.books.out_of_reach = true;
    let Some(()) = today.ask(&["-cert", "unit.pem"]) else { return };
    let Some((_, text)) = today.understood(&[]) else { return };
    assert!(text.contains("Responder Error: trylater (3)"), "{text}");
    std::fs::write(today.path().join("response"), pki::ocsp::Refusal::Malformed.to_der()).unwrap();
    let Some((_, text)) = today.understood(&[]) else { return };
    assert!(text.contains("Responder Error: malformedrequest (1)"), "{text}");
}

#[test]
fn openssl_reads_the_signers_certificate_as_it_was_meant() {
    let today = Today::new(KeyAlgorithm::P256, 0);
    let Some(()) = today.ask(&["-cert", "unit.pem"]) else { return };
    let Some((_, text)) = today.understood(&["-resp_text"]) else { return };
    for expected in [
        "CN=femto.example issuing CA\n",
        "CN=femto.example OCSP of devices\n",
        "X509v3 Key Usage: critical\n                Digital Signature\n",
        "X509v3 Extended Key Usage: \n                OCSP Signing\n",
        "OCSP No Check",
        "X509v3 Basic Constraints: critical\n                CA:FALSE",
        "X509v3 Authority Key Identifier",
    ] {
        assert!(text.contains(expected), "{expected:?} is missing in\n{text}");
    }
}
