//! Lists by `openssl ca -gencrl` and answers by `openssl ocsp`; says so and passes by where it is not installed.

use ids::UnixTime;
use std::fs;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;
use x509::{Anchor, Certificate, Crl, CrlReason, NONCE, NoAnswer, OcspAnswer, OcspQuestion};

const CONFIGURATION: &str = "
[ca]
default_ca = it
[it]
database = index.txt
new_certs_dir = .
certificate = ca.pem
private_key = ca.key
serial = serial
crlnumber = crlnumber
default_md = sha256
default_days = 30
default_crl_days = 7
policy = any
[any]
commonName = supplied
[req]
distinguished_name = name
[name]
[ca_profile]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[unit]
keyUsage = critical, digitalSignature
[responder]
keyUsage = critical, digitalSignature
extendedKeyUsage = OCSPSigning
[list]
authorityKeyIdentifier = keyid
";

/// A CA of the openssl command line, with two units and a responder.
struct Ca {
    folder: TempDir,
}

impl Ca {
    /// `None` where there is no openssl.
    fn new() -> Option<Self> {
        if Command::new("openssl").arg("version").output().is_err() {
            println!("SKIPPED: no openssl on this machine");
            return None;
        }
        let ca = Self { folder: TempDir::new().unwrap() };
        for (name, content) in
            [("ca.cnf", CONFIGURATION), ("index.txt", ""), ("serial", "9F01"), ("crlnumber", "01")]
        {
            fs::write(ca.path().join(name), content).unwrap();
        }
        ca.openssl("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -days 90 -subj /O=Vendor/CN=CA -config ca.cnf -extensions ca_profile");
        for (name, profile) in [("good", "unit"), ("bad", "unit"), ("responder", "responder")] {
            ca.openssl(&format!("req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {name}.key -out {name}.csr -subj /CN={name} -config ca.cnf"));
            ca.openssl(&format!(
                "ca -batch -notext -config ca.cnf -extensions {profile} -in {name}.csr -out {name}.pem"
            ));
        }
        Some(ca)
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn openssl(&self, arguments: &str) {
        let output =
            Command::new("openssl").args(arguments.split(' ')).current_dir(self.path()).output().unwrap();
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn der(&self, name: &str) -> Vec<u8> {
        self.openssl(&format!("x509 -in {name}.pem -outform DER -out {name}.der"));
        fs::read(self.path().join(name).with_extension("der")).unwrap()
    }

    fn anchor(&self) -> Anchor {
        Anchor::from_der(&self.der("ca")).unwrap()
    }

    fn serial(&self, name: &str) -> x509::SerialNumber {
        Certificate::from_der(&self.der(name)).unwrap().serial_number().unwrap()
    }

    fn revoke(&self, name: &str, reason: &str) {
        self.openssl(&format!("ca -config ca.cnf -revoke {name}.pem -crl_reason {reason}"));
    }

    fn list(&self, options: &str) -> Crl {
        self.openssl(&format!("ca -config ca.cnf -gencrl{options} -out list.pem"));
        self.openssl("crl -in list.pem -outform DER -out list.der");
        Crl::verify(&self.anchor(), &fs::read(self.path().join("list.der")).unwrap()).unwrap()
    }

    /// What `openssl ocsp` answers, and what we make of it.
    fn ask(&self, name: &str, options: &str) -> Result<OcspAnswer, NoAnswer> {
        let question = OcspQuestion::new(&self.anchor(), self.serial(name), [9; NONCE]).unwrap();
        fs::write(self.path().join("question.der"), question.der()).unwrap();
        self.openssl(&format!(
            "ocsp -index index.txt -CA ca.pem -reqin question.der -respout answer.der {options}"
        ));
        let answer = fs::read(self.path().join("answer.der")).unwrap();
        question.answer(&self.anchor(), &answer, now())
    }
}

/// openssl signs by the machine's clock.
fn now() -> UnixTime {
    #[expect(clippy::disallowed_methods, reason = "what openssl says is of now")]
    UnixTime::now()
}

const BY_RESPONDER: &str = "-rsigner responder.pem -rkey responder.key -ndays 1";

#[test]
fn a_list_by_openssl_revokes_what_was_revoked_with_its_reason() {
    let Some(ca) = Ca::new() else { return };
    let empty = ca.list("");
    assert!(empty.is_empty() && empty.this_update() <= now() && now() < empty.next_update());
    ca.revoke("bad", "keyCompromise");
    for options in ["", " -crlexts list"] {
        let list = ca.list(options);
        let found = list.revoked(ca.serial("bad")).unwrap();
        assert_eq!((list.len(), found.reason), (1, Some(CrlReason::KeyCompromise)));
        assert_eq!(list.revoked(ca.serial("good")), None);
        assert!(!list.is_older_than(&empty));
    }
}

#[test]
fn answers_by_openssl_are_good_revoked_and_unknown() {
    let Some(ca) = Ca::new() else { return };
    ca.revoke("bad", "superseded");
    for signer in [BY_RESPONDER, "-rsigner ca.pem -rkey ca.key -nmin 5", "-rsigner ca.pem -rkey ca.key"] {
        for id in ["", " -resp_key_id"] {
            let options = format!("{signer}{id}");
            assert_eq!(ca.ask("good", &options).unwrap().revoked, None, "{options}");
            let revoked = ca.ask("bad", &options).unwrap().revoked.unwrap();
            assert_eq!(revoked.reason, Some(CrlReason::Superseded));
        }
    }
    fs::write(ca.path().join("index.txt"), "").unwrap();
    assert_eq!(ca.ask("good", BY_RESPONDER), Err(NoAnswer::Unknown));
}

#[test]
fn answers_by_openssl_that_count_for_nothing() {
    let Some(ca) = Ca::new() else { return };
    let by_unit = ca.ask("good", "-rsigner good.pem -rkey good.key -ndays 1");
    assert!(matches!(by_unit, Err(NoAnswer::Signer(_))), "{by_unit:?}");
    let sha1 = ca.ask("good", &format!("{BY_RESPONDER} -rmd sha1"));
    assert!(matches!(sha1, Err(NoAnswer::Signature(x509::SignatureError::Broken))), "{sha1:?}");
    let uncertified = ca.ask("good", &format!("{BY_RESPONDER} -resp_no_certs"));
    assert_eq!(uncertified, Err(NoAnswer::NoSigner));
    // The answer to an earlier question.
    ca.ask("good", BY_RESPONDER).unwrap();
    let earlier = fs::read(ca.path().join("answer.der")).unwrap();
    let question = OcspQuestion::new(&ca.anchor(), ca.serial("good"), [8; NONCE]).unwrap();
    assert_eq!(question.answer(&ca.anchor(), &earlier, now()), Err(NoAnswer::Nonce));
}
