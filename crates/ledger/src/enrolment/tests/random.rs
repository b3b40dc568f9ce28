//! Whatever units, copies and people do, in whatever order.

use super::*;
use crate::Standing;
use proptest::prelude::*;
use std::collections::HashMap;

#[derive(Clone, Debug)]
enum Step {
    Enrol { unit: u8, home: bool },
    Renew { unit: u8, by: prop::sample::Index, home: bool },
    Confirm(prop::sample::Index),
    Reject(prop::sample::Index),
    Order { unit: u8 },
    Move { unit: u8, to: LifeCycle },
    Revoke(prop::sample::Index),
    Lapse(prop::sample::Index),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        2 => (1..=2u8, any::<bool>()).prop_map(|(unit, home)| Step::Enrol { unit, home }),
        4 => (1..=2u8, index(), any::<bool>()).prop_map(|(unit, by, home)| Step::Renew { unit, by, home }),
        6 => index().prop_map(Step::Confirm),
        1 => index().prop_map(Step::Reject),
        1 => (1..=2u8).prop_map(|unit| Step::Order { unit }),
        1 => (1..=2u8, prop::sample::select(&LifeCycle::ALL[..]))
            .prop_map(|(unit, to)| Step::Move { unit, to }),
        1 => index().prop_map(Step::Revoke),
        2 => index().prop_map(Step::Lapse),
        2 => prop_oneof![1..300u64, 301..1000u64, Just(16 * 24 * 3600)].prop_map(Step::Pass),
    ]
}

/// What must hold after every step.
fn holds(carrier: &Carrier, now: UnixTime) {
    let mut holders: HashMap<Sha256, DeviceId> = HashMap::new();
    for number in [1, 2] {
        let credentials = carrier.ledger.credentials_of(unit(number)).unwrap().rows;
        for credential in &credentials {
            let holder = holders.entry(credential.spki_sha256).or_insert(credential.device);
            assert_eq!(*holder, credential.device, "one key is one unit's");
        }
        let counts = |credential: &&Credential| {
            credential.revoked.is_none()
                && credential.superseded.as_ref().is_none_or(|superseded| superseded.in_grace(now))
        };
        let counting: Vec<_> = credentials.iter().filter(counts).collect();
        let heads = counting.iter().filter(|credential| credential.superseded.is_none());
        let forked = counting
            .iter()
            .any(|credential| credential.doubt.as_ref().is_some_and(|doubt| doubt.kind == DoubtKind::Unsure));
        match forked {
            true => assert_eq!(carrier.enrolment(number), Enrolment::Held, "nothing is issued after a fork"),
            false => assert!(heads.count() <= 1, "{counting:#?}"),
        }
    }
}

/// Of every certificate that has not ended.
fn lists_say_what_ocsp_says(carrier: &Carrier, now: UnixTime) {
    let rows = carrier.ledger.certificates("", 1000).unwrap().rows;
    let lasting = rows.iter().filter(|row| now <= row.not_after);
    let by_ocsp = lasting.filter_map(|row| match carrier.ledger.standing(row, now).unwrap() {
        Standing::Revoked(revoked) => Some((row.serial.clone(), revoked.at, revoked.reason)),
        // On hold by OCSP alone.
        Standing::Waits | Standing::Counts => None,
    });
    let by_list = carrier.ledger.revoked("devices", now, now).unwrap();
    let by_list = by_list.into_iter().map(|one| (one.serial, one.at, one.reason));
    let sorted = |mut all: Vec<(String, UnixTime, _)>| {
        all.sort_by(|one, other| one.0.cmp(&other.0));
        all
    };
    assert_eq!(sorted(by_list.collect()), sorted(by_ocsp.collect()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn there_are_never_two_certificates_that_count_but_for_the_grace_time_or_a_fork(
        steps in prop::collection::vec(step(), 1..40)
    ) {
        let carrier = Carrier::new();
        let (mut key, mut seconds) = (0u8, 10u64);
        for step in steps {
            seconds += 1;
            let now = at(seconds);
            let of = |index: &prop::sample::Index| index.index(usize::from(key).max(1)) as u8 + 1;
            match step {
                Step::Enrol { unit, home } => {
                    key += 1;
                    let _ = carrier.enrol(unit, key, if home { HOME } else { ELSEWHERE }, now);
                }
                Step::Renew { unit, by, home } => {
                    let by = of(&by);
                    key += 1;
                    let _ = carrier.renew(unit, by, key, if home { HOME } else { ELSEWHERE }, now);
                }
                Step::Confirm(index) => drop(carrier.confirm(of(&index), now)),
                Step::Reject(index) => drop(carrier.within(|tx| tx.reject(&[of(&index); 16], now))),
                Step::Order { unit } => {
                    let order = NewOrder {
                        id: format!("again-{seconds}").parse().unwrap(),
                        device: super::unit(unit),
                        line: "line-1".parse().unwrap(),
                        site: String::new(),
                        vendor_key: None,
                        from: None,
                        until: at(seconds + 100_000),
                    };
                    let _ = carrier.ledger.open_order(&order, "kim", "again", None, now);
                }
                Step::Move { unit, to } => {
                    let _ = carrier.ledger.move_device(super::unit(unit), to, "kim", "test", Some("lee"), now);
                }
                Step::Revoke(index) => {
                    let _ = carrier.ledger.revoke(Sha256([of(&index); 32]), None, "kim", "test", now);
                }
                Step::Lapse(index) => {
                    carrier.within(|tx| tx.lapse(&TRANSACTIONS[usize::from(of(&index))], now).unwrap());
                }
                Step::Pass(more) => seconds += more,
            }
            holds(&carrier, at(seconds));
            lists_say_what_ocsp_says(&carrier, at(seconds));
        }
    }
}
