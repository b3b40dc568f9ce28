//! Revocation lists: as openssl sees them, and as they read.

use crate::openssl::openssl;
use crate::world::*;
use der::Decode;
use ids::{CrlReason, UnixTime};
use pki::crl::Entry;
use pki::{CaSpec, KeyAlgorithm, PkiError};
use std::time::Duration;
use x509_cert::crl::CertificateList;

const WEEK: Duration = Duration::from_secs(7 * DAY);

fn entry(serial: &str, reason: Option<CrlReason>) -> Entry {
    Entry { serial: serial.into(), at: "2026-11-30T06:00:00.999Z".parse().unwrap(), reason }
}

#[test]
fn a_list_reads_as_rfc_5280_has_it() {
    let world = World::new();
    let entries = [entry("4b00aa05", Some(CrlReason::Superseded)), entry("00ff", None)];
    let der = world.ca.crl(DEVICES, &entries, 1 << 40, now(), WEEK).unwrap();
    let list = CertificateList::from_der(&der).unwrap().tbs_cert_list;
    let revoked = list.revoked_certificates.unwrap();
    let serials: Vec<_> = revoked.iter().map(|one| one.serial_number.as_bytes()).collect();
    assert_eq!(
        serials,
        [&[0x4b, 0x00, 0xaa, 0x05][..], &[0x00, 0xff]],
        "positive, in as few octets as that takes"
    );
    let seconds: Vec<_> =
        revoked.iter().map(|one| one.revocation_date.to_unix_duration().as_secs()).collect();
    assert_eq!(seconds, [1_796_018_400; 2], "by date -u -d 2026-11-30T06:00:00Z +%s");
    let extensions: Vec<_> = revoked.iter().map(|one| one.crl_entry_extensions.is_some()).collect();
    assert_eq!(extensions, [true, false], "no reason rather than `unspecified`");
    let next = list.next_update.unwrap().to_unix_duration();
    assert_eq!(next - list.this_update.to_unix_duration(), WEEK);
    let empty = world.ca.crl(DEVICES, &[], 2, now(), WEEK).unwrap();
    let empty = CertificateList::from_der(&empty).unwrap().tbs_cert_list;
    assert_eq!(empty.revoked_certificates, None, "RFC 5280 section 5.1.2.6: absent when there are none");
}

#[test]
fn what_is_no_serial_number_and_no_period_are_refused() {
    let world = World::new();
    for serial in ["", "4", "4g", "+f", "é0", &"4b".repeat(21)] {
        let refused = world.ca.crl(DEVICES, &[entry(serial, None)], 1, now(), WEEK).unwrap_err();
        assert!(matches!(refused, PkiError::Order(_)), "{serial}: {refused}");
    }
    assert!(world.ca.crl(DEVICES, &[entry(&"4b".repeat(20), None)], 1, now(), WEEK).is_ok());
    let none = world.ca.crl(DEVICES, &[], 1, now(), Duration::from_millis(10));
    assert!(matches!(none, Err(PkiError::Order(_))));
}

#[test]
fn openssl_verifies_a_list_of_every_kind_of_key_and_reads_it_as_it_was_meant() {
    for key in [KeyAlgorithm::P256, KeyAlgorithm::P384, KeyAlgorithm::Rsa2048] {
        let world = World::with(&CaSpec { key, ..CaSpec::new("Example Telecom", realm()) });
        let path = world.directory.path();
        let entries = [entry("4b00aa05", Some(CrlReason::KeyCompromise)), entry("4b00aa06", None)];
        for (issuing, ca) in [(DEVICES, "issuing CA"), (GATEWAYS, "gateway CA")] {
            let list = world.ca.crl(issuing, &entries, 4711, now(), WEEK).unwrap();
            std::fs::write(path.join("list.crl"), list).unwrap();
            let issuer = format!("ca/{}.pem", issuing);
            let read = ["crl", "-inform", "DER", "-in", "list.crl", "-noout", "-text", "-CAfile", &issuer];
            let Some((ok, text)) = openssl(&read, path) else { return };
            assert!(ok && text.contains("verify OK"), "{text}");
            for expected in [
                "Version 2 (0x1)",
                &format!("Issuer: O = Example Telecom, CN = femto.example {ca}"),
                "Last Update: Dec  1 12:00:00 2026 GMT",
                "Next Update: Dec  8 12:00:00 2026 GMT",
                "X509v3 Authority Key Identifier",
                "X509v3 CRL Number: \n                4711\n",
                "Serial Number: 4B00AA05\n        Revocation Date: Nov 30 06:00:00 2026 GMT\n",
                "X509v3 CRL Reason Code: \n                Key Compromise\n",
                "Serial Number: 4B00AA06\n        Revocation Date: Nov 30 06:00:00 2026 GMT\n",
            ] {
                assert!(text.contains(expected), "{expected:?} is missing in\n{text}");
            }
        }
        let other = ["crl", "-inform", "DER", "-in", "list.crl", "-noout", "-CAfile", "ca/devices.pem"];
        let Some((_, text)) = openssl(&other, path) else { return };
        assert!(!text.contains("verify OK"), "the gateways' list is not the devices': {text}");
    }
}

#[test]
fn openssl_refuses_a_unit_whose_certificate_is_on_the_list_and_no_other() {
    let world = World::new();
    let path = world.directory.path();
    let (revoked, good) = (world.issue(&order()).unwrap(), world.issue(&order()).unwrap());
    let list = [entry(&revoked.info.serial, Some(CrlReason::CessationOfOperation))];
    let list = world.ca.crl(DEVICES, &list, 1, now(), WEEK).unwrap();
    let list = der::pem::encode_string("X509 CRL", der::pem::LineEnding::LF, &list).unwrap();
    std::fs::write(path.join("list.pem"), list).unwrap();
    let at = now().secs().to_string();
    for (issued, expected) in [(revoked, "certificate revoked"), (good, "unit.pem: OK")] {
        issued.write(path, "unit").unwrap();
        let verify = ["verify", "-x509_strict", "-crl_check", "-attime", &at, "-CRLfile", "list.pem"];
        let chain = ["-CAfile", "ca/root.pem", "-untrusted", "unit.pem", "unit.pem"];
        let Some((_, text)) = openssl(&[&verify[..], &chain].concat(), path) else { return };
        assert!(text.contains(expected), "{expected:?} is missing in\n{text}");
    }
}

#[test]
fn dates_from_2050_on_are_generalized_time() {
    let world = World::new();
    let at: UnixTime = "2049-12-31T23:59:59Z".parse().unwrap();
    let der = world.ca.crl(DEVICES, &[], 1, at, Duration::from_secs(1)).unwrap();
    let found = |text: &[u8]| der.windows(text.len()).any(|octets| octets == text);
    assert!(found(b"\x17\x0d491231235959Z\x18\x0f20500101000000Z"), "RFC 5280 section 5.1.2.4");
}
