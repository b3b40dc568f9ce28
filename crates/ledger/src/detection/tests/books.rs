//! Findings in the ledger: what is written once, what belongs together, what a person says of it.

use super::*;
use crate::{ClosedIncident, IncidentState, LedgerError, trust::TrustState};
use proptest::prelude::*;

fn closed(hours: u64) -> ClosedIncident {
    ClosedIncident::new("kim", at(hours), "we looked")
}

fn numbers(taken: &TakenDetections) -> Vec<u64> {
    taken.incidents.iter().copied().collect()
}

#[test]
fn findings_of_one_cell_are_one_incident_which_says_what_they_say() {
    let world = world();
    let trail = Detected { detector: "handset_trail".into(), confidence: 60, ..found(3, 1) };
    let taken = world.take(&[found(1, 1), found(2, 2), trail]);
    assert_eq!((taken.taken, taken.known, numbers(&taken)), (3, 0, vec![1, 2]));
    let incident = world.incident(1);
    assert_eq!((&*incident.kind, incident.state, incident.repeats), ("misuse", IncidentState::Open, 1));
    assert_eq!(incident.summary, "2 findings about 1 cell: handset_trail, war_driving");
    let misuse = incident.misuse().unwrap();
    assert_eq!((misuse.first_at, misuse.last_at, misuse.confidence), (at(1), at(3), 90));
    assert_eq!((misuse.severity, misuse.handsets, misuse.partial), (Severity::High, 24, 0));
    assert_eq!(misuse.detectors, [("handset_trail".into(), 1), ("war_driving".into(), 1)].into());
    assert_eq!(misuse.benign, ["a courier's van".to_owned()].into());
    let rows = world.ledger.detections_of(1, 10).unwrap().rows;
    assert_eq!(rows.iter().map(|row| row.found.at).collect::<Vec<_>>(), [at(1), at(3)]);
}

#[test]
fn the_same_said_again_changes_nothing_and_something_else_under_its_id_is_refused() {
    let world = world();
    world.take(&[found(1, 1)]);
    let head = world.ledger.journal().head();
    let again = world.take(&[found(1, 1), found(1, 1)]);
    assert_eq!((again.taken, again.known, again.incidents.len()), (0, 2, 0));
    assert_eq!(world.ledger.journal().head(), head, "nothing is written");
    let other = Detected { confidence: 91, ..found(1, 1) };
    let refused = world.take(&[other, found(2, 1)]);
    let differing = DifferingDetection { id: found(1, 1).id, incident: 1 };
    assert_eq!((refused.taken, refused.differing), (1, vec![differing]));
    assert_eq!(world.incident(1).misuse().unwrap().confidence, 90);
}

#[test]
fn two_incidents_that_one_finding_touches_are_one_and_the_younger_says_so() {
    let world = world();
    world.take(&[found(1, 1), found(2, 2), found(3, 3)]);
    let pair = |number, a, b| Detected {
        detector: "shared_handsets".into(),
        cells: vec![cell(a), cell(b)],
        ..found(number, a)
    };
    let taken = world.take(&[pair(4, 3, 2)]);
    assert_eq!(numbers(&taken), [2]);
    let part = world.incident(3);
    assert_eq!((part.state, part.part_of()), (IncidentState::Closed, Some(2)));
    assert_eq!(part.closed.unwrap().why, "part of 2");
    assert_eq!(numbers(&world.take(&[pair(5, 3, 1)])), [1]);
    // What leads to a part leads to the whole, however many steps that takes.
    assert_eq!(numbers(&world.take(&[found(6, 3)])), [1]);
    let whole = world.incident(1).misuse().unwrap();
    assert_eq!((whole.findings(), whole.parts), (6, [2, 3].into()));
    assert_eq!(whole.cells, [cell(1), cell(2), cell(3)].into());
    let mut rows = world.ledger.detections_of(1, 10).unwrap().rows;
    rows.sort_by_key(|row| row.found.id);
    assert_eq!(rows.iter().map(|row| row.incident).collect::<Vec<_>>(), [1, 2, 3, 2, 1, 1]);
    for closed_part in [2, 3] {
        let refused = world.ledger.close_incident(closed_part, closed(101));
        assert!(refused.unwrap_err().to_string().contains("part of"));
    }
}

#[test]
fn units_and_their_lines_put_cells_together_and_a_line_of_many_does_not() {
    let world = world();
    world.unit(1, &[1], Some(1));
    world.unit(2, &[2], Some(1));
    for number in 3..9 {
        world.unit(number, &[u32::from(number)], Some(2));
    }
    let of = |number, about: u32, unit_number, line_number| Detected {
        devices: vec![unit(unit_number)],
        lines: vec![line(line_number)],
        ..found(number, about)
    };
    let at_home = world.take(&[of(1, 1, 1, 1), of(2, 2, 2, 1)]);
    assert_eq!(numbers(&at_home), [1], "two units of one home");
    let hotel = world.take(&[of(3, 3, 3, 2), of(4, 4, 4, 2)]);
    assert_eq!(numbers(&hotel), [2, 3], "two of the six at one line");
}

#[test]
fn what_was_settled_takes_nothing_more() {
    let world = world();
    world.take(&[found(1, 1)]);
    world.ledger.close_incident(1, closed(101)).unwrap();
    assert_eq!(numbers(&world.take(&[found(2, 1)])), [2]);
    assert_eq!(numbers(&world.take(&[found(3, 1)])), [2]);
}

#[test]
fn a_persons_word_lifts_what_findings_said_of_cells_or_makes_them_suspect_and_the_last_counts() {
    let world = world();
    world.unit(1, &[1, 2], None);
    let state = |number| world.ledger.cell_trust(cell(number), at(200)).unwrap().state;
    world.take(&[Detected { devices: vec![unit(1)], ..found(1, 1) }, found(2, 7)]);
    assert_eq!([1, 2, 7].map(state), [TrustState::Suspect; 3], "the other cell of the unit, too");
    let judge = |number, outcome, hours| world.ledger.judge_detections(number, outcome, closed(hours));
    let incident = judge(1, Outcome::Benign, 101).unwrap();
    assert_eq!(incident.closed.unwrap().found, Some(Outcome::Benign));
    assert_eq!([1, 2, 7].map(state), [TrustState::Unknown, TrustState::Unknown, TrustState::Suspect]);
    judge(1, Outcome::Misuse, 102).unwrap();
    assert_eq!([1, 2].map(state), [TrustState::Suspect; 2]);
    judge(1, Outcome::Benign, 103).unwrap();
    judge(2, Outcome::Benign, 103).unwrap();
    assert_eq!([1, 2, 7].map(state), [TrustState::Unknown; 3]);
    let other = crate::NewIncident {
        kind: "clone",
        devices: vec![unit(1)],
        summary: String::new(),
        evidence: serde_json::Value::Null,
        more: 0,
    };
    world.ledger.open_incident(other, "test", at(104)).unwrap();
    assert!(matches!(judge(3, Outcome::Benign, 105), Err(LedgerError::Conflict(_))));
    assert_eq!(world.incident(3).state, IncidentState::Open, "nothing of it stands");
}

#[test]
fn findings_are_found_by_what_they_name_in_the_order_of_time() {
    let world = world();
    let mut all: Vec<_> = (0..30).rev().map(|number| found(number, number % 3)).collect();
    all[4].detector = "handset_trail".into();
    all[5].devices = vec![unit(9)];
    world.take(&all);
    let of = |asked: &AskedDetections, limit| {
        let page = world.ledger.detections(asked, limit).unwrap();
        let hours: Vec<_> = page.rows.iter().map(|row| row.found.evidence[0].1).collect();
        (hours, page.next.map(|next| next.parse::<Place>().unwrap()))
    };
    let any = AskedDetections::default;
    assert_eq!(of(&any(), 100).0, (0..30).collect::<Vec<_>>());
    let between = AskedDetections { from: Some(at(5)), to: Some(at(9)), ..any() };
    assert_eq!(of(&between, 100), (vec![5, 6, 7, 8], None));
    let of_cell = AskedDetections { cell: Some(cell(1)), from: Some(at(6)), to: Some(at(14)), ..any() };
    assert_eq!(of(&of_cell, 100).0, [7, 10, 13]);
    assert_eq!(of(&AskedDetections { detector: Some("handset_trail".into()), ..any() }, 100).0, [25]);
    assert_eq!(of(&AskedDetections { device: Some(unit(9)), ..any() }, 100).0, [24]);
    let mut paged = Vec::new();
    let mut asked = AskedDetections { cell: Some(cell(2)), detector: Some("war_driving".into()), ..any() };
    loop {
        let (hours, next) = of(&asked, 3);
        paged.extend(hours);
        let Some(place) = next else { break };
        assert_eq!(place.to_string().parse(), Ok(place));
        asked.after = Some(place);
    }
    assert_eq!(paged, [2, 5, 8, 11, 14, 17, 20, 23, 26, 29]);
}

#[test]
fn a_ledger_that_is_opened_anew_has_all_of_it_and_each_row_is_explained() {
    let world = world();
    world.take(&[found(1, 1), found(2, 2)]);
    let World { ledger, dir } = world;
    ledger.close().unwrap();
    drop(ledger);
    // The ledger is lost, and made anew from the journal.
    for file in ["ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"] {
        std::fs::remove_file(dir.path().join(file)).unwrap_or_default();
    }
    let world = World { ledger: open(dir.path()), dir };
    assert_eq!(world.take(&[found(1, 1)]).known, 1);
    assert_eq!(numbers(&world.take(&[found(3, 2)])), [2]);
    assert_eq!(world.ledger.verify().unwrap().findings, []);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// The ledger comes to the same parts as one look at all of them, whatever the order and the portions.
    #[test]
    fn incidents_are_the_parts_into_which_all_findings_fall(
        pairs in prop::collection::vec((0..14u32, 0..14u32), 1..14),
        keys in prop::collection::vec(any::<u32>(), 14),
        portion in 1..6usize,
    ) {
        let (world, pairs_in_order) = (world(), pairs.clone());
        let of = |(number, (a, b)): (usize, &(u32, u32))| {
            let cells = if a == b { vec![cell(*a)] } else { vec![cell(*a), cell(*b)] };
            Detected { cells, ..found(number as u32, *a) }
        };
        let mut all: Vec<_> = pairs_in_order.iter().enumerate().map(of).collect();
        all.sort_by_key(|found| keys[found.evidence[0].1 as usize]);
        for batch in all.chunks(portion) {
            world.take(batch);
        }
        let links: Vec<_> = pairs.iter().enumerate().map(of)
            .map(|found| links(&found, &Register::default())).collect();
        let groups = group(&links.iter().collect::<Vec<_>>(), &Default::default());
        let expected: std::collections::BTreeSet<BTreeSet<u64>> = groups
            .iter()
            .map(|group| group.findings.iter().map(|place| *place as u64).collect())
            .collect();
        let open = world.ledger.incidents(0, 100).unwrap().rows.into_iter();
        let open = open.filter(|incident| incident.state == IncidentState::Open);
        let parts = open.map(|incident| {
            let rows = world.ledger.detections_of(incident.number, 100).unwrap().rows;
            assert_eq!(incident.misuse().unwrap().findings(), rows.len() as u64);
            rows.iter().map(|row| row.found.evidence[0].1).collect()
        });
        prop_assert_eq!(parts.collect::<std::collections::BTreeSet<BTreeSet<u64>>>(), expected);
    }
}
