//! What the books are told of an issuance, and books that refuse or cannot be reached.

use crate::world::*;
use ids::Sha256;
use pki::{Kind, OffTheBooks, PkiError};
use std::fs;
use std::path::Path;

fn files(world: &World) -> Vec<String> {
    let entries = fs::read_dir(world.directory.path().join("ca")).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn the_books_are_told_what_was_signed_and_the_ca_keeps_no_file_of_it() {
    let world = World::new();
    let before = files(&world);
    let unit = world.issue(&order()).unwrap();
    let gateway = world.ca.issue_gateway(&gateway_order(), &mut world.books(), now()).unwrap();
    world.ca.ocsp_signer(GATEWAYS, "kim", &mut world.books(), now()).unwrap();
    let authority = world.ca.issue_registration_authority(&mut world.books(), now()).unwrap();
    assert_eq!(files(&world), before);

    let issued = world.books.issued();
    let who = |place: usize| {
        let (what, _) = &issued[place];
        (what.issuing, what.kind, what.device, what.name.as_str(), what.possession, what.by.as_str())
    };
    let (devices, gateways) = (DEVICES, GATEWAYS);
    let name = "00aabbccddee.femto.example";
    assert_eq!(who(0), (devices, Kind::Device, Some(device()), name, "generated", "test"));
    assert_eq!(who(1), (gateways, Kind::Gateway, None, "segw.femto.example", "generated", "test"));
    let name = "femto.example OCSP of gateways";
    assert_eq!(who(2), (gateways, Kind::OcspSigner, None, name, "generated", "kim"));
    let name = "femto.example registration authority";
    assert_eq!(who(3), (devices, Kind::RegistrationAuthority, None, name, "generated", "truecell"));
    for (certificate, (what, der)) in [(&unit, &issued[0]), (&gateway, &issued[1]), (&authority, &issued[3])]
    {
        assert_eq!(&certificate.chain[0], der);
        let read = x509::Certificate::from_der(der).unwrap();
        assert_eq!((&what.serial, what.spki_sha256), (&read.serial(), Sha256::of(read.spki())));
        assert_eq!((what.not_before, what.not_after), (read.not_before(), read.not_after()));
        assert_eq!((what.exception.as_deref(), what.ordered_at), (None, now()));
    }
}

#[test]
fn books_out_of_reach_mean_that_nobody_gets_a_certificate() {
    let world = World::new();
    *world.books.unreachable.lock().unwrap() = true;
    let refused = world.issue(&order()).unwrap_err();
    assert!(matches!(refused, PkiError::Books(_)) && !refused.is_refusal(), "{refused}");
    let refused = world.ca.ocsp_signer(DEVICES, "test", &mut world.books(), now()).unwrap_err();
    assert!(matches!(refused, PkiError::Books(_)), "{refused}");
    assert_eq!(world.books.issued(), []);
}

#[test]
fn a_device_whose_state_forbids_it_gets_nothing_and_nothing_is_signed_for_it() {
    let world = World::new();
    *world.books.forbidden.lock().unwrap() = Some(device());
    let refused = world.issue(&order()).unwrap_err();
    assert!(matches!(&refused, PkiError::Forbidden(why) if why.contains("retired")), "{refused}");
    assert_eq!(world.books.issued(), []);
}

#[test]
fn only_a_registration_authoritys_certificate_is_kept_as_one() {
    let world = World::new();
    let ra = |world: &World| {
        world.ca.registration_authority(now()).unwrap().map(|signer| signer.certificate().sha256())
    };
    assert_eq!(ra(&world), None);
    let unit = world.issue(&order()).unwrap();
    let refused = world.ca.keep_registration_authority(&unit).unwrap_err();
    assert!(matches!(refused, PkiError::Order(_)), "{refused}");
    let issued = world.ca.issue_registration_authority(&mut OffTheBooks, now()).unwrap();
    assert_eq!(ra(&world), None, "before it is kept it is nobody's");
    world.ca.keep_registration_authority(&issued).unwrap();
    assert_eq!(ra(&world), Some(issued.info.sha256));
    assert!(Path::exists(&world.directory.path().join("ca/ra.key")));
}
