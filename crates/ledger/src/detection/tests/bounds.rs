//! What detectors can make the ledger keep.

use super::*;
use crate::{Row, transaction::Because, trust::TrustState};

/// The counter as it would be after so many.
fn kept(world: &World, kept: &Kept) {
    world.ledger.change(|tx| tx.put_row(kept, &Because::new("test", "test"), at(0)).map(drop)).unwrap();
}

fn rows(world: &World) -> (u64, usize) {
    let kept: Kept = world.ledger.row(Kept::KEY).unwrap().unwrap();
    (kept.rows, world.ledger.detections(&AskedDetections::default(), 1000).unwrap().rows.len())
}

#[test]
fn what_is_beyond_a_detectors_day_is_one_incident_and_lowers_trust_all_the_same() {
    let world = world();
    let today = crate::trust::day(at(100));
    kept(&world, &Kept { rows: 0, day: today, today: [("war_driving".into(), Kept::A_DAY - 1)].into() });
    let trail = Detected { detector: "handset_trail".into(), ..found(9, 9) };
    let taken = world.take(&[found(1, 1), found(2, 2), found(3, 3), trail]);
    assert_eq!((taken.taken, taken.beyond), (2, 2));
    assert_eq!(rows(&world), (2, 2));
    let flood = taken.incidents.iter().map(|number| world.incident(*number));
    let flood: Vec<_> = flood.filter(|incident| incident.kind == "finding-flood").collect();
    assert_eq!(flood.len(), 1);
    assert_eq!((flood[0].repeats, &flood[0].evidence["key"]), (1, &"war_driving".into()));
    let state = world.ledger.cell_trust(cell(3), at(100)).unwrap().state;
    assert_eq!(state, TrustState::Suspect);
    assert_eq!(world.take(&[found(4, 4)]).beyond, 1);
    let next_day = world.ledger.take_detections(&[found(4, 4)], "detect", at(124)).unwrap();
    assert_eq!((next_day.taken, next_day.beyond), (1, 0));
}

#[test]
fn what_is_too_much_in_all_goes_by_when_it_was_taken_and_leaves_its_incident() {
    let world = world();
    for number in 1..=3 {
        world.ledger.take_detections(&[found(number, 1)], "detect", at(u64::from(number))).unwrap();
    }
    let last: Kept = world.ledger.row(Kept::KEY).unwrap().unwrap();
    kept(&world, &Kept { rows: Kept::ROWS + 1, ..last });
    world.take(&[found(4, 1)]);
    let left = world.ledger.detections(&AskedDetections::default(), 10).unwrap().rows;
    assert_eq!(left.iter().map(|row| row.found.evidence[0].1).collect::<Vec<_>>(), [3, 4]);
    assert_eq!(world.ledger.row::<Kept>(Kept::KEY).unwrap().unwrap().rows, Kept::ROWS);
    assert_eq!(world.incident(1).misuse().unwrap().findings(), 4);
    assert_eq!(world.ledger.verify().unwrap().findings, []);
}

#[test]
fn what_was_taken_long_ago_goes() {
    let world = world();
    world.take(&[found(1, 1), found(2, 2)]);
    let later = at(100).after(Kept::LONG + Duration::from_secs(1));
    world.ledger.take_detections(&[found(3, 3)], "detect", later).unwrap();
    assert_eq!(rows(&world), (1, 1));
    let gone = world.ledger.row::<Detection>(&found(1, 1).id.to_string()).unwrap();
    assert_eq!(gone, None);
    // Said again it is taken again: the ledger knows of it no more.
    assert_eq!(world.ledger.take_detections(&[found(1, 1)], "detect", later).unwrap().taken, 1);
}

#[test]
fn an_incident_of_very_many_cells_names_the_first_and_counts_the_rest() {
    let world = world();
    let all: Vec<_> = (0..40)
        .map(|number| Detected {
            cells: (number * 10..number * 10 + 11).map(cell).collect(),
            ..found(number, number * 10)
        })
        .collect();
    let taken = world.take(&all);
    assert_eq!(taken.incidents.len(), 1);
    let misuse = world.incident(1).misuse().unwrap();
    assert_eq!((misuse.cells.len(), misuse.more, misuse.findings()), (Misuse::MOST, true, 40));
    assert_eq!(misuse.summary(), "40 findings about 128+ cells: war_driving");
    let octets = serde_json::to_string(&world.incident(1)).unwrap().len();
    assert!(octets < 8_000, "{octets}");
    assert!(world.incident(1).entries().len() < 10);
}
