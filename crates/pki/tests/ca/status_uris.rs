//! Certificates that say where their status is found.

use crate::openssl::openssl;
use crate::world::*;
use pki::{PkiError, StatusUris};

fn uris() -> StatusUris {
    StatusUris {
        ocsp: Some("http://pki.example/ocsp".into()),
        crl: Some("http://pki.example/crl/devices.crl".into()),
        issuer: Some("http://pki.example/ca/devices.crt".into()),
    }
}

const POINTS: &str = "X509v3 CRL Distribution Points: \n                Full Name:\n                  URI:http://pki.example/crl/devices.crl\n";
const ACCESS: &str = "Authority Information Access: \n                OCSP - URI:http://pki.example/ocsp\n                CA Issuers - URI:http://pki.example/ca/devices.crt\n";

#[test]
fn certificates_say_where_their_status_is_found_once_the_ca_was_told_and_still_verify() {
    let world = World::new();
    let path = world.directory.path().to_owned();
    let text = |world: &World, gateway: bool| {
        let issued = match gateway {
            true => world.ca.issue_gateway(&gateway_order(), &mut world.books(), now()).unwrap(),
            false => world.issue(&order()).unwrap(),
        };
        if !gateway {
            world.verify(&issued, "00aabbccddee.femto.example").unwrap();
        }
        issued.write(&path, "unit").unwrap();
        Some(openssl(&["x509", "-in", "unit.pem", "-noout", "-text"], &path)?.1)
    };
    let Some(before) = text(&world, false) else { return };
    assert!(!before.contains("CRL Distribution") && !before.contains("Information Access"), "{before}");
    world.ca.set_status_uris(DEVICES, uris()).unwrap();
    let Some(after) = text(&world, false) else { return };
    assert!(after.contains(POINTS) && after.contains(ACCESS), "{after}");
    let Some(gateway) = text(&world, true) else { return };
    assert!(!gateway.contains("CRL Distribution"), "each issuing CA was told for itself: {gateway}");
    world.ca.set_status_uris(GATEWAYS, uris()).unwrap();
    let Some(gateway) = text(&world, true) else { return };
    assert!(gateway.contains(POINTS) && gateway.contains(ACCESS), "{gateway}");
    world.ca.set_status_uris(DEVICES, StatusUris { crl: None, ocsp: None, ..uris() }).unwrap();
    let Some(half) = text(&world, false) else { return };
    let alone = "Authority Information Access: \n                CA Issuers - URI:http://pki.example/ca/devices.crt\n";
    assert!(half.contains(alone) && !half.contains("CRL Distribution"), "{half}");
}

#[test]
fn only_http_uris_are_taken() {
    let world = World::new();
    let long = format!("http://{}", "a".repeat(250));
    for uri in [
        "",
        "http://",
        "https://pki.example",
        "pki.example/ocsp",
        "http://pki example",
        "http:///ocsp",
        "http://é",
        &long,
    ] {
        for uris in [
            StatusUris { ocsp: Some(uri.into()), ..StatusUris::default() },
            StatusUris { crl: Some(uri.into()), ..StatusUris::default() },
            StatusUris { issuer: Some(uri.into()), ..StatusUris::default() },
        ] {
            let refused = world.ca.set_status_uris(DEVICES, uris).unwrap_err();
            assert!(matches!(refused, PkiError::Order(_)), "{uri}");
        }
    }
    for uri in ["http://pki.example", "http://192.0.2.1:8080/a", "http://[2001:db8::1]/ocsp"] {
        let uris = StatusUris { ocsp: Some(uri.into()), ..StatusUris::default() };
        world.ca.set_status_uris(DEVICES, uris).unwrap();
    }
}
