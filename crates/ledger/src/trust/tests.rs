mod books;
mod laws;
mod life;

use super::*;
use ids::{CellKey, DeviceId, EventRef, UnixTime};
use std::time::Duration;

const DAY: u64 = 24 * 3600;

fn at(days: u64) -> UnixTime {
    UnixTime::from_secs(1_790_000_000).after(Duration::from_secs(days * DAY))
}

fn cell() -> CellKey {
    "lte:450-08:1a2b3c4".parse().unwrap()
}

fn unit(number: u8) -> DeviceId {
    DeviceId::eui48([2, 0, 0, 0, 0, number])
}

fn event(seq: u64) -> TrustEvidence {
    TrustEvidence::Event(EventRef { node: "gw1".parse().unwrap(), seq })
}

fn signal(kind: SignalKind, at: UnixTime) -> Signal {
    let (source, detail) = ("test".to_owned(), String::new());
    Signal { kind, device: Some(unit(1)), at, data_at: at, source, evidence: event(1), detail }
}

/// What a cell comes to by signals of days, each known at once.
fn after(signals: &[(u64, SignalKind)]) -> CellTrust {
    let begin = CellTrust::unknown(cell(), at(0));
    let told = signals.iter().map(|(day, kind)| signal(*kind, at(*day)));
    told.fold(begin, |trust, signal| rules(&trust, &signal, signal.at))
}

fn good_days(days: std::ops::Range<u64>) -> Vec<(u64, SignalKind)> {
    days.flat_map(|day| [(day, SignalKind::Attached), (day, SignalKind::LineConfirmed)]).collect()
}

fn trusted() -> CellTrust {
    after(&good_days(0..7))
}

#[test]
fn the_table_has_each_kind_once_and_lifts_only_what_stays() {
    for kind in SignalKind::ALL {
        let rows: Vec<_> = TABLE.iter().filter(|rule| rule.kind == *kind).collect();
        assert_eq!(rows.len(), 1, "{kind:?}");
        assert!(rows[0].lifts.iter().all(|lifted| lifted.stays()), "{kind:?}");
        assert!(!matches!(rows[0].falls_to, Some(TrustState::Trusted | TrustState::Unknown)), "{kind:?}");
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        assert!(!kind.stays() || TABLE.iter().any(|rule| rule.lifts.contains(kind)), "{kind:?} never ends");
    }
    assert_eq!(TABLE.len(), SignalKind::ALL.len());
}

#[test]
fn the_words_of_states_survive_and_are_no_others() {
    for state in TrustState::ALL {
        assert_eq!(state.as_str().parse(), Ok(state));
        assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
    }
    assert!("Trusted".parse::<TrustState>().is_err());
    assert!(TrustState::ALL.is_sorted());
}

#[test]
fn trust_takes_a_week_of_good_days_and_evidence_that_a_copied_key_cannot_bring() {
    use SignalKind::{Attached, LineConfirmed};
    assert_eq!(after(&[(0, Attached)]).state, TrustState::Probation);
    assert_eq!(after(&good_days(0..6)).state, TrustState::Probation);
    assert_eq!(after(&good_days(0..7)).state, TrustState::Trusted);
    let key_alone: Vec<_> = (0..30).map(|day| (day, Attached)).collect();
    assert_eq!(after(&key_alone).state, TrustState::Probation);
    let line_alone: Vec<_> = (0..30).map(|day| (day, LineConfirmed)).collect();
    assert_eq!(after(&line_alone).state, TrustState::Probation);
    let one_day: Vec<_> = std::iter::repeat_n(good_days(3..4), 50).flatten().collect();
    assert_eq!(after(&one_day).state, TrustState::Probation);
    let confirmed_once: Vec<_> = key_alone[..7].iter().copied().chain([(6, LineConfirmed)]).collect();
    assert_eq!(after(&confirmed_once).state, TrustState::Trusted);
}

#[test]
fn each_kind_takes_trust_at_once_as_far_as_the_table_says_and_gives_none() {
    for rule in TABLE {
        let state = rules(&trusted(), &signal(rule.kind, at(7)), at(7)).state;
        assert_eq!(state, rule.falls_to.unwrap_or(TrustState::Trusted), "{:?}", rule.kind);
    }
}

/// Down by one kind, then another kind, then a week of good days.
fn back(down: SignalKind, up: SignalKind) -> (TrustState, TrustState, TrustState) {
    let down = rules(&trusted(), &signal(down, at(8)), at(8));
    let up = rules(&down, &signal(up, at(9)), at(9));
    let week = good_days(10..17)
        .iter()
        .fold(up.clone(), |trust, (day, kind)| rules(&trust, &signal(*kind, at(*day)), at(*day)));
    (down.state, up.state, week.state)
}

#[test]
fn what_a_cell_fell_by_decides_what_brings_it_back_and_then_to_probation() {
    use SignalKind::*;
    use TrustState::{Blocked, Probation, Suspect, Trusted, Unsure};
    for (down, up, expected) in [
        (Contested, JudgedGenuine, (Unsure, Probation, Trusted)),
        (Contested, Attached, (Unsure, Unsure, Unsure)),
        (Contested, Released, (Unsure, Unsure, Unsure)),
        (HolderClone, JudgedGenuine, (Suspect, Probation, Trusted)),
        (HolderClone, Released, (Suspect, Suspect, Suspect)),
        (KeyUntrusted, Returned, (Suspect, Suspect, Suspect)),
        (JudgedClone, JudgedGenuine, (Suspect, Probation, Trusted)),
        (FindingHigh, JudgedGenuine, (Suspect, Probation, Trusted)),
        (FindingHigh, Attested, (Suspect, Suspect, Suspect)),
        (Barred, Released, (Blocked, Probation, Trusted)),
        (Barred, JudgedGenuine, (Blocked, Blocked, Blocked)),
        (Barred, TakenOff, (Blocked, Probation, Trusted)),
        (Silent, Returned, (Unsure, Probation, Trusted)),
        (Silent, Attached, (Unsure, Probation, Trusted)),
        (Migrated, Attached, (Probation, Probation, Trusted)),
        (NewcomerClone, JudgedGenuine, (Probation, Probation, Trusted)),
    ] {
        assert_eq!(back(down, up), expected, "{down:?}, then {up:?}");
    }
}

#[test]
fn what_is_lifted_uncovers_what_stands_below_it() {
    use SignalKind::*;
    let state = |signals: &[(u64, SignalKind)]| {
        let told = signals.iter().map(|(day, kind)| signal(*kind, at(*day)));
        told.fold(trusted(), |trust, signal| rules(&trust, &signal, signal.at)).state
    };
    assert_eq!(state(&[(7, HolderClone), (8, Barred), (9, Released)]), TrustState::Suspect);
    assert_eq!(state(&[(7, HolderClone), (8, Barred), (9, JudgedGenuine)]), TrustState::Blocked);
    assert_eq!(
        state(&[(7, HolderClone), (8, Barred), (9, Released), (10, JudgedGenuine)]),
        TrustState::Probation
    );
}

#[test]
fn what_is_said_of_one_unit_lifts_nothing_of_another() {
    let others = Signal { device: Some(unit(2)), ..signal(SignalKind::Barred, at(8)) };
    let down = rules(&trusted(), &others, at(8));
    assert_eq!(rules(&down, &signal(SignalKind::Released, at(9)), at(9)).state, TrustState::Blocked);
    let released = Signal { device: Some(unit(2)), ..signal(SignalKind::Released, at(9)) };
    assert_eq!(rules(&down, &released, at(9)).state, TrustState::Probation);
}

#[test]
fn a_word_that_was_said_before_or_without_knowing_lifts_nothing() {
    let fell = rules(&trusted(), &signal(SignalKind::Contested, at(8)), at(8));
    let late = signal(SignalKind::JudgedGenuine, at(7));
    assert_eq!(rules(&fell, &late, at(9)), fell);
    // Judged later, by data that end before.
    let unaware = Signal { data_at: at(7), ..signal(SignalKind::JudgedGenuine, at(9)) };
    assert_eq!(rules(&fell, &unaware, at(9)).state, TrustState::Unsure);
    let from_the_future = signal(SignalKind::JudgedGenuine, at(900));
    assert_eq!(rules(&fell, &from_the_future, at(8)).state, TrustState::Unsure);
}

#[test]
fn data_that_are_too_old_are_not_trusted_and_who_comes_back_then_begins_in_probation() {
    let trust = trusted();
    let last = trust.data_at.unwrap();
    assert_eq!(last, at(6));
    assert_eq!(trust.read(last.after(STALE)).state, TrustState::Trusted);
    let stale = trust.read(last.after(STALE + Duration::from_secs(1)));
    assert_eq!(stale.state, TrustState::Unsure);
    assert_eq!(stale.reasons.iter().map(|reason| &*reason.what).collect::<Vec<_>>(), ["stale"]);
    let back = rules(&trust, &signal(SignalKind::Attached, at(14)), at(14));
    assert_eq!(back.state, TrustState::Probation);
    assert_eq!(back.read(at(14)).reasons[0].what, "returned");
    let suspect = rules(&trust, &signal(SignalKind::FindingHigh, at(7)), at(7));
    assert_eq!(suspect.read(at(70)).state, TrustState::Suspect);
}

#[test]
fn a_cell_that_was_never_seen_is_unknown_whatever_is_said_for_it() {
    use SignalKind::*;
    assert_eq!(after(&[]).state, TrustState::Unknown);
    assert_eq!(after(&[(0, JudgedGenuine), (1, Released), (2, TakenOff)]).state, TrustState::Unknown);
    assert_eq!(after(&[(0, Barred), (1, Released)]).state, TrustState::Unknown);
    assert_eq!(after(&[(0, Migrated)]).state, TrustState::Unknown);
    assert_eq!(after(&[(0, Observed)]).state, TrustState::Probation);
}

#[test]
fn whoever_is_named_with_a_cell_without_end_takes_no_more_room_and_none_of_it_is_forgotten() {
    let many = |kind| {
        (0..200).fold(trusted(), |trust, number| {
            let signal = Signal { device: Some(unit(number)), ..signal(kind, at(8)) };
            rules(&trust, &signal, at(8))
        })
    };
    let trust = many(SignalKind::Barred);
    assert!(trust.falls.len() <= CellTrust::MAX_FALLS + 1, "{}", trust.falls.len());
    let released = (0..200).fold(trust, |trust, number| {
        let signal = Signal { device: Some(unit(number)), ..signal(SignalKind::Released, at(9)) };
        rules(&trust, &signal, at(9))
    });
    assert_eq!(released.state, TrustState::Blocked);
    let judged = rules(&released, &signal(SignalKind::JudgedGenuine, at(10)), at(10));
    assert_eq!(judged.state, TrustState::Probation);
    let watched = many(SignalKind::NewcomerClone);
    assert!(watched.falls.len() <= CellTrust::MAX_FALLS);
    assert_eq!(watched.state, TrustState::Probation);
}

#[test]
fn a_detail_without_end_has_one() {
    let long = Signal { detail: "카".repeat(1000), ..signal(SignalKind::FindingHigh, at(8)) };
    let trust = rules(&trusted(), &long, at(8));
    let kept = &trust.falls.last().unwrap().signal.detail;
    assert!(kept.len() <= Signal::MAX_DETAIL && kept.starts_with('카'));
}
