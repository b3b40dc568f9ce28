//! What admission needs is out of reach: nobody new is admitted, tunnels stay, an alarm says so, and all
//! goes on by itself when it is back.
#![allow(clippy::unwrap_used, reason = "tests")]

use admission::ValidityException;
use events::{Durability, journal::Tail};
use gateway::{Alarm, Core, GatewayConfig, Packets, VirtualCore, WallClock};
use ids::{DeviceId, UnixTime};
use lab::{Carrier, Outcome, SERVICE, Unit};
use ledger::{LedgerError, LifeCycle};
use std::{
    fs::{self, File},
    io::Write,
    path::Path,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

const LINE: &str = "L-1";

fn id(number: u8) -> DeviceId {
    DeviceId::eui48([0x02, 0xfe, 0x71, 0, 0, number])
}

/// A carrier with one unit attached, and another that could attach.
struct World {
    carrier: Carrier,
    attached: Unit,
    newcomer: lab::UnitIdentity,
}

impl World {
    fn new(dir: &Path, network: u8) -> Self {
        Self::before(Carrier::start(dir).unwrap(), network)
    }

    fn before(carrier: Carrier, network: u8) -> Self {
        carrier.line(LINE, &format!("127.{network}.0.0/16")).unwrap();
        let [first, newcomer] = [1, 2].map(|number| {
            carrier.device(id(number), LINE).unwrap();
            carrier.enrol(id(number)).unwrap()
        });
        let attached = carrier.attach(&first, [127, network, 0, 1]).unwrap();
        assert!(matches!(attached.outcome, Outcome::Attached(_)), "{:?}", attached.outcome);
        Self { carrier, attached, newcomer }
    }

    fn new_unit(&self, network: u8) -> Outcome {
        self.carrier.attach(&self.newcomer, [127, network, 0, 2]).unwrap().outcome.clone()
    }

    /// The newcomer hears nothing at all, the tunnel that stands goes on, and the alarm says why.
    fn assert_only_new_ones_wait(&self, network: u8, alarm: Alarm) {
        assert_eq!(self.new_unit(network), Outcome::NoTunnel("no answer".into()));
        assert_eq!(self.attached.ping(SERVICE, 3).0, 3);
        self.wait_for(|carrier| carrier.gateway.health().alarms.contains_key(&alarm));
    }

    fn assert_all_is_well_again(&self, network: u8) {
        self.wait_for(|carrier| carrier.gateway.health().can_admit());
        let outcome = self.new_unit(network);
        assert!(matches!(outcome, Outcome::Attached(_)), "{outcome:?}");
        assert_eq!(self.attached.ping(SERVICE, 3).0, 3);
        assert_eq!(self.carrier.ledger.verify().unwrap().findings, []);
    }

    fn wait_for(&self, holds: impl Fn(&Carrier) -> bool) {
        let until = Instant::now() + Duration::from_secs(10);
        while !holds(&self.carrier) {
            assert!(Instant::now() < until, "{:?}", self.carrier.gateway.health());
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }
}

#[test]
fn a_locked_ledger() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path(), 11);
    let other = rusqlite::Connection::open(dir.path().join("ledger.sqlite")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    world.assert_only_new_ones_wait(11, Alarm::LedgerUnreachable);
    other.execute_batch("ROLLBACK").unwrap();
    world.assert_all_is_well_again(11);
}

#[test]
fn a_ledger_file_that_was_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path(), 12);
    for name in ["ledger.sqlite", "ledger.sqlite-wal"] {
        let path = dir.path().join(name);
        let length = fs::metadata(&path).unwrap().len();
        let mut file = File::options().write(true).open(&path).unwrap();
        file.write_all(&vec![0xa5; usize::try_from(length).unwrap()]).unwrap();
    }
    world.wait_for(|carrier| !carrier.gateway.health().can_admit());
    world.assert_only_new_ones_wait(12, Alarm::LedgerUnreachable);
}

#[test]
fn a_ledger_file_that_was_removed() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path(), 14);
    let path = dir.path().join("ledger.sqlite");
    fs::rename(&path, dir.path().join("elsewhere")).unwrap();
    world.wait_for(|carrier| !carrier.gateway.health().can_admit());
    world.assert_only_new_ones_wait(14, Alarm::LedgerUnreachable);
    fs::rename(dir.path().join("elsewhere"), &path).unwrap();
    world.assert_all_is_well_again(14);
}

#[test]
fn a_clock_that_is_behind_what_the_journal_held_before_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path(), 18);
    let ahead = UnixTime::now().after(Duration::from_secs(3600));
    for at in [ahead, UnixTime::now()] {
        let event = events::gateway::NodeStopped { epoch: 1, unwritten: 0 };
        world.carrier.journal.append(&event, at, Durability::Durable).unwrap();
    }
    // A second start must not take what the first one wrote for the time.
    for _ in 0..2 {
        world = World { carrier: world.carrier.restart().unwrap(), ..world };
        world.wait_for(|carrier| carrier.gateway.health().alarms.contains_key(&Alarm::ClockUntrusted));
    }
    assert_eq!(world.new_unit(18), Outcome::NoTunnel("no answer".into()));
}

#[test]
fn a_unit_reported_lost_while_no_row_can_be_written_loses_its_tunnel_when_one_can() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path(), 17);
    let sql = |statement| {
        let other = rusqlite::Connection::open(dir.path().join("ledger.sqlite")).unwrap();
        other.execute_batch(statement).unwrap();
    };
    // Rows are written, and no transaction ends well.
    sql("CREATE TABLE no_such (id INTEGER PRIMARY KEY);
         CREATE TABLE stuck (id REFERENCES no_such DEFERRABLE INITIALLY DEFERRED);
         CREATE TRIGGER stuck_new AFTER INSERT ON row BEGIN INSERT INTO stuck VALUES (1); END;
         CREATE TRIGGER stuck_changed AFTER UPDATE ON row BEGIN INSERT INTO stuck VALUES (1); END");
    let ledger = &world.carrier.ledger;
    let lost = ledger.move_device(id(1), LifeCycle::Lost, "kim", "gone", None, UnixTime::now());
    assert!(matches!(lost, Err(LedgerError::Unfinished { .. })), "{lost:?}");
    assert_eq!(world.carrier.gateway.sessions_of(id(1)).len(), 1);
    sql("DROP TRIGGER stuck_new; DROP TRIGGER stuck_changed; DROP TABLE stuck; DROP TABLE no_such");
    world.wait_for(|carrier| carrier.gateway.sessions_of(id(1)).is_empty());
}

/// The machine's clock, set so many seconds wrong.
#[derive(Default)]
struct Wrong(AtomicI64);

impl WallClock for Wrong {
    fn now(&self) -> UnixTime {
        let (now, by) = (UnixTime::now(), self.0.load(SeqCst));
        let span = Duration::from_secs(by.unsigned_abs());
        if by < 0 { now.before(span) } else { now.after(span) }
    }
}

const HOUR: i64 = 3600;
const YEAR: i64 = 365 * 24 * HOUR;

/// A world whose clock can be set, before and after.
struct Timed {
    dir: tempfile::TempDir,
    clock: Arc<Wrong>,
    world: World,
}

impl Timed {
    fn new(network: u8) -> Self {
        Self::with(network, |_| ())
    }

    fn with(network: u8, adjust: impl FnOnce(&mut GatewayConfig)) -> Self {
        let (dir, clock) = (tempfile::tempdir().unwrap(), Arc::new(Wrong::default()));
        let world = World::before(Carrier::start_by(dir.path(), clock.clone(), adjust).unwrap(), network);
        Self { dir, clock, world }
    }

    fn set(&self, seconds: i64) {
        self.clock.0.store(seconds, SeqCst);
    }

    fn wait_for(&self, alarm: Alarm, stands: bool) {
        self.world.wait_for(|carrier| carrier.gateway.health().alarms.contains_key(&alarm) == stands);
    }

    /// Set right again: all is well, also for the next start, and the journal tells of it.
    fn assert_right_again(self, network: u8, alarm: Alarm) {
        self.set(0);
        self.wait_for(alarm, false);
        self.world.assert_all_is_well_again(network);
        let Self { dir, world, .. } = self;
        let told = |raised| {
            let mut tail = Tail::new(&dir.path().join("journal/lab"), 1);
            let records = std::iter::from_fn(|| tail.next_record().unwrap());
            let alarms = records.filter_map(|record| record.read::<events::gateway::Alarm>().unwrap());
            alarms.filter(|told| told.alarm == alarm.code() && told.raised == raised).count()
        };
        assert_eq!((told(true), told(false)), (1, 1));
        let carrier = world.carrier.restart().unwrap();
        // The next start has looked at everything once its first alarms could stand.
        let unit = carrier.attach(&world.newcomer, [127, network, 0, 2]).unwrap();
        assert!(matches!(unit.outcome, Outcome::Attached(_)), "{:?}", carrier.gateway.health());
        assert_eq!(carrier.gateway.health().alarms.len(), 0);
    }
}

#[test]
fn a_clock_that_is_set_back_by_an_hour_under_tunnels() {
    let timed = Timed::new(21);
    timed.set(-HOUR);
    timed.world.assert_only_new_ones_wait(21, Alarm::ClockUntrusted);
    timed.assert_right_again(21, Alarm::ClockUntrusted);
}

#[test]
fn a_clock_that_is_set_forward_by_an_hour_keeps_nobody_out_whose_certificate_lasts() {
    let timed = Timed::new(22);
    timed.set(HOUR);
    timed.wait_for(Alarm::ClockJumped, true);
    assert!(timed.world.carrier.gateway.health().can_admit());
    assert!(matches!(timed.world.new_unit(22), Outcome::Attached(_)));
    assert_eq!(timed.world.attached.ping(SERVICE, 3).0, 3);
    timed.assert_right_again(22, Alarm::ClockJumped);
}

#[test]
fn a_clock_that_is_set_forward_by_a_year_refuses_nobody_and_ends_no_tunnel() {
    let timed = Timed::new(23);
    timed.set(YEAR);
    timed.world.assert_only_new_ones_wait(23, Alarm::ClockJumped);
    // Judged anew, it stays.
    timed.world.carrier.gateway.device_changed(id(1));
    let (ledger, now) = (&timed.world.carrier.ledger, timed.clock.now());
    ledger.move_device(id(2), LifeCycle::Lost, "kim", "gone", None, now).unwrap();
    assert_eq!(timed.world.attached.ping(SERVICE, 3).0, 3);
    // Lost is lost at any time, and found by two people.
    assert_eq!(timed.world.new_unit(23), Outcome::NoTunnel("no answer".into()));
    for to in [LifeCycle::Suspended, LifeCycle::Installed] {
        ledger.move_device(id(2), to, "kim", "found", Some("dave"), now).unwrap();
    }
    timed.assert_right_again(23, Alarm::ClockJumped);
}

#[test]
fn an_exception_that_is_over_only_by_a_clock_that_was_set_forward_is_not_held_against_anyone() {
    let tomorrow = UnixTime::now().after(Duration::from_secs(24 * 3600));
    let exception = ValidityException {
        name: "old".into(),
        device: None,
        realm: None,
        max_validity_d: 60,
        until: tomorrow,
    };
    let timed = Timed::with(25, |config| config.policy.validity_exceptions.push(exception));
    let carrier = &timed.world.carrier;
    let [stays, comes] = [3, 4].map(|number| {
        carrier.device(id(number), LINE).unwrap();
        carrier.enrol_for(id(number), 60).unwrap()
    });
    let stays = carrier.attach(&stays, [127, 25, 0, 3]).unwrap();
    assert!(matches!(stays.outcome, Outcome::Attached(_)), "{:?}", stays.outcome);
    timed.set(48 * HOUR);
    timed.wait_for(Alarm::ClockJumped, true);
    carrier.gateway.device_changed(id(3));
    let outcome = carrier.attach(&comes, [127, 25, 0, 4]).unwrap().outcome.clone();
    assert_eq!(outcome, Outcome::NoTunnel("no answer".into()));
    assert!(matches!(timed.world.new_unit(25), Outcome::Attached(_)), "it needs no exception");
    assert_eq!(stays.ping(SERVICE, 3).0, 3, "judged anew, it stays");
    timed.set(0);
    timed.wait_for(Alarm::ClockJumped, false);
    assert!(matches!(carrier.attach(&comes, [127, 25, 0, 4]).unwrap().outcome, Outcome::Attached(_)));
}

#[test]
fn a_leap_second_is_nothing() {
    let timed = Timed::new(24);
    for step in [1, 0, -1] {
        timed.set(step);
        let World { carrier, newcomer, .. } = &timed.world;
        let unit = carrier.attach(newcomer, [127, 24, 0, 2]).unwrap();
        assert!(matches!(unit.outcome, Outcome::Attached(_)), "{step}: {:?}", unit.outcome);
        unit.close().unwrap();
        assert_eq!(timed.world.attached.ping(SERVICE, 3).0, 3);
        assert_eq!(timed.world.carrier.gateway.health().alarms.len(), 0, "{step}");
    }
}

/// A file system of a few MiB, gone with its value.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// `None` where this process may not mount.
    fn new() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"]).arg(dir.path());
        mount.output().is_ok_and(|mounted| mounted.status.success()).then_some(Self(dir))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["-l"]).arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk() {
    let Some(disk) = SmallDisk::new() else {
        return println!("skipped: needs to mount a small file system");
    };
    let world = World::new(disk.0.path(), 13);
    let ballast = disk.0.path().join("ballast");
    let mut file = File::create(&ballast).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    while file.write_all(&[0; 1]).is_ok() {}
    // The room that was taken before is still ours: something must be written there.
    world.wait_for(|carrier| {
        let _ = carrier.ledger.set_line(&LINE.parse().unwrap(), |_| (), "lab", UnixTime::now());
        !carrier.gateway.health().can_admit()
    });
    world.assert_only_new_ones_wait(13, Alarm::JournalUnwritable);
    drop(file);
    fs::remove_file(&ballast).unwrap();
    world.assert_all_is_well_again(13);
    let report = events::journal::verify(&world.carrier.journal.dir(), world.carrier.journal.public_key());
    assert!(report.is_ok(), "{report:?}");
}

/// What is kept back is for operators, and for those who are attached.
#[test]
fn a_disk_with_no_more_room_than_is_kept_back() {
    let Some(disk) = SmallDisk::new() else {
        return println!("skipped: needs to mount a small file system");
    };
    let carrier = Carrier::start_with(disk.0.path(), |config| config.disk_reserve = 1 << 20);
    let world = World::before(carrier.unwrap(), 16);
    let ballast = disk.0.path().join("ballast");
    let mut file = File::create(&ballast).unwrap();
    let room = || {
        let disk = rustix::fs::statvfs(disk.0.path()).unwrap();
        disk.f_bavail * disk.f_frsize
    };
    while room() >= 1 << 20 {
        file.write_all(&[0; 4096]).unwrap();
    }
    world.wait_for(|carrier| !carrier.gateway.health().can_admit());
    world.assert_only_new_ones_wait(16, Alarm::DiskLow);
    // Another's key under this name is refused before anyone is asked, and usually told.
    let key = world.carrier.enrol(id(1)).unwrap().key;
    let impostor = lab::UnitIdentity { key, ..world.newcomer.clone() };
    let tried = || {
        let outcome = world.carrier.attach(&impostor, [127, 16, 0, 3]).unwrap().outcome.clone();
        assert!(matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
    };
    tried();
    let ledger = &world.carrier.ledger;
    ledger.move_device(id(2), LifeCycle::Lost, "kim", "gone", None, UnixTime::now()).unwrap();
    assert_eq!(attempts_told(&world.carrier), Vec::<u64>::new());
    ledger.move_device(id(2), LifeCycle::Suspended, "kim", "found", Some("dave"), UnixTime::now()).unwrap();
    ledger.move_device(id(2), LifeCycle::Installed, "kim", "back", None, UnixTime::now()).unwrap();
    drop(file);
    fs::remove_file(&ballast).unwrap();
    world.assert_all_is_well_again(16);
    tried();
    world.wait_for(|carrier| attempts_told(carrier) == [1]);
}

/// Of each attempt that the journal tells, how many were left out before.
fn attempts_told(carrier: &Carrier) -> Vec<u64> {
    let mut tail = events::journal::Tail::new(&carrier.journal.dir(), 1);
    let records = std::iter::from_fn(|| tail.next_record().unwrap());
    let told = records.filter_map(|record| record.read::<events::gateway::AttachFailed>().unwrap());
    told.map(|told| told.more).collect()
}

/// A core that lets nobody go on while somebody else has its lock.
struct Sticky(VirtualCore, Arc<Mutex<()>>);

impl Core for Sticky {
    fn uplink(&mut self, packets: &Packets) -> usize {
        let _free = self.1.lock().unwrap();
        self.0.uplink(packets)
    }

    fn downlink(&mut self, packets: &mut Packets) -> usize {
        self.0.downlink(packets)
    }
}

#[test]
fn a_data_thread_that_is_stuck() {
    let (dir, lock) = (tempfile::tempdir().unwrap(), Arc::new(Mutex::new(())));
    let core = Sticky(VirtualCore::new(vec![SERVICE.into()]), lock.clone());
    let world = World::before(Carrier::start_before(dir.path(), Box::new(core)).unwrap(), 15);
    let held = lock.lock().unwrap();
    assert_eq!(world.attached.ping(SERVICE, 1).0, 0);
    world.wait_for(|carrier| carrier.gateway.health().alarms.contains_key(&Alarm::ShardStuck));
    assert_eq!(world.new_unit(15), Outcome::NoTunnel("no answer".into()));
    drop(held);
    world.assert_all_is_well_again(15);
}

#[test]
fn a_witness_that_takes_nothing_keeps_nobody_out() {
    let (dir, witness) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let drop = witness.path().join("drop");
    let carrier = Carrier::start_with(dir.path(), |config| config.witness = Some(drop.clone()));
    let world = World::before(carrier.unwrap(), 19);
    world.wait_for(|carrier| carrier.gateway.health().alarms.contains_key(&Alarm::WitnessUnreachable));
    world.assert_all_is_well_again(19);
    assert!(world.carrier.gateway.health().alarms.contains_key(&Alarm::WitnessUnreachable));
    fs::create_dir(&drop).unwrap();
    world.wait_for(|carrier| carrier.gateway.health().alarms.is_empty());
}
