//! Two who hold one key: whom the verdict takes for the unit.

use super::*;
use crate::{Case, Fingerprint, Lineage, Located, Management, Trail};
use ids::{CertSha256, Position, SourceClass};
use ledger::{Appearance, Grade, Item, Judged, Mark, Profile};
use std::net::SocketAddr;

const AWAY: &str = "198.51.100.9:4500";
const ELSEWHERE: &str = "203.0.113.9:4500";

fn look(make: &str) -> Fingerprint {
    Fingerprint { vendor_ids: vec![make.into()].into(), nonce_length: 32, ..Fingerprint::default() }
}

fn with<T>(value: T) -> Evidence<T> {
    Evidence::seen(value, "test", now())
}

/// From somewhere, with an IKE of this make.
fn from(outer: &str, make: &str) -> Claim {
    Claim { fingerprint: with(look(make)), ..claim(outer) }
}

/// In another country, by the network and by where that is.
fn foreign(outer: &str) -> Claim {
    let mut claim = from(outer, "A");
    claim.outer.class = with(SourceClass::Foreign);
    let position = Position::from_degrees(51.5, 0.0).unwrap();
    claim.outer.place = with(Located { position, radius_km: 50 });
    claim
}

fn seen(outer: &str, make: &str, at_home: bool, days_ago: u64) -> Appearance {
    let at = now().before(Duration::from_secs(days_ago * DAY));
    Appearance {
        look: look(make).look(outer.parse::<SocketAddr>().unwrap().ip()),
        from: outer.parse::<SocketAddr>().unwrap().ip(),
        at_home,
        position: None,
        radius_km: 0,
        cert_sha256: Sha256([7; 32]),
        firmware: String::new(),
        first: at,
        last: at,
        marks: Vec::new(),
        judged: None,
    }
}

struct World {
    line: Option<AccessLineRecord>,
    /// The latest first.
    seen: Vec<Appearance>,
    modes: Modes,
    may_go: bool,
}

impl World {
    /// The unit was at home before, with an IKE of make A.
    fn new() -> Self {
        let seen = vec![seen(HOME, "A", true, 1)];
        Self { line: Some(line()), seen, modes: Modes::new(Vec::new(), &[]), may_go: true }
    }

    /// Nobody knows its line any more.
    fn without_line() -> Self {
        Self { line: None, ..Self::new() }
    }

    fn judge(&self, claim: &Claim, holder: Option<(Claim, Probe)>) -> Verdict {
        self.judge_beside(
            claim,
            holder.map(|(claim, probe)| Holder { claim: Some(claim), ..super::holder(probe) }),
        )
    }

    fn judge_beside(&self, claim: &Claim, holder: Option<Holder>) -> Verdict {
        let position = Position::from_degrees(37.5, 127.0);
        let (device, credential) = (Device { position, ..device(LifeCycle::Live) }, credential());
        let profile = Profile { device: id(), seen: self.seen.clone() };
        let facts = Facts {
            device: Some(&device),
            credential: Some(&credential),
            line: self.line.as_ref(),
            profile: Some(&profile),
            holder_may_go: self.may_go,
            ..Facts::default()
        };
        let policy = Policy::default();
        let verdict = judge(claim, &facts, holder.as_ref(), &policy, &self.modes, now());
        let case = Case::new(claim, &facts, holder.as_ref(), &policy, &self.modes, now());
        let kept: Case = serde_json::from_str(&serde_json::to_string(&case).unwrap()).unwrap();
        assert_eq!((&kept, kept.judge()), (&case, verdict.clone()), "what the journal keeps is enough");
        verdict
    }

    fn between(&self, newcomer: &Claim, holder: Claim) -> (Decision, Option<Conclusion>, bool) {
        let verdict = self.judge(newcomer, Some((holder, Probe::Answered)));
        (verdict.decision, verdict.conclusion, verdict.holder_goes)
    }
}

const UNDECIDED: (Decision, Option<Conclusion>, bool) =
    (Decision::Quarantine(Reason::SecondClaim), Some(Conclusion::Undecided), false);
const CLONE_GOES: (Decision, Option<Conclusion>, bool) =
    (Decision::Admit(Admit::HolderIsClone), Some(Conclusion::HolderIsClone), true);

#[test]
fn a_copy_beside_the_unit_at_home_is_refused_and_one_that_came_first_goes() {
    let (world, unit, copy) = (World::new(), from(HOME, "A"), from(HOME, "B"));
    let refused = (Decision::Refuse(Reason::Clone), Some(Conclusion::NewcomerIsClone), false);
    assert_eq!(world.between(&copy, unit.clone()), refused);
    assert_eq!(world.between(&unit, copy), CLONE_GOES);
    assert_eq!(world.between(&unit, from(AWAY, "A")), CLONE_GOES, "it was there before its line was known");
    let new = World { seen: Vec::new(), ..World::new() };
    assert_eq!(new.between(&unit, from(AWAY, "A")), CLONE_GOES, "a unit that was never seen before");
}

#[test]
fn a_holder_that_is_found_out_stays_where_the_ceiling_is_reached_and_the_unit_is_not_turned_away() {
    let mut world = World { may_go: false, ..World::without_line() };
    let (unit, copy) = (from(AWAY, "A"), from(ELSEWHERE, "B"));
    let (decision, conclusion, goes) = world.between(&unit, copy.clone());
    assert_eq!(decision, Decision::Quarantine(Reason::SecondClaim));
    assert_eq!((conclusion, goes), (Some(Conclusion::HolderIsClone), false));
    world.may_go = true;
    let verdict = world.judge(&unit, Some((copy, Probe::Answered)));
    assert!(verdict.holder_goes && verdict.takes_service(), "nobody knows whether it is the unit that goes");
}

#[test]
fn a_unit_at_home_that_takes_its_place_from_a_copy_takes_service_from_nobody_and_needs_no_room_under_the_ceiling()
 {
    let world = World { may_go: false, ..World::new() };
    let (unit, copy) = (from(HOME, "A"), from(AWAY, "B"));
    assert_eq!(world.between(&unit, copy.clone()), CLONE_GOES);
    assert!(!world.judge(&unit, Some((copy, Probe::Answered))).takes_service());
    let inside = world.judge(&unit, Some((from(HOME, "B"), Probe::Answered)));
    assert_eq!(
        inside.decision,
        Decision::Quarantine(Reason::SecondClaim),
        "both are at home: either may be the unit"
    );
}

#[test]
fn two_who_are_both_where_the_unit_is_not_are_both_in_wrong_hands() {
    let world = World { seen: vec![seen(HOME, "C", true, 1)], ..World::without_line() };
    let hosting = |outer| {
        let mut claim = from(outer, "A");
        claim.outer.class = with(SourceClass::Hosting);
        claim
    };
    let (decision, conclusion, _) = world.between(&hosting(AWAY), hosting(ELSEWHERE));
    assert_eq!(decision, Decision::Refuse(Reason::WrongHands));
    assert_eq!(conclusion, Some(Conclusion::GenuineKeyUntrusted));
    let alone = world.judge(&hosting(AWAY), None);
    assert_eq!(alone.decision, Decision::Admit(Admit::First), "a list of networks alone refuses nobody");
    let old = |outer| {
        let lineage = with(Lineage::Superseded { by: Sha256([7; 32]) });
        Claim { lineage, cert_sha256: Sha256([7; 32]), ..from(outer, "A") }
    };
    let both = world.between(&old(AWAY), old(ELSEWHERE));
    assert_eq!(both, (Decision::Refuse(Reason::WrongHands), Some(Conclusion::GenuineKeyUntrusted), true));
}

#[test]
fn who_renews_first_gains_nothing_by_it_unless_the_unit_had_the_newer_one_at_home() {
    let newer: CertSha256 = Sha256([8; 32]);
    let head = Claim { cert_sha256: newer, lineage: with(Lineage::Head), ..from(ELSEWHERE, "A") };
    let old = Claim { lineage: with(Lineage::Superseded { by: newer }), ..from(AWAY, "A") };
    let mut world = World::without_line();
    assert_eq!(world.between(&old, head.clone()), UNDECIDED);
    world.seen[0].cert_sha256 = newer;
    assert_eq!(world.between(&old, head).0, Decision::Refuse(Reason::Clone));
}

#[test]
fn what_management_and_handsets_say_decides_where_both_are_on_the_same_line() {
    let world = World::new();
    let relay = Claim { place: with(Trail::Elsewhere), ..from(HOME, "A") };
    let copy = Claim {
        facts: with(Management { tunnel: Some(false), serial: Some(true), ..Management::default() }),
        ..from(HOME, "A")
    };
    let unit = Claim { place: with(Trail::AtSite), ..from(HOME, "A") };
    assert_eq!(world.judge(&relay, None).decision, Decision::Refuse(Reason::WrongHands));
    assert_eq!(
        world.judge(&copy, None).decision,
        Decision::Admit(Admit::First),
        "management alone ends nobody at home"
    );
    let told = |claim| world.judge(claim, None).told;
    assert_eq!((told(&copy), told(&unit)), (Some(Reason::WrongHands), None), "it is told");
    assert_eq!(world.between(&unit, copy.clone()), CLONE_GOES);
    let away = Claim { outer: from(AWAY, "A").outer, ..copy };
    assert_eq!(World::without_line().judge(&away, None).decision, Decision::Refuse(Reason::WrongHands));
    assert_eq!(world.between(&unit, relay), CLONE_GOES);
    assert_eq!(world.between(&from(HOME, "A"), from(HOME, "A")), UNDECIDED);
}

#[test]
fn lists_that_refuse_nobody_tell_no_copy() {
    let world = World { modes: observed(&[Reason::ForeignNetwork, Reason::WrongHands]), ..World::new() };
    let (unit, away) = (from(HOME, "A"), from(AWAY, "A"));
    assert_eq!(world.between(&away, unit.clone()), UNDECIDED);
    assert_eq!(world.between(&unit, away.clone()), UNDECIDED);
    let verdict = world.judge(&away, None);
    assert_eq!(verdict.decision, Decision::Admit(Admit::First));
    assert_eq!(verdict.observed, [Reason::ForeignNetwork]);
}

#[test]
fn the_right_key_in_a_foreign_place_is_no_reconnect() {
    let (world, away) = (World::without_line(), foreign(ELSEWHERE));
    for holder in [None, Some((from(HOME, "A"), Probe::Silent))] {
        let verdict = world.judge(&away, holder);
        assert_eq!(verdict.decision, Decision::Refuse(Reason::WrongHands));
        assert_eq!(verdict.conclusion, Some(Conclusion::GenuineKeyUntrusted));
    }
    let on_its_line = World::new().judge(&foreign(HOME), None);
    assert_eq!(
        on_its_line.decision,
        Decision::Admit(Admit::First),
        "a line says it better than a list of networks"
    );
}

#[test]
fn one_who_alternates_with_the_unit_is_found_when_the_unit_comes_back() {
    let mark = Mark { item: Item::Fingerprint, grade: Grade::Bad, before_fork: true };
    let other = Appearance { marks: vec![mark], ..seen(ELSEWHERE, "B", false, 0) };
    let world = World { seen: vec![other.clone(), seen(HOME, "A", true, 1)], ..World::new() };
    let back = world.judge(&from(HOME, "A"), None);
    assert_eq!(back.decision, Decision::Admit(Admit::First));
    assert_eq!(back.conclusion, Some(Conclusion::HolderIsClone));
    assert_eq!(back.other.map(|other| other.total()), Some(-2));

    let unit = Appearance { marks: back.own.marks().to_vec(), ..seen(HOME, "A", true, 0) };
    let world = World { seen: vec![unit, other], ..World::without_line() };
    let again = world.judge(&from(ELSEWHERE, "B"), None);
    assert_eq!(again.decision, Decision::Refuse(Reason::Clone));
    assert_eq!(again.conclusion, Some(Conclusion::NewcomerIsClone));
}

#[test]
fn one_that_looks_otherwise_each_time_is_told_as_two_and_one_that_changed_a_few_times_is_not() {
    let makes = |makes: &[&str], days_ago| {
        let seen = makes.iter().map(|make| seen(AWAY, make, false, days_ago)).collect();
        let verdict = World { seen, ..World::without_line() }.judge(&from(AWAY, "Z"), None);
        assert_eq!(verdict.decision, Decision::Admit(Admit::First));
        verdict.conclusion
    };
    assert_eq!(makes(&["C", "B", "A"], 1), Some(Conclusion::Undecided));
    assert_eq!(makes(&["B", "A"], 1), None);
    assert_eq!(makes(&["C", "B", "A"], 8), None, "in the course of time a unit is upgraded");
    assert_eq!(makes(&["C", "B", "A", "Z"], 8), Some(Conclusion::Undecided), "it was here before the others");
}

#[test]
fn a_unit_that_is_upgraded_and_set_back_at_home_or_moves_between_addresses_is_one() {
    let upgraded = vec![seen(HOME, "B", true, 0), seen(HOME, "A", true, 1)];
    let back = World { seen: upgraded, ..World::new() }.judge(&from(HOME, "A"), None);
    assert_eq!((back.decision, back.conclusion), (Decision::Admit(Admit::First), None));

    let moved = vec![seen(ELSEWHERE, "A", false, 0), seen(AWAY, "A", false, 1)];
    let back = World { seen: moved, ..World::without_line() }.judge(&from(AWAY, "A"), None);
    assert_eq!((back.decision, back.conclusion), (Decision::Admit(Admit::First), None));
}

#[test]
fn one_alone_in_wrong_hands_is_let_in_from_there_once_a_person_has_said_that_it_is_the_unit() {
    let judge = |judged: Option<bool>, outer| {
        let says = |is_copy| Judged { is_copy, at: now(), by: "kim".into(), incident: Some(1) };
        let there = Appearance { judged: judged.map(says), ..seen(ELSEWHERE, "A", false, 1) };
        World { seen: vec![there], ..World::without_line() }.judge(&foreign(outer), None).decision
    };
    assert_eq!(judge(None, ELSEWHERE), Decision::Refuse(Reason::WrongHands));
    assert_eq!(judge(Some(false), ELSEWHERE), Decision::Admit(Admit::First));
    assert_eq!(judge(Some(false), AWAY), Decision::Refuse(Reason::WrongHands), "nothing was said of there");
    assert_eq!(judge(Some(true), ELSEWHERE), Decision::Refuse(Reason::Clone));

    let cleared = Judged { is_copy: false, at: now(), by: "kim".into(), incident: Some(1) };
    let there = Appearance { judged: Some(cleared), ..seen(ELSEWHERE, "A", false, 1) };
    let world = World { seen: vec![seen(HOME, "A", true, 0), there], ..World::without_line() };
    let back = world.judge(&foreign(ELSEWHERE), None);
    assert_eq!((back.decision, back.conclusion), (Decision::Admit(Admit::First), None), "they are one");
}

#[test]
fn what_a_person_said_stands_where_both_are_seen_again() {
    let says = |is_copy| Some(Judged { is_copy, at: now(), by: "kim".into(), incident: Some(1) });
    let copy = Appearance { judged: says(true), ..seen(ELSEWHERE, "A", false, 1) };
    let unit = Appearance { judged: says(false), ..seen(AWAY, "A", false, 1) };
    let world = World { seen: vec![copy, unit], ..World::without_line() };
    assert_eq!(world.judge(&from(ELSEWHERE, "A"), None).decision, Decision::Refuse(Reason::Clone));
    assert_eq!(world.judge(&from(AWAY, "A"), None).decision, Decision::Admit(Admit::First));
    assert_eq!(world.between(&from(AWAY, "A"), from(ELSEWHERE, "A")), CLONE_GOES);
    let another = world.judge(&from(ELSEWHERE, "B"), None);
    assert_eq!(another.decision, Decision::Admit(Admit::First), "of that one nothing was said");
}

#[test]
fn who_comes_from_anothers_line_while_the_unit_is_heard_at_home_is_a_copy_and_the_unit_is_not_asked() {
    let world = World::new();
    let beside = |at: &str, seconds: Option<u64>| {
        let heard_ago = seconds.map(Duration::from_secs);
        let holder = Holder { claim: Some(from(at, "A")), heard_ago, ..holder(Probe::NotAsked) };
        let verdict = world.judge_beside(&from(AWAY, "A"), Some(holder));
        (verdict.decision, verdict.conclusion, verdict.other.is_some())
    };
    let copy = (Decision::Refuse(Reason::Clone), Some(Conclusion::NewcomerIsClone), true);
    let elsewhere = (Decision::Refuse(Reason::ForeignNetwork), Some(Conclusion::GenuineKeyUntrusted), false);
    assert_eq!(beside(HOME, Some(5)), copy);
    assert_eq!(beside(HOME, Some(61)), elsewhere, "it may have been carried there by now");
    assert_eq!(beside(HOME, None), elsewhere);
    assert_eq!(beside(ELSEWHERE, Some(5)), elsewhere, "the holder is not at home either");
}
