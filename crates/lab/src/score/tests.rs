use super::*;
use crate::scenario::Shipped;
use std::sync::atomic::AtomicUsize;

fn shipped(names: &[&str]) -> Vec<Named> {
    let named = |name: &&str| Named {
        name: (*name).to_owned(),
        scenario: Shipped::named(name).unwrap().scenario().unwrap(),
    };
    names.iter().map(named).collect()
}

fn quiet() -> &'static (dyn Fn() + Sync) {
    &|| ()
}

fn row<'a>(case: &'a Case, method: &str) -> &'a Row {
    case.methods.iter().find(|row| row.method == method).unwrap()
}

/// A small carrier whose unit is lost on the first day; its identity opens a box's tunnel on the second.
fn small(span_d: u32, more: &str) -> Named {
    let text = format!(
        "format = 1\nabout = \"a test\"\nspan_d = {span_d}\n[estate]\nunits = 10\n\
         [[actor]]\nname = \"lost\"\nkind = \"unit\"\nx_km = -2.5\ny_km = -2.5\n\
         [[actor]]\nname = \"box\"\nkind = \"box\"\nidentity = \"lost\"\n{more}\n\
         [[step]]\nat = \"0d 12:00\"\nactor = \"lost\"\ndo = \"lose\"\n\
         [[step]]\nat = \"1d 02:00\"\nactor = \"box\"\ndo = \"on\"\nx_km = 2.5\ny_km = 2.5\nfor_min = 120\n\
         catch_per_h = 60\nstay_s = 600\ncodes_pct = 40\n"
    );
    Named { name: "small".to_owned(), scenario: Scenario::parse(&text).unwrap() }
}

#[test]
fn the_same_seeds_give_the_same_score_and_each_run_is_told() {
    let named = [small(2, "cells = 1")];
    let told = AtomicUsize::new(0);
    let count = || {
        told.fetch_add(1, Ordering::Relaxed);
    };
    let first = score(&named, 3, 2, &count).unwrap();
    assert_eq!(told.into_inner(), runs(&named, 2));
    assert_eq!(score(&named, 3, 2, quiet()).unwrap(), first);
    assert_ne!(score(&named, 4, 2, quiet()).unwrap().cases, first.cases);
    assert_eq!(first.cases.len(), Missing::ALL.len());
    for case in &first.cases {
        // Ten units, of which the lost one is not honest any more.
        assert_eq!((case.runs, case.unit_days), (2, 2 * 9 * 2), "{:?}", case.missing);
    }
    let [all, lost, unwritten, gaps] = &*first.cases else { panic!() };
    let feeds = |case: &Case| row(case, "feed_gap").recall.of;
    assert_eq!([feeds(all), feeds(lost), feeds(unwritten), feeds(gaps)], [0, 8, 0, 8]);
}

/// What each can and cannot find of a cell that nobody registered, and of one that the ledger has.
#[test]
fn a_batch_of_unknown_cells_and_a_rule_on_payments_find_what_they_can_and_no_more() {
    let all = |more: &str| score(&[small(2, more)], 1, 1, quiet()).unwrap().cases.swap_remove(0);
    let (unknown, registered) = (all("cells = 1"), all("own_cell = true"));
    let found = |case: &Case, method: &str| {
        let Share { hits, of } = row(case, method).recall;
        (hits, of)
    };
    assert_eq!((found(&unknown, UNKNOWN_IDS), found(&registered, UNKNOWN_IDS)), ((1, 1), (0, 1)));
    assert_eq!((found(&unknown, "cell_unknown"), found(&registered, "cell_unknown")), ((1, 1), (0, 0)));
    assert_eq!((found(&unknown, "handset_trail"), found(&registered, "handset_trail")), ((0, 0), (1, 1)));
    // It is the batch of the following midnight that finds it: at 02:01 there are 22 hours to go.
    let after_h = |method: &str| row(&unknown, method).times.median_s.unwrap() / 3600.0;
    assert!((21.5..22.0).contains(&after_h(UNKNOWN_IDS)) && after_h("cell_unknown") < 0.5);
    for case in [&unknown, &registered] {
        assert_eq!((found(case, ANY), found(case, PAYMENTS)), ((1, 1), (1, 1)));
        let in_time = |method: &str| row(case, method).before_payment;
        assert_eq!([in_time(PAYMENTS), in_time(UNKNOWN_IDS)], [Share { hits: 0, of: 1 }; 2]);
    }
    assert!(registered.missed.iter().any(|missed| missed.method == UNKNOWN_IDS && missed.missed == 1));
}

/// A unit that moves and tells nobody: what is said of it is no attack, and is told.
#[test]
fn whoever_is_honest_and_named_is_listed_with_what_was_said() {
    let text = "format = 1\nabout = \"a test\"\nspan_d = 6\n[estate]\nunits = 10\n\
        [[actor]]\nname = \"tenant\"\nkind = \"unit\"\nplace = \"shop\"\nx_km = -2.5\ny_km = -2.5\n\
        [[step]]\nat = \"1d 09:00\"\nactor = \"tenant\"\ndo = \"move\"\nbooked = false\nx_km = 2.5\ny_km = 2.5\n";
    let named = Named { name: "untold".to_owned(), scenario: Scenario::parse(text).unwrap() };
    let case = score(&[named], 1, 1, quiet()).unwrap().cases.swap_remove(0);
    let trail = row(&case, "handset_trail");
    assert_eq!((trail.recall.of, trail.precision), (0, Share { hits: 0, of: 1 }));
    // A finding is said once a day, as long as it goes on: no more than on the days that are left.
    assert!((1..=5).contains(&trail.accused_days.hits) && trail.accused_days.of == 60);
    let [accused] = &*case.accused.iter().filter(|of| of.method == "handset_trail").collect::<Vec<_>>()
    else {
        panic!("{:?}", case.accused)
    };
    assert_eq!((accused.on.as_str(), accused.named, accused.runs), ("tenant", 1, 1));
    assert_eq!(accused.days, trail.accused_days.hits);
    assert!(accused.what.contains("do not reach its site"), "{}", accused.what);
}

/// The short form of the score that docs/figures.md has: no cell of an attack is missed whose records are there, and of the honest nobody
/// is named where registers are right.
#[test]
fn attacks_are_found_and_nobody_else_is_named() {
    let named = shipped(&["unknown-cell", "protection-off", "bus-stop"]);
    let case = score(&named, 1, 1, quiet()).unwrap().cases.swap_remove(0);
    let any = row(&case, ANY);
    assert_eq!((any.recall.hits, any.recall.of), (2, 2), "{:?}", case.missed);
    assert_eq!(case.accused.iter().find(|of| of.method == ANY), None);
    assert_eq!(any.precision.value(), Some(1.0));
    assert_eq!((any.before_payment.hits, any.before_payment.of), (1, 1));
}

#[test]
fn what_must_be_found_is_documented_as_it_is() {
    let path = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/detectors.md");
    let text = std::fs::read_to_string(path).unwrap();
    for rule in &DUE {
        let row = format!("\n| `{}` | {} |\n", rule.by, rule.what);
        assert!(text.contains(&row), "docs/detectors.md lacks {row}");
    }
    for about in detect::ABOUT {
        assert!(
            DUE.iter().any(|rule| rule.by == about.id) || about.id == "cell_without_tunnel",
            "{}",
            about.id
        );
    }
}
