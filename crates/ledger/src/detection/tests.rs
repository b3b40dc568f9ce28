mod books;
mod bounds;
mod trust;

use super::*;
use crate::{Ledger, NewDevice, Pools, RowKey, store::Sqlite};
use events::{Journal, JournalKey};
use std::time::Duration;

pub(super) fn at(hours: u64) -> UnixTime {
    UnixTime::from_secs(1_790_000_000).after(Duration::from_secs(hours * 3600))
}

pub(super) fn cell(number: u32) -> CellKey {
    format!("lte:450-08:{:x}", 0x100_0000 + number).parse().unwrap()
}

pub(super) fn unit(number: u8) -> DeviceId {
    DeviceId::eui48([2, 0, 0, 0, 0, number])
}

pub(super) fn line(number: u32) -> AccessLine {
    format!("L-{number}").parse().unwrap()
}

/// Of one detector about one cell, that no unit has.
pub(super) fn found(number: u32, about: u32) -> Detected {
    Detected {
        id: format!("{number:032x}").parse().unwrap(),
        detector: "war_driving".to_owned(),
        version: 1,
        at: at(u64::from(number)),
        key: Subject::Cell(cell(about)),
        what: "24 strangers of 24 handsets within the hour".to_owned(),
        cells: vec![cell(about)],
        devices: Vec::new(),
        lines: Vec::new(),
        handsets: Handsets { count: 24, some: Vec::new() },
        evidence: vec![("core-1".parse().unwrap(), u64::from(number))],
        confidence: 90,
        benign: vec!["a courier's van".to_owned()],
        partial: false,
    }
}

pub(super) struct World {
    pub(super) ledger: Ledger,
    dir: tempfile::TempDir,
}

pub(super) fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    JournalKey::create(&dir.path().join("journal.key")).unwrap();
    let ledger = open(dir.path());
    World { ledger, dir }
}

fn open(dir: &std::path::Path) -> Ledger {
    let key = JournalKey::open(&dir.join("journal.key")).unwrap();
    let (journal, _) = Journal::open(&dir.join("journal"), "gw1".parse().unwrap(), key, at(0)).unwrap();
    let store = Box::new(Sqlite::open(&dir.join("ledger.sqlite")).unwrap());
    Ledger::open(store, journal, RowKey::new(&[7; 32]), Pools::default(), at(0)).unwrap().0
}

impl World {
    /// A unit that has these cells.
    pub(super) fn unit(&self, number: u8, cells: &[u32], at_line: Option<u32>) {
        let known = crate::DeviceChange {
            cells: Some(cells.iter().map(|number| cell(*number)).collect()),
            access_line: at_line.map(|number| Some(line(number))),
            ..Default::default()
        };
        let new = NewDevice::with(unit(number), crate::LifeCycle::Installed, known);
        self.ledger.add_device(new, "test", at(0)).unwrap();
    }

    pub(super) fn take(&self, batch: &[Detected]) -> TakenDetections {
        self.ledger.take_detections(batch, "detect", at(100)).unwrap()
    }

    pub(super) fn incident(&self, number: u64) -> Incident {
        self.ledger.incident(number).unwrap().unwrap()
    }
}

#[test]
fn what_no_engine_says_is_refused_and_named() {
    let good = found(1, 1);
    assert_eq!(good.check(), Ok(()));
    let many = |most: usize| (0..most as u32).map(cell).collect::<Vec<_>>();
    assert_eq!(Detected { cells: many(16), ..good.clone() }.check(), Ok(()));
    let bad = [
        (Detected { cells: many(17), ..good.clone() }, "17 cells"),
        (Detected { detector: String::new(), ..good.clone() }, "detector"),
        (Detected { detector: "war driving".into(), ..good.clone() }, "detector"),
        (Detected { detector: "d".repeat(33), ..good.clone() }, "detector"),
        (Detected { what: "x".repeat(1001), ..good.clone() }, "longer than 1000 octets"),
        (Detected { benign: vec!["x".repeat(1001)], ..good.clone() }, "longer than 1000 octets"),
        (Detected { confidence: 101, ..good.clone() }, "above 100"),
    ];
    for (bad, why) in bad {
        assert!(bad.check().unwrap_err().why.contains(why), "{bad:?}");
    }
    for bad in ["", "0", &"g".repeat(32), &"A".repeat(32), &format!("+{}", "0".repeat(31))] {
        assert!(bad.parse::<DetectionId>().is_err(), "{bad}");
    }
}
