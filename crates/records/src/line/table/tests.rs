use super::*;
use crate::line::Record;
use proptest::prelude::*;

const STALE: Duration = Duration::from_secs(900);
const KEEP: Duration = Duration::from_secs(3600);

fn time(second: i64) -> UnixTime {
    UnixTime::from_secs(1_800_000_000 + second)
}

fn session(line: &str, place: &str, from: i64, to: Option<i64>, at: i64) -> Session {
    let (address, ports) = place.split_once('|').unwrap_or((place, ""));
    let ports = if ports.is_empty() { String::new() } else { format!(r#""ports":[{ports}],"#) };
    let to = to.map_or(String::new(), |to| format!(r#""to":"{}","#, time(to)));
    let (from, at) = (time(from), time(at));
    let text = format!(
        r#"{{"v":1,"kind":"line-session","line":"{line}","address":"{address}",{ports}"from":"{from}",{to}"at":"{at}"}}"#
    );
    match Record::parse(text.as_bytes()) {
        Ok(Record::Session(session)) => session,
        other => panic!("{text}: {other:?}"),
    }
}

fn table(sessions: impl IntoIterator<Item = Session>) -> LineTable {
    let mut table = LineTable::new(KEEP);
    for session in sessions {
        table.hear(session.at, time(1000)).unwrap();
        table.take(session, time(1000));
    }
    table
}

/// The line at a second, or `-`.
fn whose(table: &LineTable, peer: &str, at: i64) -> String {
    match table.whose(peer.parse().unwrap(), time(at), time(1000), STALE) {
        Ok(found) => found.line.to_string(),
        Err(Absent::NoRecord) => "-".into(),
        Err(Absent::Stale) => "stale".into(),
    }
}

#[test]
fn an_address_is_its_lines_from_the_beginning_of_its_session_until_before_its_end() {
    let table = table([
        session("A", "192.0.2.7", 100, Some(200), 200),
        session("B", "192.0.2.7", 250, None, 250),
        session("C", "2001:db8:1:100::/56", 100, None, 900),
    ]);
    let v4 = [(99, "-"), (100, "A"), (199, "A"), (200, "-"), (250, "B"), (1000, "B")];
    for (at, line) in v4 {
        assert_eq!(whose(&table, "192.0.2.7:4500", at), line, "{at}");
        assert_eq!(whose(&table, "[::ffff:192.0.2.7]:4500", at), line, "{at}");
    }
    assert_eq!(whose(&table, "[2001:db8:1:1ff:1::2]:4500", 500), "C");
    assert_eq!(whose(&table, "[2001:db8:1:200::2]:4500", 500), "-");
    assert_eq!(whose(&table, "192.0.2.8:4500", 500), "-");
}

#[test]
fn behind_a_cgnat_the_port_tells_the_line() {
    let table = table([
        session("A", "192.0.2.7|1024,2047", 0, None, 900),
        session("B", "192.0.2.7|2048,3071", 0, None, 900),
    ]);
    let ports = [(1023, "-"), (1024, "A"), (2047, "A"), (2048, "B"), (3071, "B"), (3072, "-")];
    for (port, line) in ports {
        assert_eq!(whose(&table, &format!("192.0.2.7:{port}"), 500), line, "{port}");
    }
}

#[test]
fn the_narrowest_prefix_speaks_and_a_block_of_another_size_takes_the_place_of_an_older_one() {
    let table = table([
        session("Net", "192.0.2.0/28", 0, None, 900),
        session("One", "192.0.2.7", 100, Some(200), 900),
        session("Whole", "192.0.2.9", 0, None, 900),
        session("Block", "192.0.2.9|1000,1999", 300, Some(400), 900),
    ]);
    let at = |second| whose(&table, "192.0.2.7:1", second);
    assert_eq!([at(50), at(150), at(250)], ["Net", "One", "Net"]);
    assert_eq!(whose(&table, "192.0.2.9:1500", 200), "Whole");
    assert_eq!(whose(&table, "192.0.2.9:1500", 350), "Block");
    // Nobody said that the address is whole again: the wider prefix is all that is left.
    assert_eq!(whose(&table, "192.0.2.9:1500", 450), "Net");
    assert_eq!(whose(&table, "192.0.2.9:2500", 350), "Whole");
}

#[test]
fn a_lost_end_is_the_beginning_of_the_next() {
    let table =
        table([session("A", "192.0.2.7", 100, None, 100), session("B", "192.0.2.7", 300, Some(400), 400)]);
    let at = |second| whose(&table, "192.0.2.7:1", second);
    assert_eq!([at(299), at(300), at(400), at(900)], ["A", "B", "-", "-"]);
}

#[test]
fn silence_is_no_answer_and_a_time_to_come_does_not_hide_it() {
    let mut table = LineTable::new(KEEP);
    assert_eq!(whose(&table, "192.0.2.7:1", 1000), "stale");
    table.take(session("A", "192.0.2.7", 0, None, 0), time(1000));
    assert_eq!(whose(&table, "192.0.2.7:1", 1000), "stale");
    table.hear(time(99), time(1000)).unwrap();
    assert_eq!(whose(&table, "192.0.2.7:1", 1000), "stale", "901 s ago");
    assert!(matches!(table.hear(time(1061), time(1000)), Err(Future)));
    table.hear(time(100), time(1000)).unwrap();
    assert_eq!(whose(&table, "192.0.2.7:1", 1000), "A");
}

#[test]
fn what_ended_is_forgotten_in_its_time_and_what_lasts_never() {
    let mut table = LineTable::new(KEEP);
    let mut now = 0;
    for number in 0..200u32 {
        now += 60;
        let (high, low) = (number / 100, number % 100);
        table.take(session("E", &format!("192.0.{high}.{low}"), now - 30, Some(now), now), time(now));
        // The end of this one is lost; the next one takes its place.
        table.take(session("O", "198.51.100.1", now, None, now), time(now));
    }
    // An hour's worth of either, and what was about to be forgotten.
    assert!((120..=126).contains(&table.len()), "{}", table.len());
    table.take(session("L", "198.51.100.2", now, None, now), time(now));
    for later in 0..200 {
        table.take(session("N", "198.51.100.3", now + later, None, now + later), time(now + 100_000));
    }
    table.hear(time(now + 100_000), time(now + 100_000)).unwrap();
    let lasting = |peer: &str| {
        let now = time(now + 100_000);
        table.whose(peer.parse().unwrap(), now, now, STALE).map(|found| found.line.to_string())
    };
    assert_eq!(lasting("198.51.100.1:1").unwrap(), "O");
    assert_eq!(lasting("198.51.100.2:1").unwrap(), "L");
    assert!(table.len() <= 5, "{}", table.len());
}

#[test]
fn one_address_has_room_for_so_many_and_hides_no_other() {
    let mut table = LineTable::new(KEEP);
    let now = time(100);
    for number in 0..PER_PREFIX {
        let block = format!("192.0.2.7|{number},{number}");
        assert_eq!(table.take(session("A", &block, 0, None, 100), now), Taken::New);
    }
    let one_more = || session("A", "192.0.2.7|9000,9000", 0, None, 100);
    assert_eq!(table.take(one_more(), now), Taken::NoRoom);
    assert_eq!(table.take(session("B", "192.0.2.8", 0, None, 100), now), Taken::New);
    // One that has ended, within the time in which it is kept, makes room.
    assert_eq!(table.take(session("A", "192.0.2.7|0,0", 0, Some(99), 101), now), Taken::Newer);
    assert_eq!(table.take(one_more(), now), Taken::New);
    assert_eq!(table.len(), PER_PREFIX + 1);
}

#[test]
fn no_more_sessions_are_kept_than_there_is_room_for_and_one_that_ended_makes_room() {
    let mut table = LineTable { room: 3, ..LineTable::new(KEEP) };
    let now = time(100);
    let mut take = |line, last, to| table.take(session(line, &format!("192.0.2.{last}"), 0, to, 100), now);
    assert_eq!([take("A", 1, None), take("B", 2, Some(50)), take("C", 3, None)], [Taken::New; 3]);
    assert_eq!([take("D", 4, None), take("E", 5, None)], [Taken::New, Taken::NoRoom]);
    table.hear(now, now).unwrap();
    let at = |last: u8| {
        let peer = SocketAddr::from(([192, 0, 2, last], 1));
        table.whose(peer, time(10), now, STALE).map(|found| found.line.to_string()).ok()
    };
    assert_eq!([1, 2, 3, 4, 5].map(at), [Some("A".into()), None, Some("C".into()), Some("D".into()), None]);
}

#[test]
fn a_line_with_two_addresses_beside_one_with_none_is_doubtful() {
    let is_doubtful = |table: &LineTable, address: &str, at| {
        let line = |name: &str| name.parse::<AccessLine>().unwrap();
        table.is_doubtful(&line("B"), &line("A"), address.parse().unwrap(), time(at))
    };
    let mistaken = session("B", "192.0.2.7", 100, None, 100);
    let at_home = || session("B", "198.51.100.1", 0, None, 0);
    let wrong = table([mistaken.clone(), at_home()]);
    assert!(is_doubtful(&wrong, "192.0.2.7", 150));
    // It is not there yet, or the only one.
    assert!(!is_doubtful(&wrong, "192.0.2.7", -1));
    assert!(!is_doubtful(&table([mistaken.clone()]), "192.0.2.7", 150));
    let more = |more| table([mistaken.clone(), at_home(), more]);
    // The unit's line is somewhere else, or was until then, or will be.
    assert!(!is_doubtful(&more(session("A", "192.0.2.8", 0, None, 0)), "192.0.2.7", 150));
    let until = more(session("A", "192.0.2.8", 0, Some(120), 120));
    assert_eq!([110, 119, 120].map(|at| is_doubtful(&until, "192.0.2.7", at)), [false, false, true]);
    let ended_by_another = [session("A", "192.0.2.8", 0, None, 0), session("C", "192.0.2.8", 120, None, 120)];
    let ended_by_another = table([mistaken.clone(), at_home()].into_iter().chain(ended_by_another));
    assert_eq!([119, 120].map(|at| is_doubtful(&ended_by_another, "192.0.2.7", at)), [false, true]);
    // The unit's line has another family, and never had this one; or had it.
    let other_family = session("A", "2001:db8::/56", 0, None, 0);
    assert!(!is_doubtful(&more(other_family.clone()), "192.0.2.7", 150));
    let had = [mistaken.clone(), at_home(), other_family, session("A", "192.0.2.8", 0, Some(120), 120)];
    let mut had = table(had);
    assert_eq!([119, 120].map(|at| is_doubtful(&had, "192.0.2.7", at)), [false, true]);
    while had.ended.first().is_some() {
        had.forget_before(latest());
    }
    assert!(is_doubtful(&had, "192.0.2.7", 150), "also when that is forgotten");
    // What the named line has of the other family says nothing of this one.
    assert!(!is_doubtful(
        &table([mistaken.clone(), session("B", "2001:db8::/56", 0, None, 0)]),
        "192.0.2.7",
        150
    ));
    // Blocks of ports of one address are one.
    let blocks = ["192.0.2.7|1024,2047", "192.0.2.7|2048,3071"].map(|block| session("B", block, 0, None, 0));
    assert!(!is_doubtful(&table(blocks), "192.0.2.7", 150));
    // A line of too many sessions tells nothing.
    let many = (0..=PER_LINE).map(|number| {
        let (high, low) = (number / 256, number % 256);
        session("B", &format!("203.0.{high}.{low}"), 0, None, 0)
    });
    assert!(!is_doubtful(&table(many.chain([mistaken.clone()])), "192.0.2.7", 150));
    // What was said of it is taken back.
    let back = session("C", "198.51.100.1", 0, None, 200);
    assert!(!is_doubtful(&table([mistaken.clone(), at_home(), back]), "192.0.2.7", 250));
}

fn any_session() -> impl Strategy<Value = Session> {
    let place = prop_oneof![
        Just("192.0.2.7"),
        Just("192.0.2.7|0,9"),
        Just("192.0.2.7|5,20"),
        Just("192.0.2.0/28"),
        Just("2001:db8::/56")
    ];
    // Few, so that many are of the same session.
    let times = (0i64..4, prop::option::of(0i64..4), 8i64..10);
    ("[AB]", place, times).prop_map(|(line, place, (from, length, at))| {
        session(&line, place, from, length.map(|length| from + length), at)
    })
}

proptest! {
    /// Duplicates, late rows, ends before beginnings.
    #[test]
    fn it_does_not_matter_in_what_order_the_feed_comes(
        sessions in prop::collection::vec(any_session(), 0..12),
        swaps in prop::collection::vec((0usize..24, 0usize..24), 0..24),
    ) {
        let mut other = [&sessions[..], &sessions[..]].concat();
        for (a, b) in swaps {
            let length = other.len().max(1);
            if !other.is_empty() {
                other.swap(a % length, b % length);
            }
        }
        let (one, other) = (table(sessions), table(other));
        prop_assert_eq!(&one.sessions, &other.sessions);
        for table in [&one, &other] {
            let of_lines = table.sessions.iter().map(|(key, held)| (table.hasher.hash_one(&held.line), *key));
            prop_assert_eq!(of_lines.collect::<BTreeSet<_>>(), table.of_lines.clone());
        }
        prop_assert_eq!(&one.ended, &other.ended);
        prop_assert_eq!(one.lengths, other.lengths);
    }

    /// What the index of ended sessions has is what it would have if it were made anew.
    #[test]
    fn whatever_ended_can_be_forgotten(sessions in prop::collection::vec(any_session(), 0..12)) {
        let mut table = table(sessions);
        let anew: BTreeSet<_> =
            table.sessions.keys().filter_map(|key| Some((table.end(*key)?, *key))).collect();
        prop_assert_eq!(&table.ended, &anew);
        for _ in 0..12 {
            table.forget_before(latest());
        }
        prop_assert!(table.ended.is_empty());
        prop_assert!(table.sessions.values().all(|held| held.to.is_none()));
        prop_assert_eq!(table.lengths.iter().sum::<u32>() as usize, table.sessions.len());
    }
}
