use super::*;
use crate::{Differing, ImportUnit, Imported, Ledger, Pools, RowKey, store::Sqlite};
use events::{Journal, JournalKey};
use tempfile::TempDir;

fn now() -> UnixTime {
    UnixTime::from_secs(1_790_000_000)
}

fn unit(number: u8) -> DeviceId {
    DeviceId::eui48([number; 6])
}

/// With six addresses.
fn fresh() -> (TempDir, Ledger) {
    let dir = TempDir::new().unwrap();
    let key = JournalKey::create(&dir.path().join("journal.key")).unwrap();
    let journal = Journal::open(&dir.path().join("journal"), "gw1".parse().unwrap(), key, now()).unwrap().0;
    let store = Box::new(Sqlite::open(&dir.path().join("ledger.sqlite")).unwrap());
    let pools =
        Pools { v4: Some("10.64.0.0/29".parse().unwrap()), v6: Some("fd00:64::/64".parse().unwrap()) };
    let (ledger, _) = Ledger::open(store, journal, RowKey::new(&[7; 32]), pools, now()).unwrap();
    (dir, ledger)
}

fn with_cells(number: u8, cells: &[&str]) -> NewDevice {
    let cells = cells.iter().map(|cell| cell.parse().unwrap()).collect();
    NewDevice { cells, ..NewDevice::installed(unit(number)) }
}

fn cells(cells: &[&str]) -> DeviceChange {
    DeviceChange {
        cells: Some(cells.iter().map(|cell| cell.parse().unwrap()).collect()),
        ..DeviceChange::default()
    }
}

const A: &str = "lte:450-08:1";
const B: &str = "nr:450-08:1";

#[test]
fn a_cell_is_one_units_until_that_is_retired() {
    let (_dir, ledger) = fresh();
    let add = |new| ledger.add_device(new, "kim", now());
    let set = |number, change| ledger.set_device(unit(number), change, "kim", "radio plan", None, now());
    add(with_cells(1, &[A, B])).unwrap();
    let refused = add(with_cells(2, &[A])).unwrap_err();
    assert!(
        matches!(&refused, LedgerError::Conflict(why) if why.contains(A) && why.contains("010101010101")),
        "{refused}"
    );
    add(with_cells(2, &[])).unwrap();
    assert!(matches!(set(2, cells(&[B])), Err(LedgerError::Conflict(_))));
    assert_eq!(set(1, cells(&[B])).unwrap().cells.len(), 1, "its own are not in its way");
    set(2, cells(&[A])).unwrap();
    let found = |cell: &str| -> Vec<DeviceId> {
        let mut tx = ledger.begin().unwrap();
        tx.devices_of_cell(cell.parse().unwrap()).unwrap().iter().map(|device| device.id).collect()
    };
    assert_eq!((found(A), found(B), found("lte:450-08:2")), (vec![unit(2)], vec![unit(1)], vec![]));
    ledger.move_device(unit(2), LifeCycle::Lost, "kim", "gone", None, now()).unwrap();
    assert!(matches!(set(1, cells(&[A])), Err(LedgerError::Conflict(_))), "a lost unit may still radiate");
    ledger.move_device(unit(2), LifeCycle::Retired, "kim", "gone", None, now()).unwrap();
    set(1, cells(&[A, B])).unwrap();
    assert_eq!(found(A), [unit(1), unit(2)]);
    assert!(ledger.verify().unwrap().findings.is_empty());
}

#[test]
fn another_line_of_a_unit_that_stands_behind_one_takes_two_people() {
    let (_dir, ledger) = fresh();
    let to = |line: Option<&str>| DeviceChange {
        access_line: Some(line.map(|line| line.parse().unwrap())),
        ..DeviceChange::default()
    };
    let set = |line, approver| ledger.set_device(unit(1), to(line), "kim", "moved", approver, now());
    ledger
        .add_device(NewDevice { state: LifeCycle::Shipped, ..NewDevice::installed(unit(1)) }, "kim", now())
        .unwrap();
    set(Some("L-1"), None).unwrap();
    set(Some("L-2"), None).unwrap();
    let go = |state| ledger.move_device(unit(1), state, "kim", "why", None, now()).unwrap();
    for state in [LifeCycle::Installed, LifeCycle::Live, LifeCycle::Silent] {
        go(state);
        for nobody in [None, Some("kim"), Some(" KIM")] {
            assert!(
                matches!(set(Some("L-3"), nobody), Err(LedgerError::NeedsApprover(_))),
                "{state}: {nobody:?}"
            );
            assert!(matches!(set(None, nobody), Err(LedgerError::NeedsApprover(_))), "{state}: {nobody:?}");
        }
        set(Some("L-2"), None).unwrap();
        let noted = DeviceChange { note: Some(state.to_string()), ..DeviceChange::default() };
        ledger.set_device(unit(1), noted, "kim", "a note", None, now()).unwrap();
    }
    assert_eq!(set(None, Some("lee")).unwrap().access_line, None);
    set(Some("L-4"), None).unwrap();
    go(LifeCycle::Suspended);
    set(Some("L-5"), None).unwrap();
}

#[test]
fn what_is_longer_than_it_may_be_is_refused_and_what_was_so_before_stays() {
    let (_dir, ledger) = fresh();
    let many: Vec<_> = (0..=Device::MAX_CELLS).map(|number| format!("lte:450-08:{number:x}")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let too_long = |refused: Result<Device, LedgerError>, what: Particular| {
        assert!(matches!(refused, Err(LedgerError::TooLong { what: is, .. }) if is == what), "{refused:?}");
    };
    too_long(ledger.add_device(with_cells(1, &many), "kim", now()), Particular::Cells);
    ledger.add_device(with_cells(1, &many[1..]), "kim", now()).unwrap();
    let set = |change| ledger.set_device(unit(1), change, "kim", "why", None, now());
    let note = |octets: usize| DeviceChange { note: Some("x".repeat(octets)), ..DeviceChange::default() };
    too_long(set(note(Device::MAX_TEXT + 1)), Particular::Note);
    set(note(Device::MAX_TEXT)).unwrap();
    let plmns = (0..=Device::MAX_PLMNS).map(|number| format!("450-{number:02}").parse().unwrap()).collect();
    too_long(set(DeviceChange { plmns: Some(plmns), ..DeviceChange::default() }), Particular::Plmns);
    // As an older Truecell wrote it.
    let mut tx = ledger.begin().unwrap();
    let mut device = tx.device(unit(1)).unwrap().unwrap();
    device.owner = "y".repeat(Device::MAX_TEXT + 1);
    tx.put_row(&device, &crate::transaction::Because::new("kim", "before"), now()).unwrap();
    tx.commit().unwrap();
    set(note(1)).unwrap();
}

#[test]
fn what_an_import_would_do_is_what_it_does_and_nothing_is_written_before() {
    let (_dir, ledger) = fresh();
    ledger.add_device(with_cells(1, &[A]), "kim", now()).unwrap();
    let rows = || {
        let long = NewDevice { site: "x".repeat(Device::MAX_TEXT + 1), ..NewDevice::installed(unit(5)) };
        vec![
            (2, with_cells(1, &[A])),
            (3, with_cells(1, &[B])),
            (4, with_cells(2, &[A])),
            (5, long),
            (6, with_cells(3, &[B])),
            (7, with_cells(4, &[])),
        ]
    };
    let head = ledger.journal().head();
    let checked = ledger.check_import(rows(), Differing::Refuse, 0).unwrap();
    assert_eq!((ledger.journal().head(), ledger.device(unit(3)).unwrap()), (head, None));
    assert_eq!((checked.added, checked.unchanged), (2, 1));
    assert_eq!(checked.refused.iter().map(|row| row.line).collect::<Vec<_>>(), [3, 4, 5]);
    // Five of the six addresses are free.
    let crowded = ledger.check_import(rows(), Differing::Refuse, 4).unwrap();
    assert_eq!((crowded.added, crowded.refused.last().map(|row| row.line)), (1, Some(7)));
    assert_eq!(ledger.import(rows(), Differing::Refuse, "kim", now(), |_| ()).unwrap(), checked);
    let devices = ledger.devices("", None, 10).unwrap().rows;
    assert_eq!(devices.len(), 3);
    let out: Vec<_> = devices.into_iter().map(|device| (0, NewDevice::from(device))).collect();
    assert_eq!(
        ledger.import(out, Differing::Refuse, "kim", now(), |_| ()).unwrap().unchanged,
        3,
        "what is written out is taken in"
    );
}

#[test]
fn an_import_may_change_what_its_file_speaks_of_but_no_state_and_nothing_that_takes_a_second_person() {
    let (_dir, ledger) = fresh();
    let line = |name: &str| Some(Some(name.parse().unwrap()));
    let known = |site: &str, access_line| DeviceChange {
        site: Some(site.into()),
        access_line,
        ..DeviceChange::default()
    };
    for number in 1..=4 {
        let note = DeviceChange { note: Some("kept".into()), ..known("a", line("L-1")) };
        ledger.add_device(NewDevice::with(unit(number), LifeCycle::Live, note), "kim", now()).unwrap();
    }
    let row = |number, state, known| (u64::from(number), ImportUnit { id: unit(number), state, known });
    let rows = || {
        [
            row(1, None, known("b", None)),
            row(2, Some(LifeCycle::Live), known("a", None)),
            row(3, Some(LifeCycle::Silent), known("b", None)),
            row(4, None, known("b", line("L-2"))),
            row(5, None, known("b", None)),
        ]
    };
    let lines = |imported: &Imported| {
        let changed: Vec<_> = imported.changed.iter().map(|row| row.line).collect();
        let refused: Vec<_> = imported.refused.iter().map(|row| row.line).collect();
        (imported.added, imported.unchanged, changed, refused)
    };
    let refuse = ledger.check_import(rows(), Differing::Refuse, 0).unwrap();
    assert_eq!(lines(&refuse), (1, 1, vec![], vec![1, 3, 4]));
    let change = |approver| Differing::Change { why: "an inventory", approver };
    let head = ledger.journal().head();
    let checked = ledger.check_import(rows(), change(None), 0).unwrap();
    assert_eq!(lines(&checked), (1, 1, vec![1], vec![3, 4]));
    let changed = |imported: &Imported| {
        imported.changed[0].particulars.iter().map(|change| change.name).collect::<Vec<_>>()
    };
    assert_eq!(changed(&checked), [Particular::Site]);
    let site = &checked.changed[0].particulars[0];
    assert_eq!((site.was.as_str(), site.is.as_str()), ("a", "b"));
    assert_eq!(ledger.journal().head(), head);
    assert_eq!(ledger.import(rows(), change(None), "kim", now(), |_| ()).unwrap(), checked);
    let is = |number| ledger.device(unit(number)).unwrap().unwrap();
    assert_eq!((is(1).site.as_str(), is(1).note.as_str(), is(1).state), ("b", "kept", LifeCycle::Live));
    assert_eq!((is(3).site.as_str(), is(3).state), ("a", LifeCycle::Live));
    assert_eq!((is(4).site.as_str(), is(4).access_line), ("a", line("L-1").unwrap()));
    let by_two = ledger.import(rows(), change(Some("lee")), "kim", now(), |_| ()).unwrap();
    assert_eq!(lines(&by_two), (0, 3, vec![4], vec![3]));
    assert_eq!(changed(&by_two), [Particular::Site, Particular::Line]);
    assert_eq!(is(4).access_line, line("L-2").unwrap());
}
