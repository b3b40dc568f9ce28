use super::{nothing, only, secs};
use crate::scene::{DAY, HOUR, MINUTE, Scene, at, cell, mast, setup, stray, who};
use detect::{Engine, Input, Subject, Taken};
use records::row::Row;

const ABSENT: &str = "expected_absent";
const GAP: &str = "feed_gap";

/// A town where somebody is seen at a macro cell, so that records of those are told.
fn town() -> Scene {
    let mut scene = Scene::town();
    scene.unit(1, 0.0, 0.0);
    scene.comes(HOUR, 99, mast(0, 0));
    scene
}

#[test]
fn a_code_that_reached_a_handset_without_an_access_record_is_found_an_hour_later() {
    let mut scene = town();
    scene.code(5 * HOUR, 1, None, true);
    // What comes after ten minutes is no record of then.
    scene.comes(5 * HOUR + 601, 1, mast(1, 0));
    let found = only(&scene.until(7 * HOUR).found_by(ABSENT), &Subject::Subscriber(who(1)));
    assert_eq!((secs(&found), found.confidence, found.partial), (6 * HOUR, 50, false));
    assert_eq!(found.evidence[0].0.as_str(), "codes");
}

/// A row of the core is lost just after the code, which the next one shows 49 minutes later.
#[test]
fn a_gap_that_is_known_later_explains_it_as_well() {
    let mut scene = town();
    scene.code(5 * HOUR, 1, None, true);
    scene.comes(5 * HOUR + 60, 9, mast(1, 0));
    scene.comes(5 * HOUR + 3000, 9, mast(1, 0));
    let scene = scene.until(7 * HOUR);
    assert_eq!(scene.found_by(ABSENT).len(), 1);
    let is_lost =
        |input: &Input| matches!(input, Input::Row(Row::Access(row)) if row.stamp.at == at(5 * HOUR + 60));
    let (mut engine, mut found) = (Engine::new(setup()), Vec::new());
    scene.inputs().into_iter().filter(|(_, input)| !is_lost(input)).for_each(|(_, input)| {
        engine.take(input, &mut found);
    });
    engine.finish(at(DAY), &mut found);
    assert!(found.iter().all(|finding| finding.detector == GAP), "{found:#?}");
}

#[test]
fn a_record_before_or_just_after_a_gap_and_a_carrier_without_macro_records_explain_it() {
    let mut scene = town();
    scene.comes(3 * HOUR, 1, mast(1, 0));
    scene.code(5 * HOUR, 1, None, true);
    scene.code(5 * HOUR, 2, None, true);
    scene.comes(5 * HOUR + 600, 2, mast(1, 0));
    nothing(&scene.until(6 * HOUR), ABSENT);

    let mut broken = town();
    broken.beats(0, 10 * HOUR, &["codes", "ims", "ledger", "plan"]);
    broken.code(5 * HOUR, 1, None, true);
    nothing(&broken, ABSENT);

    let mut bare = Scene::town();
    bare.code(5 * HOUR, 1, None, true);
    bare.code(5 * HOUR, 1, Some(mast(0, 0)), true);
    nothing(&bare.until(6 * HOUR), ABSENT);
}

/// A service of which all requests are known, but for these.
fn shop(requests: u64, unasked: &[(u64, ids::CellKey)]) -> Scene {
    let mut scene = town();
    for request in 0..requests {
        scene.comes(HOUR + request, 1000 + request, mast(0, 0));
        scene.code(2 * HOUR + request, 1000 + request, Some(mast(0, 0)), true);
    }
    for (turn, (person, cell)) in (0..).zip(unasked) {
        scene.comes(3 * HOUR + MINUTE * turn, *person, *cell);
        scene.code(3 * HOUR + MINUTE * turn + 5, *person, Some(*cell), false);
    }
    scene.until(4 * HOUR)
}

#[test]
fn codes_of_several_that_none_had_asked_for_at_one_cell_are_found() {
    for cell in [cell(1), stray(1)] {
        let found = shop(120, &[(1, cell), (2, cell), (1, cell)]).found_by(ABSENT);
        let found = only(&found, &Subject::Cell(cell));
        assert_eq!((secs(&found), found.handsets.count), (3 * HOUR + 2 * MINUTE + 5, 2));
    }
}

/// Three that nobody had asked for, and so many that were asked for between them.
#[test]
fn a_stadium_has_some_that_nobody_had_asked_for_among_many() {
    for (asked, count) in [(9, 1), (15, 0)] {
        let mut scene = shop(120, &[(1, cell(1)), (2, cell(1))]);
        for person in 0..asked {
            scene.comes(3 * HOUR + 5 * MINUTE + 10 * person, 500 + person, cell(1));
            scene.code(3 * HOUR + 5 * MINUTE + 10 * person + 5, 500 + person, Some(cell(1)), true);
        }
        scene.comes(3 * HOUR + 20 * MINUTE, 3, cell(1));
        scene.code(3 * HOUR + 20 * MINUTE + 5, 3, Some(cell(1)), false);
        assert_eq!(scene.until(5 * HOUR).found_by(ABSENT).len(), count, "{asked}");
    }
}

#[test]
fn one_persons_mistakes_macro_cells_and_a_service_that_does_not_tell_are_nothing() {
    nothing(&shop(120, &[(1, cell(1)); 6]), ABSENT);
    nothing(&shop(120, &[(1, cell(1)), (2, cell(1))]), ABSENT);
    nothing(&shop(120, &[(1, mast(0, 0)), (2, mast(0, 0)), (3, mast(0, 0))]), ABSENT);
    nothing(&shop(90, &[(1, cell(1)), (2, cell(1)), (3, cell(1))]), ABSENT);
}

#[test]
fn a_feed_that_falls_silent_is_found_once_and_again_after_it_spoke() {
    let mut scene = Scene::town();
    scene.beats(0, 20 * HOUR, &["codes", "core", "ims", "ledger", "plan"]);
    scene.beats(20 * HOUR, 40 * HOUR, &["codes", "core", "ledger", "plan"]);
    scene.beats(30 * HOUR, 31 * HOUR, &["ims"]);
    let found = scene.found_by(GAP);
    let ims = Subject::Feed("ims".parse().unwrap());
    assert!(found.iter().all(|finding| finding.key == ims && finding.confidence == 100));
    assert_eq!(found.iter().map(secs).collect::<Vec<_>>(), [22 * HOUR, 33 * HOUR]);
    assert!(found[0].what.contains("nothing since 2026-01-05T20:00:00"), "{}", found[0].what);
}

#[test]
fn a_silence_is_a_row_when_it_is_noticed_and_again_with_its_end() {
    let mut scene = Scene::town();
    scene.beats(0, 10 * HOUR, &["codes", "core", "ledger", "plan"]);
    scene.beats(0, 2 * HOUR, &["ims"]);
    scene.beats(8 * HOUR, 10 * HOUR, &["ims"]);
    let mut engine = Engine::new(setup());
    scene
        .inputs()
        .into_iter()
        .for_each(|(_, input)| assert_eq!(engine.take(input, &mut Vec::new()), Taken::Kept));
    engine.finish(at(10 * HOUR + 1), &mut Vec::new());
    let gaps: Vec<_> = engine.take_gaps().into_iter().map(|gap| (gap.from, gap.to, gap.stamp.seq)).collect();
    assert_eq!(gaps, [(at(2 * HOUR), at(4 * HOUR), 3), (at(2 * HOUR), at(8 * HOUR), 3)]);
    assert!(engine.take_gaps().is_empty());
}

#[test]
fn numbers_that_never_come_are_found_with_how_many_and_when() {
    let mut scene = Scene::town();
    (0..50).for_each(|turn| scene.comes(HOUR + turn, turn, mast(0, 0)));
    let scene = scene.until(2 * HOUR);
    let (mut engine, mut found) = (Engine::new(setup()), Vec::new());
    // Heartbeats at 0 and 1 h take two numbers before them.
    let is_lost = |input: &detect::Input| match input {
        detect::Input::Row(row) => row.stamp().feed.as_str() == "core" && (10..14).contains(&row.stamp().seq),
        detect::Input::Ledger(_) | detect::Input::Watermark { .. } => false,
    };
    for (_, input) in scene.inputs().into_iter().filter(|(_, input)| !is_lost(input)) {
        engine.take(input, &mut found);
    }
    engine.finish(crate::scene::at(DAY), &mut found);
    let lost: Vec<_> = found.iter().filter(|finding| finding.what.contains("missing")).collect();
    assert_eq!(lost.len(), 1, "{found:#?}");
    assert!(lost[0].what.starts_with("4 rows are missing"), "{}", lost[0].what);
    assert_eq!(lost[0].evidence, [("core".parse().unwrap(), 10)]);
    let core = engine.feed_counts().find(|(name, _)| name.as_str() == "core").unwrap().1;
    assert_eq!((core.missing, core.late), (4, 0));
}

#[test]
fn a_town_that_works_has_no_gaps() {
    nothing(&town().until(DAY), GAP);
}
