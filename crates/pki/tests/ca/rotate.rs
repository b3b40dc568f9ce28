//! Another key for an issuing CA.

use crate::encrypted::secret;
use crate::ocsp::Known;
use crate::openssl::openssl;
use crate::world::*;
use ids::UnixTime;
use pki::ocsp::{Responder, Status};
use pki::{
    Ca, CaKeys, CaSpec, Generation, Issuing, KeyAlgorithm, KeyError, KeyPlace, PkiError, PrivateKey,
    StatusUris, Wanted, certify,
};
use std::fs;
use std::path::Path;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

fn root_key(world: &World) -> KeyPlace {
    KeyPlace::File(world.directory.path().join("ca/root.key"), None)
}

fn certified(world: &World, wanted: &Wanted) -> Vec<u8> {
    certify(world.ca.spec(), wanted, &root_key(world), now()).unwrap()
}

fn rotate(world: &World, issuing: Issuing) -> Generation {
    let wanted = world.ca.prepare(issuing).unwrap();
    let examined = world.ca.examine(issuing, &certified(world, &wanted), now()).unwrap();
    assert_eq!(examined.generation(), wanted.generation);
    world.ca.take_up(examined, StatusUris::default()).unwrap()
}

fn names(world: &World) -> Vec<String> {
    world.ca.generations().iter().map(ToString::to_string).collect()
}

#[test]
fn the_new_key_certifies_at_once_and_what_the_old_one_certified_stays_good() {
    for (key, intermediates) in [(KeyAlgorithm::P256, 0), (KeyAlgorithm::P384, 2)] {
        let world = World::with(&CaSpec { key, intermediates, ..CaSpec::new("Example", realm()) });
        let before = world.issue(&order()).unwrap();
        let above = if intermediates == 0 { "root" } else { "between-2" };
        let wanted = world.ca.prepare(Issuing::Devices).unwrap();
        let place = KeyPlace::File(world.directory.path().join(format!("ca/{above}.key")), None);
        let certificate = certify(world.ca.spec(), &wanted, &place, now()).unwrap();
        world
            .ca
            .take_up(world.ca.examine(Issuing::Devices, &certificate, now()).unwrap(), StatusUris::default())
            .unwrap();
        assert_eq!(names(&world), ["devices", "devices-2", "gateways"]);
        let after = world.issue(&order()).unwrap();
        assert_eq!(before.info.issuer, "CN=femto.example issuing CA,O=Example");
        assert_eq!(after.info.issuer, "CN=femto.example issuing CA 2,O=Example");
        let world = world.restart();
        let again = world.issue(&order()).unwrap();
        assert_eq!(again.info.issuer, after.info.issuer);
        for issued in [&before, &after, &again] {
            world.verify(issued, "00aabbccddee.femto.example").unwrap();
        }
        let books: Vec<_> = world.books.issued().iter().map(|(what, _)| what.issuing.to_string()).collect();
        assert_eq!(books, ["devices", "devices-2", "devices-2"]);
    }
}

#[test]
fn gateways_are_rotated_by_themselves() {
    let world = World::new();
    assert_eq!(rotate(&world, Issuing::Gateways).to_string(), "gateways-2");
    assert_eq!(rotate(&world, Issuing::Gateways).to_string(), "gateways-3");
    assert_eq!(names(&world), ["devices", "gateways", "gateways-2", "gateways-3"]);
    let issued = world.ca.issue_gateway(&gateway_order(), &mut world.books(), now()).unwrap();
    assert_eq!(issued.info.issuer, "CN=femto.example gateway CA 3,O=Example Telecom");
    assert!(world.issue(&order()).unwrap().info.issuer.starts_with("CN=femto.example issuing CA,"));
}

/// Each step is done, or not, and then everything is begun again.
#[test]
fn whatever_is_cut_off_leaves_the_old_key_certifying_and_a_rerun_finishes() {
    let mut world = World::new();
    for cut_after in ["nothing", "the key", "the certificate"] {
        if cut_after != "nothing" {
            let wanted = world.ca.prepare(Issuing::Devices).unwrap();
            if cut_after == "the certificate" {
                world.ca.examine(Issuing::Devices, &certified(&world, &wanted), now()).unwrap();
            }
        }
        world = world.restart();
        assert_eq!(names(&world), ["devices", "gateways"], "{cut_after}");
        assert!(world.issue(&order()).unwrap().info.issuer.starts_with("CN=femto.example issuing CA,"));
    }
    let first = world.ca.prepare(Issuing::Devices).unwrap();
    let again = world.ca.prepare(Issuing::Devices).unwrap();
    let spki = |wanted: &Wanted| x509::verify_request(&wanted.request).unwrap().spki().to_vec();
    assert_eq!(spki(&first), spki(&again), "the key is made once");
    // The certificate for the request of before the cut does.
    let examined = world.ca.examine(Issuing::Devices, &certified(&world, &first), now()).unwrap();
    assert_eq!(world.ca.take_up(examined, StatusUris::default()).unwrap().to_string(), "devices-2");
}

#[test]
fn a_certificate_that_will_not_do_changes_nothing() {
    let world = World::new();
    let devices = world.ca.prepare(Issuing::Devices).unwrap();
    let gateways = world.ca.prepare(Issuing::Gateways).unwrap();
    let refused = |der: &[u8], at: UnixTime| {
        let error = world.ca.examine(Issuing::Devices, der, at).unwrap_err();
        let PkiError::Certificate(why) = error else { panic!("{error}") };
        why
    };
    assert!(refused(b"none", now()).contains("no certificate"));
    assert!(refused(&certified(&world, &gateways), now()).contains("another key"));
    // The request of the one, with what belongs to the other: its name and its domain.
    let elsewhere = CaSpec { gateway_domain: "other.example".parse().unwrap(), ..world.ca.spec().clone() };
    let crossed = Wanted { request: devices.request.clone(), ..gateways.clone() };
    let crossed = certify(&elsewhere, &crossed, &root_key(&world), now()).unwrap();
    assert!(refused(&crossed, now()).contains("nameConstraints"));
    let named_alike = Wanted { generation: DEVICES, ..devices.clone() };
    assert!(refused(&certified(&world, &named_alike), now()).contains("the name of an issuing CA"));
    // Another root.
    let other = World::new();
    let foreign = Wanted { above: other.ca.root().to_vec(), ..devices.clone() };
    let foreign = certify(world.ca.spec(), &foreign, &root_key(&other), now()).unwrap();
    assert!(refused(&foreign, now()).contains("no chain with it leads to the root"));
    let later = now().after(Duration::from_secs(DAY));
    let not_yet = certify(world.ca.spec(), &devices, &root_key(&world), later).unwrap();
    assert!(refused(&not_yet, now()).contains("no chain with it leads to the root"));
    assert_eq!(names(&world), ["devices", "gateways"]);
}

#[test]
fn only_the_key_of_the_ca_above_certifies() {
    let world = World::new();
    let wanted = world.ca.prepare(Issuing::Devices).unwrap();
    let place = KeyPlace::File(world.directory.path().join("ca/devices.key"), None);
    let refused = certify(world.ca.spec(), &wanted, &place, now()).unwrap_err();
    assert!(matches!(refused, PkiError::Key(KeyError::Foreign { .. })), "{refused}");
    let place = KeyPlace::File(world.directory.path().join("no.key"), None);
    let refused = certify(world.ca.spec(), &wanted, &place, now()).unwrap_err();
    assert!(matches!(refused, PkiError::Key(KeyError::Missing { .. })), "{refused}");
}

#[test]
fn two_who_rotate_at_once_leave_a_ca_that_opens_and_signs() {
    for _ in 0..8 {
        let world = World::new();
        let (ca, root, barrier) = (&world.ca, root_key(&world), Barrier::new(2));
        let one = || {
            barrier.wait();
            let wanted = ca.prepare(Issuing::Devices);
            barrier.wait();
            let wanted = wanted?;
            let certificate = certify(ca.spec(), &wanted, &root, now())?;
            ca.take_up(ca.examine(Issuing::Devices, &certificate, now())?, StatusUris::default())
        };
        let done: Vec<_> = thread::scope(|scope| {
            let asked = [scope.spawn(one), scope.spawn(one)];
            asked.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert_eq!(done.iter().filter(|done| done.is_ok()).count(), 1, "{done:?}");
        assert_eq!(names(&world), ["devices", "devices-2", "gateways"]);
        let world = world.restart();
        let issued = world.issue(&order()).unwrap();
        assert_eq!(issued.info.issuer, "CN=femto.example issuing CA 2,O=Example Telecom");
    }
}

#[test]
fn a_key_that_was_replaced_since_it_was_examined_is_not_taken_up() {
    let world = World::new();
    let wanted = world.ca.prepare(Issuing::Devices).unwrap();
    let examined = world.ca.examine(Issuing::Devices, &certified(&world, &wanted), now()).unwrap();
    let folder = world.directory.path().join("ca");
    let other = PrivateKey::generate(KeyAlgorithm::P256).unwrap();
    other.keep(&folder.join("devices-2.key"), None).unwrap();
    let refused = world.ca.take_up(examined, StatusUris::default()).unwrap_err();
    assert!(matches!(refused, PkiError::Key(KeyError::Foreign { .. })), "{refused}");
    assert!(!folder.join("devices-2.pem").exists());
    world.restart().issue(&order()).unwrap();
}

#[test]
fn an_old_generation_revokes_and_answers_until_its_key_is_taken_away() {
    let world = World::new();
    let later = Generation::first(Issuing::Devices).next();
    rotate(&world, Issuing::Devices);
    assert_eq!(world.ca.speaking(), [DEVICES, later, GATEWAYS]);
    fs::remove_file(world.directory.path().join("ca/devices.key")).unwrap();
    let world = world.restart();
    assert_eq!(world.ca.generations(), [DEVICES, later, GATEWAYS]);
    assert_eq!(world.ca.speaking(), [later, GATEWAYS]);
    assert_eq!(world.ca.key_trouble(), None, "nothing is wrong with that");
    let list = world.ca.crl(DEVICES, &[], 1, now(), Duration::from_secs(60));
    assert!(matches!(list, Err(PkiError::Key(KeyError::Missing { .. }))));
    assert_eq!(
        world.ca.device_anchors().unwrap().iter().count(),
        2,
        "what it certified may still be renewed"
    );
}

#[test]
fn the_registration_authority_is_replaced_with_its_issuing_ca() {
    let world = World::new();
    let issued = world.ca.issue_registration_authority(&mut world.books(), now()).unwrap();
    world.ca.keep_registration_authority(&issued).unwrap();
    assert!(world.ca.registration_authority(now()).unwrap().is_some());
    rotate(&world, Issuing::Devices);
    assert!(world.ca.registration_authority(now()).unwrap().is_none());
    let issued = world.ca.issue_registration_authority(&mut world.books(), now()).unwrap();
    world.ca.keep_registration_authority(&issued).unwrap();
    assert!(world.ca.registration_authority(now()).unwrap().is_some());
}

#[test]
fn a_root_key_that_is_encrypted_and_elsewhere_certifies() {
    let world = World::new();
    let path = world.directory.path();
    let source = secret(path, "pass", "a root's own");
    PrivateKey::read(&path.join("ca/root.key"))
        .unwrap()
        .keep(&path.join("brought.key"), Some(&source))
        .unwrap();
    fs::remove_file(path.join("ca/root.key")).unwrap();
    let wanted = world.ca.prepare(Issuing::Devices).unwrap();
    let place = |source| KeyPlace::File(path.join("brought.key"), source);
    let refused = certify(world.ca.spec(), &wanted, &place(None), now()).unwrap_err();
    assert!(matches!(refused, PkiError::Key(KeyError::NoPassphrase { .. })), "{refused}");
    let certificate = certify(world.ca.spec(), &wanted, &place(Some(source)), now()).unwrap();
    world
        .ca
        .take_up(world.ca.examine(Issuing::Devices, &certificate, now()).unwrap(), StatusUris::default())
        .unwrap();
}

#[test]
fn a_root_that_stays_elsewhere_certifies_with_openssl() {
    let path = tempfile::TempDir::new().unwrap();
    let path = path.path();
    let now = UnixTime::now();
    let ca = Ca::create(&path.join("ca"), &CaSpec::new("Example", realm()), now).unwrap();
    let wanted = ca.prepare(Issuing::Devices).unwrap();
    fs::write(path.join("next.csr"), wanted.request_pem()).unwrap();
    fs::write(path.join("next.ext"), ca.spec().extensions(Issuing::Devices)).unwrap();
    let sign = |extensions: &[&str]| {
        let sign = [
            "x509",
            "-req",
            "-in",
            "next.csr",
            "-CA",
            "ca/root.pem",
            "-CAkey",
            "ca/root.key",
            "-days",
            "3650",
        ];
        let (ok, text) = openssl(&[&sign[..], &["-out", "next.pem"], extensions].concat(), path)?;
        assert!(ok, "{text}");
        Some(pki::read_certificate(&path.join("next.pem")).unwrap())
    };
    let Some(bare) = sign(&[]) else { return };
    assert!(matches!(ca.examine(Issuing::Devices, &bare, now), Err(PkiError::Certificate(_))));
    let Some(good) = sign(&["-extfile", "next.ext"]) else { return };
    let now = UnixTime::now();
    ca.take_up(ca.examine(Issuing::Devices, &good, now).unwrap(), StatusUris::default()).unwrap();
    let issued = ca.issue(&order(), &mut &Memory::default(), now).unwrap();
    issued.write(path, "unit").unwrap();
    let verify = ["verify", "-x509_strict", "-CAfile", "ca/root.pem", "-untrusted", "unit.pem", "unit.pem"];
    let Some((ok, text)) = openssl(&verify, path) else { return };
    assert!(ok, "{text}");
}

#[test]
fn openssl_hears_of_units_of_both_generations_from_one_responder_and_verifies_both_lists() {
    let world = World::new();
    let path = world.directory.path();
    let now = UnixTime::now();
    let ca = Ca::create(&path.join("now"), &CaSpec::new("Example", realm()), now).unwrap();
    let mut books = Known::default();
    let mut certified = |name: &str, status| {
        let issued = ca.issue(&order(), &mut &Memory::default(), now).unwrap();
        issued.write(path, name).unwrap();
        books.set(ca.current(Issuing::Devices), &issued.info.serial, status);
    };
    certified("old", Status::Good);
    let wanted = ca.prepare(Issuing::Devices).unwrap();
    let root = KeyPlace::File(path.join("now/root.key"), None);
    let certificate = certify(ca.spec(), &wanted, &root, now).unwrap();
    ca.take_up(ca.examine(Issuing::Devices, &certificate, now).unwrap(), StatusUris::default()).unwrap();
    certified("new", Status::Revoked { at: now, reason: None });
    let signers = ca.speaking().into_iter();
    let signers =
        signers.map(|generation| ca.ocsp_signer(generation, "test", &mut &Memory::default(), now).unwrap());
    let responder = Responder::new(signers.collect(), Duration::from_secs(3600)).unwrap();
    assert_eq!(responder.speaks_for().collect::<Vec<_>>(), ca.generations());
    for (unit, issuer, expected) in [
        ("old.pem", "now/devices.pem", "old.pem: good"),
        ("new.pem", "now/devices-2.pem", "new.pem: revoked"),
    ] {
        let Some(text) = asked(path, &responder, &books, unit, issuer, now) else { return };
        assert!(text.contains("Response verify OK") && text.contains(expected), "{text}");
    }
    for generation in ca.speaking() {
        let list = ca.crl(generation, &[], 1, now, Duration::from_secs(3600)).unwrap();
        fs::write(path.join("list.crl"), list).unwrap();
        let issuer = format!("now/{generation}.pem");
        let read = ["crl", "-inform", "DER", "-in", "list.crl", "-noout", "-CAfile", &issuer];
        let Some((ok, text)) = openssl(&read, path) else { return };
        assert!(ok && text.contains("verify OK"), "{generation}: {text}");
    }
}

fn asked(
    path: &Path,
    responder: &Responder,
    books: &Known,
    unit: &str,
    issuer: &str,
    now: UnixTime,
) -> Option<String> {
    let make = ["ocsp", "-issuer", issuer, "-cert", unit, "-reqout", "request"];
    let (ok, text) = openssl(&make, path)?;
    assert!(ok, "{text}");
    let request = fs::read(path.join("request")).unwrap();
    fs::write(path.join("response"), responder.answer(&request, books, now).der).unwrap();
    let read = ["ocsp", "-issuer", issuer, "-cert", unit, "-respin", "response", "-no_nonce"];
    let chain = ["-CAfile", "now/root.pem", "-verify_other", unit];
    Some(openssl(&[&read[..], &chain].concat(), path)?.1)
}

#[test]
fn a_new_generation_is_kept_as_configured_now() {
    let world = World::new();
    let path = world.directory.path().to_owned();
    let keys = CaKeys { passphrase: Some(secret(&path, "pass", "from now on")), ..CaKeys::default() };
    let ca = Ca::open_with(&path.join("ca"), &keys).unwrap();
    let wanted = ca.prepare(Issuing::Devices).unwrap();
    let certificate = certified(&world, &wanted);
    ca.take_up(ca.examine(Issuing::Devices, &certificate, now()).unwrap(), StatusUris::default()).unwrap();
    let kind = |name: &str| {
        fs::read_to_string(path.join("ca").join(name)).unwrap().lines().next().unwrap().to_owned()
    };
    assert_eq!(kind("devices.key"), "-----BEGIN PRIVATE KEY-----");
    assert_eq!(kind("devices-2.key"), "-----BEGIN ENCRYPTED PRIVATE KEY-----");
}
