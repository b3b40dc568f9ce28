use super::*;
use events::{Journal, JournalKey};
use ledger::{NewDevice, Pools, RowKey, store::Sqlite};
use std::cell::RefCell;

struct World {
    dir: tempfile::TempDir,
    ledger: Ledger,
    ends: Ends,
    suspended: RefCell<Vec<DeviceId>>,
}

fn time(second: i64) -> UnixTime {
    UnixTime::from_secs(1_800_000_000 + second)
}

fn unit(number: u32) -> DeviceId {
    let [_, _, high, low] = number.to_be_bytes();
    DeviceId::eui48([2, 0, 0, 0, high, low])
}

fn change(number: u32, kind: ChangeKind, at: i64) -> Change {
    Change { line: format!("L-{number}").parse().unwrap(), kind, at: time(at) }
}

impl World {
    /// Each unit behind a line of its own, in service since second 0.
    fn of(units: u32) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let key = JournalKey::create(&dir.path().join("journal.key")).unwrap();
        let (journal, _) =
            Journal::open(&dir.path().join("journal"), "test".parse().unwrap(), key, time(0)).unwrap();
        let store = Box::new(Sqlite::open(&dir.path().join("ledger.sqlite")).unwrap());
        let pools = Pools { v4: Some("10.64.0.0/16".parse().unwrap()), v6: None };
        let (ledger, _) = Ledger::open(store, journal, RowKey::new(&[7; 32]), pools, time(0)).unwrap();
        for number in 0..units {
            let access_line = Some(format!("L-{number}").parse().unwrap());
            let new = NewDevice { access_line, ..NewDevice::installed(unit(number)) };
            ledger.add_device(new, "test", time(0)).unwrap();
        }
        let ends = Ends::open(dir.path(), time(0)).unwrap();
        Self { dir, ledger, ends, suspended: RefCell::default() }
    }

    fn reopen(&mut self, second: i64) {
        self.ends = Ends::open(self.dir.path(), time(second)).unwrap();
    }

    fn note(&mut self, change: Change, now: i64) -> bool {
        self.ends.note(change, time(now))
    }

    fn act(&mut self, per_hour: u32, now: i64) {
        let on_suspended = |device| self.suspended.borrow_mut().push(device);
        self.ends.act(&self.ledger, per_hour, time(now), &on_suspended).unwrap();
    }

    fn is_suspended(&self, number: u32) -> bool {
        self.ledger.device(unit(number)).unwrap().unwrap().state == LifeCycle::Suspended
    }

    fn suspended(&self, of: u32) -> Vec<u32> {
        (0..of).filter(|number| self.is_suspended(*number)).collect()
    }
}

#[test]
fn units_in_service_behind_the_line_are_suspended_once_and_whoever_came_back_stays() {
    let mut world = World::of(3);
    assert!(world.note(change(1, ChangeKind::Cancelled, 10), 11));
    world.act(50, 11);
    assert_eq!((world.suspended(3), world.suspended.borrow().clone()), (vec![1], vec![unit(1)]));
    world.ledger.move_device(unit(1), LifeCycle::Installed, "kim", "paid", None, time(20)).unwrap();
    assert!(!world.note(change(1, ChangeKind::Cancelled, 10), 21), "it is known");
    world.reopen(30);
    assert!(!world.note(change(1, ChangeKind::Cancelled, 10), 31), "it is known after a restart");
    forget_what_was_written(&world);
    world.reopen(40);
    assert!(world.note(change(1, ChangeKind::Cancelled, 10), 41), "nothing was written down");
    world.act(50, 41);
    assert_eq!(world.suspended(3), [0; 0]);
    // A later end is another one.
    assert!(world.note(change(1, ChangeKind::Moved, 50), 4000));
    world.act(50, 4000);
    assert_eq!(world.suspended(3), [1]);
}

fn forget_what_was_written(world: &World) {
    std::fs::remove_file(world.dir.path().join("line-ends.jsonl")).unwrap();
}

#[test]
fn beyond_the_bound_ends_are_held_and_all_that_come_after_them_until_a_person_allows_more() {
    let mut world = World::of(400);
    for number in 0..6 {
        world.note(change(number, ChangeKind::Cancelled, 10 + i64::from(number)), 20);
    }
    world.act(2, 20);
    assert_eq!((world.suspended(400), world.ends.waits().held), (vec![0, 1], 4));
    // Neither time nor a restart lets them go, nor what comes later.
    world.reopen(8000);
    world.note(change(9, ChangeKind::Cancelled, 8000), 8000);
    world.act(2, 8000);
    assert_eq!((world.suspended(400), world.ends.waits().held), (vec![0, 1], 5));
    let told = world.ends.waits().text().unwrap();
    assert!(told.contains(&format!(": 5, such as L-2 ({}: {}), L-3 (", time(12), unit(2))), "{told}");
    // One in a hundred of 400 is the bound now.
    world.ends.look_again();
    world.act(50, 8001);
    assert_eq!((world.suspended(400), world.ends.waits().held), (vec![0, 1, 2, 3, 4], 2));
}

#[test]
fn the_bound_is_of_an_hour_and_a_small_estate_has_one_unit_in_it() {
    let mut world = World::of(5);
    for (number, now) in [(0, 10), (1, 3700), (2, 3800)] {
        world.note(change(number, ChangeKind::Cancelled, now), now);
        world.act(50, now);
    }
    assert_eq!((world.suspended(5), world.ends.waits().held), (vec![0, 1], 1));
}

#[test]
fn what_the_feed_takes_back_or_is_long_past_suspends_nobody() {
    let mut world = World::of(3);
    world.note(change(0, ChangeKind::Restored, 12), 20);
    world.note(change(0, ChangeKind::Cancelled, 10), 20);
    world.act(50, 20);
    assert_eq!(world.suspended(3), [0; 0]);
    // Restored before it was cancelled: that counts.
    world.note(change(0, ChangeKind::Cancelled, 13), 20);
    world.act(50, 20);
    assert_eq!(world.suspended(3), [0]);
    let month = 31 * 24 * 3600;
    assert!(!world.note(change(1, ChangeKind::Cancelled, 10), month));
    world.note(change(7, ChangeKind::Cancelled, month), month);
    world.act(50, month);
    assert_eq!((world.suspended(3), world.ends.waits().held), (vec![0], 0), "nobody is behind that line");
}

#[test]
fn no_more_ends_are_taken_than_are_remembered_and_that_is_said() {
    let mut world = World::of(0);
    for number in 0..u32::try_from(ENDS).unwrap() {
        assert!(world.note(change(number, ChangeKind::Cancelled, 10), 20));
    }
    assert!(!world.note(change(200_000, ChangeKind::Cancelled, 10), 20));
    assert!(world.ends.waits().text().unwrap().ends_with("as there are 100000: 1"));
}
