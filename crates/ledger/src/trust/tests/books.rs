//! Rows of trust, what they cost, and what they say of the past.

use super::*;
use crate::{Ledger, LedgerError, Pools, Row, RowKey, store::Sqlite};
use events::{Journal, JournalKey, journal::Tail, ledger::RowChanged};
use std::path::Path;

pub(super) struct World {
    pub(super) ledger: Ledger,
    dir: tempfile::TempDir,
}

pub(super) fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    let key = JournalKey::create(&dir.path().join("journal.key")).unwrap();
    let (journal, _) =
        Journal::open(&dir.path().join("journal"), "gw1".parse().unwrap(), key, at(0)).unwrap();
    let store = Box::new(Sqlite::open(&dir.path().join("ledger.sqlite")).unwrap());
    let ledger = Ledger::open(store, journal, RowKey::new(&[7; 32]), Pools::default(), at(0)).unwrap().0;
    World { ledger, dir }
}

impl World {
    pub(super) fn tell(&self, signal: &Signal, now: UnixTime) -> TrustState {
        self.ledger.change(|tx| tx.cell_signal(cell(), signal, now)).unwrap()
    }

    /// A week and a day of good days.
    pub(super) fn trusted() -> Self {
        let world = world();
        for (day, kind) in good_days(0..8) {
            world.tell(&signal(kind, at(day)), at(day));
        }
        world
    }

    fn state_at(&self, time: UnixTime) -> TrustState {
        self.ledger.cell_trust_at(cell(), time).unwrap().state
    }

    /// Rows that the journal has of tables, and the octets of all lines.
    pub(super) fn journal(&self) -> (Vec<RowChanged>, u64) {
        let journal = self.ledger.journal();
        let mut tail = Tail::new(&journal.dir(), 1);
        let records = std::iter::from_fn(|| tail.next_record().unwrap());
        let rows = records.filter_map(|record| record.read::<RowChanged>().unwrap()).collect();
        (rows, octets(&self.dir.path().join("journal")))
    }

    pub(super) fn rows_of(&self, table: &str) -> usize {
        self.journal().0.iter().filter(|row| row.table == table).count()
    }
}

fn octets(path: &Path) -> u64 {
    let entries = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| {
            if entry.file_type().unwrap().is_dir() {
                octets(&entry.path())
            } else {
                entry.metadata().unwrap().len()
            }
        })
        .sum()
}

fn hours(time: UnixTime, hours: u64) -> UnixTime {
    time.after(Duration::from_secs(hours * 3600))
}

#[test]
fn an_attach_writes_no_row_of_trust_but_the_first_of_a_day() {
    let world = world();
    let attach = |time| {
        let told = [SignalKind::Attached, SignalKind::LineConfirmed].map(|kind| signal(kind, time));
        world
            .ledger
            .change(|tx| told.iter().try_for_each(|told| tx.cell_signal(cell(), told, time).map(drop)))
            .unwrap();
    };
    for day in 0..10 {
        (0..5).for_each(|hour| attach(hours(at(day), hour)));
    }
    // One a day and kind: admission tells both at once, which is one (`cell_signals`).
    assert_eq!(world.rows_of(CellTrust::TABLE), 20);
    // To probation, to trusted.
    assert_eq!(world.rows_of(CellTrustChange::TABLE), 2);
    let (_, before) = world.journal();
    (5..9).for_each(|hour| attach(hours(at(9), hour)));
    assert_eq!(world.journal().1, before);
}

#[test]
fn the_same_signal_twice_writes_nothing_the_second_time() {
    let world = World::trusted();
    for kind in SignalKind::ALL {
        let told = signal(*kind, at(8));
        world.tell(&told, at(8));
        let before = world.journal().0.len();
        world.tell(&told, at(8));
        assert_eq!(world.journal().0.len(), before, "{kind:?}");
    }
}

#[test]
fn what_it_was_at_each_time_is_read_from_its_changes() {
    let world = World::trusted();
    world.tell(&signal(SignalKind::Contested, at(9)), at(9));
    world.tell(&signal(SignalKind::HolderClone, at(10)), at(10));
    world.tell(&signal(SignalKind::JudgedGenuine, at(12)), at(12));
    for (time, expected) in [
        (at(0).before(Duration::from_secs(1)), TrustState::Unknown),
        (at(0), TrustState::Probation),
        (hours(at(5), 23), TrustState::Probation),
        (at(6), TrustState::Trusted),
        (hours(at(8), 23), TrustState::Trusted),
        (at(9), TrustState::Unsure),
        (at(11), TrustState::Suspect),
        (at(12), TrustState::Probation),
        (at(40), TrustState::Unsure),
    ] {
        assert_eq!(world.state_at(time), expected, "{time}");
    }
    let reading = world.ledger.cell_trust_at(cell(), at(11)).unwrap();
    assert_eq!((reading.since, &*reading.reasons[0].what), (Some(at(10)), "holder-clone"));
    assert_eq!((reading.reasons[0].evidence.clone(), reading.rules), (Some(event(1)), RULES));
    assert_eq!(world.ledger.verify().unwrap().findings, []);
}

#[test]
fn what_comes_late_has_its_place_and_makes_nothing_better() {
    let world = World::trusted();
    world.tell(&signal(SignalKind::Barred, at(9)), at(9));
    world.tell(&signal(SignalKind::Released, at(10)), at(10));
    assert_eq!(world.state_at(hours(at(8), 12)), TrustState::Trusted);
    // A finding of the day before that comes now.
    let late = signal(SignalKind::FindingHigh, hours(at(8), 6));
    assert_eq!(world.tell(&late, at(11)), TrustState::Suspect);
    for (time, expected) in [
        (at(8), TrustState::Trusted),
        (hours(at(8), 6), TrustState::Suspect),
        (at(9), TrustState::Blocked),
        (at(10), TrustState::Suspect),
        (at(11), TrustState::Suspect),
    ] {
        assert_eq!(world.state_at(time), expected, "{time}");
    }
    // A release of before that comes late, and a bar that a release has ended.
    assert_eq!(world.tell(&signal(SignalKind::JudgedGenuine, at(8)), at(12)), TrustState::Suspect);
    assert_eq!(world.tell(&signal(SignalKind::Barred, hours(at(9), 1)), at(12)), TrustState::Suspect);
    assert_eq!(world.tell(&signal(SignalKind::JudgedGenuine, at(12)), at(12)), TrustState::Probation);
    assert_eq!(world.state_at(at(11)), TrustState::Suspect);
}

#[test]
fn what_comes_late_is_no_worse_in_its_time_than_it_was() {
    let world = World::trusted();
    world.tell(&signal(SignalKind::HolderClone, at(10)), at(10));
    world.tell(&signal(SignalKind::Contested, at(9)), at(11));
    assert_eq!(world.state_at(hours(at(9), 12)), TrustState::Unsure);
    assert_eq!(world.state_at(at(10)), TrustState::Suspect);
    let late = world.ledger.cell_trust_changes(cell()).unwrap().rows.pop().unwrap();
    assert_eq!((late.at, late.from, late.to), (at(9), TrustState::Trusted, TrustState::Unsure));
}

#[test]
fn a_good_day_that_comes_late_raises_nothing_of_the_time_before_it_was_known() {
    let world = world();
    let tell = |day, now| {
        for kind in [SignalKind::Attached, SignalKind::LineConfirmed] {
            world.tell(&signal(kind, at(day)), now);
        }
    };
    [0, 1, 2, 4, 5, 6].into_iter().for_each(|day| tell(day, at(day)));
    assert_eq!(world.state_at(hours(at(6), 1)), TrustState::Probation);
    tell(3, hours(at(6), 12));
    assert_eq!(world.state_at(hours(at(6), 12)), TrustState::Trusted);
    let now = world.ledger.cell_trust(cell(), at(7)).unwrap();
    assert_eq!(now.since, Some(hours(at(6), 12)));
    assert_eq!(world.state_at(hours(at(6), 11)), TrustState::Probation);
}

#[test]
fn a_gap_in_the_data_is_a_change_of_its_own() {
    let world = World::trusted();
    world.tell(&signal(SignalKind::Attached, at(30)), at(30));
    let gone = at(7).after(STALE);
    assert_eq!(world.state_at(gone), TrustState::Unsure);
    assert_eq!(world.state_at(gone.before(Duration::from_secs(1))), TrustState::Trusted);
    assert_eq!(world.state_at(at(29)), TrustState::Unsure);
    assert_eq!(world.state_at(at(30)), TrustState::Probation);
}

#[test]
fn of_changes_without_end_the_last_are_kept_and_the_journal_has_all() {
    let world = World::trusted();
    for round in 0..100 {
        let time = hours(at(8), round);
        world.tell(&signal(SignalKind::Contested, time), time);
        let time = time.after(Duration::from_secs(1800));
        world.tell(&signal(SignalKind::JudgedGenuine, time), time);
    }
    let kept = world.ledger.cell_trust_changes(cell()).unwrap();
    assert_eq!(kept.rows.len() as u64, CellTrustChange::KEPT);
    assert_eq!(kept.rows.last().unwrap().number, 202);
    assert_eq!(world.rows_of(CellTrustChange::TABLE), 202);
    let before = world.ledger.cell_trust_at(cell(), at(8)).unwrap();
    assert_eq!((before.state, &*before.reasons[0].what), (TrustState::Unknown, "not-kept"));
    assert_eq!(world.state_at(hours(at(8), 99)), TrustState::Unsure);
    assert_eq!(world.ledger.verify().unwrap().findings, []);
}

#[test]
fn a_cell_that_is_in_no_row_is_unknown_and_no_error() {
    let world = world();
    let reading = world.ledger.cell_trust(cell(), at(0)).unwrap();
    assert_eq!((reading.state, reading.since, reading.data_at), (TrustState::Unknown, None, None));
    assert_eq!(reading.reasons[0].what, "no-data");
    assert_eq!(world.state_at(at(0)), TrustState::Unknown);
}

#[test]
fn cells_are_listed_by_state() {
    let world = World::trusted();
    let other: CellKey = "nr:450-08:1".parse().unwrap();
    world.ledger.change(|tx| tx.cell_signal(other, &signal(SignalKind::Barred, at(8)), at(8))).unwrap();
    let cells = |after, state| -> Vec<_> {
        world.ledger.cells(after, state, 10).unwrap().rows.into_iter().map(|row| row.cell).collect()
    };
    assert_eq!(cells(None, None), [cell(), other]);
    assert_eq!(cells(Some(cell()), None), [other]);
    assert_eq!(cells(None, Some(TrustState::Blocked)), [other]);
    assert_eq!(cells(None, Some(TrustState::Trusted)), [cell()]);
    assert!(cells(None, Some(TrustState::Suspect)).is_empty());
}

#[test]
fn a_row_that_was_tampered_with_is_no_trust_and_keeps_nobody_out() {
    let world = World::trusted();
    let database = rusqlite::Connection::open(world.dir.path().join("ledger.sqlite")).unwrap();
    let sql =
        "UPDATE row SET body = replace(body, '\"changes\":2', '\"changes\":1') WHERE tbl = 'cell_trust'";
    assert_eq!(database.execute(sql, []).unwrap(), 1);
    let read = world.ledger.cell_trust(cell(), at(8));
    assert!(matches!(read, Err(LedgerError::Tampered { .. })), "{read:?}");
    assert_eq!(world.tell(&signal(SignalKind::Attached, at(8)), at(8)), TrustState::Suspect);
    let incidents = world.ledger.incidents(0, 10).unwrap().rows;
    assert_eq!(incidents.len(), 1);
    assert!(incidents[0].summary.contains("cell_trust lte:450-08:1a2b3c4"), "{}", incidents[0].summary);
    let reading = world.ledger.cell_trust(cell(), at(8)).unwrap();
    assert_eq!((reading.state, &*reading.reasons[0].what), (TrustState::Suspect, "row-tampered"));
    let judged = Signal { device: Some(unit(9)), ..signal(SignalKind::JudgedGenuine, at(9)) };
    assert_eq!(world.tell(&judged, at(9)), TrustState::Probation);
}
