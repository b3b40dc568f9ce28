use super::*;
use ids::Sha256;

#[test]
fn a_place_survives_its_text_and_nothing_else_is_one() {
    let place = EndingPlace {
        not_after: UnixTime::from_secs(1_790_000_000),
        origin: Origin::Imported,
        cert_sha256: Sha256([7; 32]),
    };
    let text = place.to_string();
    assert_eq!(text, format!("1790000000-imported-{}", "07".repeat(32)));
    assert_eq!(text.parse::<EndingPlace>().unwrap(), place);
    let (value, key) = place.entry();
    assert_eq!(EndingPlace::of(&value, &key), Some(place));
    for bad in ["", "1790000000", "1790000000-found-07", "x-imported-07"] {
        assert!(bad.parse::<EndingPlace>().is_err(), "{bad}");
    }
}

#[test]
fn the_parts_of_a_value_are_where_they_are_looked_for() {
    let place = EndingPlace {
        not_after: "2026-12-10T03:04:05Z".parse().unwrap(),
        origin: Origin::Issued,
        cert_sha256: Sha256([7; 32]),
    };
    let (value, _) = place.entry();
    assert_eq!((&value[DAY], &value[ORIGIN.start..]), ("2026-12-10", "issued"));
}
