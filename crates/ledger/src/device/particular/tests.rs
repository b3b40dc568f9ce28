use super::*;
use crate::{LifeCycle, NewDevice};
use ids::{DeviceId, UnixTime};
use proptest::prelude::*;

fn id() -> DeviceId {
    DeviceId::eui48([1; 6])
}

fn with(particulars: &[(Particular, String)]) -> Device {
    let mut change = DeviceChange::default();
    particulars.iter().for_each(|(one, text)| one.put(text, &mut change).unwrap());
    NewDevice::with(id(), LifeCycle::Live, change).into_device((None, None), UnixTime::from_secs(0))
}

/// A text that a particular may have.
fn text(one: Particular) -> BoxedStrategy<String> {
    let words = |word: &'static str| {
        prop::collection::btree_set(word, 0..4).prop_map(|all| all.into_iter().collect::<Vec<_>>().join(" "))
    };
    match one {
        Particular::Position => {
            "(|(-?[1-8][0-9](\\.[0-9]{0,6}[1-9])?),(1[0-7][0-9](\\.[0-9]{0,6}[1-9])?))".boxed()
        }
        Particular::Line => "(|[A-Z]{2}/[0-9]{2})".boxed(),
        Particular::Cells => words("(lte|nr|umts):[0-9]{3}-[0-9]{2,3}:[1-9a-f][0-9a-f]{0,6}").boxed(),
        Particular::Plmns => words("[0-9]{3}-[0-9]{2,3}").boxed(),
        Particular::Tac => "(|[1-9][0-9]{0,6})".boxed(),
        Particular::AccessMode => "(|open|hybrid|closed)".boxed(),
        Particular::Csg => "(|[1-9][0-9]{0,7})".boxed(),
        Particular::Owner
        | Particular::Site
        | Particular::Address
        | Particular::Region
        | Particular::Class
        | Particular::Vendor
        | Particular::Hardware
        | Particular::Firmware
        | Particular::Note => "(|[a-z\"',;=서][ a-z\"',;=\n서]{0,8}[a-z\"',;=서])".boxed(),
    }
}

fn all() -> impl Strategy<Value = Vec<(Particular, String)>> {
    Particular::ALL.map(|one| text(one).prop_map(move |text| (one, text))).to_vec()
}

proptest! {
    #[test]
    fn what_is_written_of_a_unit_makes_the_same_unit(particulars in all()) {
        let unit = with(&particulars);
        let written: Vec<_> = Particular::ALL.into_iter().map(|one| (one, one.text(&unit))).collect();
        prop_assert_eq!(with(&written), unit.clone());
        for (one, text) in &particulars {
            let is_list = matches!(one, Particular::Cells | Particular::Plmns);
            prop_assert!(is_list || one.text(&unit) == *text, "{one}: {text:?} is {:?}", one.text(&unit));
        }
        let json = serde_json::to_string(&unit).unwrap();
        prop_assert_eq!(serde_json::from_str::<Device>(&json).unwrap(), unit);
    }
}

#[test]
fn names_are_those_of_columns_and_no_two_are_one() {
    for one in Particular::ALL {
        assert_eq!(one.name().parse(), Ok(one));
        assert_eq!(serde_json::to_string(&one).unwrap(), format!("\"{one}\""));
    }
    assert!("cell".parse::<Particular>().is_err());
}

#[test]
fn a_text_that_does_not_fit_its_particular_is_named() {
    let bad = [
        (Particular::Position, "37.5"),
        (Particular::Cells, "lte:450-08:1 lte"),
        (Particular::Plmns, "45008"),
        (Particular::Tac, "0x1f"),
        (Particular::AccessMode, "Open"),
        (Particular::Csg, "134217728"),
        (Particular::Line, "two words"),
    ];
    for (one, text) in bad {
        assert!(!one.put(text, &mut DeviceChange::default()).unwrap_err().is_empty(), "{one}");
    }
}

/// A row as a Truecell wrote it that knew less of units.
#[test]
fn a_row_of_before_reads_as_before_and_is_written_as_it_was() {
    let row = r#"{"id":"010101010101","state":"live","enrolment":"enrolled","owner":"Carol","site":"s","region":"","class":"home","access_line":"KT/1","inner_v4":"10.64.0.1","inner_v6":null,"note":"","added_at":"2026-09-21T14:13:20.000000Z","state_since":"2026-09-21T14:13:20.000000Z"}"#;
    let device: Device = serde_json::from_str(row).unwrap();
    assert!(device.cells.is_empty() && device.position.is_none());
    assert_eq!(serde_json::to_string(&device).unwrap(), row);
}
