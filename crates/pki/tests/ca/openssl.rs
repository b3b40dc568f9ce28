//! The same certificates as the openssl command line sees them; says so and passes by where it is
//! not installed.

use crate::world::*;
use pki::{CaSpec, DeviceOrder, Issued, KeyAlgorithm, KeySource};
use std::path::Path;
use std::process::Command;

/// Standard output of `openssl`, and whether it was content.
pub(crate) fn openssl(arguments: &[&str], directory: &Path) -> Option<(bool, String)> {
    let Ok(output) = Command::new("openssl").args(arguments).current_dir(directory).output() else {
        println!("SKIPPED: no openssl on this machine");
        return None;
    };
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    Some((output.status.success(), text.into_owned()))
}

fn write_all(world: &World, issued: &Issued) {
    let directory = world.directory.path();
    issued.write(directory, "unit").unwrap();
    std::fs::copy(directory.join("ca/root.pem"), directory.join("root.pem")).unwrap();
}

const AT: &str = "1796126400"; // 2026-12-01T12:00:00Z

#[test]
fn openssl_verifies_every_kind_of_chain_strictly() {
    for (key, intermediates) in [
        (KeyAlgorithm::P256, 0),
        (KeyAlgorithm::P384, 1),
        (KeyAlgorithm::Rsa2048, 2),
        (KeyAlgorithm::Rsa3072, 0),
    ] {
        let spec =
            CaSpec { key, intermediates, country: Some("KR".into()), ..CaSpec::new("Example", realm()) };
        let world = World::with(&spec);
        let issued = world.issue(&DeviceOrder { key: KeySource::Generate(key), ..order() }).unwrap();
        write_all(&world, &issued);
        let arguments = [
            "verify",
            "-x509_strict",
            "-check_ss_sig",
            "-attime",
            AT,
            "-CAfile",
            "root.pem",
            "-untrusted",
            "unit.pem",
            "unit.pem",
        ];
        let Some((ok, text)) = openssl(&arguments, world.directory.path()) else { return };
        assert!(ok, "{key:?}: {text}");
        let Some((ok, text)) =
            openssl(&["pkey", "-in", "unit.key", "-check", "-noout"], world.directory.path())
        else {
            return;
        };
        assert!(ok, "{key:?}: {text}");
    }
}

#[test]
fn openssl_reads_the_profile_as_it_was_meant() {
    let world = World::new();
    write_all(&world, &world.issue(&order()).unwrap());
    let Some((_, text)) = openssl(&["x509", "-in", "unit.pem", "-noout", "-text"], world.directory.path())
    else {
        return;
    };
    for expected in [
        "Version: 3 (0x2)",
        "ecdsa-with-SHA256",
        "Issuer: O = Example Telecom, CN = femto.example issuing CA",
        "Subject: O = Example Telecom, CN = 00aabbccddee.femto.example",
        "Not Before: Dec  1 11:55:00 2026 GMT",
        "Not After : Dec 31 11:54:59 2026 GMT",
        "X509v3 Key Usage: critical\n                Digital Signature\n",
        "X509v3 Extended Key Usage: \n                ipsec Internet Key Exchange\n",
        "X509v3 Subject Alternative Name: \n                DNS:00aabbccddee.femto.example\n",
        "X509v3 Basic Constraints: critical\n                CA:FALSE",
        "X509v3 Subject Key Identifier",
        "X509v3 Authority Key Identifier",
    ] {
        assert!(text.contains(expected), "{expected:?} is missing in\n{text}");
    }
    let issuing = ["x509", "-in", "ca/devices.pem", "-noout", "-text"];
    let Some((_, text)) = openssl(&issuing, world.directory.path()) else { return };
    for expected in [
        "CA:TRUE, pathlen:0",
        "Certificate Sign, CRL Sign",
        "X509v3 Name Constraints: critical\n                Permitted:\n                  DNS:femto.example",
    ] {
        assert!(text.contains(expected), "{expected:?} is missing in\n{text}");
    }
}

#[test]
fn a_request_made_by_openssl_is_accepted() {
    let world = World::new();
    let arguments = [
        "req",
        "-new",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-keyout",
        "own.key",
        "-subj",
        "/CN=whatever",
        "-addext",
        "subjectAltName=DNS:00aabbccddee.femto.example",
        "-addext",
        "extendedKeyUsage=1.3.6.1.5.5.7.3.17",
        "-outform",
        "DER",
        "-out",
        "own.csr",
    ];
    let Some((ok, text)) = openssl(&arguments, world.directory.path()) else { return };
    assert!(ok, "{text}");
    let request = std::fs::read(world.directory.path().join("own.csr")).unwrap();
    let issued = world.issue(&DeviceOrder { key: KeySource::Request(request), ..order() }).unwrap();
    assert_eq!(issued.info.names, ["00aabbccddee.femto.example"]);
}
