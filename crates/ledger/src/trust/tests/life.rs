//! What becomes of a cell with its unit.

use super::{
    books::{World, world},
    *,
};
use crate::{Device, DeviceChange, LifeCycle, NewDevice};
use std::collections::BTreeSet;

impl World {
    /// Its cell is trusted, and the unit has it.
    fn with_unit() -> Self {
        let world = Self::trusted();
        world.add(1, LifeCycle::Live, &[cell()]);
        // To be given to a unit is a change.
        for (day, kind) in good_days(9..16) {
            world.tell(&signal(kind, at(day)), at(day));
        }
        assert_eq!(world.state(at(16)), TrustState::Trusted);
        world
    }

    fn add(&self, number: u8, state: LifeCycle, cells: &[CellKey]) -> Device {
        let known = DeviceChange { cells: Some(cells.iter().copied().collect()), ..DeviceChange::default() };
        self.ledger.add_device(NewDevice::with(unit(number), state, known), "kim", at(8)).unwrap()
    }

    fn set_cells(&self, number: u8, cells: &[CellKey], now: UnixTime) {
        let cells: BTreeSet<_> = cells.iter().copied().collect();
        let change = DeviceChange { cells: Some(cells), ..DeviceChange::default() };
        self.ledger.set_device(unit(number), change, "kim", "radio plan", None, now).unwrap();
    }

    fn go(&self, to: LifeCycle, now: UnixTime) {
        self.ledger.move_device(unit(1), to, "kim", "test", Some("lee"), now).unwrap();
    }

    fn state(&self, now: UnixTime) -> TrustState {
        self.ledger.cell_trust(cell(), now).unwrap().state
    }
}

#[test]
fn a_unit_that_is_barred_takes_its_cell_down_and_its_release_leads_to_probation() {
    for down in [LifeCycle::Suspended, LifeCycle::Lost, LifeCycle::Stolen] {
        let world = World::with_unit();
        // All at one moment: the order is that of the steps.
        world.go(down, at(17));
        let reading = world.ledger.cell_trust(cell(), at(17)).unwrap();
        assert_eq!((reading.state, &*reading.reasons[0].what), (TrustState::Blocked, "barred"));
        assert!(reading.reasons[0].detail.contains(down.as_str()), "{}", reading.reasons[0].detail);
        if down != LifeCycle::Suspended {
            world.go(LifeCycle::Suspended, at(17));
            assert_eq!(world.state(at(17)), TrustState::Blocked);
        }
        world.go(LifeCycle::Installed, at(17));
        assert_eq!(world.state(at(17)), TrustState::Probation);
        assert_eq!(world.ledger.verify().unwrap().findings, []);
    }
}

#[test]
fn the_fall_is_explained_by_the_record_of_the_move() {
    let world = World::with_unit();
    world.go(LifeCycle::Lost, at(17));
    let reading = world.ledger.cell_trust(cell(), at(17)).unwrap();
    let Some(TrustEvidence::Event(event)) = &reading.reasons[0].evidence else { panic!("{reading:?}") };
    let journal = world.ledger.journal();
    let mut tail = events::journal::Tail::new(&journal.dir(), event.seq);
    let moved: events::ledger::RowChanged = tail.next_record().unwrap().unwrap().read().unwrap().unwrap();
    assert_eq!((moved.table.as_str(), moved.key), ("device", unit(1).to_string()));
}

#[test]
fn a_unit_that_was_silent_and_is_back_begins_in_probation() {
    let world = World::with_unit();
    world.go(LifeCycle::Silent, at(17));
    assert_eq!(world.state(at(17)), TrustState::Unsure);
    world.go(LifeCycle::Live, at(18));
    assert_eq!(world.state(at(18)), TrustState::Probation);
}

#[test]
fn what_stands_against_a_unit_goes_with_it_and_the_next_one_has_to_earn_trust() {
    let world = World::with_unit();
    world.tell(&signal(SignalKind::HolderClone, at(17)), at(17));
    world.go(LifeCycle::Lost, at(18));
    world.go(LifeCycle::Retired, at(18));
    assert_eq!(world.state(at(18)), TrustState::Blocked);
    world.add(2, LifeCycle::Installed, &[]);
    world.set_cells(2, &[cell()], at(19));
    assert_eq!(world.state(at(19)), TrustState::Probation);
    let of_second = |kind, time| Signal { device: Some(unit(2)), ..signal(kind, time) };
    for (day, kind) in good_days(20..27) {
        world.tell(&of_second(kind, at(day)), at(day));
    }
    assert_eq!(world.state(at(27)), TrustState::Trusted);
}

#[test]
fn a_cell_that_is_taken_from_a_barred_unit_is_free_of_it_and_given_back_is_down_again() {
    let world = World::with_unit();
    world.go(LifeCycle::Lost, at(17));
    world.set_cells(1, &[], at(18));
    assert_eq!(world.state(at(18)), TrustState::Probation);
    world.set_cells(1, &[cell()], at(19));
    assert_eq!(world.state(at(19)), TrustState::Blocked);
}

#[test]
fn an_estate_that_is_imported_writes_of_barred_units_alone() {
    let world = world();
    let cells: Vec<CellKey> = (1..=4).map(|number| format!("lte:450-08:{number}").parse().unwrap()).collect();
    world.add(1, LifeCycle::Live, &cells[..1]);
    world.add(2, LifeCycle::Lost, &cells[1..2]);
    world.add(3, LifeCycle::Retired, &cells[..1]);
    world.add(4, LifeCycle::Made, &cells[3..]);
    assert_eq!(world.rows_of(<CellTrust as crate::Row>::TABLE), 1);
    let state = |cell| world.ledger.cell_trust(cell, at(9)).unwrap().state;
    assert_eq!(
        [0, 1, 2, 3].map(|place: usize| state(cells[place])).as_slice(),
        [TrustState::Unknown, TrustState::Blocked, TrustState::Unknown, TrustState::Unknown]
    );
}

#[test]
fn an_attach_tells_all_cells_of_its_unit_in_one_row_a_day_for_each() {
    let world = world();
    let cells: Vec<CellKey> = (1..=3).map(|number| format!("lte:450-08:{number}").parse().unwrap()).collect();
    let device = world.add(1, LifeCycle::Live, &cells);
    let attach = |time| {
        let said = Said::now("admission", event(7), "", time);
        let kinds = [SignalKind::Attached, SignalKind::LineConfirmed];
        world.ledger.change(|tx| tx.cell_signals(&device, &kinds, &said, time)).unwrap();
    };
    (0..20).for_each(|day| attach(at(day)));
    // On the first day and on the seventh the state is another one.
    assert_eq!(world.rows_of(<CellTrust as crate::Row>::TABLE), 3 * 20);
    assert_eq!(world.rows_of(<CellTrustChange as crate::Row>::TABLE), 3 * 2);
    let before = world.journal();
    (1..20).for_each(|hour| attach(at(19).after(Duration::from_secs(hour * 1800))));
    assert_eq!(world.journal().1, before.1, "an attach of the same day");
    attach(at(20));
    const ROWS_A_DAY: usize = 1;
    let (rows, octets) = world.journal();
    println!("an attach, first of its day: {} octets of journal for 3 cells", octets - before.1);
    assert_eq!(rows.len(), before.0.len() + 3 * ROWS_A_DAY);
    assert!(octets - before.1 < 3 * 1500);
}
