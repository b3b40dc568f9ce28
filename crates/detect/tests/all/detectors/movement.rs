use super::{nothing, only, secs};
use crate::scene::{DAY, HOUR, MINUTE, Scene, cell, device, mast, stray, who};
use detect::Subject;
use records::row::AccessEvent;

const IMPOSSIBLE: &str = "impossible_movement";
const TRAIL: &str = "handset_trail";
const DRIVES: &str = "war_driving";

/// A unit that is registered 60 km from where it is.
fn carried() -> Scene {
    let mut scene = Scene::town();
    scene.unit(1, 60.0, 0.0);
    scene
}

#[test]
fn three_handsets_that_come_from_too_far_too_soon_are_found() {
    let mut scene = carried();
    for person in 0..3 {
        scene.steps(HOUR + 100 * person, person, mast(0, 0), cell(1));
    }
    let found = only(&scene.until(2 * HOUR).found_by(IMPOSSIBLE), &Subject::Cell(cell(1)));
    assert_eq!((secs(&found), found.evidence.len()), (HOUR + 220, 3));
    assert_eq!((found.devices, found.handsets.some), (vec![device(1)], (0..3).map(who).collect()));
    assert!(found.what.contains("58 km"), "{}", found.what);
}

#[test]
fn going_back_to_a_macro_cell_far_off_counts_as_coming_from_it() {
    let mut scene = carried();
    for person in 0..3 {
        scene.steps(HOUR + 100 * person, person, cell(1), mast(0, 0));
    }
    assert_eq!(scene.until(2 * HOUR).found_by(IMPOSSIBLE).len(), 1);
}

#[test]
fn two_handsets_a_flight_and_a_move_by_order_are_possible() {
    let mut two = carried();
    (0..2).for_each(|person| two.steps(HOUR + 100 * person, person, mast(0, 0), cell(1)));
    nothing(&two.until(2 * HOUR), IMPOSSIBLE);

    let mut flight = Scene::town();
    flight.unit(1, 900.0, 0.0);
    for person in 0..9 {
        flight.comes(HOUR + 100 * person, person, mast(0, 0));
        flight.comes(HOUR + 100 * person + 55 * MINUTE, person, cell(1));
    }
    nothing(&flight.until(5 * HOUR), IMPOSSIBLE);

    let mut moved = carried();
    moved.order(0, HOUR, 1);
    (0..9).for_each(|person| moved.steps(2 * HOUR + 100 * person, person, mast(0, 0), cell(1)));
    nothing(&moved.until(5 * HOUR), IMPOSSIBLE);
}

#[test]
fn a_unit_whose_handsets_come_from_elsewhere_is_found_within_ten_visits() {
    // 3.3 km beyond the reach of its masts: no handset is too fast for it.
    let mut scene = Scene::town();
    scene.unit(1, 5.0, 0.0);
    for visit in 0..10 {
        scene.steps(HOUR + HOUR * visit, visit % 4, mast(0, 0), cell(1));
    }
    let scene = scene.until(12 * HOUR);
    let found = only(&scene.found_by(TRAIL), &Subject::Cell(cell(1)));
    assert_eq!((secs(&found), found.confidence), (10 * HOUR + 20, 70));
    assert!(found.what.starts_with("10 of 10 visits"), "{}", found.what);
    nothing(&scene, IMPOSSIBLE);
}

/// 60 s from a macro cell, and 1.3 km, or 0.9 km, beyond its reach and the kilometre of doubt: 1 km is a car's way in that time.
#[test]
fn a_unit_that_is_three_km_off_is_told_from_people_who_drive_by() {
    for (site_km, count) in [(3.0, 1), (2.6, 0)] {
        let mut scene = Scene::town();
        scene.unit(1, site_km, 0.0);
        for visit in 0..12 {
            scene.comes(HOUR * (1 + visit), visit % 4, mast(0, 0));
            scene.comes(HOUR * (1 + visit) + 60, visit % 4, cell(1));
        }
        assert_eq!(scene.until(14 * HOUR).found_by(TRAIL).len(), count, "{site_km} km");
    }
}

#[test]
fn one_that_stays_elsewhere_is_found_each_day_anew() {
    let mut scene = Scene::town();
    scene.unit(1, 5.0, 0.0);
    for visit in 0..80 {
        scene.steps(HOUR + HOUR * visit, visit % 4, mast(0, 0), cell(1));
    }
    let found = scene.until(4 * DAY).found_by(TRAIL);
    assert_eq!(found.iter().map(secs).collect::<Vec<_>>(), [0, 24, 48].map(|hours| (10 + hours) * HOUR + 20));
    assert!(found.iter().map(|finding| finding.id).collect::<std::collections::BTreeSet<_>>().len() == 3);
}

#[test]
fn visits_long_after_a_macro_cell_say_nothing_and_do_not_hide_those_that_do() {
    let mut scene = Scene::town();
    scene.unit(1, 5.0, 0.0);
    for visit in 0..60 {
        scene.comes(HOUR + 900 * visit, 50 + visit, mast(0, 0));
        scene.comes(HOUR + 900 * visit + 600, 50 + visit, cell(1));
    }
    nothing(&scene.clone().until(DAY), TRAIL);
    (0..10).for_each(|visit| scene.steps(2 * HOUR + HOUR * visit + 1, visit % 4, mast(0, 0), cell(1)));
    assert_eq!(scene.until(DAY).found_by(TRAIL).len(), 1);
}

#[test]
fn a_handover_tells_the_macro_cell_by_itself() {
    let mut scene = Scene::town();
    scene.unit(1, 8.0, 0.0);
    for visit in 0..10 {
        let access = scene.access(HOUR + HOUR * visit, visit % 4, cell(1), AccessEvent::HandoverIn);
        access.peer = Some(mast(0, 0));
    }
    assert_eq!(scene.until(12 * HOUR).found_by(TRAIL).len(), 1);
}

#[test]
fn a_unit_at_its_site_with_guests_passers_by_and_one_wrong_mast_is_where_it_should_be() {
    let mut scene = Scene::town();
    scene.unit(1, 0.2, 0.3);
    scene.mast(40, 40);
    for visit in 0..60 {
        let from = if visit % 6 == 0 { mast(40, 40) } else { mast(0, 0) };
        scene.steps(HOUR + 600 * visit, visit % 9, from, cell(1));
    }
    // A train: 3.5 km in 110 s.
    for person in 20..60 {
        scene.comes(20 * HOUR + 60 * person, person, mast(2, 2));
        scene.comes(20 * HOUR + 60 * person + 110, person, cell(1));
    }
    nothing(&scene.until(DAY), TRAIL);
}

#[test]
fn a_household_of_two_and_a_unit_on_its_way_by_order_leave_no_trail() {
    let mut two = Scene::town();
    two.unit(1, 8.0, 0.0);
    (0..40).for_each(|visit| two.steps(HOUR + 600 * visit, visit % 2, mast(0, 0), cell(1)));
    nothing(&two.until(12 * HOUR), TRAIL);

    let mut moved = Scene::town();
    moved.unit(1, 8.0, 0.0);
    moved.order(0, DAY, 1);
    (0..40).for_each(|visit| moved.steps(HOUR + 600 * visit, visit, mast(0, 0), cell(1)));
    nothing(&moved.until(12 * HOUR), TRAIL);
}

/// A cell that is driven 20 km along a street of masts in 40 minutes, past a handset each minute.
fn drive(cell: ids::CellKey) -> Scene {
    let mut scene = Scene::town();
    (3..30).for_each(|east| scene.mast(east, 0));
    for person in 0..40 {
        let east = i32::try_from(person / 2).unwrap();
        scene.steps(2 * HOUR + 60 * person, 100 + person, mast(east, 0), cell);
    }
    scene
}

#[test]
fn a_cell_that_drives_past_strangers_is_found_while_it_drives() {
    let found = only(&drive(stray(1)).until(5 * HOUR).found_by(DRIVES), &Subject::Cell(stray(1)));
    assert!(secs(&found) < 2 * HOUR + 21 * MINUTE, "{found:?}");
    assert_eq!((found.confidence, found.handsets.count), (90, 20));
}

/// Macro cells reach 0.7 km: with a kilometre on either side, a cell that stands has them no more than 3.4 km apart.
#[test]
fn a_car_that_gets_four_km_in_the_hour_is_found_and_three_km_are_around_a_cell_that_stands() {
    for (each, count) in [(8, 1), (10, 0)] {
        let mut scene = Scene::town();
        (3..6).for_each(|east| scene.mast(east, 0));
        for person in 0..40 {
            let from = mast(i32::try_from(person / each).unwrap(), 0);
            scene.steps(2 * HOUR + 60 * person, 100 + person, from, stray(1));
        }
        assert_eq!(scene.until(5 * HOUR).found_by(DRIVES).len(), count, "{}", 39 / each);
    }
}

#[test]
fn a_courier_with_an_order_drives_less_suspiciously() {
    let mut scene = drive(cell(1));
    scene.unit(1, 0.0, 0.0);
    scene.order(0, 4 * HOUR, 1);
    let found = only(&scene.until(5 * HOUR).found_by(DRIVES), &Subject::Cell(cell(1)));
    assert_eq!(found.confidence, 30);
}

#[test]
fn a_flat_above_a_bus_stop_a_stadium_and_a_hotel_stand_still() {
    let mut scene = Scene::town();
    scene.unit(1, 0.2, 0.3);
    for person in 0..600 {
        let from = mast([0, 1, 0][person as usize % 3], [0, 0, 1][person as usize % 3]);
        scene.steps(2 * HOUR + 20 * person, 100 + person, from, cell(1));
    }
    nothing(&scene.until(8 * HOUR), DRIVES);
}

#[test]
fn a_familys_unit_in_its_own_camper_is_not_among_strangers() {
    let mut scene = Scene::town();
    (3..30).for_each(|east| scene.mast(east, 0));
    for turn in 0..40 {
        scene.steps(2 * HOUR + 60 * turn, turn % 4, mast(i32::try_from(turn / 2).unwrap(), 0), stray(1));
    }
    nothing(&scene.until(5 * HOUR), DRIVES);
}
