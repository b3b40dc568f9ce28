//! A unit fresh from the factory is enrolled, and attaches by what it was given: not before it has confirmed it.
#![allow(clippy::unwrap_used, reason = "tests")]

use admission::Policy;
use api::{Enrolments, LedgerRegister, Office, Revocations, foreign::ForeignCas};
use cmp::{Arrival, Asked, Confirming, Fresh, Offer, Operator, RegistrationAuthority, Signer};
use ids::{DeviceId, UnixTime};
use ike::crypto::AuthKey;
use lab::{Carrier, Outcome, SERVICE, UnitIdentity};
use ledger::NewOrder;
use pki::{
    Ca, CaKeys, CaSpec, DeviceOrder, FileKey, KeyAlgorithm, KeyError, KeySource, OffTheBooks, PkiError,
    PrivateKey, SecretSource,
};
use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};
use x509::Anchor;

const LINE: &str = "L-1";
const HOME: [u8; 4] = [127, 13, 0, 1];
const ID: DeviceId = DeviceId::eui48([0x02, 0xfe, 0x73, 0, 0, 1]);

/// A carrier that enrols, and a unit with its vendor's certificate.
struct World {
    carrier: Carrier,
    register: LedgerRegister,
    ra: RegistrationAuthority,
    operator: Operator,
    vendor: Signer,
    drawn: u8,
}

impl World {
    fn new(dir: &Path) -> Self {
        let now = UnixTime::now();
        let carriers = dir.join("carrier");
        std::fs::create_dir(&carriers).unwrap();
        let carrier = Carrier::start(&carriers).unwrap();
        carrier.line(LINE, "127.13.0.0/16").unwrap();
        carrier.device(ID, LINE).unwrap();
        let spec = CaSpec::new("Vendor", "vendor.example".parse().unwrap());
        let vendor = Ca::create(&dir.join("vendor"), &spec, now).unwrap();
        let key = KeySource::Generate(KeyAlgorithm::P256);
        let order = DeviceOrder { device: ID, key, validity: None, by: "test".into() };
        let issued = vendor.issue(&order, &mut OffTheBooks, now).unwrap();
        let vendors_key = Box::new(FileKey::new(&issued.private_key.unwrap()).unwrap());

        let ca = Arc::new(Ca::open(carrier.ca.directory()).unwrap());
        let office = Office { ledger: carrier.ledger.clone(), policy: Policy::default() };
        let signer = office.registration_authority(&ca, now).unwrap();
        let ra = RegistrationAuthority::new(signer, vendor.anchors().clone(), ca.device_anchors().unwrap());
        let operator = Operator::new(ca.realm().clone(), Anchor::from_der(ca.root()).unwrap());
        let enrolments = Enrolments {
            revocations: Revocations::default(),
            ledger: carrier.ledger.clone(),
            ca,
            configured: api::Configured::default(),
            vendors: Arc::new(ForeignCas::new(dir.join("crl"), Vec::new(), Vec::new(), now)),
            gateway: None,
            has_room: Arc::new(|| true),
        };
        let register = enrolments.open().unwrap();
        let vendor = Signer::new(vendors_key, issued.chain).unwrap();
        Self { carrier, register, ra, operator, vendor, drawn: 0 }
    }

    fn order(&self) {
        let order = NewOrder {
            id: "W-1".parse().unwrap(),
            device: ID,
            line: LINE.parse().unwrap(),
            site: String::new(),
            vendor_key: None,
            from: None,
            until: UnixTime::now().after(Duration::from_secs(3600)),
        };
        self.carrier.ledger.open_order(&order, "kim", "new customer", None, UnixTime::now()).unwrap();
    }

    fn fresh(&mut self) -> Fresh {
        self.drawn += 1;
        Fresh { transaction: [self.drawn; 16], nonce: [self.drawn; 16] }
    }

    fn say(&mut self, message: &[u8]) -> Vec<u8> {
        self.drawn += 1;
        let arrival =
            Arrival { from: HOME.into(), now: Some(UnixTime::now()), nonce: [0x80 + self.drawn; 16] };
        self.ra.handle(message, &arrival, &self.register)
    }

    /// What the unit is offered that asks by `by`.
    fn ask(&mut self, by: Option<&Signer>, key: &FileKey) -> Offer {
        let fresh = self.fresh();
        let now = UnixTime::now();
        let asked = match by {
            Some(current) => Asked::kur(&self.operator, current, key, now, fresh),
            None => Asked::ir(&self.operator, &self.vendor, key, Some(now), fresh),
        };
        let asked = asked.unwrap();
        let answer = self.say(asked.message());
        asked.read(&self.operator, &answer, UnixTime::from_secs(0)).unwrap()
    }

    fn confirm(&mut self, by: Option<&Signer>, offer: &Offer) {
        let nonce = self.fresh().nonce;
        let by = by.unwrap_or(&self.vendor);
        let confirming =
            Confirming::new(by, &offer.transaction, &offer.nonce, &offer.chain[0], UnixTime::now(), nonce);
        let confirming = confirming.unwrap();
        let answer = self.say(confirming.message());
        confirming.read(&self.operator, &answer, offer.time).unwrap();
    }

    /// How the unit fares at the gateway.
    fn attach(&self, offer: &Offer, key: &PrivateKey) -> Outcome {
        let name = format!("{ID}.{}", self.operator.realm());
        let key = Arc::new(AuthKey::from_pkcs8(key.pkcs8()).unwrap());
        let identity = UnitIdentity { name, chain: offer.chain.clone(), key };
        let unit = self.carrier.attach(&identity, HOME).unwrap();
        if matches!(unit.outcome, Outcome::Attached(_)) {
            assert_eq!(unit.ping(SERVICE, 1).0, 1);
        }
        unit.close();
        unit.outcome.clone()
    }
}

fn key() -> (PrivateKey, FileKey) {
    let private = PrivateKey::generate(KeyAlgorithm::P256).unwrap();
    let key = FileKey::new(&private).unwrap();
    (private, key)
}

#[test]
fn a_unit_attaches_by_what_it_was_given_once_it_has_confirmed_it_and_by_what_it_renews() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path());
    world.order();
    let (private, first) = key();
    let offer = world.ask(None, &first);
    let before = world.attach(&offer, &private);
    assert!(!matches!(before, Outcome::Attached(_)), "{before:?}");
    world.confirm(None, &offer);
    let after = world.attach(&offer, &private);
    assert!(matches!(after, Outcome::Attached(_)), "{after:?}");

    let current = Signer::new(Box::new(first), offer.chain.clone()).unwrap();
    let (next, second) = key();
    let renewed = world.ask(Some(&current), &second);
    world.confirm(Some(&current), &renewed);
    for (offer, private) in [(&renewed, &next), (&offer, &private)] {
        let outcome = world.attach(offer, private);
        assert!(matches!(outcome, Outcome::Attached(_)), "the older one in its grace time too: {outcome:?}");
    }
}

/// The CA anew, with a key whose passphrase is to come out of a pipe.
fn with_a_pipe(ca: &Path, pass: &Path) -> Ca {
    fs::write(pass, PASSPHRASE).unwrap();
    fs::set_permissions(pass, Permissions::from_mode(0o600)).unwrap();
    let source = SecretSource::File(pass.to_owned());
    let key = ca.join("devices.key");
    PrivateKey::read(&key).unwrap().keep(&key, Some(&source)).unwrap();
    fs::remove_file(pass).unwrap();
    let opened = Ca::open_with(ca, &CaKeys { passphrase: Some(source), ..CaKeys::default() }).unwrap();
    assert!(Command::new("mkfifo").args(["-m", "600"]).arg(pass).status().unwrap().success());
    opened
}

const PASSPHRASE: &str = "correct horse";

#[test]
fn a_ca_whose_key_never_answers_leaves_units_their_admission_and_signs_once_it_does() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path());
    world.order();
    let (private, first) = key();
    let offer = world.ask(None, &first);
    world.confirm(None, &offer);

    let pass = dir.path().join("pass");
    let ca = with_a_pipe(world.carrier.ca.directory(), &pass);
    let office = Office { ledger: world.carrier.ledger.clone(), policy: Policy::default() };
    let issue = || office.issue(|books| ca.issue_registration_authority(books, UnixTime::now()));
    let until = Instant::now() + Duration::from_secs(60);
    let asked = |is_there: fn(&Result<pki::Issued, PkiError>) -> bool| {
        while !is_there(&issue()) {
            assert!(Instant::now() < until);
            thread::park_timeout(Duration::from_millis(20));
        }
    };
    let is_silent = |issued: &Result<_, _>| matches!(issued, Err(PkiError::Key(KeyError::Silent { .. })));
    asked(is_silent);
    let outcome = world.attach(&offer, &private);
    assert!(matches!(outcome, Outcome::Attached(_)), "{outcome:?}");
    assert!(is_silent(&issue()), "it has not answered meanwhile");
    fs::write(&pass, PASSPHRASE).unwrap();
    asked(Result::is_ok);
}
