use super::*;
use crate::facts::Record;
use proptest::prelude::*;

const STALE: Duration = Duration::from_secs(900);
const KEEP: Duration = Duration::from_secs(3600);
const UNIT: DeviceId = DeviceId::eui48([0, 0xaa, 0xbb, 0xcc, 0xdd, 0xee]);

fn time(second: i64) -> UnixTime {
    UnixTime::from_secs(1_800_000_000 + second)
}

fn facts(device: DeviceId, seen_at: i64, fields: &str) -> Facts {
    let at = time(seen_at);
    let text = format!(
        r#"{{"v":1,"kind":"device-facts","device":"{device}","seen_at":"{at}","at":"{at}",{fields}}}"#
    );
    match Record::parse(text.as_bytes()) {
        Ok(Record::Facts(facts)) => *facts,
        other => panic!("{text}: {other:?}"),
    }
}

fn hears(seen_at: i64, cells: &[u64]) -> Facts {
    let cells: Vec<_> = cells.iter().map(|id| format!("\"lte:450-08:{id:x}\"")).collect();
    facts(UNIT, seen_at, &format!(r#""neighbours":[{}]"#, cells.join(",")))
}

fn line(name: &str) -> AccessLine {
    name.parse().unwrap()
}

fn table(all: impl IntoIterator<Item = Facts>) -> FactTable {
    let mut table = FactTable::new();
    for facts in all {
        table.hear(facts.at, time(1000)).unwrap();
        table.take(facts, time(1000), KEEP);
    }
    table
}

fn of<'a>(table: &'a FactTable, on: &str, now: i64) -> Result<Said<'a>, Absent> {
    table.of(UNIT, Some(&line(on)), time(now), (STALE, KEEP))
}

#[test]
fn each_fact_has_its_own_age_and_a_silent_feed_says_nothing() {
    let early = facts(UNIT, 100, r#""serial":"a","software":"1""#);
    let mut table = table([early.clone(), facts(UNIT, 900, r#""software":"2""#)]);
    let said = of(&table, "L", 1000).unwrap();
    assert_eq!((said.serial, said.software), (Some((time(100), "a")), Some((time(900), "2"))));
    assert_eq!(table.take(early, time(1000), KEEP), Taken::Known);
    assert_eq!(of(&table, "L", 1801), Err(Absent::Stale));
    table.hear(time(4000), time(4000)).unwrap();
    let said = of(&table, "L", 4000).unwrap();
    assert_eq!((said.serial, said.software), (None, Some((time(900), "2"))));
    table.hear(time(5000), time(5000)).unwrap();
    assert_eq!(of(&table, "L", 5000), Err(Absent::Stale));
    let other = DeviceId::eui48([1; 6]);
    assert_eq!(table.of(other, None, time(5000), (STALE, KEEP)), Err(Absent::NoRecord));
    assert_eq!(table.hear(time(5062), time(5000)), Err(Future));
}

#[test]
fn cells_are_compared_with_those_that_were_heard_at_the_line() {
    let mut table = table([hears(100, &[1, 2, 3])]);
    let cells = |table: &FactTable, on: &str| of(table, on, 1000).unwrap().neighbours.unwrap().1;
    assert_eq!(cells(&table, "L"), None);
    // Heard before it was there.
    table.is_at_home(UNIT, &line("L"), time(100));
    assert_eq!(cells(&table, "L"), None);
    table.is_at_home(UNIT, &line("L"), time(99));
    assert_eq!((cells(&table, "L"), cells(&table, "M")), (Some(true), None));
    for (at, heard, what) in [
        (200, &[3u64, 4, 5][..], Some(true)),
        (300, &[7, 8], None),
        (400, &[], None),
        (500, &[7, 8, 9], Some(false)),
    ] {
        table.take(hears(at, heard), time(1000), KEEP);
        assert_eq!(cells(&table, "L"), what, "{heard:?}");
    }
    // Wholly other cells at the same line are no new home; at another line they are.
    table.is_at_home(UNIT, &line("L"), time(99));
    assert_eq!(cells(&table, "L"), Some(false));
    table.is_at_home(UNIT, &line("M"), time(99));
    assert_eq!(cells(&table, "M"), Some(true));
    // A home may change bit by bit.
    table.take(hears(600, &[9, 10, 11]), time(1000), KEEP);
    table.is_at_home(UNIT, &line("M"), time(99));
    table.take(hears(700, &[11, 12, 13]), time(1000), KEEP);
    assert_eq!(cells(&table, "M"), Some(true));
}

#[test]
fn a_full_table_takes_nobody_new_until_units_of_the_past_make_room() {
    let mut table = FactTable { room: 2, ..FactTable::new() };
    let unit = |number: u8| DeviceId::eui48([0, 0, 0, 0, 0, number]);
    let mut take = |number, at| table.take(facts(unit(number), at, r#""serial":"a""#), time(at), KEEP);
    assert_eq!((take(1, 0), take(2, 3000), take(3, 3001)), (Taken::New, Taken::New, Taken::NoRoom));
    assert_eq!(take(2, 3002), Taken::Newer);
    // Looked through a moment ago.
    assert_eq!(take(3, 3003), Taken::NoRoom);
    assert_eq!((take(3, 3700), take(1, 3701)), (Taken::New, Taken::NoRoom));
    assert_eq!(table.len(), 2);
}

proptest! {
    #[test]
    fn the_order_of_lines_decides_nothing(
        lines in proptest::collection::vec((0i64..6, 0u8..3, 0u8..4, any::<u32>()), 1..12),
    ) {
        let of = |(at, value, kind, order): &(i64, u8, u8, u32)| {
            let fields = match kind {
                0 => format!(r#""serial":"{value}""#),
                1 => format!(r#""tunnel":{{"ike_spi":"{value:016x}"}}"#),
                2 => format!(r#""neighbours":["lte:450-08:{value}"]"#),
                _ => format!(r#""radio":{{"on":{},"emergency_call":false}}"#, *value == 0),
            };
            (*order, facts(UNIT, *at, &fields))
        };
        let mut all: Vec<_> = lines.iter().map(of).collect();
        let one = table(all.iter().map(|(_, facts)| facts.clone()));
        all.sort_by_key(|(order, _)| *order);
        let twice = [all.clone(), all].concat();
        prop_assert_eq!(one.units, table(twice.into_iter().map(|(_, facts)| facts)).units);
    }
}
