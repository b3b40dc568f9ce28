use super::*;
use crate::{NeighboursSeen, RadioSeen, TunnelSeen};
use ids::{DeviceId, Spi};

fn at(second: i64) -> UnixTime {
    UnixTime::from_secs(1_800_000_000 + second)
}

const OWN: IkeSpi = IkeSpi(2);

/// Of one that was found out, since second 1000.
fn found_out() -> Ours {
    Ours { since: at(1000), ike_spis: vec![IkeSpi(1), OWN], esp_spis: vec![Spi(7)] }
}

fn radio(on: bool, second: i64) -> Option<RadioSeen> {
    Some(RadioSeen { on, emergency_call: false, seen_at: at(second) })
}

fn call(emergency_call: bool, second: i64) -> Option<RadioSeen> {
    Some(RadioSeen { on: true, emergency_call, seen_at: at(second) })
}

fn hears(as_at_line: bool, second: i64) -> Option<NeighboursSeen> {
    Some(NeighboursSeen { as_at_line, seen_at: at(second) })
}

fn tunnel(ike_spi: u64, second: i64) -> Option<TunnelSeen> {
    let (ike_spi, created_at) = (Some(IkeSpi(ike_spi)), Some(at(1000)));
    Some(TunnelSeen { ike_spi, esp_spi: None, created_at, seen_at: at(second) })
}

type Said = (Option<TunnelSeen>, Option<NeighboursSeen>, Option<RadioSeen>);

fn says((tunnel, neighbours, radio): Said) -> UnitSays {
    UnitSays { tunnel, neighbours, radio, ..UnitSays::default() }
}

#[test]
fn an_order_is_made_where_management_sees_the_very_box_and_nowhere_else() {
    let on = radio(true, 2000);
    let (ours, away) = (Some(OnlyIf::Tunnel(OWN)), Some(OnlyIf::HearsOtherCells));
    let cases: [(Said, bool, Option<OnlyIf>); 15] = [
        // It sees the tunnel that was found out; also under an SPI of before.
        ((tunnel(2, 2000), None, on), false, ours),
        ((tunnel(1, 2000), hears(false, 2000), on), false, ours),
        // The genuine unit, at home, sees its own.
        ((tunnel(9, 2000), None, on), false, None),
        ((tunnel(9, 2000), hears(false, 2000), on), false, None),
        // It may be that one, or not.
        ((tunnel(9, 1010), hears(false, 2000), on), false, None),
        // Whoever hears the cells of the line is at home, whatever else is said.
        ((tunnel(2, 2000), hears(true, 2000), on), false, None),
        // It hears none of them.
        ((None, hears(false, 2000), on), false, away),
        // What was said before may be of another box.
        ((tunnel(9, 900), hears(false, 2000), on), false, away),
        ((None, hears(false, 1000), on), false, None),
        ((tunnel(2, 900), None, on), false, None),
        ((tunnel(2, 2000), None, radio(true, 1000)), false, None),
        // Its radio is off, or nobody knows.
        ((tunnel(2, 2000), None, radio(false, 2000)), false, None),
        ((tunnel(2, 2000), None, None), false, None),
        // Nothing is said of the box.
        ((None, None, on), false, None),
        // Somebody else is there with the key.
        ((tunnel(2, 2000), hears(false, 2000), on), true, None),
    ];
    for (said, others, expected) in cases {
        assert_eq!(only_if(&found_out(), &says(said), others), expected, "{said:?} {others}");
    }
}

#[test]
fn a_claim_that_is_refused_is_bound_by_what_was_said_shortly_before() {
    let refused = Ours::refused(IkeSpi(5), at(3000).before(BEFORE_CLAIM));
    let on = radio(true, 2500);
    let away = Some(OnlyIf::HearsOtherCells);
    assert_eq!(only_if(&refused, &says((None, hears(false, 2500), on)), false), away);
    assert_eq!(only_if(&refused, &says((None, hears(false, 2000), on)), false), None);
    assert_eq!(only_if(&refused, &says((tunnel(9, 2500), hears(false, 2500), on)), false), None);
}

#[test]
fn an_emergency_call_goes_on_while_it_was_said_lately_and_not_of_another_box() {
    let within = Duration::from_secs(900);
    let goes_on = |said, now| call_goes_on(&found_out(), &says(said), at(now), within);
    assert!(goes_on((None, None, call(true, 2000)), 2899));
    assert!(!goes_on((None, None, call(true, 2000)), 2900), "that is long ago");
    assert!(!goes_on((None, None, call(false, 2000)), 2001));
    assert!(goes_on((tunnel(2, 2000), None, call(true, 2000)), 2001));
    assert!(!goes_on((tunnel(9, 2000), None, call(true, 2000)), 2001), "it is the genuine unit's");
    assert!(!call_goes_on(&found_out(), &says((None, None, call(true, 2000))), at(2001), Duration::ZERO));
}

fn order(task: Task, only_if: Option<OnlyIf>, waits_until: Option<i64>) -> ManagementOrder {
    ManagementOrder {
        number: 1,
        device: DeviceId::eui48([1; 6]),
        task,
        only_if,
        by: "admission".into(),
        why: String::new(),
        incident: None,
        about: None,
        at: at(1500),
        waits_until: waits_until.map(at),
        taken: None,
        ended: None,
    }
}

#[test]
fn facts_end_an_order_by_what_was_said_since_then() {
    let off = order(Task::RadioOff, Some(OnlyIf::Tunnel(OWN)), Some(2400));
    let cases: [(ManagementOrder, Said, Option<Shown>); 11] = [
        (off.clone(), (None, None, radio(false, 2000)), Some(Shown::Done)),
        (off.clone(), (None, None, radio(false, 1500)), None),
        (off.clone(), (tunnel(2, 2000), None, call(true, 2000)), None),
        (off.clone(), (tunnel(1, 2000), None, call(false, 2000)), Some(Shown::CallIsOver)),
        (off.clone(), (tunnel(9, 2000), None, radio(false, 2000)), Some(Shown::AnotherBox)),
        (off.clone(), (tunnel(9, 1400), None, call(true, 2000)), None),
        (off, (None, hears(true, 2000), None), Some(Shown::AnotherBox)),
        // It waits no more.
        (order(Task::RadioOff, Some(OnlyIf::HearsOtherCells), None), (None, None, call(false, 2000)), None),
        // A person's word is about the unit, wherever it is.
        (order(Task::RadioOff, None, None), (tunnel(9, 2000), hears(true, 2000), call(false, 2000)), None),
        (order(Task::RadioOn, None, None), (None, None, radio(true, 2000)), Some(Shown::Done)),
        (order(Task::EnrolAnew, None, None), (None, None, radio(false, 2000)), None),
    ];
    for (order, said, expected) in cases {
        assert_eq!(shown(&order, &[IkeSpi(1), OWN], &says(said), at(2100)), expected, "{order:?} {said:?}");
    }
}
