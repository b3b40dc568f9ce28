//! What holds for any signals, in any order.

use super::*;
use proptest::prelude::*;

/// A signal, and when it becomes known.
type Told = (Signal, UnixTime);

fn told() -> impl Strategy<Value = Told> {
    let kind = proptest::sample::select(SignalKind::ALL);
    let hours = |hours: u64| Duration::from_secs(hours * 3600);
    (kind, 0..3u8, 0..40 * 24u64, 0..48u64, 0..96u64).prop_map(move |(kind, device, when, unaware, late)| {
        let when = at(0).after(hours(when));
        let device = (device > 0).then(|| unit(device));
        (
            Signal { device, data_at: when.before(hours(unaware)), ..signal(kind, when) },
            when.after(hours(late)),
        )
    })
}

/// Good days, with trouble drawn among them, in the order in which all of it becomes known.
fn story() -> impl Strategy<Value = Vec<Told>> {
    let trouble = proptest::collection::vec(told(), 0..8);
    (trouble, 0..30u64, 0..20u64).prop_map(|(mut all, from, days)| {
        let good = good_days(from..from + days);
        all.extend(good.iter().map(|(day, kind)| (signal(*kind, at(*day)), at(*day))));
        all.sort_by_key(|(_, known_at)| *known_at);
        all
    })
}

fn end(story: &[Told]) -> CellTrust {
    story.iter().fold(CellTrust::unknown(cell(), at(0)), |trust, (signal, now)| rules(&trust, signal, *now))
}

/// After all that was told.
fn later() -> UnixTime {
    at(60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, max_global_rejects: 100_000, ..ProptestConfig::default() })]

    #[test]
    fn a_worse_signal_never_ends_in_more_trust(story in story(), device in 1..3u8) {
        let trust = end(&story);
        let next = |kind| {
            let signal = Signal { device: Some(unit(device)), ..signal(kind, later()) };
            rules(&trust, &signal, later()).state
        };
        for better in TABLE {
            // To be seen with something against it is still to be seen: that compares with being seen alone.
            let alike = |worse: &&Rule| {
                (worse.weight == Weight::None && worse.lifts.is_empty()) || better.weight != Weight::None
            };
            for worse in TABLE.iter().filter(alike).filter(|worse| worse.falls_to > better.falls_to) {
                prop_assert!(next(worse.kind) >= next(better.kind), "{:?} and {:?}", worse.kind, better.kind);
            }
        }
    }

    #[test]
    fn it_falls_at_once_as_far_as_the_table_says(story in story()) {
        let trust = end(&story);
        for rule in TABLE {
            let fell = rules(&trust, &signal(rule.kind, later()), later()).state;
            prop_assert!(rule.falls_to.is_none_or(|state| fell >= state), "{:?}", rule.kind);
        }
    }

    #[test]
    fn trouble_raises_nothing_whenever_it_was(story in story(), trouble in told()) {
        let (signal, now) = trouble;
        let rule = signal.kind.rule();
        let is_no_evidence = rule.falls_to.is_some() && rule.lifts.is_empty() && rule.weight == Weight::None;
        prop_assume!(is_no_evidence);
        let before = end(&story);
        prop_assert!(rules(&before, &signal, now).state >= before.state);
    }

    #[test]
    fn only_evidence_raises_and_nothing_but_probation_leads_to_trust(story in story()) {
        let mut trust = CellTrust::unknown(cell(), at(0));
        for (signal, now) in &story {
            let next = rules(&trust, signal, *now);
            if next.state < trust.state {
                let rule = signal.kind.rule();
                prop_assert!(rule.weight != Weight::None || !rule.lifts.is_empty(), "{:?}", signal.kind);
                prop_assert!(next.state != TrustState::Trusted || trust.state == TrustState::Probation);
            }
            trust = next;
        }
    }

    #[test]
    fn who_is_trusted_has_earned_it_behind_all_trouble(story in story()) {
        let trust = end(&story);
        prop_assume!(trust.state == TrustState::Trusted);
        let day = |time: UnixTime| time.secs() / DAY as i64;
        let falls = story.iter().filter(|(signal, _)| signal.kind.rule().falls_to.is_some());
        for (fall, _) in falls.clone().filter(|(fall, _)| fall.kind.rule().falls_to > Some(TrustState::Probation)) {
            let lifts = |(lift, _): &&Told| {
                let is_back = fall.kind == SignalKind::Silent && lift.kind.rule().weight != Weight::None;
                let is_lifted = match fall.device {
                    None => lift.kind == SignalKind::JudgedGenuine || lift.kind.rule().lifts.contains(&fall.kind),
                    Some(_) => lift.device == fall.device && lift.kind.rule().lifts.contains(&fall.kind),
                };
                (is_lifted && lift.data_at > fall.at) || (is_back && lift.at > fall.at)
            };
            prop_assert!(story.iter().any(|told| lifts(&told)), "{:?} stands", fall.kind);
        }
        let trouble = falls.map(|(fall, _)| day(fall.at)).max().unwrap_or(i64::MIN);
        let good = story.iter().filter(|(signal, _)| {
            signal.kind.rule().falls_to.is_none() && signal.kind.rule().weight != Weight::None && day(signal.data_at) > trouble
        });
        let days: std::collections::BTreeSet<_> = good.clone().map(|(signal, _)| day(signal.data_at)).collect();
        let kinds: std::collections::BTreeSet<_> = good.map(|(signal, _)| signal.kind).collect();
        prop_assert!(days.len() >= DAYS && kinds.len() >= KINDS);
        prop_assert!(kinds.iter().any(|kind| *kind != SignalKind::Attached));
    }

    #[test]
    fn what_comes_late_raises_nothing_that_fell_behind_it(story in story(), late in told(), down in told()) {
        let (down, _) = down;
        prop_assume!(down.kind.rule().falls_to > Some(TrustState::Probation));
        let before = rules(&end(&story), &down, later());
        prop_assume!(before.falls.iter().any(|fall| fall.stands() && fall.signal.at >= down.at));
        let (late, _) = late;
        let late = Signal { at: late.at.min(down.at), data_at: late.data_at.min(down.at), ..late };
        let after = rules(&before, &late, later());
        let level = down.kind.rule().falls_to.unwrap();
        let stood = before.falls.iter().any(|fall| fall.stands() && fall.signal.kind == down.kind && fall.signal.device == down.device);
        prop_assert!(!stood || after.state >= level, "{:?} after {:?}", late.kind, down.kind);
    }

    #[test]
    fn the_same_signal_again_changes_nothing(story in story(), again in 0..64usize) {
        prop_assume!(!story.is_empty());
        let trust = end(&story);
        let (signal, _) = &story[again % story.len()];
        let same = rules(&trust, signal, later());
        let once_more = rules(&same, signal, later());
        prop_assert_eq!(&once_more, &same);
        let at_once = rules(&trust, &story.last().unwrap().0, story.last().unwrap().1);
        prop_assert_eq!(at_once, trust);
    }

    #[test]
    fn time_alone_raises_nothing_and_unknown_is_never_read_as_trusted(story in story(), days in 0..400u64) {
        let trust = end(&story);
        let (first, then) = (trust.read(later()), trust.read(later().after(Duration::from_secs(days * DAY))));
        prop_assert!(then.state >= first.state);
        prop_assert!(first.state >= trust.state);
        prop_assert!(trust.state != TrustState::Unknown || first.state == TrustState::Unknown);
        prop_assert!(!then.reasons.is_empty());
    }

    #[test]
    fn it_takes_a_bounded_row(story in proptest::collection::vec(told(), 0..200)) {
        let trust = end(&story);
        prop_assert!(trust.falls.len() <= CellTrust::MAX_FALLS + SignalKind::ALL.len());
        prop_assert!(trust.days.len() <= DAYS);
        let row = serde_json::to_value(&trust).unwrap();
        prop_assert_eq!(serde_json::from_value::<CellTrust>(row).unwrap(), trust);
    }
}
