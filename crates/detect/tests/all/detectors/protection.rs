use super::{nothing, only, secs};
use crate::scene::{DAY, HOUR, MINUTE, Scene, cell, mast, who};
use detect::Subject;
use records::row::Ealg;

const LOST: &str = "protection_lost";
const AES: Option<Ealg> = Some(Ealg::AesCbc);

/// A town whose first people have encryption at a macro cell.
fn town(people: u64, ealg: Option<Ealg>) -> Scene {
    let mut scene = Scene::town();
    scene.unit(1, 0.0, 0.0);
    (0..people).for_each(|person| scene.registers(HOUR + person, person, mast(0, 0), ealg));
    scene
}

#[test]
fn three_handsets_that_have_encryption_elsewhere_and_not_here_are_found() {
    for lacking in [None, Some(Ealg::Null)] {
        let mut scene = town(3, AES);
        (0..3).for_each(|person| scene.registers(2 * HOUR + MINUTE * person, person, cell(1), lacking));
        let found = only(&scene.until(3 * HOUR).found_by(LOST), &Subject::Cell(cell(1)));
        assert_eq!((secs(&found), found.confidence), (2 * HOUR + 2 * MINUTE, 85));
        assert_eq!(found.handsets.some, (0..3).map(who).collect::<Vec<_>>());
    }
}

/// An IMS of another vendor: one registers at a macro cell without what it had there, and so many others with it since.
#[test]
fn what_handsets_lose_at_macro_cells_as_well_is_no_cells_doing() {
    for (since, count) in [(14, 0), (15, 1)] {
        let mut scene = town(30, AES);
        scene.registers(2 * HOUR, 3, mast(0, 0), None);
        (0..since).for_each(|turn| scene.registers(2 * HOUR + 1 + turn, 4 + turn, mast(0, 0), AES));
        (0..3).for_each(|person| scene.registers(3 * HOUR + MINUTE * person, person, cell(1), None));
        assert_eq!(scene.until(4 * HOUR).found_by(LOST).len(), count, "{since}");
    }
}

#[test]
fn ciphering_that_is_switched_off_by_the_core_at_one_cell_is_found() {
    let mut scene = town(0, AES);
    for person in 0..3 {
        scene.ciphered(HOUR, person, mast(0, 0), 2);
        scene.ciphered(2 * HOUR, person, cell(1), 0);
    }
    let found = only(&scene.until(3 * HOUR).found_by(LOST), &Subject::Cell(cell(1)));
    assert!(found.what.contains("without ciphering"), "{}", found.what);
}

#[test]
fn handsets_that_never_have_it_and_a_whole_network_without_it_are_no_loss() {
    // Of a kind that never has it, and an IMS that omits the header for all.
    let mut scene = town(40, None);
    (0..40).for_each(|person| scene.registers(2 * HOUR + person, person, cell(1), None));
    nothing(&scene.until(3 * HOUR), LOST);
    // It omitted it from some day on.
    let mut later = town(40, AES);
    (0..40).for_each(|person| later.registers(2 * HOUR + person, person, mast(1, 0), None));
    (0..40).for_each(|person| later.registers(3 * HOUR + person, person, cell(1), None));
    nothing(&later.until(4 * HOUR), LOST);
}

#[test]
fn a_cell_where_most_keep_it_and_two_handsets_with_a_fault_are_no_loss() {
    let mut scene = town(40, AES);
    for person in 0..40 {
        scene.registers(2 * HOUR + person, person, cell(1), if person % 4 == 0 { None } else { AES });
    }
    nothing(&scene.until(3 * HOUR), LOST);
    let mut two = town(2, AES);
    (0..20).for_each(|turn| two.registers(2 * HOUR + turn, turn % 2, cell(1), None));
    nothing(&two.until(3 * HOUR), LOST);
}

#[test]
fn a_row_that_does_not_say_is_not_counted() {
    let mut scene = town(3, AES);
    for person in 0..3 {
        scene.registers(2 * HOUR + person, person, cell(1), AES);
        let mut rows = scene.clone();
        rows.registers(2 * HOUR + 10 + person, person, cell(1), None);
    }
    nothing(&scene.until(3 * HOUR), LOST);
}

#[test]
fn eight_strangers_without_it_are_found_where_nearly_everybody_has_it() {
    for (ealg, count) in [(AES, 1), (None, 0)] {
        let mut scene = town(0, AES);
        (0..1000).for_each(|person| scene.registers(HOUR + person, 1000 + person, mast(0, 0), ealg));
        (0..8).for_each(|person| scene.registers(3 * HOUR + person, person, cell(1), None));
        let found = scene.until(4 * HOUR).found_by(LOST);
        assert_eq!(found.len(), count);
        assert!(found.iter().all(|finding| finding.confidence == 60));
    }
    let mut few = town(900, AES);
    (0..8).for_each(|person| few.registers(DAY / 2, 2000 + person, cell(1), None));
    nothing(&few.until(DAY), LOST);
}
