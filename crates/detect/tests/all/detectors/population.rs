use super::{nothing, only, secs};
use crate::scene::{DAY, HOUR, Scene, cell};
use detect::Subject;

const REPLACED: &str = "regulars_replaced";

/// A unit with a household of two, who are at home each day until they are not.
fn household(days: u64) -> Scene {
    let mut scene = Scene::town();
    scene.unit(1, 0.0, 0.0);
    for day in 0..days {
        (1..=2).for_each(|person| scene.comes(day * DAY + 8 * HOUR + person, person, cell(1)));
    }
    scene
}

/// So many others each day, each on one day only.
fn others(scene: &mut Scene, days: std::ops::Range<u64>, people: u64) {
    for (day, person) in days.flat_map(|day| (0..people).map(move |person| (day, person))) {
        scene.comes(day * DAY + 12 * HOUR + 60 * person, 1000 + 100 * day + person, cell(1));
    }
}

#[test]
fn strangers_in_place_of_the_household_are_found_when_three_days_are_over() {
    let mut scene = household(6);
    others(&mut scene, 6..10, 5);
    let found = only(&scene.until(10 * DAY).found_by(REPLACED), &Subject::Cell(cell(1)));
    assert_eq!((secs(&found), found.confidence), (9 * DAY + 12 * HOUR, 45));
    assert_eq!(found.what, "for 3 days 5 or more strangers came a day, and none of its 2 regulars");
}

#[test]
fn two_days_a_household_that_is_there_and_few_guests_are_no_replacement() {
    let mut two = household(6);
    others(&mut two, 6..8, 9);
    (1..=2).for_each(|person| two.comes(8 * DAY + person, person, cell(1)));
    others(&mut two, 9..11, 9);
    nothing(&two.until(12 * DAY), REPLACED);

    let mut there = household(12);
    others(&mut there, 6..12, 9);
    nothing(&there.until(12 * DAY), REPLACED);

    let mut guests = household(6);
    others(&mut guests, 6..12, 4);
    nothing(&guests.until(12 * DAY), REPLACED);
}

#[test]
fn a_stadium_without_regulars_a_forgotten_household_and_a_move_by_order_are_not_judged() {
    let mut stadium = household(0);
    others(&mut stadium, 0..20, 40);
    nothing(&stadium.until(20 * DAY), REPLACED);

    let mut long_ago = household(6);
    others(&mut long_ago, 40..50, 9);
    nothing(&long_ago.until(50 * DAY), REPLACED);

    let mut moved = household(6);
    moved.order(6 * DAY, 7 * DAY, 1);
    others(&mut moved, 6..12, 9);
    nothing(&moved.until(12 * DAY), REPLACED);
}

#[test]
fn a_shop_whose_staff_come_among_many_customers_keeps_its_regulars() {
    let mut shop = household(20);
    others(&mut shop, 0..20, 60);
    nothing(&shop.until(20 * DAY), REPLACED);
}
