//! Findings depend on the set of rows, never on the order of their arrival.

use crate::scene::{DAY, HOUR, LATENESS, MINUTE, Scene, at, cell, inner, mast, setup, stray};
use detect::{Bounds, Engine, Finding, Input, Setup, Subject, Taken};
use ids::{LifeCycle, UnixTime};
use proptest::prelude::*;
use records::row::{AccessEvent, Ealg, Row};

/// Half a day in which every detector finds something while people live their lives, and then nothing any more.
pub(crate) fn busy() -> Scene {
    let mut scene = Scene::town();
    (3..30).for_each(|east| scene.mast(east, 0));
    scene.unit(1, 0.2, 0.3);
    scene.unit(2, 60.0, 0.0);
    scene.unit(3, -1.0, 0.5);
    scene.state(3 * HOUR, 3, LifeCycle::Lost);
    scene.tunnel(4 * HOUR, 3, false);
    for person in 0..30 {
        scene.steps(HOUR + 40 * person, person, mast(0, 0), cell(1));
        scene.registers(HOUR + 50 * person, person, mast(0, 0), Some(Ealg::AesCbc));
        scene.steps(
            5 * HOUR + 60 * person,
            100 + person,
            mast(i32::try_from(person).unwrap() / 2, 0),
            stray(1),
        );
        scene.registers(6 * HOUR + 30 * person, person, stray(1), None);
        scene.steps(7 * HOUR + 90 * person, person % 7, mast(0, 1), cell(2));
        scene.steps(8 * HOUR + 70 * person, person, stray(1), stray(2));
        scene.code(9 * HOUR + 20 * person, 500 + person, None, true);
    }
    scene.comes(6 * HOUR, 3, cell(3));
    (1..4).for_each(|unit| scene.attaches(10 * HOUR + unit, unit, None, Some(ids::SourceClass::Mobile)));
    scene.access(6 * HOUR, 4, cell(3), AccessEvent::Attach).inner = inner(1).parse().ok();
    scene.until(12 * HOUR)
}

pub(crate) fn last() -> UnixTime {
    at(DAY)
}

pub(crate) fn judged(setup: Setup, inputs: &[Input]) -> (Vec<Finding>, Engine) {
    let (mut engine, mut found) = (Engine::new(setup), Vec::new());
    for input in inputs {
        assert_ne!(engine.take(input.clone(), &mut found), Taken::Late);
    }
    engine.finish(last(), &mut found);
    (found, engine)
}

pub(crate) fn plain(scene: &Scene) -> Vec<Input> {
    scene.inputs().into_iter().map(|(_, input)| input).collect()
}

/// Each row comes up to `lateness` after its time, and some come twice: `jitter` says how late, and which.
fn mixed(scene: &Scene, jitter: &[u64]) -> Vec<Input> {
    let mut arrivals = Vec::new();
    for ((secs, input), jitter) in scene.inputs().into_iter().zip(jitter.iter().cycle()) {
        arrivals.push((secs + jitter % LATENESS, input.clone()));
        if jitter % 5 == 0 {
            arrivals.push((secs + (jitter / 7) % LATENESS, input));
        }
    }
    arrivals.sort_by_key(|(arrival, _)| *arrival);
    arrivals.into_iter().map(|(_, input)| input).collect()
}

fn tight() -> Setup {
    Setup { bounds: Bounds { handsets: 24, ..setup().bounds }, ..setup() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_order_that_lateness_allows_gives_the_same_findings_and_the_same_state(
        jitter in proptest::collection::vec(any::<u64>(), 1..200),
        is_tight in any::<bool>(),
    ) {
        let setup = if is_tight { tight() } else { setup() };
        let (expected, engine) = judged(setup.clone(), &plain(&busy()));
        let (found, other) = judged(setup, &mixed(&busy(), &jitter));
        prop_assert_eq!(&found, &expected);
        prop_assert_eq!(format!("{found:?}"), format!("{expected:?}"));
        let judged = |engine: &Engine| engine.counts();
        prop_assert_eq!(judged(&engine), judged(&other));
    }
}

#[test]
fn the_busy_day_has_something_for_every_detector() {
    let (found, _) = judged(setup(), &plain(&busy()));
    let by: std::collections::BTreeSet<_> = found.iter().map(|finding| finding.detector).collect();
    // This one takes days.
    let is_found = |id: &&str| by.contains(id) || *id == "regulars_replaced";
    let missing: Vec<_> = detect::ABOUT.iter().map(|about| about.id).filter(|id| !is_found(id)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    let ids: std::collections::BTreeSet<_> = found.iter().map(|finding| finding.id).collect();
    assert_eq!(ids.len(), found.len());
    assert!(found.is_sorted_by_key(|finding| finding.at));
}

#[test]
fn handsets_beyond_the_bound_are_evicted_and_what_follows_says_so() {
    let (found, engine) = judged(tight(), &plain(&busy()));
    assert!(engine.world().sizes().1 <= 24);
    let absent = found.iter().filter(|finding| finding.detector == "expected_absent");
    assert!(absent.clone().count() > 0);
    // Person 3 was at a mast, forgotten, and got no code; 500 and on were never seen.
    assert!(absent.clone().all(|finding| !finding.partial));
    let mut scene = Scene::town();
    (0..60).for_each(|person| scene.comes(5 * HOUR + person, person, mast(0, 0)));
    scene.code(5 * HOUR + 2 * MINUTE, 0, None, true);
    let (found, _) = judged(tight(), &plain(&scene.until(6 * HOUR)));
    let absent: Vec<_> = found.iter().filter(|finding| finding.detector == "expected_absent").collect();
    assert_eq!((absent.len(), absent[0].partial, absent[0].confidence), (1, true, 20));
}

#[test]
fn late_twice_and_strange_rows_are_told_apart_and_never_judged() {
    let inputs = plain(&busy());
    let (mut engine, mut found) = (Engine::new(setup()), Vec::new());
    for input in &inputs {
        engine.take(input.clone(), &mut found);
    }
    let had = found.len();
    let Some(Input::Row(Row::Heartbeat(beat))) = inputs.last().cloned() else {
        panic!("{:?}", inputs.last())
    };
    assert_eq!(engine.take(Input::Row(Row::Heartbeat(beat.clone())), &mut found), Taken::Duplicate);
    let mut late = beat.clone();
    (late.stamp.at, late.stamp.seq) = (at(HOUR), 9_999_999);
    assert_eq!(engine.take(Input::Row(Row::Heartbeat(late)), &mut found), Taken::Late);
    let mut strange = beat;
    strange.stamp.feed = "nobody".parse().unwrap();
    assert_eq!(engine.take(Input::Row(Row::Heartbeat(strange)), &mut found), Taken::UnknownFeed);
    assert_eq!((found.len(), engine.counts().unknown_feed), (had, 1));
    let late: u64 = engine.feed_counts().map(|(_, counts)| counts.late).sum();
    assert_eq!(late, 1);
}

#[test]
fn a_silent_feed_holds_the_others_back_for_as_long_as_its_terms_say() {
    let mut scene = Scene::town();
    scene.unit(1, 0.0, 0.0);
    scene.beats(0, 2 * HOUR, &["codes", "ims", "ledger", "plan"]);
    scene.comes(90 * MINUTE, 1, stray(1));
    let (mut engine, mut found) = (Engine::new(setup()), Vec::new());
    let mut inputs = plain(&scene);
    inputs.retain(|input| match input {
        Input::Row(row) => row.stamp().feed.as_str() != "codes",
        Input::Ledger(_) | Input::Watermark { .. } => true,
    });
    for input in inputs {
        engine.take(input, &mut found);
    }
    assert_eq!((found.len(), engine.judged_until()), (0, at(0)));
    let feed = |name: &str| name.parse().unwrap();
    for name in ["core", "ims", "ledger", "plan"] {
        engine.take(Input::Watermark { feed: feed(name), at: at(2 * HOUR + 1) }, &mut found);
    }
    let keys: Vec<_> = found.iter().map(|finding| finding.key.clone()).collect();
    assert_eq!(keys, [Subject::Cell(stray(1)), Subject::Feed(feed("codes"))]);
    assert_eq!(engine.judged_until(), at(2 * HOUR + 1));
}

#[test]
fn what_waits_is_bounded_and_judged_before_its_time_if_it_must() {
    let bounds = Bounds { waiting: 50, ..setup().bounds };
    let (mut engine, mut found) = (Engine::new(Setup { bounds, ..setup() }), Vec::new());
    let mut scene = Scene::town();
    (0..500).for_each(|person| scene.comes(HOUR + person, person, stray(1)));
    scene.unit(1, 0.0, 0.0);
    for input in plain(&scene) {
        engine.take(input, &mut found);
        assert!(engine.pending().0 <= 50);
    }
    assert!(engine.counts().pressed > 0 && found.len() == 1, "{:?}", engine.counts());
}
