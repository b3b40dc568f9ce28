mod legacy;

use super::*;
use crate::{
    AccessLineRecord, CertificateRecord, Credential, DoubtKind, Enrolment, Leave, Ledger, LifeCycle,
    NewDevice, NewOrder, Octets, OrderState, Pools, RowKey, Transaction, Tx,
    store::Sqlite,
    trust::{DAYS, Said, SignalKind, TrustEvidence, TrustState},
};
use events::{Journal, JournalKey};
use ids::{CellKey, Realm, UnixTime};
use std::{path::Path, time::Duration};

const HOME: &str = "192.0.2.7";
const ELSEWHERE: &str = "198.51.100.7";

fn at(seconds: u64) -> UnixTime {
    UnixTime::from_secs(1_790_000_000).after(Duration::from_secs(seconds))
}

fn realm() -> Realm {
    "femto.operator.example".parse().unwrap()
}

fn cell() -> CellKey {
    "lte:450-08:1a2b3c4".parse().unwrap()
}

fn unit(number: u8) -> DeviceId {
    DeviceId::eui48([number; 6])
}

fn open(dir: &Path) -> Ledger {
    let path = dir.join("journal.key");
    let key = JournalKey::open(&path).or_else(|_| JournalKey::create(&path)).unwrap();
    let (journal, _) = Journal::open(&dir.join("journal"), "gw1".parse().unwrap(), key, at(0)).unwrap();
    let store = Box::new(Sqlite::open(&dir.join("ledger.sqlite")).unwrap());
    Ledger::open(store, journal, RowKey::new(&[7; 32]), Pools::default(), at(0)).unwrap().0
}

fn new_order(number: u8, since: u64) -> NewOrder {
    NewOrder {
        id: format!("W-{number}-{since}").parse().unwrap(),
        device: unit(number),
        line: "line-1".parse().unwrap(),
        site: "Seoul".into(),
        vendor_key: None,
        from: None,
        until: at(since + 100_000),
    }
}

/// A carrier with two units that were shipped, each with an order for the same line.
struct Carrier {
    ledger: Ledger,
    _dir: Option<tempfile::TempDir>,
}

impl Carrier {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let carrier = Self { ledger: open(dir.path()), _dir: Some(dir) };
        carrier.fill();
        carrier
    }

    /// Whatever is there.
    fn of(dir: &Path) -> Self {
        Self { ledger: open(dir), _dir: None }
    }

    fn fill(&self) {
        let line = "line-1".parse().unwrap();
        let prefixes = vec!["192.0.2.0/24".parse().unwrap()];
        let line = AccessLineRecord { line, prefixes, region: String::new(), position: None };
        self.ledger.add_line(&line, "kim", at(0)).unwrap();
        for number in [1, 2] {
            let device = NewDevice { state: LifeCycle::Shipped, ..NewDevice::installed(unit(number)) };
            self.ledger.add_device(device, "kim", at(0)).unwrap();
            self.order(number, 0);
        }
    }

    fn order(&self, number: u8, since: u64) {
        self.order_from(number, since, since);
    }

    /// Opened at `since`, and good from `from` on.
    fn order_from(&self, number: u8, since: u64, from: u64) {
        let order = NewOrder { from: Some(at(from)), ..new_order(number, since) };
        self.ledger.open_order(&order, "kim", "new customer", None, at(since)).unwrap();
    }

    fn within<T>(&self, work: impl FnOnce(&mut Tx<'_>) -> T) -> T {
        let mut tx = self.ledger.begin().unwrap();
        let done = work(&mut tx);
        tx.commit().unwrap();
        done
    }

    /// The unit asks by its vendor's key, which is `0x40 + number`, for this key.
    fn enrol(&self, number: u8, key: u8, from: &str, now: UnixTime) -> Result<u8, Denied> {
        let ask = Ask { said_at: Some(now), ..ask(number, 0x40 + number, key, from) };
        self.issue(&ask, key, now, |tx| tx.leave_to_enrol(&ask, now))
    }

    /// The unit asks by the certificate of key `parent` for this key.
    fn renew(&self, number: u8, parent: u8, key: u8, from: &str, now: UnixTime) -> Result<u8, Denied> {
        let ask = Ask { said_at: Some(now), ..ask(number, parent, key, from) };
        self.issue(&ask, key, now, |tx| tx.leave_to_renew(&ask, now))
    }

    fn issue(
        &self,
        ask: &Ask<'_>,
        key: u8,
        now: UnixTime,
        leave: impl FnOnce(&mut Tx<'_>) -> Result<Leave, NoCertificate>,
    ) -> Result<u8, Denied> {
        self.within(|tx| {
            let leave = denied(leave(tx))?;
            tx.record_certificate(&certificate(ask, key, leave, now), now).unwrap();
            Ok(key)
        })
    }

    fn confirm(&self, key: u8, now: UnixTime) -> Result<Credential, Denied> {
        self.within(|tx| denied(tx.confirm(&[key; 16], &realm(), now)))
    }

    fn enrolled(number: u8) -> Self {
        let carrier = Self::new();
        carrier.enrol(number, 1, HOME, at(10)).unwrap();
        carrier.confirm(1, at(11)).unwrap();
        carrier
    }

    fn renewed() -> Self {
        let carrier = Self::enrolled(1);
        carrier.renew(1, 1, 2, HOME, at(1000)).unwrap();
        carrier.confirm(2, at(1001)).unwrap();
        carrier
    }

    /// Gives a unit a cell that is trusted by then.
    fn with_trusted_cell(&self, number: u8, by: UnixTime) {
        let cells = Some([cell()].into());
        let change = crate::DeviceChange { cells, ..Default::default() };
        let device = self.ledger.set_device(unit(number), change, "kim", "radio plan", None, at(0)).unwrap();
        let event = TrustEvidence::Event("gw1/1".parse().unwrap());
        for days in (0..DAYS as u64).rev() {
            let then = by.before(Duration::from_secs(days * 24 * 3600));
            let said = Said::now("test", event.clone(), "", then);
            let kinds = [SignalKind::Attached, SignalKind::LineConfirmed];
            self.within(|tx| tx.cell_signals(&device, &kinds, &said, by)).unwrap();
        }
        assert_eq!(self.trust(by), (TrustState::Trusted, "earned".to_owned()));
    }

    /// The trust in that cell, and the first reason.
    fn trust(&self, now: UnixTime) -> (TrustState, String) {
        let reading = self.ledger.cell_trust(cell(), now).unwrap();
        (reading.state, reading.reasons[0].what.clone())
    }

    fn credential(&self, key: u8) -> Credential {
        self.ledger.credential(Sha256([key; 32])).unwrap().unwrap()
    }

    fn enrolment(&self, number: u8) -> Enrolment {
        self.ledger.device(unit(number)).unwrap().unwrap().enrolment
    }

    /// Kinds and units of the incidents, in their order.
    fn incidents(&self) -> Vec<(String, Vec<DeviceId>)> {
        let incidents = self.ledger.incidents(0, 100).unwrap().rows;
        incidents.into_iter().map(|incident| (incident.kind, incident.devices)).collect()
    }
}

fn denied<T>(answer: Result<T, NoCertificate>) -> Result<T, Denied> {
    answer.map_err(|error| match error {
        NoCertificate::Denied(denied) => denied,
        NoCertificate::Ledger(error) => panic!("{error}"),
    })
}

static VENDOR: std::sync::LazyLock<Realm> = std::sync::LazyLock::new(|| "vendor.example".parse().unwrap());

/// Transactions have the number of the key.
static TRANSACTIONS: [[u8; 16]; 256] = {
    let (mut all, mut key) = ([[0; 16]; 256], 0);
    while key < all.len() {
        all[key] = [key as u8; 16];
        key += 1;
    }
    all
};

fn ask(number: u8, by: u8, key: u8, from: &str) -> Ask<'static> {
    Ask {
        device: unit(number),
        realm: &VENDOR,
        by_cert: Sha256([by; 32]),
        by_spki: Sha256([by; 32]),
        spki: Sha256([key; 32]),
        from: from.parse().unwrap(),
        said_at: None,
        protocol: "cmp",
        transaction: &TRANSACTIONS[usize::from(key)],
    }
}

/// What the CA would sign: certificate, serial, transaction and key all have the number of the key.
fn certificate(ask: &Ask<'_>, key: u8, leave: Leave, now: UnixTime) -> CertificateRecord {
    let octets = |length| Octets(vec![key; length]);
    let (id, signer, nonce) = (octets(16), octets(91), octets(16));
    CertificateRecord {
        issuer: "devices".into(),
        serial: format!("{key:02x}"),
        cert_sha256: Sha256([key; 32]),
        spki_sha256: ask.spki,
        kind: "device".into(),
        device: Some(ask.device),
        name: String::new(),
        not_before: now,
        not_after: now.after(Duration::from_secs(30 * 24 * 3600)),
        possession: "cmp".into(),
        exception: None,
        by: "cmp".into(),
        issued_at: now,
        leave,
        transaction: Some(Transaction { id, signer, nonce, from: ask.from, until: now.after(CONFIRM_WAIT) }),
        revoked: None,
        der: octets(600),
    }
}

#[test]
fn a_unit_with_an_order_is_enrolled_and_installed_where_the_order_says_once_it_has_confirmed() {
    let carrier = Carrier::new();
    carrier.enrol(1, 1, HOME, at(10)).unwrap();
    assert_eq!(carrier.ledger.credentials_of(unit(1)).unwrap().rows, [], "nobody attaches before");
    let credential = carrier.confirm(1, at(11)).unwrap();
    assert_eq!(carrier.credential(1), credential);
    assert_eq!((credential.device, &credential.realm, credential.parent), (unit(1), &realm(), None));
    let device = carrier.ledger.device(unit(1)).unwrap().unwrap();
    assert_eq!((device.state, device.enrolment), (LifeCycle::Installed, Enrolment::Enrolled));
    assert_eq!((device.access_line.unwrap().to_string(), device.site), ("line-1".into(), "Seoul".into()));
    let order = carrier.ledger.orders(Some(unit(1)), "", 9).unwrap().rows.remove(0);
    assert_eq!(order.state(at(11)), OrderState::Used);
    assert_eq!(carrier.confirm(1, at(9999)).unwrap(), credential, "said twice, at any time");
    assert_eq!(carrier.incidents(), []);
}

#[test]
fn whoever_comes_without_order_from_elsewhere_or_late_gets_nothing_and_a_person_is_told_once() {
    let carrier = Carrier::new();
    assert_eq!(carrier.enrol(3, 3, HOME, at(10)), Err(Denied::NoSuchUnit));
    assert_eq!(carrier.enrol(1, 1, ELSEWHERE, at(10)), Err(Denied::OtherLine));
    assert_eq!(carrier.enrol(1, 1, ELSEWHERE, at(11)), Err(Denied::OtherLine));
    assert_eq!(carrier.enrol(2, 2, HOME, at(100_001)), Err(Denied::NoOrder));
    let told = |number| ("enrolment-denied".to_owned(), vec![unit(number)]);
    assert_eq!(carrier.incidents(), [told(1), told(2)]);
    assert_eq!(carrier.enrol(1, 1, HOME, at(12)), Ok(1), "the order still stands for the unit itself");
}

#[test]
fn a_line_that_nobody_knows_lets_nobody_enrol() {
    let carrier = Carrier::new();
    carrier.ledger.set_line(&"line-1".parse().unwrap(), |line| line.prefixes.clear(), "kim", at(1)).unwrap();
    assert_eq!(carrier.enrol(1, 1, HOME, at(10)), Err(Denied::OtherLine));
}

#[test]
fn a_copy_of_the_vendors_key_gets_nothing_and_takes_no_renewal_from_the_genuine_unit() {
    let carrier = Carrier::enrolled(1);
    let month = 30 * 24 * 3600;
    for (copy, now) in [(2, at(400)), (3, at(month))] {
        assert_eq!(carrier.enrol(1, copy, ELSEWHERE, now), Err(Denied::AlreadyEnrolled));
    }
    assert_eq!(carrier.incidents(), [("enrolment-denied".to_owned(), vec![unit(1)])]);
    carrier.renew(1, 1, 4, HOME, at(month)).unwrap();
    carrier.confirm(4, at(month + 1)).unwrap();
    assert!(carrier.credential(1).superseded.is_some() && carrier.credential(4).doubt.is_none());
    assert_eq!(carrier.enrol(1, 5, HOME, at(month + 400)), Err(Denied::AlreadyEnrolled));
    carrier.renew(1, 4, 6, HOME, at(month + 500)).unwrap();
}

#[test]
fn a_second_enrolment_closes_the_units_orders_until_a_newer_one_which_then_ends_what_was_before() {
    let carrier = Carrier::enrolled(1);
    carrier.order_from(1, 20, 5000);
    let state = || {
        let orders = carrier.ledger.orders(Some(unit(1)), "", 9).unwrap().rows;
        orders.iter().find(|order| order.id.to_string() == "W-1-20").unwrap().state(at(600))
    };
    assert_eq!(carrier.enrol(1, 2, HOME, at(311)), Err(Denied::AlreadyEnrolled));
    assert_eq!(state(), OrderState::Waiting, "it may have been said before, and be played again");
    assert_eq!(carrier.enrol(1, 2, HOME, at(312)), Err(Denied::AlreadyEnrolled));
    assert_eq!(state(), OrderState::Closed);
    carrier.order(1, 330);
    carrier.enrol(1, 5, HOME, at(331)).unwrap();
    assert!(carrier.credential(1).revoked.is_none(), "until the new one counts");
    carrier.confirm(5, at(332)).unwrap();
    assert_eq!(carrier.enrolment(1), Enrolment::Enrolled);
    assert!(carrier.credential(1).revoked.is_some());
}

#[test]
fn what_says_that_it_comes_from_the_future_proves_nothing_and_holds_nobody() {
    let carrier = Carrier::renewed();
    let fork = |said, key, now| {
        let ask = Ask { said_at: Some(said), ..ask(1, 1, key, ELSEWHERE) };
        carrier.issue(&ask, key, now, |tx| tx.leave_to_renew(&ask, now))
    };
    assert_eq!(fork(at(2301), 3, at(2000)), Err(Denied::Fork));
    assert_eq!((carrier.enrolment(1), carrier.incidents()), (Enrolment::Enrolled, vec![]));
    assert_eq!(fork(at(2300), 4, at(2000)), Err(Denied::Fork));
    assert_eq!(carrier.enrolment(1), Enrolment::Held, "a clock may be wrong by five minutes");
}

#[test]
fn two_people_let_one_unit_enrol_by_a_vendor_key_that_is_shared_and_nobody_else() {
    const SHARED: Sha256 = Sha256([0x41; 32]);
    let carrier = Carrier::new();
    let by_it = |number, key, from, now| {
        let ask = Ask { said_at: Some(now), device: unit(number), ..ask(1, 0x41, key, from) };
        carrier.issue(&ask, key, now, |tx| tx.leave_to_enrol(&ask, now))
    };
    let order = |number: u8, approver, now: u64| {
        let until = at(now + 20_000);
        let order = NewOrder { vendor_key: Some(SHARED), until, ..new_order(number, now) };
        let opened = carrier.ledger.open_order(&order, "kim", "looked at it", approver, at(now));
        opened.map(|order| order.id)
    };
    let close = |id: &str, now| carrier.ledger.close_order(&id.parse().unwrap(), "kim", "anew", at(now));
    close("W-1-0", 1).unwrap();
    order(1, Some("lee"), 2).unwrap();
    by_it(1, 1, HOME, at(10)).unwrap();
    assert_eq!(by_it(2, 2, HOME, at(20)), Err(Denied::SharedCredential));
    assert_eq!([carrier.enrolment(1), carrier.enrolment(2)], [Enrolment::Held; 2]);
    assert_eq!(
        by_it(1, 3, HOME, at(21)),
        Err(Denied::SharedCredential),
        "what they said before they could know"
    );
    assert!(matches!(order(1, Some("Kim "), 30), Err(LedgerError::NeedsApprover(_))));
    order(1, None, 31).unwrap();
    assert_eq!(by_it(1, 4, HOME, at(32)), Err(Denied::SharedCredential), "by the word of one");
    close("W-1-31", 33).unwrap();
    order(1, Some("lee"), 34).unwrap();
    assert_eq!(by_it(1, 5, ELSEWHERE, at(35)), Err(Denied::OtherLine));
    assert_eq!(by_it(2, 6, HOME, at(36)), Err(Denied::SharedCredential), "another's order is not theirs");
    by_it(1, 7, HOME, at(37)).unwrap();
    carrier.confirm(7, at(38)).unwrap();
    assert_eq!([carrier.enrolment(1), carrier.enrolment(2)], [Enrolment::Enrolled, Enrolment::Held]);
    assert_eq!(by_it(1, 8, HOME, at(400)), Err(Denied::SharedCredential), "the order is used");
    assert_eq!(by_it(2, 9, HOME, at(401)), Err(Denied::SharedCredential));
    carrier.renew(1, 7, 10, HOME, at(500)).unwrap();
    let shared = || ("shared-credential".to_owned(), vec![unit(1), unit(2)]);
    assert!(carrier.incidents().contains(&shared()));
}

#[test]
fn an_order_that_names_the_vendors_key_lets_no_other_in() {
    let carrier = Carrier::new();
    carrier.ledger.close_order(&"W-1-0".parse().unwrap(), "kim", "anew", at(1)).unwrap();
    let order = NewOrder {
        id: "W-2".parse().unwrap(),
        device: unit(1),
        line: "line-1".parse().unwrap(),
        site: String::new(),
        vendor_key: Some(Sha256([0x77; 32])),
        from: None,
        until: at(1000),
    };
    carrier.ledger.open_order(&order, "kim", "new customer", None, at(2)).unwrap();
    assert_eq!(carrier.enrol(1, 1, HOME, at(10)), Err(Denied::OtherVendorKey));
    assert_eq!(carrier.enrolment(1), Enrolment::Held, "somebody has a certificate of the vendor for it");
    assert_eq!(carrier.enrol(1, 1, HOME, at(11)), Err(Denied::Held), "and its order is closed");
}

#[test]
fn a_vendor_key_that_vouches_for_a_second_unit_is_refused_there_and_both_are_named() {
    let carrier = Carrier::enrolled(1);
    let shared = Ask { device: unit(2), ..ask(1, 0x41, 2, ELSEWHERE) };
    let answer = carrier.issue(&shared, 2, at(20), |tx| tx.leave_to_enrol(&shared, at(20)));
    assert_eq!(answer, Err(Denied::SharedCredential));
    assert_eq!(carrier.enrolment(2), Enrolment::Held);
    assert_eq!(
        carrier.enrolment(1),
        Enrolment::Enrolled,
        "it has a certificate of its own key, and renews that"
    );
    assert_eq!(carrier.incidents(), [("shared-credential".to_owned(), vec![unit(1), unit(2)])]);
    let evidence = &carrier.ledger.incident(1).unwrap().unwrap().evidence;
    let uses = evidence["uses_of_its_key"].as_array().unwrap();
    let uses: Vec<_> = uses.iter().map(|one| (one["device"].clone(), one["from"].clone())).collect();
    let expected = [(1, HOME), (2, ELSEWHERE)].map(|(number, from)| (unit(number).to_string(), from));
    assert_eq!(uses, expected.map(|(device, from)| (device.into(), from.into())));
}

#[test]
fn no_key_is_certified_twice_but_what_came_to_nothing() {
    let carrier = Carrier::enrolled(1);
    let renew = |ask: Ask<'static>| {
        let ask = Ask { transaction: b"another that is new", ..ask };
        carrier.within(|tx| denied(tx.leave_to_renew(&ask, at(20)))).unwrap_err()
    };
    assert_eq!(renew(ask(1, 1, 1, HOME)), Denied::KnownKey, "its own");
    assert_eq!(renew(ask(1, 1, 0x41, HOME)), Denied::KnownKey, "the vendor's");
    carrier.enrol(2, 2, HOME, at(21)).unwrap();
    assert_eq!(renew(ask(1, 1, 2, HOME)), Denied::KnownKey, "of another unit's that waits");
    carrier.within(|tx| tx.reject(&[2; 16], at(23)).unwrap());
    assert_eq!(renew(ask(1, 1, 2, HOME)), Denied::KnownKey, "of another unit's that came to nothing");
    let again = Ask { transaction: b"another that is new", ..ask(2, 0x42, 2, HOME) };
    carrier.within(|tx| denied(tx.leave_to_enrol(&again, at(24)))).unwrap();
}

#[test]
fn a_unit_that_begins_anew_has_one_certificate_in_the_end_and_no_other_can_be_confirmed() {
    let carrier = Carrier::new();
    carrier.enrol(1, 1, HOME, at(10)).unwrap();
    carrier.enrol(1, 2, HOME, at(20)).unwrap();
    assert_eq!(carrier.confirm(1, at(21)), Err(Denied::Over));
    carrier.confirm(2, at(22)).unwrap();
    assert_eq!(carrier.ledger.credentials_of(unit(1)).unwrap().rows.len(), 1);
    assert!(carrier.ledger.certificate("devices", "01").unwrap().unwrap().revoked.is_some());
}

#[test]
fn what_came_to_nothing_is_not_looked_at_again_however_often_a_unit_begins_anew() {
    let carrier = Carrier::enrolled(1);
    let open =
        |leave: &str| carrier.ledger.every::<CertificateRecord>(Some((Leave::OPEN, leave))).unwrap().rows;
    let leave = Leave::Parent(Sha256([1; 32]));
    for key in 2..30 {
        carrier.renew(1, 1, key, HOME, at(1000 + u64::from(key))).unwrap();
        let open: Vec<_> = open(&leave.entry().unwrap()).into_iter().map(|open| open.serial).collect();
        assert_eq!(open, [format!("{key:02x}")]);
    }
    carrier.confirm(29, at(1030)).unwrap();
    assert_eq!(
        carrier
            .ledger
            .every::<CertificateRecord>(Some((Leave::ENTRY, &leave.entry().unwrap())))
            .unwrap()
            .rows
            .len(),
        28
    );
    assert_eq!(open("order W-1-0").len(), 1, "the one that counts");
    assert_eq!(carrier.ledger.verify().unwrap().findings, []);
}

#[test]
fn a_request_that_is_played_again_is_refused_and_nobody_is_held_for_it() {
    let carrier = Carrier::enrolled(1);
    assert_eq!(carrier.enrol(1, 1, HOME, at(20)), Err(Denied::TransactionInUse));
    carrier.renew(1, 1, 2, HOME, at(1000)).unwrap();
    carrier.confirm(2, at(1001)).unwrap();
    assert_eq!(carrier.renew(1, 1, 2, ELSEWHERE, at(5000)), Err(Denied::TransactionInUse));
    assert_eq!((carrier.enrolment(1), carrier.incidents()), (Enrolment::Enrolled, vec![]));
}

#[test]
fn a_confirmation_in_its_last_second_counts_and_one_after_it_does_not() {
    for (late, counts) in [(300, true), (301, false)] {
        let carrier = Carrier::new();
        carrier.enrol(1, 1, HOME, at(10)).unwrap();
        assert_eq!(carrier.confirm(1, at(10 + late)).is_ok(), counts, "{late}");
        assert_eq!(carrier.ledger.credentials_of(unit(1)).unwrap().rows.len(), usize::from(counts));
        assert_eq!(carrier.enrol(1, 2, HOME, at(400)).is_ok(), !counts, "a way back");
    }
}

#[test]
fn what_a_person_decides_between_question_and_confirmation_counts() {
    let carrier = Carrier::new();
    carrier.enrol(1, 1, HOME, at(10)).unwrap();
    carrier.ledger.close_order(&"W-1-0".parse().unwrap(), "kim", "cancelled", at(11)).unwrap();
    assert_eq!(carrier.confirm(1, at(12)), Err(Denied::Over));
    carrier.enrol(2, 2, HOME, at(20)).unwrap();
    carrier.ledger.move_device(unit(2), LifeCycle::Stolen, "kim", "gone", None, at(21)).unwrap();
    assert_eq!(carrier.confirm(2, at(22)), Err(Denied::Over));

    let carrier = Carrier::enrolled(1);
    carrier.renew(1, 1, 2, HOME, at(1000)).unwrap();
    carrier.ledger.revoke(Sha256([1; 32]), None, "kim", "key lost", at(1001)).unwrap();
    assert_eq!(carrier.confirm(2, at(1002)), Err(Denied::Over));
}

#[test]
fn a_renewal_supersedes_the_certificate_of_before_which_still_counts_for_a_grace_time() {
    let carrier = Carrier::renewed();
    let before = carrier.credential(1).superseded.unwrap();
    assert_eq!(before, crate::Superseded { at: at(1001), by: Sha256([2; 32]) });
    assert!(before.in_grace(at(1601)) && !before.in_grace(at(1602)));
    let after = carrier.credential(2);
    assert_eq!((after.parent, after.doubt, after.superseded), (Some(Sha256([1; 32])), None, None));
}

#[test]
fn a_second_renewal_from_one_parent_is_a_fork_whoever_was_first() {
    let carrier = Carrier::renewed();
    assert_eq!(carrier.renew(1, 1, 3, ELSEWHERE, at(1700)), Err(Denied::Fork));
    assert_eq!(carrier.enrolment(1), Enrolment::Held, "nothing more is issued");
    assert_eq!(carrier.renew(1, 2, 4, HOME, at(1701)), Err(Denied::Held), "to the successor neither");
    assert_eq!(carrier.credential(2).doubt.unwrap().kind, DoubtKind::Unsure);
    let older = carrier.credential(1);
    assert!(older.superseded.is_none() && older.revoked.is_none(), "the older one goes on counting");
    assert_eq!(carrier.incidents(), [("lineage-fork".to_owned(), vec![unit(1)])]);
    let evidence = carrier.ledger.incident(1).unwrap().unwrap().evidence;
    assert_eq!(evidence["older"]["asks_from"], ELSEWHERE);
    assert_eq!(evidence["successors"][0]["asked_from"], HOME);
}

#[test]
fn a_fork_from_further_back_puts_all_that_came_of_it_in_doubt() {
    let carrier = Carrier::renewed();
    carrier.renew(1, 2, 3, HOME, at(2000)).unwrap();
    carrier.confirm(3, at(2001)).unwrap();
    assert_eq!(carrier.renew(1, 1, 4, HOME, at(3000)), Err(Denied::Fork));
    for key in [2, 3] {
        assert_eq!(carrier.credential(key).doubt.unwrap().kind, DoubtKind::Unsure, "{key}");
    }
}

#[test]
fn what_may_have_been_said_before_there_was_a_successor_is_refused_and_is_evidence_against_nobody() {
    let carrier = Carrier::renewed();
    assert_eq!(carrier.renew(1, 1, 3, HOME, at(1301)), Err(Denied::Fork));
    assert!(carrier.credential(2).doubt.is_none() && carrier.credential(1).superseded.is_some());
    assert_eq!((carrier.enrolment(1), carrier.incidents()), (Enrolment::Enrolled, vec![]));
    assert_eq!(carrier.renew(1, 1, 4, HOME, at(1302)), Err(Denied::Fork));
    assert_eq!(carrier.enrolment(1), Enrolment::Held);
}

#[test]
fn a_unit_whose_certificates_have_ended_is_told_no_and_not_held() {
    let carrier = Carrier::enrolled(1);
    let later = at(200 * 24 * 3600);
    assert_eq!(carrier.enrol(1, 2, HOME, later), Err(Denied::NoOrder));
    assert_eq!(carrier.enrolment(1), Enrolment::Enrolled);
    carrier.renew(1, 1, 3, HOME, later).unwrap();
}

#[test]
fn a_vendor_certificate_over_a_units_own_key_is_refused() {
    let carrier = Carrier::enrolled(1);
    let other = Ask { device: unit(2), ..ask(1, 1, 9, HOME) };
    let answer = carrier.issue(&other, 9, at(20), |tx| tx.leave_to_enrol(&other, at(20)));
    assert_eq!(answer, Err(Denied::SharedCredential), "its key is that of a certificate of another");
}

#[test]
fn a_renewal_comes_from_the_units_line_or_through_its_tunnel() {
    let carrier = Carrier::enrolled(1);
    assert_eq!(carrier.renew(1, 1, 2, ELSEWHERE, at(1000)), Err(Denied::OtherLine));
    let foreign = ask(2, 1, 2, HOME);
    let answer = carrier.issue(&foreign, 2, at(1000), |tx| tx.leave_to_renew(&foreign, at(1000)));
    assert_eq!(answer, Err(Denied::UnknownCertificate), "by another's certificate");
    assert_eq!(carrier.renew(1, 9, 2, HOME, at(1000)), Err(Denied::UnknownCertificate));
    carrier.ledger.revoke(Sha256([1; 32]), None, "kim", "key lost", at(1001)).unwrap();
    assert_eq!(carrier.renew(1, 1, 2, HOME, at(1002)), Err(Denied::Revoked));
}

#[test]
fn an_expired_certificate_is_renewed_at_home_alone_and_the_unit_is_watched() {
    let carrier = Carrier::enrolled(1);
    let later = at(200 * 24 * 3600);
    carrier.with_trusted_cell(1, later);
    assert_eq!(carrier.renew(1, 1, 2, ELSEWHERE, later), Err(Denied::OtherLine));
    carrier.renew(1, 1, 2, HOME, later).unwrap();
    let doubt = carrier.confirm(2, later).unwrap().doubt.unwrap();
    assert_eq!((doubt.kind, doubt.since), (DoubtKind::Probation, later));
    assert_eq!(carrier.trust(later), (TrustState::Probation, "returned".to_owned()));

    let carrier = Carrier::enrolled(1);
    let device = crate::DeviceChange { access_line: Some(None), ..Default::default() };
    carrier.ledger.set_device(unit(1), device, "kim", "moved", Some("lee"), at(20)).unwrap();
    assert_eq!(carrier.renew(1, 1, 2, HOME, later), Err(Denied::Expired), "nobody knows where it belongs");
    carrier.renew(1, 1, 2, HOME, at(1000)).unwrap();
}

mod cut;
mod extension;
mod lineage;
mod random;
