mod cut;
mod random;

use super::*;
use crate::{
    AccessLineRecord, Ask, CertificateRecord, Enrolment, LifeCycle, NewDevice, NewLegacyGroup, NewOrder,
    NoCertificate, Octets, Pools, RowKey, Transaction, store::Sqlite,
};
use events::{Journal, JournalKey};
use ids::{Realm, Sha256};
use std::{collections::BTreeSet, path::Path};

const WINDOW: u64 = 3600;

fn at(seconds: u64) -> UnixTime {
    UnixTime::from_secs(1_790_000_000).after(Duration::from_secs(seconds))
}

fn label(text: &str) -> Label {
    text.parse().unwrap()
}

fn unit(number: u8) -> DeviceId {
    DeviceId::eui48([2, 0, 0, 0, 0, number])
}

fn open(dir: &Path) -> Ledger {
    let path = dir.join("journal.key");
    let key = JournalKey::open(&path).or_else(|_| JournalKey::create(&path)).unwrap();
    let (journal, _) = Journal::open(&dir.join("journal"), "gw1".parse().unwrap(), key, at(0)).unwrap();
    let store = Box::new(Sqlite::open(&dir.join("ledger.sqlite")).unwrap());
    Ledger::open(store, journal, RowKey::new(&[7; 32]), Pools::default(), at(0)).unwrap().0
}

/// Units of one legacy group, each behind a line of its own.
struct Estate {
    ledger: Ledger,
    dir: tempfile::TempDir,
}

impl Estate {
    fn new(units: u8) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let ledger = open(dir.path());
        for number in 0..units {
            let line: ids::AccessLine = format!("line-{number}").parse().unwrap();
            let prefixes = vec![format!("10.0.{number}.0/24").parse().unwrap()];
            let record =
                AccessLineRecord { line: line.clone(), prefixes, region: String::new(), position: None };
            ledger.add_line(&record, "kim", at(0)).unwrap();
            let region = if number % 3 == 0 { "busan" } else { "seoul" }.to_owned();
            let class = "home".to_owned();
            let device =
                NewDevice { access_line: Some(line), region, class, ..NewDevice::installed(unit(number)) };
            ledger.add_device(device, "kim", at(0)).unwrap();
        }
        let group = NewLegacyGroup {
            name: label("old"),
            realm: "vendor.example".parse().unwrap(),
            spki_sha256: Sha256([0xaa; 32]),
            certificate: Sha256([0xaa; 32]),
            subject: String::new(),
            until: at(1_000_000),
        };
        ledger.name_legacy_group(group, "kim", "one key", Some("lee"), at(0)).unwrap();
        Self { ledger, dir }
    }

    /// In waves of `canary` and then `wave`, with a halt above a fifth of a wave and at two.
    fn planned(units: u8, canary: u32, wave: u32) -> Self {
        let estate = Self::new(units);
        estate.plan(&new(canary, wave)).unwrap();
        estate
    }

    fn plan(&self, new: &NewMigration) -> Result<Planned, LedgerError> {
        self.ledger.plan_migration(new, ("kim", "one key for all", Some("lee")), false, at(1))
    }

    fn run(&self, now: u64) -> MigrationState {
        self.ledger.run_migration(&label("m"), "kim", "go", at(now)).unwrap().state
    }

    fn advance(&self, now: u64) -> MigrationState {
        self.ledger.advance_migration(&label("m"), at(now)).unwrap();
        self.migration().state
    }

    fn migration(&self) -> Migration {
        self.ledger.migration(&label("m")).unwrap().unwrap()
    }

    fn wave(&self, number: usize) -> Wave {
        self.ledger.waves(&label("m")).unwrap()[number].clone()
    }

    fn report(&self, now: u64) -> MigrationReport {
        self.ledger.migration_report(&label("m"), at(now)).unwrap()
    }

    fn open_waves(&self) -> usize {
        self.ledger.waves(&label("m")).unwrap().iter().filter(|wave| wave.is_open()).count()
    }

    /// The unit asks from this address for a key that nobody had, and is content.
    fn enrol(&self, unit: DeviceId, from: &str, now: UnixTime) -> Result<(), NoCertificate> {
        enrol(&self.ledger, unit, from, now)
    }

    fn enrol_all(&self, wave: usize, now: u64) {
        for unit in self.wave(wave).units {
            self.enrol(unit, &home(unit), at(now)).unwrap();
        }
    }

    fn incidents(&self) -> Vec<String> {
        self.ledger.incidents(0, 100).unwrap().rows.into_iter().map(|incident| incident.kind).collect()
    }
}

fn home(unit: DeviceId) -> String {
    format!("10.0.{}.7", unit.octets()[5])
}

fn new(canary: u32, wave: u32) -> NewMigration {
    NewMigration {
        name: label("m"),
        group: label("old"),
        chosen: Chosen::Class("home".to_owned()),
        canary,
        wave,
        window_s: WINDOW,
        halt: HaltRule { above_permille: 200, at_least: 2 },
    }
}

fn enrol(ledger: &Ledger, unit: DeviceId, from: &str, now: UnixTime) -> Result<(), NoCertificate> {
    let drawn = Sha256::of(format!("{unit} {from} {now}").as_bytes());
    let realm: Realm = "vendor.example".parse().unwrap();
    let (by, transaction) = (Sha256([0xaa; 32]), &drawn.0[..16]);
    let ask = Ask {
        device: unit,
        realm: &realm,
        by_cert: by,
        by_spki: by,
        spki: drawn,
        from: from.parse().unwrap(),
        said_at: Some(now),
        protocol: "cmp",
        transaction,
    };
    let mut tx = ledger.begin_issuing()?;
    let done = tx.leave_to_enrol(&ask, now).and_then(|leave| {
        let id = Octets(transaction.to_vec());
        let (signer, nonce, until) = (Octets(vec![1]), Octets(vec![2; 16]), now.after(crate::CONFIRM_WAIT));
        let certificate = CertificateRecord {
            issuer: "devices".into(),
            serial: drawn.to_string(),
            cert_sha256: drawn,
            spki_sha256: drawn,
            kind: "device".into(),
            device: Some(unit),
            name: String::new(),
            not_before: now,
            not_after: now.after(Duration::from_secs(30 * 24 * 3600)),
            possession: "cmp".into(),
            exception: None,
            by: "cmp".into(),
            issued_at: now,
            leave,
            transaction: Some(Transaction { id, signer, nonce, from: ask.from, until }),
            revoked: None,
            der: Octets(vec![3]),
        };
        tx.record_certificate(&certificate, now)?;
        tx.confirm(transaction, &"femto.example".parse().unwrap(), now).map(drop)
    });
    tx.commit()?;
    done
}

/// Those of all waves, each once.
fn units(waves: &[Wave]) -> BTreeSet<DeviceId> {
    waves.iter().flat_map(|wave| wave.units.iter().copied()).collect()
}

#[test]
fn a_plan_has_each_unit_once_a_canary_of_every_region_and_is_the_same_each_time() {
    let estate = Estate::new(40);
    let first = estate.plan(&new(4, 10)).unwrap();
    let sizes: Vec<_> = first.waves.iter().map(|wave| wave.units.len()).collect();
    assert_eq!(sizes, [4, 10, 10, 10, 6]);
    assert_eq!(units(&first.waves), (0..40).map(unit).collect::<BTreeSet<_>>());
    let canary = &first.waves[0].units;
    let busan = canary.iter().filter(|unit| unit.octets()[5] % 3 == 0).count();
    assert_eq!(busan, 2, "{canary:?}");
    assert_eq!((first.migration.units, first.migration.waves, first.left_out.len()), (40, 5, 0));
    assert_eq!(estate.ledger.orders(None, "", 10).unwrap().rows, [], "nothing is opened");
    let again = Estate::new(40).plan(&new(4, 10)).unwrap();
    assert_eq!(first, again);
    assert!(matches!(estate.plan(&new(4, 10)), Err(LedgerError::Conflict(_))), "all are in this one");
}

#[test]
fn who_cannot_go_is_named_with_the_reason() {
    let estate = Estate::new(10);
    let ledger = &estate.ledger;
    let set = |number: u8, line: Option<&str>| {
        let access_line = Some(line.map(|line| line.parse().unwrap()));
        let change = crate::DeviceChange { access_line, ..Default::default() };
        ledger.set_device(unit(number), change, "kim", "moved", Some("lee"), at(0)).unwrap();
    };
    set(0, None);
    set(1, Some("line-2"));
    set(3, Some("line-nowhere"));
    ledger
        .set_line(
            &"line-4".parse().unwrap(),
            |line| line.prefixes = vec!["10.0.5.0/26".parse().unwrap()],
            "kim",
            at(0),
        )
        .unwrap();
    ledger.move_device(unit(6), LifeCycle::Suspended, "kim", "cancelled", None, at(0)).unwrap();
    let order = NewOrder {
        id: "W-7".parse().unwrap(),
        device: unit(7),
        line: "line-7".parse().unwrap(),
        site: String::new(),
        vendor_key: None,
        from: None,
        until: at(1000),
    };
    ledger.open_order(&order, "kim", "replaced", None, at(0)).unwrap();
    let mut chosen: Vec<_> = (0..9).map(unit).collect();
    chosen.push(unit(99));
    let planned = estate.plan(&NewMigration { chosen: Chosen::Units(chosen), ..new(1, 1) }).unwrap();
    let why: Vec<_> =
        planned.left_out.iter().map(|one| format!("{} {}", one.device.octets()[5], one.why)).collect();
    assert_eq!(
        why,
        [
            "0 its line is not known",
            "1 020000000002 is behind its line line-2 too",
            "2 020000000001 is behind its line line-2 too",
            "3 nobody knows what is behind its line line-nowhere",
            "4 its line line-4 has addresses that line line-5 has too",
            "5 its line line-5 has addresses that line line-4 has too",
            "6 it is suspended",
            &format!("7 order W-7 stands for it until {}", at(1000)),
            "99 it is not in the ledger",
        ]
    );
    assert_eq!(units(&planned.waves), [unit(8)].into());
}

#[test]
fn a_plan_is_two_peoples_and_of_a_group_that_is_there() {
    let estate = Estate::new(3);
    let plan = |new: &NewMigration, approver| {
        estate.ledger.plan_migration(new, ("kim", "why", approver), false, at(1))
    };
    assert!(matches!(plan(&new(1, 1), None), Err(LedgerError::NeedsApprover(_))));
    assert!(matches!(plan(&new(1, 1), Some(" KIM")), Err(LedgerError::NeedsApprover(_))));
    let other = NewMigration { group: label("other"), ..new(1, 1) };
    assert!(matches!(plan(&other, Some("lee")), Err(LedgerError::NotFound { .. })));
    let checked = estate.ledger.plan_migration(&new(1, 1), ("kim", "why", Some("lee")), true, at(1)).unwrap();
    assert_eq!((checked.waves.len(), estate.ledger.migration(&label("m")).unwrap()), (3, None));
}

#[test]
fn a_wave_opens_once_the_one_before_is_over_and_the_last_ends_it() {
    let estate = Estate::planned(7, 2, 3);
    assert_eq!(estate.advance(5), MigrationState::Planned, "nothing before a person says so");
    assert_eq!(estate.run(10), MigrationState::Running);
    assert_eq!(estate.report(10).counts, Counts { units: 7, waiting: 5, open: 2, ..Counts::default() });
    let early = estate.wave(1).units[0];
    assert!(estate.enrol(early, &home(early), at(11)).is_err(), "its turn has not come");
    estate.enrol_all(0, 20);
    estate.advance(30);
    assert_eq!(
        (estate.migration().wave, estate.open_waves()),
        (1, 1),
        "before the window's end: all are there"
    );
    estate.enrol_all(1, 40);
    estate.advance(50);
    // One of the last wave never comes: below the rate.
    let last = estate.wave(2).units;
    assert_eq!(last.len(), 2);
    for unit in &last[1..] {
        estate.enrol(*unit, &home(*unit), at(60)).unwrap();
    }
    let projected = estate.report(60).projected_end.unwrap();
    assert_eq!(projected, at(70), "as the two before, which took 20 seconds each");
    assert_eq!(estate.advance(50 + WINDOW + 300), MigrationState::Running);
    assert_eq!(estate.advance(50 + WINDOW + 301), MigrationState::Done);
    let report = estate.report(9999);
    assert_eq!(report.counts, Counts { units: 7, enrolled: 6, missed: 1, ..Counts::default() });
    assert_eq!(report.reasons, [("not heard of in its time".to_owned(), 1)].into());
    assert_eq!((report.failed[0].device, report.failed[0].state), (last[0], UnitState::Missed));
    let device = estate.ledger.device(last[0]).unwrap().unwrap();
    assert_eq!(device.enrolment, Enrolment::None, "it waits for nothing any more");
    assert_eq!((report.counts.legacy(), estate.incidents()), (1, vec!["enrolment-denied".to_owned()]));
    assert_eq!(estate.ledger.verify().unwrap().findings, []);
}

#[test]
fn too_many_failures_halt_it_with_an_incident_and_a_person_takes_it_on() {
    let estate = Estate::planned(12, 5, 5);
    estate.run(10);
    let canary = estate.wave(0).units;
    for unit in &canary[..3] {
        estate.enrol(*unit, &home(*unit), at(20)).unwrap();
    }
    assert_eq!(estate.advance(WINDOW), MigrationState::Running, "until the window's end they may come");
    assert_eq!(estate.advance(10 + WINDOW + 301), MigrationState::Halted);
    assert_eq!(estate.incidents(), ["migration-halted"]);
    assert_eq!(estate.advance(50_000), MigrationState::Halted, "by itself it never goes on");
    assert_eq!(estate.wave(1).opened_at, None);
    assert_eq!(estate.run(50_001), MigrationState::Running);
    assert_eq!((estate.migration().wave, estate.open_waves()), (1, 1), "the canary was accepted");
    let report = estate.report(50_001);
    assert_eq!((report.counts.enrolled, report.counts.missed, report.counts.open), (3, 2, 5));
}

#[test]
fn refusals_from_their_own_lines_halt_it_at_once_and_claims_from_elsewhere_do_not() {
    let estate = Estate::planned(12, 5, 5);
    estate.run(10);
    let canary = estate.wave(0).units;
    for unit in &canary {
        assert!(estate.enrol(*unit, "192.0.2.1", at(20)).is_err());
    }
    assert_eq!(estate.advance(30), MigrationState::Running, "whoever has the key stops nobody");
    for unit in &canary[..2] {
        estate.ledger.move_device(*unit, LifeCycle::Suspended, "kim", "cancelled", None, at(31)).unwrap();
        assert!(estate.enrol(*unit, &home(*unit), at(32)).is_err());
    }
    assert_eq!(estate.advance(33), MigrationState::Halted);
    let report = estate.report(33);
    assert_eq!((report.counts.refused, report.counts.open), (2, 3));
    assert_eq!(report.reasons, [("refused: barred".to_owned(), 2)].into());
    estate.enrol(canary[4], &home(canary[4]), at(34)).unwrap();
    assert_eq!(estate.report(35).counts.enrolled, 1, "what is open stays so");
}

#[test]
fn a_halt_by_hand_opens_nothing_and_the_wave_goes_on_after_it() {
    let estate = Estate::planned(7, 2, 3);
    estate.run(10);
    estate.ledger.halt_migration(&label("m"), "kim", "a holiday", at(11)).unwrap();
    estate.enrol_all(0, 20);
    assert_eq!((estate.advance(30), estate.wave(1).opened_at), (MigrationState::Halted, None));
    assert_eq!(estate.run(40), MigrationState::Running);
    assert_eq!((estate.migration().wave, estate.open_waves()), (1, 1));
}

#[test]
fn to_roll_back_closes_what_is_open_and_leaves_what_is_certified() {
    let estate = Estate::planned(7, 3, 3);
    estate.run(10);
    let canary = estate.wave(0).units;
    estate.enrol(canary[0], &home(canary[0]), at(20)).unwrap();
    let rolled = estate.ledger.roll_back_migration(&label("m"), "kim", "service is bad", at(30)).unwrap();
    assert_eq!((rolled.state, estate.open_waves()), (MigrationState::RolledBack, 0));
    let counts = Counts { units: 7, waiting: 4, enrolled: 1, withdrawn: 2, ..Counts::default() };
    assert_eq!(estate.report(31).counts, counts);
    assert!(estate.enrol(canary[1], &home(canary[1]), at(40)).is_err());
    assert!(estate.ledger.run_migration(&label("m"), "kim", "again", at(50)).is_err(), "for good");
    // The rest may be planned again.
    let rest = NewMigration { name: label("rest"), ..new(2, 10) };
    let planned = estate.plan(&rest).unwrap();
    assert_eq!((planned.migration.units, planned.left_out.len()), (6, 1));
    assert_eq!(planned.left_out[0].why, "it has a certificate of its own");
}

#[test]
fn when_its_group_has_ended_no_wave_opens() {
    let estate = Estate::planned(7, 2, 3);
    assert_eq!(estate.run(1_000_001), MigrationState::Halted);
    assert_eq!((estate.open_waves(), estate.incidents()), (0, vec!["migration-halted".to_owned()]));
}

#[test]
fn a_person_who_looked_at_a_unit_may_have_it_come_by_another_order() {
    let estate = Estate::planned(6, 2, 4);
    estate.run(10);
    let [first, second] = estate.wave(0).units[..] else { panic!("a canary of two") };
    for unit in [first, second] {
        estate.enrol(unit, &home(unit), at(20)).unwrap();
    }
    // A second claim holds it.
    assert!(estate.enrol(first, &home(first), at(1000)).is_err());
    let held = estate.report(1001);
    assert_eq!(held.counts.enrolled, 2, "it has its certificate all the same");
    let line = estate.ledger.device(first).unwrap().unwrap().access_line.unwrap();
    let (id, site) = ("W-1".parse().unwrap(), String::new());
    let order = NewOrder { id, device: first, line, site, vendor_key: None, from: None, until: at(9000) };
    estate.ledger.open_order_by_legacy(&order, &label("old"), "kim", "looked", at(1002)).unwrap();
    estate.enrol(first, &home(first), at(1003)).unwrap();
    assert_eq!(estate.report(1004).counts.enrolled, 2);
}
