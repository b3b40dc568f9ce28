use super::{nothing, only, secs};
use crate::scene::{DAY, HOUR, Scene, cell, device, inner, mast, stray};
use detect::Subject;
use ids::{LifeCycle, SourceClass};
use records::row::AccessEvent;

const UNKNOWN: &str = "cell_unknown";
const TUNNEL: &str = "cell_without_tunnel";
const LOST: &str = "lost_unit_returns";
const MANY: &str = "many_behind_one";
const SHARED: &str = "shared_handsets";

#[test]
fn a_cell_that_nobody_registered_is_found_by_its_first_record_and_again_each_day() {
    let mut scene = Scene::town();
    scene.unit(1, 0.0, 0.0);
    for hour in [10, 11, 20, 34] {
        scene.comes(hour * HOUR, hour, stray(1));
    }
    let found = scene.until(2 * DAY).found_by(UNKNOWN);
    assert_eq!(found.iter().map(secs).collect::<Vec<_>>(), [10 * HOUR, 34 * HOUR]);
    assert_eq!((found[0].confidence, &found[0].key), (70, &Subject::Cell(stray(1))));
    assert_eq!(found[1].handsets.count, 4);
    assert!(found[0].id != found[1].id && !found[0].partial);
}

#[test]
fn through_a_known_units_tunnel_it_is_nearly_sure_and_the_unit_is_named() {
    let mut scene = Scene::town();
    scene.unit(7, 0.0, 0.0);
    scene.access(HOUR, 1, stray(1), AccessEvent::Attach).inner = inner(7).parse().ok();
    let found = only(&scene.until(2 * HOUR).found_by(UNKNOWN), &Subject::Cell(stray(1)));
    assert_eq!((found.confidence, found.devices), (95, vec![device(7)]));
    assert_eq!(found.lines[0].to_string(), "L-7");
}

#[test]
fn registered_cells_and_macro_cells_are_known_and_without_a_plan_nothing_is_said() {
    let mut scene = Scene::town();
    scene.unit(1, 0.0, 0.0);
    scene.comes(HOUR, 1, cell(1));
    scene.comes(HOUR, 2, mast(1, 1));
    nothing(&scene.until(2 * HOUR), UNKNOWN);
    let mut bare = Scene::default();
    bare.unit(1, 0.0, 0.0);
    bare.comes(HOUR, 1, mast(1, 1));
    nothing(&bare.until(2 * HOUR), UNKNOWN);
}

#[test]
fn a_cell_whose_unit_has_no_tunnel_is_found_by_its_first_visit() {
    let mut scene = Scene::town();
    scene.unit(1, 0.0, 0.0);
    scene.tunnel(HOUR, 1, false);
    scene.comes(2 * HOUR, 1, cell(1));
    let found = only(&scene.until(3 * HOUR).found_by(TUNNEL), &Subject::Cell(cell(1)));
    assert_eq!((found.confidence, secs(&found)), (75, 2 * HOUR));
}

#[test]
fn a_cell_that_speaks_from_another_units_address_is_found_with_both() {
    let mut scene = Scene::town();
    scene.unit(1, 0.0, 0.0);
    scene.unit(2, 1.0, 0.0);
    scene.access(HOUR, 1, cell(1), AccessEvent::Attach).inner = inner(2).parse().ok();
    let found = only(&scene.until(2 * HOUR).found_by(TUNNEL), &Subject::Cell(cell(1)));
    assert_eq!((found.confidence, found.devices), (95, vec![device(1), device(2)]));
}

#[test]
fn what_the_core_still_has_of_a_tunnel_that_ended_is_no_cell_without_one() {
    let mut scene = Scene::town();
    scene.unit(1, 0.0, 0.0);
    scene.unit(2, 0.0, 0.0);
    scene.access(HOUR, 1, cell(1), AccessEvent::Attach).inner = inner(1).parse().ok();
    scene.tunnel(2 * HOUR, 1, false);
    scene.comes(2 * HOUR + 300, 1, cell(1));
    scene.access(4 * HOUR, 1, cell(1), AccessEvent::Release);
    // A new tunnel, before and after the core has it.
    scene.tunnel(5 * HOUR, 1, true);
    scene.access(5 * HOUR + 10, 1, cell(1), AccessEvent::Attach).inner = "10.9.9.9".parse().ok();
    nothing(&scene.until(6 * HOUR), TUNNEL);
}

#[test]
fn where_sessions_are_not_told_nobody_lacks_one_and_in_a_gap_it_is_half_as_sure() {
    let mut scene = Scene::town();
    let mut told = Scene::town();
    told.unit(1, 0.0, 0.0);
    let row = detect::Unit {
        device: device(3),
        state: LifeCycle::Live,
        position: None,
        line: None,
        mode: None,
        cells: vec![cell(3)],
    };
    scene.change(1, 3, Some(row.clone()));
    scene.comes(HOUR, 1, cell(3));
    nothing(&scene.until(2 * HOUR), TUNNEL);

    told.change(1, 3, Some(row));
    told.beats(0, DAY, &["codes", "core", "ims", "plan"]);
    told.comes(10 * HOUR, 1, cell(3));
    let found = only(&told.found_by(TUNNEL), &Subject::Cell(cell(3)));
    assert_eq!((found.confidence, found.partial), (37, true));
}

/// So many units, of which each attaches from one address as `how` says.
fn gathered(units: u64, how: impl Fn(u64) -> (Option<String>, Option<SourceClass>)) -> Scene {
    let mut scene = Scene::town();
    for unit in 1..=units {
        let (line, class) = how(unit);
        scene.unit(unit, 0.0, 0.0);
        scene.attaches(HOUR + unit, unit, line.as_deref(), class);
    }
    scene
}

#[test]
fn three_units_away_from_their_lines_behind_one_address_are_one_box() {
    use SourceClass::{Hosting, Mobile, OwnFixed};
    for (line, class, confidence) in
        [(None, Some(Mobile), 50), (None, Some(Hosting), 75), (Some("X".to_owned()), Some(OwnFixed), 75)]
    {
        let how = |_| (line.clone(), class);
        let found = only(&gathered(3, how).until(2 * HOUR).found_by(MANY), &Subject::Device(device(3)));
        assert_eq!((found.confidence, found.devices), (confidence, [1, 2, 3].map(device).to_vec()));
        assert_eq!(found.evidence.len(), 3);
        nothing(&gathered(2, how).until(2 * HOUR), MANY);
    }
}

#[test]
fn a_cgnat_of_own_lines_an_unknown_network_and_an_installers_bench_are_nothing() {
    nothing(
        &gathered(9, |unit| (Some(format!("L-{unit}")), Some(SourceClass::OwnFixed))).until(2 * HOUR),
        MANY,
    );
    nothing(&gathered(9, |_| (None, None)).until(2 * HOUR), MANY);
    let mut bench = gathered(9, |_| (Some("depot".into()), None));
    (1..=9).for_each(|unit| bench.order(0, DAY, unit));
    nothing(&bench.until(2 * HOUR), MANY);
}

#[test]
fn units_that_are_there_one_after_the_other_are_not_there_at_once() {
    let mut scene = Scene::town();
    for unit in 1..9 {
        scene.unit(unit, 0.0, 0.0);
        scene.attaches(HOUR + 600 * unit, unit, None, Some(SourceClass::Mobile));
        scene.tunnel(HOUR + 600 * unit + 500, unit, false);
    }
    nothing(&scene.until(4 * HOUR), MANY);
}

#[test]
fn a_lost_unit_that_is_heard_again_is_found() {
    let mut scene = Scene::town();
    scene.unit(1, 0.0, 0.0);
    scene.comes(HOUR, 1, cell(1));
    scene.tunnel(2 * HOUR, 1, false);
    scene.state(3 * DAY, 1, LifeCycle::Lost);
    scene.comes(200 * DAY, 2, cell(1));
    let found = only(&scene.until(201 * DAY).found_by(LOST), &Subject::Device(device(1)));
    assert_eq!((found.confidence, secs(&found)), (95, 200 * DAY));
    assert!(found.what.contains("lost") && found.what.contains("199 days"), "{}", found.what);
}

#[test]
fn one_that_is_reported_lost_while_it_is_on_is_less_sure_and_a_tunnel_is_enough() {
    let mut scene = Scene::town();
    scene.unit(1, 0.0, 0.0);
    scene.comes(HOUR, 1, cell(1));
    scene.state(2 * HOUR, 1, LifeCycle::Stolen);
    scene.comes(3 * HOUR, 1, cell(1));
    let found = only(&scene.clone().until(4 * HOUR).found_by(LOST), &Subject::Device(device(1)));
    assert_eq!(found.confidence, 60);

    let mut retired = Scene::town();
    retired.unit(1, 0.0, 0.0);
    retired.state(HOUR, 1, LifeCycle::Retired);
    retired.tunnel(DAY, 1, true);
    let found = only(&retired.until(2 * DAY).found_by(LOST), &Subject::Device(device(1)));
    assert_eq!((found.confidence, found.handsets.count), (90, 0));
}

#[test]
fn a_unit_in_service_returns_after_ninety_days_and_not_before() {
    for (days, count) in [(89, 0), (90, 1)] {
        let mut scene = Scene::town();
        scene.unit(1, 0.0, 0.0);
        scene.comes(HOUR, 1, cell(1));
        scene.comes(HOUR + days * DAY, 1, cell(1));
        let found = scene.until((days + 1) * DAY).found_by(LOST);
        assert_eq!(found.len(), count, "{days}");
        assert!(found.iter().all(|finding| finding.confidence == 40));
    }
}

#[test]
fn the_last_handsets_of_a_unit_that_was_just_retired_are_nothing() {
    let mut scene = Scene::town();
    scene.unit(1, 0.0, 0.0);
    scene.state(HOUR, 1, LifeCycle::Retired);
    scene.comes(HOUR + 300, 1, cell(1));
    scene.access(2 * HOUR, 1, cell(1), AccessEvent::Release);
    nothing(&scene.until(3 * HOUR), LOST);
}

#[test]
fn handsets_that_step_between_units_far_apart_show_one_box() {
    let mut scene = Scene::town();
    scene.unit(1, 0.0, 0.0);
    scene.unit(2, 30.0, 0.0);
    for person in 0..3 {
        scene.steps(HOUR + 100 * person, person, cell(1), cell(2));
    }
    let found = only(&scene.until(2 * HOUR).found_by(SHARED), &Subject::Cell(cell(2)));
    assert_eq!((found.cells, found.devices), (vec![cell(2), cell(1)], vec![device(1), device(2)]));
    assert_eq!((found.handsets.count, found.handsets.some.len(), found.confidence), (3, 3, 90));
}

#[test]
fn two_cells_that_nobody_registered_need_five_handsets() {
    for (people, count) in [(4, 0), (5, 1)] {
        let mut scene = Scene::town();
        for person in 0..people {
            scene.steps(HOUR + 100 * person, person, stray(1), stray(2));
        }
        assert_eq!(scene.until(2 * HOUR).found_by(SHARED).len(), count, "{people}");
    }
}

#[test]
fn a_macro_cell_that_the_plan_lacks_is_beside_units_and_a_cell_in_anothers_tunnel_is_not() {
    for (through, count) in [(None, 0), (Some(1), 0), (Some(2), 1)] {
        let mut scene = Scene::town();
        scene.unit(1, 0.0, 0.0);
        scene.unit(2, 0.02, 0.0);
        for person in 0..9 {
            scene.comes(HOUR + 100 * person, person, cell(1));
            let access = scene.access(HOUR + 100 * person + 20, person, stray(1), AccessEvent::Update);
            access.inner = through.map(|unit| inner(unit).parse().unwrap());
            scene.comes(HOUR + 100 * person + 40, person, cell(1));
        }
        assert_eq!(scene.until(2 * HOUR).found_by(SHARED).len(), count, "{through:?}");
    }
}

#[test]
fn units_of_one_house_one_unit_and_a_unit_on_its_way_share_handsets_honestly() {
    let mut scene = Scene::town();
    scene.unit(1, 0.0, 0.0);
    scene.unit(2, 0.02, 0.0);
    scene.unit(3, 30.0, 0.0);
    scene.order(0, DAY, 3);
    for person in 0..9 {
        scene.steps(HOUR + 100 * person, person, cell(1), cell(2));
        scene.steps(3 * HOUR + 100 * person, person, cell(1), cell(3));
        // By way of a macro cell, and after long.
        scene.comes(30 * HOUR + 100 * person, person, cell(1));
        scene.comes(30 * HOUR + 100 * person + 10, person, mast(0, 0));
        scene.comes(30 * HOUR + 100 * person + 20, person, stray(1));
        scene.comes(50 * HOUR + 300 * person, person, cell(1));
        scene.comes(50 * HOUR + 300 * person + 121, person, stray(1));
    }
    nothing(&scene.until(3 * DAY), SHARED);
}
