//! A process that dies in the middle of an issuance, and books that cannot be reached.

use crate::world::*;
use pki::{Outcome, PkiError};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Dies at `point`, restarts, and gives what the restart named and what the books then hold.
fn die(point: Dies) -> (World, Vec<Outcome>, Vec<String>) {
    let world = World::new();
    *world.books.dies.lock().unwrap() = Some(point);
    let died = catch_unwind(AssertUnwindSafe(|| world.issue(&order())));
    assert!(died.is_err(), "{point:?}");
    let (world, settled) = world.restart();
    let words = world.books.lines().iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
    (world, settled.into_iter().map(|settled| settled.outcome).collect(), words)
}

#[test]
fn before_the_signature_it_is_undone_and_named() {
    let (world, outcomes, lines) = die(Dies::BeforeIntent);
    assert_eq!((outcomes, lines), (vec![Outcome::Abandoned], vec!["abandoned".to_owned()]));
    assert_eq!(world.ca.list(None, 10).unwrap(), []);
    let (world, outcomes, lines) = die(Dies::AfterIntent);
    assert_eq!(
        (outcomes, lines),
        (vec![Outcome::Abandoned], ["intended", "abandoned"].map(str::to_owned).into())
    );
    assert_eq!(world.ca.list(None, 10).unwrap(), []);
}

#[test]
fn after_the_signature_it_is_finished_and_named() {
    let (world, outcomes, lines) = die(Dies::BeforeOutcome);
    assert_eq!((outcomes, lines), (vec![Outcome::Issued], ["intended", "issued"].map(str::to_owned).into()));
    assert_eq!(world.ca.list(None, 10).unwrap().len(), 1);
    let (world, outcomes, lines) = die(Dies::AfterOutcome);
    assert_eq!(outcomes, [Outcome::Issued]);
    assert_eq!(lines, ["intended", "issued", "issued"], "said twice rather than not at all");
    assert_eq!(world.ca.list(None, 10).unwrap().len(), 1);
    let (world, settled) = world.restart();
    assert_eq!(settled, [], "settled once");
    world.issue(&order()).unwrap();
}

#[test]
fn books_out_of_reach_before_the_signature_mean_nothing_happened() {
    let world = World::new();
    *world.books.unreachable.lock().unwrap() = true;
    let refused = world.issue(&order()).unwrap_err();
    assert!(matches!(refused, PkiError::Books(_)), "{refused}");
    assert!(!refused.is_refusal());
    let (world, settled) = world.restart();
    assert_eq!((settled, world.books.lines()), (vec![], vec![]));
}

#[test]
fn a_half_written_intent_file_stops_nobody() {
    let world = World::new();
    let pending = world.directory.path().join("ca/pending");
    std::fs::write(pending.join("40.json.new"), b"{\"v\":").unwrap();
    let (world, settled) = world.restart();
    assert_eq!(settled, []);
    world.issue(&order()).unwrap();
    assert_eq!(std::fs::read_dir(pending).unwrap().count(), 1, "only the leftover, which no one reads");
}

#[test]
fn what_the_books_refuse_after_the_signature_is_thrown_away_and_the_ca_opens() {
    let world = World::new();
    *world.books.refuses_outcome.lock().unwrap() = true;
    let refused = world.issue(&order()).unwrap_err();
    assert!(matches!(refused, PkiError::Forbidden(_)), "{refused}");
    assert_eq!(world.ca.list(None, 10).unwrap(), [], "nobody has seen it");
    let (world, settled) = world.restart();
    assert_eq!(settled, []);
    let words: Vec<_> = world.books.lines().iter().map(|line| line[..8].to_owned()).collect();
    assert_eq!(words, ["intended", "abandone"]);
}

#[test]
fn a_crash_before_a_refused_outcome_is_undone_at_the_next_start() {
    let world = World::new();
    *world.books.dies.lock().unwrap() = Some(Dies::BeforeOutcome);
    assert!(catch_unwind(AssertUnwindSafe(|| world.issue(&order()))).is_err());
    *world.books.refuses_outcome.lock().unwrap() = true;
    let (world, settled) = world.restart();
    assert_eq!(settled.iter().map(|settled| settled.outcome).collect::<Vec<_>>(), [Outcome::Abandoned]);
    assert_eq!(world.ca.list(None, 10).unwrap(), []);
    let (_, settled) = world.restart();
    assert_eq!(settled, []);
}
