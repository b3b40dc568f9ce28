//! Kinds of networks, from a database in the MaxMind DB format.
#![allow(clippy::unwrap_used, reason = "tests")]

use ids::SourceClass::{self, Foreign, Hosting, Mobile, OtherFixed, OwnFixed};
use lab::Mmdb;
use records::source::{Database, Source, Sources};
use serde_json::json;

const BUILT: u64 = 1_790_000_000;

/// One database with all in it, as GeoIP2 Enterprise has it; `::1:0:0/96` is for addresses that nobody has.
fn enterprise() -> Mmdb {
    let entry = |country: &str, asn: u32, user: &str| json!({"country": {"iso_code": country}, "traits": {"autonomous_system_number": asn, "user_type": user}});
    Mmdb::new()
        .with("192.0.2.0/24", &entry("KR", 64500, "residential"))
        .with("192.0.2.128/26", &entry("KR", 64500, "cellular"))
        .with("192.0.2.192/26", &entry("KR", 64500, "hosting"))
        .with("198.51.100.0/25", &entry("KR", 64501, "business"))
        .with("198.51.100.128/25", &entry("JP", 64502, "residential"))
        .with("203.0.113.0/24", &entry("JP", 64500, "residential"))
        .with("2001:db8::/32", &entry("KR", 64500, "residential"))
}

fn sources(databases: &[Mmdb]) -> Sources {
    let databases = databases.iter().map(|database| Database::new(database.octets(BUILT)).unwrap());
    Sources::new(databases.collect(), vec![64500], "KR".into())
}

fn found(sources: &Sources, address: &str) -> Option<Source> {
    sources.look_up(address.parse().unwrap())
}

fn class(sources: &Sources, address: &str) -> Option<SourceClass> {
    found(sources, address).and_then(|source| source.class)
}

#[test]
fn the_kind_of_a_network_is_told_by_country_own_systems_and_kind_of_user() {
    let sources = sources(&[enterprise()]);
    for (address, expected) in [
        ("192.0.2.1", OwnFixed),
        ("192.0.2.129", Mobile),
        ("192.0.2.193", Hosting),
        ("198.51.100.1", OtherFixed),
        ("198.51.100.129", Foreign),
        ("203.0.113.1", OwnFixed),
        ("2001:db8::1", OwnFixed),
        ("::ffff:192.0.2.1", OwnFixed),
    ] {
        assert_eq!(class(&sources, address), Some(expected), "{address}");
    }
    for unknown in ["192.0.3.1", "10.0.0.1", "2001:db9::1", "::1"] {
        assert_eq!(found(&sources, unknown), None, "{unknown}");
    }
}

#[test]
fn what_one_database_has_not_another_may_have() {
    let city = Mmdb::new().with(
        "192.0.2.0/24",
        &json!({"country": {"iso_code": "KR"},
                "location": {"latitude": 37.5665, "longitude": 126.978, "accuracy_radius": 20}}),
    );
    let systems = Mmdb::new()
        .with("192.0.2.0/25", &json!({"autonomous_system_number": 64500}))
        .with("198.51.100.0/24", &json!({"autonomous_system_number": 64501}));
    let alone = sources(std::slice::from_ref(&city));
    assert_eq!(class(&alone, "192.0.2.1"), None, "whose network it is in that country nobody says");
    let both = sources(&[city, systems]);
    let here = found(&both, "192.0.2.1").unwrap();
    let (position, radius) = here.place.unwrap();
    assert_eq!(
        (here.class, position.lat(), position.lon(), radius),
        (Some(OwnFixed), 375_665_000, 1_269_780_000, 20)
    );
    assert_eq!(here.built.secs(), BUILT as i64);
    assert_eq!(class(&both, "192.0.2.200"), None);
    assert_eq!(class(&both, "198.51.100.1"), None, "in which country nobody says");
}

#[test]
fn what_is_no_database_is_refused() {
    let whole = enterprise().octets(BUILT);
    assert!(Database::new(Vec::new()).is_err());
    assert!(Database::new(b"a text".to_vec()).is_err());
    assert!(Database::new(whole[..whole.len() / 2].to_vec()).is_err());
    if let Some(folder) = std::env::var_os("TRUECELL_TEST_MMDB") {
        std::fs::write(folder, whole).unwrap();
    }
}
