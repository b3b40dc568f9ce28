//! The simulation of units and copies, in short: that it is the same for the same seed, and that its goals are reached.
#![allow(clippy::unwrap_used, reason = "tests")]

use lab::verdict::{Attack, Churned, Fed, Given, RATES, attack, churn, tampered};

const SEED: u64 = 1;
const TRIALS: u64 = 5000;
const UNIT_DAYS: u64 = 30_000;
const NOTHING: Fed = Fed { line: false, facts: false, trail: false };
const ALL: Fed = Fed { line: true, facts: true, trail: true };

fn honest(fed: Fed, seed: u64) -> Churned {
    churn(fed, UNIT_DAYS, seed, |_| {})
}

#[test]
fn the_same_seed_gives_the_same_and_another_another() {
    let given = Given { line: false, overlap: true, facts: true, trail: true };
    let called = |seed| format!("{:?}", attack(Attack::SecondComer, given, 50, seed));
    assert_eq!(called(1), called(1));
    assert_ne!(called(1), called(2));
    let churned = |seed| churn(ALL, 1000, seed, |_| {});
    assert_eq!(churned(1), churned(1));
    assert_ne!(churned(1), churned(2));
}

/// What is fed beside the line is left out, as it could only help.
#[test]
fn a_copy_that_evidence_speaks_against_is_named_before_the_unit_attaches_a_third_time() {
    for kind in Attack::ALL {
        let told = kind.cells().filter(|given| kind.is_told_by(*given) && !given.facts && !given.trail);
        for given in told {
            let called = attack(kind, given, TRIALS, SEED);
            let (share, at_least) = called.share();
            assert!(share >= 0.995, "{kind:?}, {given}: {share}, {at_least} at least");
            assert_eq!(called.wrong, 0, "{kind:?}, {given}");
        }
    }
}

#[test]
fn an_honest_unit_is_turned_away_by_wrong_lists_alone() {
    for fed in [NOTHING, ALL] {
        let honest = honest(fed, SEED);
        assert!(honest.by_rules.is_empty() && honest.judged > UNIT_DAYS, "{fed:?}: {honest:?}");
    }
}

#[test]
fn a_row_edited_behind_truecell_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let called = tampered(dir.path(), 100).unwrap();
    assert_eq!((called.trials, called.right, called.wrong), (100, 100, 0));
}

#[test]
fn the_documents_have_the_rates() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/verdict.md");
    let document = std::fs::read_to_string(path).unwrap();
    let table = document.split("| what | rate |\n|---|---|\n").nth(1).unwrap();
    let rows: Vec<_> = table.lines().take_while(|line| line.starts_with('|')).collect();
    let rates: Vec<_> =
        RATES.iter().map(|rate| format!("| {} | {} {} |", rate.what, rate.value, rate.unit)).collect();
    assert_eq!(rows, rates);
}
