mod checked;
mod document;
mod steps;

use super::*;
use detect::Input;
use ids::Sha256;
use records::row::Row;
use std::collections::{BTreeMap, BTreeSet};

/// A carrier of a few units, and what a test adds.
fn small(more: &str) -> Scenario {
    let text =
        format!("format = 1\nabout = \"a test\"\nspan_d = 3\n[estate]\nunits = 20\noutages_pct = 50\n{more}");
    Scenario::parse(&text).unwrap()
}

const BOX: &str = r#"
[[actor]]
name = "lost"
kind = "unit"
[[actor]]
name = "box"
kind = "box"
identity = "lost"
cells = 2
strips = ["ims"]
[[step]]
at = "0d 12:00"
actor = "lost"
do = "lose"
[[step]]
at = "1d 02:00"
actor = "box"
do = "on"
for_min = 60
hop_pct = 50
codes_pct = 50
"#;

#[test]
fn shipped_scenarios_end_as_they_say() {
    for shipped in SHIPPED {
        let scenario = shipped.scenario().unwrap_or_else(|error| panic!("{}: {error}", shipped.name));
        let outcome = run(&scenario, scenario.seed().into()).unwrap();
        let missed: Vec<_> = outcome.expected.iter().filter(|expected| !expected.is_met).collect();
        assert!(outcome.is_as_expected(), "{}: {missed:#?} {:#?}", shipped.name, outcome.violated);
        assert_eq!(outcome.late, 0, "{}", shipped.name);
        assert_eq!(scenario.is_attack(), !outcome.expected.is_empty(), "{}", shipped.name);
        assert!(scenario.nevers.iter().any(|never| never.finding == "any"), "{}", shipped.name);
    }
    let attacks = SHIPPED.iter().filter(|shipped| shipped.scenario().unwrap().is_attack()).count();
    assert!(attacks >= 6 && SHIPPED.len() - attacks >= 6);
}

/// The rows of a scenario themselves, as lines: whoever draws, numbers, names or writes otherwise changes it.
#[test]
fn the_same_seed_gives_the_same_rows_on_every_machine() {
    let rows = |seed: u64| {
        let mut player = Player::new(&small(BOX), seed).unwrap();
        let text: String =
            (&mut player).map(|arrival| format!("{} {:?}\n", arrival.arrives, arrival.input)).collect();
        let lines: String = Player::new(&small(BOX), seed)
            .unwrap()
            .filter_map(|arrival| match arrival.input {
                Input::Row(row) => Some(row.to_line().unwrap() + "\n"),
                Input::Ledger(_) | Input::Watermark { .. } => None,
            })
            .collect();
        (text, Sha256::of(lines.as_bytes()).to_string(), player.digest().to_string())
    };
    let (first, again, other) = (rows(7), rows(7), rows(8));
    assert_eq!(first, again);
    assert_ne!((&first.1, &first.2), (&other.1, &other.2));
    assert_eq!(
        (first.1.as_str(), first.2.as_str()),
        (LINES, DIGEST),
        "what is drawn has changed: is that meant?"
    );
}

const LINES: &str = "626f66c570e9331ddd5322a49222353217d10b1dd960bed37504a83a2be8cd85";

const DIGEST: &str = "aec57dfbc4edfcd0ec05d7b19d3dadc373a0fedac37e57ee9a56b7ec89c4c863";

#[test]
fn what_one_does_changes_no_draw_of_another() {
    let of = |scenario: &Scenario, unit: u32| -> Vec<_> {
        let cell = names::CellNo::unit(unit).key("001-01".parse().unwrap()).unwrap();
        let rows = Player::new(scenario, 1).unwrap().filter_map(|arrival| match arrival.input {
            Input::Row(Row::Access(access)) => {
                (access.cell == cell).then_some((access.stamp.at, access.subscriber))
            }
            Input::Row(_) | Input::Ledger(_) | Input::Watermark { .. } => None,
        });
        rows.collect::<BTreeSet<_>>().into_iter().collect()
    };
    let (quiet, loud) = (small(""), small(BOX));
    assert!(!of(&quiet, 9).is_empty());
    assert_eq!(of(&quiet, 9), of(&loud, 9));
}

#[test]
fn an_honest_handset_is_never_at_a_cell_that_has_no_tunnel() {
    let mut up: BTreeMap<_, bool> = BTreeMap::new();
    let mut rows: Vec<_> = Player::new(&small(""), 3).unwrap().map(|arrival| arrival.input).collect();
    rows.sort_by_key(|input| match input {
        Input::Row(row) => row.stamp().at,
        Input::Ledger(change) => change.stamp.at,
        Input::Watermark { at, .. } => *at,
    });
    let (mut at_cells, mut downs) = (0, 0);
    for input in rows {
        match input {
            Input::Ledger(change) => {
                if let detect::Change::Session { after, before } = change.change {
                    let inner = after.as_ref().or(before.as_ref()).unwrap().inner;
                    downs += u32::from(after.is_none());
                    up.insert(inner, after.is_some());
                }
            }
            Input::Row(Row::Access(access)) => {
                if let Some(inner) = access.inner {
                    at_cells += 1;
                    assert_eq!(up.get(&inner), Some(&true), "{access:?}");
                }
            }
            Input::Row(_) | Input::Watermark { .. } => {}
        }
    }
    assert!(at_cells > 1000 && downs > 15, "{at_cells}, {downs}");
}

#[test]
fn the_truth_knows_what_the_box_did() {
    let outcome = run(&small(BOX), 1).unwrap();
    let [attack] = &*outcome.truth.attacks else { panic!("{:?}", outcome.truth) };
    assert_eq!((attack.actor.as_str(), attack.cells.len(), attack.units.len()), ("box", 2, 1));
    assert!(attack.handsets.len() > 60 && attack.codes > 20 && attack.payments == attack.codes);
    assert_eq!(attack.amount_minor, 300_000 * attack.payments as i64);
    for cell in attack.cells.values() {
        assert!(cell.from < cell.first_code && cell.first_code < cell.first_payment, "{cell:?}");
    }
    assert_eq!(attack.from.map(|from| from.to_string()).as_deref(), Some("2026-01-06T02:00:00.000000Z"));
    let mut finding =
        outcome.findings.iter().find(|finding| finding.detector == "cell_unknown").unwrap().clone();
    assert_eq!(outcome.truth.blame(&finding).map(|attack| attack.actor.as_str()), Some("box"));
    finding.at = attack.from.unwrap().before(std::time::Duration::from_secs(1));
    assert_eq!(outcome.truth.blame(&finding), None, "it had not begun");
}

#[test]
fn what_is_expected_is_compared_with_when_and_of_whom_it_was_found() {
    let expect = |finding: &str, on: &str, more: &str| {
        format!("[[expect]]\nfinding = \"{finding}\"\non = \"{on}\"\n{more}\n")
    };
    let never =
        |on: &str, more: &str| format!("[[never]]\nfinding = \"cell_unknown\"\non = \"{on}\"\n{more}\n");
    let file = [
        expect("cell_unknown", "box", "by = \"1d 03:00\""),
        expect("cell_unknown", "box", "by = \"1d 02:00\""),
        expect("cell_unknown", "attack", "each_cell = true"),
        expect("any", "box", "by = \"first-payment\""),
        expect("cell_unknown", "honest", ""),
        expect("cell_unknown", "box", "sure = 100"),
        expect("regulars_replaced", "box", "by = \"first-code\""),
        never("attack", ""),
        never("honest", ""),
        never("any", "sure = 100"),
    ];
    let outcome = run(&small(&(BOX.to_owned() + &file.concat())), 1).unwrap();
    let met: Vec<_> = outcome.expected.iter().map(|expected| expected.is_met).collect();
    assert_eq!(met, [true, false, true, true, false, false, false]);
    let missed: Vec<_> = outcome.expected.iter().map(|expected| expected.missed.len()).collect();
    assert_eq!(missed, [0, 0, 0, 0, 0, 0, 2]);
    let violated: Vec<_> =
        outcome.violated.iter().map(|violated| (&*violated.never.on, violated.count)).collect();
    assert_eq!(violated, [("attack", 2)]);
    assert!(outcome.expected[0].after.unwrap().as_secs() < 600 && !outcome.is_as_expected());
}

#[test]
fn a_feed_loses_delays_and_repeats_as_its_terms_say() {
    let feed = r#"
[[feed]]
name = "core"
lag_s = 20
lag_most_s = 300
lateness_s = 301
lost_pct = 5
unrecorded_pct = 5
twice_pct = 5
watermarks = true
gaps = [{ from = "1d 06:00", for_h = 3 }, { from = "2d 06:00", for_h = 1, late = true }]
"#;
    let (whole, broken) = (run(&small(""), 1).unwrap(), run(&small(feed), 1).unwrap());
    let all = whole.counts.femtocell + whole.counts.macro_cell;
    let way = broken.counts.on_the_way;
    for (count, what) in [(way.unrecorded, "unrecorded"), (way.lost, "lost"), (way.twice, "twice")] {
        assert!((all / 30..all / 15).contains(&count), "{what}: {count} of {all}");
    }
    assert!(way.in_gaps > way.after_gaps && way.after_gaps > 0, "{way:?}");
    let gaps = broken.findings.iter().filter(|finding| finding.detector == "feed_gap");
    assert!(gaps.count() > 10);
    assert_eq!(whole.late, 0);
    // What comes an hour late is past the lateness, but for its last five minutes.
    assert!(broken.late > 0 && broken.late <= way.after_gaps, "{} {way:?}", broken.late);
}

#[test]
fn arrivals_come_in_order_and_not_before_they_happen() {
    let mut last = ids::UnixTime::default();
    for arrival in Player::new(&small(BOX), 5).unwrap() {
        assert!(arrival.arrives >= last);
        last = arrival.arrives;
        if let Input::Row(row) = &arrival.input {
            assert!(row.stamp().at <= arrival.arrives);
            Row::parse(row.to_line().unwrap().as_bytes()).unwrap();
        }
    }
}
