//! Enrolment and renewal, and whom a unit does not believe.

use crate::authority::{Authority, Confusion, Down, realm, start};
use crate::bench::{Line, Times};
use agent::{Clock, Disk, Done, Failure, Folder, LastFailure, Status, Store, Unit, Wire, renews_at};
use cmp::{AnswerError, FailureInfo, Operator, ProtectionKey, Refusal, Signer};
use ids::UnixTime;
use pki::KeyAlgorithm;
use std::time::Duration;
use tempfile::TempDir;
use x509::{Anchor, PathError};

const DAY: u64 = 86_400;

/// One unit with its folder, its vendor's key and what it knows of the operator.
struct Bench {
    authority: Authority,
    vendor: Signer,
    operator: Operator,
    folder: TempDir,
    disk: Folder,
}

impl Bench {
    fn new() -> Self {
        Self::with(KeyAlgorithm::P256)
    }

    fn with(algorithm: KeyAlgorithm) -> Self {
        let authority = Authority::new(start());
        let (vendor, operator) = (authority.vendor(algorithm, start()), authority.operator());
        let folder = TempDir::new().unwrap();
        let disk = Folder::new(&folder.path().join("state")).unwrap();
        Self { authority, vendor, operator, folder, disk }
    }

    fn unit<'a>(&'a self, wire: &'a dyn Wire, clock: &'a dyn Clock) -> Unit<'a> {
        Unit::new(&self.operator, &self.vendor, Store::new(&self.disk), wire, clock)
    }

    fn store(&self) -> Store<'_> {
        Store::new(&self.disk)
    }

    /// The certificate in use is the one that the operator counts, and its key is beside it.
    fn assert_head(&self) {
        let current = self.store().current().unwrap().unwrap();
        assert_eq!(Some(current.certificate().sha256()), self.authority.state().head);
        assert_eq!(current.key().spki(), current.certificate().spki());
        assert!(self.store().pending().unwrap().is_none());
    }

    /// Enrolled at the start.
    fn enrolled(&self, times: &Times) {
        let line = Line::new(&self.authority, times);
        assert_eq!(self.unit(&line, times).attempt().unwrap(), Done::Enrolled);
    }
}

fn in_step() -> Times {
    Times::new(start(), start())
}

fn failure(result: Result<Done, Failure>) -> AnswerError {
    match result {
        Err(Failure::Answer(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_unit_enrols_and_renews_between_two_thirds_and_five_sixths_of_its_life() {
    for algorithm in [KeyAlgorithm::P256, KeyAlgorithm::P384, KeyAlgorithm::Rsa2048] {
        let (bench, times) = (Bench::with(algorithm), in_step());
        let line = Line::new(&bench.authority, &times);
        let unit = bench.unit(&line, &times);
        assert_eq!(unit.attempt().unwrap(), Done::Enrolled);
        bench.assert_head();
        let current = bench.store().current().unwrap().unwrap();
        assert_eq!(current.certificate().dns_names(), [format!("00aabbccddee.{}", realm())]);
        let due = renews_at(current.certificate());
        let day = |day: u64| current.certificate().not_before().after(Duration::from_secs(day * DAY));
        assert!(day(20) <= due && due <= day(25), "{due}");
        assert_eq!(unit.attempt().unwrap(), Done::NotDue(due));
        times.truth.set(due.before(Duration::from_secs(1)));
        assert_eq!(unit.attempt().unwrap(), Done::NotDue(due));
        times.truth.set(due);
        assert_eq!(unit.attempt().unwrap(), Done::Renewed);
        bench.assert_head();
        assert_eq!(bench.authority.state().asked, ["enrol", "renew"]);
        let next = bench.store().current().unwrap().unwrap();
        assert_ne!(next.key().spki(), current.key().spki());
    }
}

#[test]
fn a_unit_whose_clock_says_1970_enrols_without_a_time_and_learns_it() {
    let (bench, times) = (Bench::new(), Times::new(UnixTime::default(), start()));
    let line = Line::new(&bench.authority, &times);
    let unit = bench.unit(&line, &times);
    assert_eq!(unit.attempt().unwrap(), Done::Enrolled);
    assert_eq!(bench.authority.state().refused, []);
    assert_eq!(unit.time().now(), start());
    // After a restart the time is gone. It asks for it by a kur that must be refused, and does not renew.
    let again = bench.unit(&line, &times);
    assert!(matches!(again.attempt().unwrap(), Done::NotDue(_)));
    assert_eq!(bench.authority.state().refused, [Refusal::Time]);
    assert_eq!(again.time().now(), start());
    bench.assert_head();
    // It renews in time, by the operator's time.
    times.truth.set(renews_at(bench.store().current().unwrap().unwrap().certificate()));
    assert_eq!(bench.unit(&line, &times).attempt().unwrap(), Done::Renewed);
    assert_eq!(bench.authority.state().asked, ["enrol", "renew"]);
    bench.assert_head();
}

#[test]
fn a_unit_whose_clock_is_years_ahead_is_told_the_time_and_enrols() {
    let (bench, times) = (Bench::new(), Times::new("2031-01-01T00:00:00Z".parse().unwrap(), start()));
    let line = Line::new(&bench.authority, &times);
    assert_eq!(bench.unit(&line, &times).attempt().unwrap(), Done::Enrolled);
    assert_eq!(bench.authority.state().refused, [Refusal::Time]);
    bench.assert_head();
}

#[test]
fn a_confirmation_that_is_lost_is_made_up_for_within_its_time_and_begun_anew_after_it() {
    for (wait, first, asked) in
        [(240, Done::Finished, &["enrol"][..]), (400, Done::Enrolled, &["enrol", "enrol"])]
    {
        let (bench, times) = (Bench::new(), in_step());
        let line = Line::new(&bench.authority, &times);
        line.up.set(1);
        let unit = bench.unit(&line, &times);
        assert!(matches!(unit.attempt(), Err(Failure::Wire(_))));
        assert!(bench.store().current().unwrap().is_none());
        assert_eq!(Status::of(&bench.store()).unwrap().pending, "unconfirmed");
        line.up.set(u32::MAX);
        times.pass(Duration::from_secs(wait));
        assert_eq!(unit.attempt().unwrap(), first);
        assert_eq!(bench.authority.state().asked, asked);
        assert_eq!(bench.authority.state().confirmed.len(), 1);
        bench.assert_head();
    }
}

/// The authority has confirmed; its answer is lost, and the unit comes back days later, with a clock of 1970.
#[test]
fn a_pki_conf_that_is_lost_is_asked_for_again_however_late() {
    let (bench, times) = (Bench::new(), Times::new(UnixTime::default(), start()));
    let line = Line::new(&bench.authority, &times);
    line.meddle(|message, answer| if is_cert_conf(message) { b"lost".to_vec() } else { answer });
    failure(bench.unit(&line, &times).attempt());
    assert_eq!(bench.authority.state().confirmed.len(), 1);
    *line.meddles.borrow_mut() = None;
    times.pass(Duration::from_secs(3 * DAY));
    let again = Times::new(UnixTime::default(), times.truth.get());
    let line = Line::new(&bench.authority, &again);
    assert_eq!(bench.unit(&line, &again).attempt().unwrap(), Done::Finished);
    assert_eq!(bench.authority.state().confirmed.len(), 1);
    bench.assert_head();
}

/// The body's tag stands behind the header.
fn is_cert_conf(message: &[u8]) -> bool {
    body_of(message) == Some(24)
}

fn body_of(message: &[u8]) -> Option<u8> {
    // PKIMessage and PKIHeader have lengths of two octets, or one for the header.
    let header = message.get(4..)?;
    let length = match header.get(1)? {
        0x81 => 3 + usize::from(*header.get(2)?),
        0x82 => 4 + usize::from(u16::from_be_bytes([*header.get(2)?, *header.get(3)?])),
        short => 2 + usize::from(*short),
    };
    header.get(length).map(|tag| tag & 0x1f)
}

#[test]
fn a_refusal_is_shown_with_its_bit_and_what_to_do_and_loses_nothing() {
    let (bench, times) = (Bench::new(), in_step());
    let line = Line::new(&bench.authority, &times);
    bench.authority.state().refuses = Some(Refusal::NoOrder);
    let unit = bench.unit(&line, &times);
    let error = unit.attempt().unwrap_err();
    assert!(error.is_refusal());
    let shown = LastFailure::new(&error, start());
    assert_eq!(shown.code, "notAuthorized");
    assert!(shown.next.contains("install order"), "{}", shown.next);
    assert!(bench.store().pending().unwrap().is_none());
    bench.authority.state().refuses = Some(Refusal::Unavailable);
    assert!(!unit.attempt().unwrap_err().is_refusal());
    bench.authority.state().refuses = None;
    assert_eq!(unit.attempt().unwrap(), Done::Enrolled);
    // The same while it has a certificate: that stays.
    times.truth.set(renews_at(bench.store().current().unwrap().unwrap().certificate()));
    bench.authority.state().refuses = Some(Refusal::Held);
    unit.attempt().unwrap_err();
    bench.assert_head();
    // A refused renewal of a live certificate never becomes an ir, which would look like a clone.
    unit.attempt().unwrap_err();
    assert_eq!(bench.authority.state().asked[3..], ["renew", "renew"]);
}

#[test]
fn an_expired_or_revoked_certificate_renews_by_itself_or_the_unit_begins_anew() {
    // Out of a drawer, where the operator lets it renew.
    let (bench, times) = (Bench::new(), in_step());
    bench.enrolled(&times);
    times.pass(Duration::from_secs(60 * DAY));
    let line = Line::new(&bench.authority, &times);
    let unit = bench.unit(&line, &times);
    // The vendor's certificate of this test has the same life; a real one does not end.
    assert_eq!(unit.attempt().unwrap(), Done::Renewed);
    bench.assert_head();
    for (refusal, days) in [(Refusal::Revoked, 28), (Refusal::Expired, 60)] {
        let (bench, times) = (Bench::new(), in_step());
        bench.enrolled(&times);
        times.pass(Duration::from_secs(days * DAY));
        let line = Line::new(&bench.authority, &times);
        let vendor = bench.authority.vendor(KeyAlgorithm::P256, times.truth.get());
        let unit = Unit::new(&bench.operator, &vendor, bench.store(), &line, &times);
        bench.authority.state().refuses = Some(refusal);
        unit.attempt().unwrap_err();
        bench.authority.state().refuses = None;
        bench.authority.state().head = None;
        assert_eq!(unit.attempt().unwrap(), Done::Enrolled, "{refusal:?}");
        assert_eq!(bench.authority.state().asked, ["enrol", "renew", "enrol"]);
        bench.assert_head();
    }
}

#[test]
fn an_answer_that_another_gives_or_that_is_altered_is_not_believed() {
    let (bench, times) = (Bench::new(), in_step());
    let other = Authority::new(start());
    let line = Line::new(&other, &times);
    // It has the same names as ours, and other keys.
    let error = failure(bench.unit(&line, &times).attempt());
    assert_eq!(error, AnswerError::Message(Refusal::Path(PathError::BadSignature)));
    assert!(error.next().contains("root"));

    let line = Line::new(&bench.authority, &times);
    // One bit in the middle of a message lies in its header or body, in its signature or in a certificate.
    for part in [8_usize, 4, 3, 2] {
        line.meddle(move |_, mut answer| {
            let octet = answer.len() / part;
            answer[octet] ^= 1;
            answer
        });
        failure(bench.unit(&line, &times).attempt());
        assert!(bench.store().current().unwrap().is_none());
    }
    // The answer to an earlier request.
    let earlier = bench.authority.handle(&line.sent.borrow()[0], start());
    line.meddle(move |_, _| earlier.clone());
    assert_eq!(failure(bench.unit(&line, &times).attempt()), AnswerError::OtherMessage);
    // An error without a signature, as whoever is on the way can send: it is read and not believed.
    line.meddle(|_, _| UNSIGNED.to_vec());
    let error = failure(bench.unit(&line, &times).attempt());
    assert_eq!(error, AnswerError::Unsigned(Some(FailureInfo::CERT_REVOKED)));
    *line.meddles.borrow_mut() = None;
    assert_eq!(bench.unit(&line, &times).attempt().unwrap(), Done::Enrolled);
}

#[test]
fn an_answer_by_another_unit_of_the_operator_is_not_believed() {
    let (mut bench, times) = (Bench::new(), in_step());
    bench.authority.be_a_unit(start());
    let line = Line::new(&bench.authority, &times);
    let error = failure(bench.unit(&line, &times).attempt());
    let purpose = PathError::ExtendedKeyUsage(x509::Place::EndEntity);
    assert_eq!(error, AnswerError::Message(Refusal::Path(purpose)));
    assert!(bench.store().current().unwrap().is_none());
}

/// PKIMessage { header { 2, directoryName {}, directoryName {} }, error { { rejection, certRevoked } } }.
const UNSIGNED: &[u8] = &[
    0x30, 29, 0x30, 11, 2, 1, 2, 0xa4, 2, 0x30, 0, 0xa4, 2, 0x30, 0, //
    0xb7, 14, 0x30, 12, 0x30, 10, 2, 1, 2, 3, 5, 5, 0, 0x20, 0, 0,
];

#[test]
fn a_certificate_for_another_key_or_unit_or_realm_is_not_confirmed() {
    let (bench, times) = (Bench::new(), in_step());
    let line = Line::new(&bench.authority, &times);
    let unit = bench.unit(&line, &times);
    for (confusion, error) in
        [(Confusion::Key, AnswerError::OtherKey), (Confusion::Unit, AnswerError::OtherDevice)]
    {
        bench.authority.state().confuses = Some(confusion);
        assert_eq!(failure(unit.attempt()), error);
    }
    bench.authority.state().confuses = None;
    let root = Anchor::from_der(bench.authority.ca.root()).unwrap();
    let elsewhere = Operator::new("other.example".parse().unwrap(), root);
    let unit = Unit::new(&elsewhere, &bench.vendor, bench.store(), &line, &times);
    assert_eq!(failure(unit.attempt()), AnswerError::Certificate(PathError::UnknownRealm));
    assert_eq!(bench.authority.state().confirmed, []);
    assert!(bench.store().current().unwrap().is_none());
}

#[test]
fn an_authority_that_sets_its_clock_back_behind_what_the_unit_has_seen_is_not_believed() {
    let (bench, times) = (Bench::new(), Times::new(start(), start()));
    bench.enrolled(&times);
    let earlier = Times::new(UnixTime::default(), start().before(Duration::from_secs(3600)));
    let line = Line::new(&bench.authority, &earlier);
    assert!(matches!(failure(bench.unit(&line, &earlier).attempt()), AnswerError::Early(_)));
}

#[test]
fn storage_that_fails_is_found_before_anything_is_asked_for() {
    let (bench, times) = (Bench::new(), in_step());
    let line = Line::new(&bench.authority, &times);
    std::fs::create_dir(bench.folder.path().join("state/pending.json.new")).unwrap();
    let error = bench.unit(&line, &times).attempt().unwrap_err();
    assert_eq!(error.code(), "storage");
    assert_eq!(bench.authority.state().asked, [""; 0]);
}

#[test]
fn what_is_in_use_stays_while_the_server_is_down_and_the_last_failure_is_written_once() {
    let (bench, times) = (Bench::new(), in_step());
    bench.enrolled(&times);
    times.truth.set(renews_at(bench.store().current().unwrap().unwrap().certificate()));
    let unit = bench.unit(&Down, &times);
    let error = unit.attempt().unwrap_err();
    bench.store().set_last_failure(Some(&LastFailure::new(&error, start()))).unwrap();
    times.pass(Duration::from_secs(60));
    let later = LastFailure::new(&unit.attempt().unwrap_err(), times.truth.get());
    bench.store().set_last_failure(Some(&later)).unwrap();
    assert_eq!(bench.store().last_failure().unwrap().unwrap().since, start());
    bench.store().set_last_failure(None).unwrap();
    assert_eq!(Status::of(&bench.store()).unwrap().failure, None);
    assert!(bench.store().current().unwrap().is_some());
}

#[test]
fn keys_are_files_of_mode_0600_and_a_damaged_record_is_as_none() {
    use std::os::unix::fs::PermissionsExt;
    let (bench, times) = (Bench::new(), in_step());
    bench.enrolled(&times);
    let path = bench.folder.path().join("state/current.json");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let folder = bench.folder.path().join("state");
    assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    let whole = std::fs::read(&path).unwrap();
    bench.disk.write("current.json", 0o600, &whole[..whole.len() / 2]).unwrap();
    assert!(bench.store().current().unwrap().is_none());
}

#[test]
fn a_unit_whose_vendor_certificate_is_that_of_many_says_which_one_it_is() {
    let (bench, times) = (Bench::new(), in_step());
    bench.authority.state().legacy = Some(bench.vendor.certificate().sha256());
    let line = Line::new(&bench.authority, &times);
    let device = "00aabbccddf0".parse().unwrap();
    let unit = bench.unit(&line, &times).called(Some(device));
    assert_eq!(unit.attempt().unwrap(), Done::Enrolled);
    bench.assert_head();
    let current = bench.store().current().unwrap().unwrap();
    assert_eq!(current.certificate().dns_names(), [format!("{device}.{}", realm())]);
}
