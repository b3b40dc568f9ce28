//! What findings do to the trust in cells.

use super::*;
use crate::trust::{FOUND, HIGH, MEDIUM, TrustState, severity};

#[test]
fn how_bad_a_finding_is_goes_by_its_confidence_and_half_known_is_one_less() {
    let of = |confidence, partial| severity(&Detected { confidence, partial, ..found(1, 1) });
    let by_hand = [
        (100, Severity::High, Severity::Medium),
        (HIGH, Severity::High, Severity::Medium),
        (HIGH - 1, Severity::Medium, Severity::Low),
        (MEDIUM, Severity::Medium, Severity::Low),
        (MEDIUM - 1, Severity::Low, Severity::Low),
        (0, Severity::Low, Severity::Low),
    ];
    for (confidence, whole, partial) in by_hand {
        assert_eq!((of(confidence, false), of(confidence, true)), (whole, partial), "{confidence}");
    }
}

#[test]
fn no_detector_does_more_than_its_row_of_the_table_lets_and_a_stranger_leaves_doubt() {
    for known in FOUND {
        let sure = Detected { detector: known.detector.into(), confidence: 100, ..found(1, 1) };
        assert_eq!(severity(&sure), known.at_most, "{}", known.detector);
    }
    let stranger = Detected { detector: "of_another_version".into(), confidence: 100, ..found(1, 1) };
    assert_eq!(severity(&stranger), Severity::Medium);
}

#[test]
fn a_gap_is_an_incident_of_its_feed_and_makes_no_cell_worse() {
    let world = world();
    let gap = |number, feed: &str| Detected {
        detector: "feed_gap".into(),
        key: Subject::Feed(feed.parse().unwrap()),
        confidence: 100,
        ..found(number, 1)
    };
    let taken = world.take(&[gap(1, "core-1"), gap(2, "core-2"), gap(3, "core-1")]);
    assert_eq!(taken.incidents.len(), 2);
    assert_eq!(world.incident(1).kind, "feed-gap");
    assert_eq!(world.ledger.cell_trust(cell(1), at(100)).unwrap().state, TrustState::Unknown);
    assert_eq!(world.ledger.cells(None, None, 10).unwrap().rows.len(), 0);
}

#[test]
fn homes_beside_a_cell_that_nobody_registered_are_on_probation_at_most() {
    let world = world();
    world.unit(1, &[1, 2], None);
    let pair = Detected {
        detector: "shared_handsets".into(),
        cells: vec![cell(1), cell(7)],
        devices: vec![unit(1)],
        ..found(1, 1)
    };
    world.take(&[pair]);
    let cells = world.ledger.cells(None, None, 10).unwrap().rows;
    let falls: Vec<_> =
        cells.iter().map(|row| (row.cell, row.falls[0].signal.kind.as_str(), row.state)).collect();
    assert_eq!(
        falls,
        [
            (cell(1), "finding-low", TrustState::Unknown),
            (cell(2), "finding-low", TrustState::Unknown),
            (cell(7), "finding-high", TrustState::Suspect),
        ]
    );
}

#[test]
fn a_finding_about_a_unit_is_about_each_of_its_cells_and_names_its_incident() {
    let world = world();
    world.unit(1, &[1, 2], None);
    let lost = Detected {
        detector: "lost_unit_returns".into(),
        key: Subject::Device(unit(1)),
        cells: Vec::new(),
        devices: vec![unit(1)],
        ..found(1, 1)
    };
    world.take(&[lost]);
    for number in [1, 2] {
        let reading = world.ledger.cell_trust(cell(number), at(100)).unwrap();
        assert_eq!((reading.state, reading.since), (TrustState::Suspect, Some(at(1))));
        let reason = &reading.reasons[0];
        assert_eq!((&*reason.what, &*reason.source), ("finding-high", "lost_unit_returns"));
        assert_eq!(reason.device, Some(unit(1)));
        assert_eq!(reason.evidence, Some(crate::trust::TrustEvidence::Incident(1)));
    }
}
