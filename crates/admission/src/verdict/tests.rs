use super::*;
use crate::{IkeSpis, Missing, Outer, ValidityException};
use ids::{AccessLine, DeviceId, IkeSpi, Network, SessionId, Sha256};
use ledger::{
    AccessLineRecord, Credential, Device, Enrolment, GRACE, Mode, Origin, PolicyRule, Revoked, Scope,
    Superseded, allows,
};
use proptest::prelude::*;
use std::{collections::HashSet, time::Duration};

mod two;

const DAY: u64 = 86_400;

fn now() -> UnixTime {
    UnixTime::from_secs(1_790_000_000)
}

fn id() -> DeviceId {
    "00aabbccddee".parse().unwrap()
}

fn claim(outer: &str) -> Claim {
    Claim {
        device: id(),
        idi: "00aabbccddee.femto.operator.example".into(),
        cert_sha256: Sha256([7; 32]),
        serial: "01".into(),
        ski: Evidence::Missing(Missing::NotSent),
        revocation: Evidence::Missing(Missing::NotGathered),
        path: Box::default(),
        validity: Duration::from_secs(30 * DAY),
        extended: false,
        outer: Outer {
            address: outer.parse().unwrap(),
            class: Evidence::Missing(Missing::NotGathered),
            line: Evidence::Missing(Missing::NotGathered),
            place: Evidence::Missing(Missing::NotGathered),
        },
        ike_spis: IkeSpis { initiator: IkeSpi(1), responder: IkeSpi(2) },
        proof: Evidence::Missing(Missing::NotGathered),
        lineage: Evidence::Missing(Missing::NotGathered),
        fingerprint: Evidence::Missing(Missing::NotGathered),
        place: Evidence::Missing(Missing::NotGathered),
        facts: Evidence::Missing(Missing::NotGathered),
        attestation: Evidence::Missing(Missing::NotGathered),
    }
}

fn device(state: LifeCycle) -> Device {
    Device {
        enrolment: Enrolment::Enrolled,
        access_line: Some("L-1".parse().unwrap()),
        ..Device::new(id(), state, now())
    }
}

fn credential() -> Credential {
    Credential {
        cert_sha256: Sha256([7; 32]),
        device: id(),
        realm: "femto.operator.example".parse().unwrap(),
        serial: "01".into(),
        spki_sha256: Sha256([8; 32]),
        not_before: now(),
        not_after: now().after(Duration::from_secs(30 * DAY)),
        issued_at: now(),
        origin: Origin::Issued,
        parent: None,
        superseded: None,
        doubt: None,
        revoked: None,
    }
}

fn line() -> AccessLineRecord {
    AccessLineRecord {
        line: "L-1".parse().unwrap(),
        prefixes: vec!["127.10.0.0/16".parse().unwrap()],
        region: "seoul".into(),
        position: None,
    }
}

const HOME: &str = "127.10.0.9:4500";

fn rule(reason: Reason, class: Option<&str>, region: Option<&str>, mode: Mode) -> PolicyRule {
    PolicyRule {
        reason: reason.code().into(),
        scope: Scope { class: class.map(str::to_owned), region: region.map(str::to_owned) },
        mode,
        why: "test".into(),
        by: "kim".into(),
        since: now(),
    }
}

fn enforced(reason: Reason) -> Modes {
    Modes::new(vec![rule(reason, None, None, Mode::Enforce)], &[])
}

fn observed(reasons: &[Reason]) -> Modes {
    Modes::new(reasons.iter().map(|reason| rule(*reason, None, None, Mode::Observe)).collect(), &[])
}

fn decide(
    claim: &Claim,
    device: Option<&Device>,
    credential: Option<&Credential>,
    line: Option<&AccessLineRecord>,
) -> Decision {
    judge(
        claim,
        &Facts { device, credential, line, good_at: None, is_extended: false, ..Facts::default() },
        None,
        &Policy::default(),
        &Modes::new(Vec::new(), &[]),
        now(),
    )
    .decision
}

#[test]
fn a_certificate_that_has_ended_counts_only_while_the_ledger_extends_it_and_is_no_way_around_anything_else() {
    let (lives, stolen, credential, line) =
        (device(LifeCycle::Live), device(LifeCycle::Stolen), credential(), line());
    let claim = Claim { extended: true, ..claim(HOME) };
    let decided = |device, is_extended| {
        let facts = Facts {
            device: Some(device),
            credential: Some(&credential),
            line: Some(&line),
            good_at: None,
            is_extended,
            ..Facts::default()
        };
        judge(&claim, &facts, None, &Policy::default(), &Modes::default(), now()).decision
    };
    assert_eq!(decided(&lives, true), Decision::Admit(Admit::First));
    assert_eq!(decided(&lives, false), Decision::Refuse(Reason::NotExtended));
    assert_eq!(decided(&stolen, true), Decision::Refuse(Reason::Stolen));
}

fn decide_with(claim: &Claim, holder: Option<&Holder>) -> Verdict {
    let (device, credential, line) = (device(LifeCycle::Live), credential(), line());
    let facts = Facts {
        device: Some(&device),
        credential: Some(&credential),
        line: Some(&line),
        good_at: None,
        is_extended: false,
        ..Facts::default()
    };
    judge(claim, &facts, holder, &Policy::default(), &Modes::new(Vec::new(), &[]), now())
}

fn holder(probe: Probe) -> Holder {
    let session = SessionId { epoch: ids::Epoch(1), number: 1 };
    Holder {
        session,
        claim: Some(claim(HOME)),
        probe,
        outer: Some(HOME.parse().unwrap()),
        asked_ago: None,
        heard_ago: None,
    }
}

#[test]
fn section_4_line_9_the_ledger_says_who_may_attach() {
    let (credential, line) = (credential(), line());
    let of = |state| decide(&claim(HOME), Some(&device(state)), Some(&credential), Some(&line));
    for state in LifeCycle::ALL {
        assert_eq!(
            of(state) == Decision::Admit(Admit::First),
            allows(state, Enrolment::Enrolled).attach,
            "{state}"
        );
    }
    assert_eq!(of(LifeCycle::Lost), Decision::Refuse(Reason::Lost));
    assert_eq!(of(LifeCycle::Retired), Decision::Refuse(Reason::Retired));
    let unknown = decide(&claim(HOME), None, Some(&credential), Some(&line));
    assert_eq!(unknown, Decision::Refuse(Reason::UnknownDevice));
}

#[test]
fn a_good_chain_is_not_enough_the_certificate_must_have_been_issued_to_this_unit() {
    let (device, line) = (device(LifeCycle::Live), line());
    let of = |credential: Option<&Credential>| decide(&claim(HOME), Some(&device), credential, Some(&line));
    assert_eq!(of(None), Decision::Refuse(Reason::MisIssued));
    let other = Credential { device: DeviceId::eui48([9; 6]), ..credential() };
    assert_eq!(of(Some(&other)), Decision::Refuse(Reason::OthersCertificate));
    let another = Credential { cert_sha256: Sha256([9; 32]), ..credential() };
    assert_eq!(of(Some(&another)), Decision::Refuse(Reason::MisIssued));
    let revoked = Credential {
        revoked: Some(Revoked { at: now(), why: "key lost".into(), reason: None }),
        ..credential()
    };
    assert_eq!(of(Some(&revoked)), Decision::Refuse(Reason::Revoked));
}

#[test]
fn a_certificate_that_has_a_successor_lets_its_unit_in_for_the_grace_time_and_nobody_after_it() {
    let (device, line) = (device(LifeCycle::Live), line());
    let superseded = Some(Superseded { at: now(), by: Sha256([9; 32]) });
    let credential = Credential { superseded, ..credential() };
    let facts = Facts {
        device: Some(&device),
        credential: Some(&credential),
        line: Some(&line),
        good_at: None,
        is_extended: false,
        ..Facts::default()
    };
    let at = |now| {
        judge(&claim(HOME), &facts, None, &Policy::default(), &Modes::new(Vec::new(), &[]), now).decision
    };
    let end = now().after(GRACE);
    assert_eq!(at(end), Decision::Admit(Admit::First));
    assert_eq!(at(end.after(Duration::from_micros(1))), Decision::Refuse(Reason::Superseded));
}

#[test]
fn section_4_line_7_a_vendors_certificate_opens_no_tunnel_by_its_chain_alone() {
    let (device, line) = (device(LifeCycle::Live), line());
    // What a vendor issued is not among what this carrier recorded.
    assert_eq!(decide(&claim(HOME), Some(&device), None, Some(&line)), Decision::Refuse(Reason::MisIssued));
    let enrolled = Credential { realm: "vendor.example".parse().unwrap(), ..credential() };
    let facts = Facts {
        device: Some(&device),
        credential: Some(&enrolled),
        line: Some(&line),
        good_at: None,
        is_extended: false,
        ..Facts::default()
    };
    let verdict = judge(&claim(HOME), &facts, None, &Policy::default(), &Modes::new(Vec::new(), &[]), now());
    assert_eq!(verdict.decision, Decision::Admit(Admit::First), "unless it was recorded for this very unit");
}

#[test]
fn section_4_line_8_a_certificate_counts_no_more_once_it_is_revoked_whoever_holds_it_and_whatever_the_clock_shows()
 {
    let (device, line) = (device(LifeCycle::Live), line());
    let (credential, moment) = (credential(), now());
    let revoked = Credential {
        revoked: Some(Revoked { at: moment, why: "key lost".into(), reason: None }),
        ..credential
    };
    let facts = Facts {
        device: Some(&device),
        credential: Some(&revoked),
        line: Some(&line),
        good_at: None,
        is_extended: false,
        ..Facts::default()
    };
    let at = |now, holder: Option<&Holder>| {
        judge(&claim(HOME), &facts, holder, &Policy::default(), &Modes::new(Vec::new(), &[]), now).decision
    };
    let (second, silent) = (Duration::from_secs(1), holder(Probe::Silent));
    let years = Duration::from_secs(10 * 365 * DAY);
    for now in
        [moment, moment.after(second), moment.before(second), moment.after(years), moment.before(years)]
    {
        assert_eq!(at(now, None), Decision::Refuse(Reason::Revoked));
        assert_eq!(at(now, Some(&silent)), Decision::Refuse(Reason::Revoked), "the way in of a reconnect");
    }
    let credential = Credential { revoked: None, ..revoked.clone() };
    let facts = Facts { credential: Some(&credential), ..facts };
    let verdict = judge(&claim(HOME), &facts, None, &Policy::default(), &Modes::new(Vec::new(), &[]), moment);
    assert_eq!(verdict.decision, Decision::Admit(Admit::First), "the same that was not revoked");
    let facts = Facts { credential: Some(&revoked), ..facts };
    let verdict = judge(&claim(HOME), &facts, None, &Policy::default(), &Modes::new(Vec::new(), &[]), moment);
    assert!(verdict.missing.contains(&"revocation"), "a look that was not taken is named");
}

#[test]
fn ten_years_are_too_long_unless_a_named_exception_says_so_and_until_it_ends() {
    let mut claim = claim(HOME);
    claim.validity = Duration::from_secs(3650 * DAY);
    let (device, credential, line) = (device(LifeCycle::Live), credential(), line());
    let facts = Facts {
        device: Some(&device),
        credential: Some(&credential),
        line: Some(&line),
        good_at: None,
        is_extended: false,
        ..Facts::default()
    };
    let mut policy = Policy::default();
    let of = |policy: &Policy| judge(&claim, &facts, None, policy, &Modes::new(Vec::new(), &[]), now());
    assert_eq!(of(&policy).decision, Decision::Refuse(Reason::ValidityTooLong));
    let exception = |until| ValidityException {
        name: "vendor-x-2019".into(),
        device: None,
        realm: Some("femto.operator.example".parse().unwrap()),
        max_validity_d: 3660,
        until,
    };
    policy.validity_exceptions = vec![exception(now().after(Duration::from_secs(1)))];
    let verdict = of(&policy);
    assert_eq!(verdict.decision, Decision::Admit(Admit::First));
    assert_eq!(verdict.exception.as_deref(), Some("vendor-x-2019"));
    policy.validity_exceptions = vec![exception(now())];
    assert_eq!(of(&policy).decision, Decision::Refuse(Reason::ValidityTooLong));
}

#[test]
fn the_longest_validity_is_exact_and_the_office_that_issues_asks_the_same_policy() {
    let second = Duration::from_secs(1);
    let policy = Policy {
        validity_exceptions: vec![ValidityException {
            name: "slow vans".into(),
            device: Some(claim(HOME).device),
            realm: None,
            max_validity_d: 60,
            until: now().after(second),
        }],
        ..Policy::default()
    };
    let days = |days: u64| Duration::from_secs(days * DAY);
    let of = |validity, now| policy.allows_validity(claim(HOME).device, None, validity, now);
    assert_eq!(of(days(30), now()), Ok(None));
    assert_eq!(of(days(30) + second, now()), Ok(Some("slow vans")));
    assert_eq!(of(days(60) + second, now()), Err(days(60)));
    assert_eq!(of(days(30) + second, now().after(second)), Err(days(30)));
    let other = policy.allows_validity(DeviceId::eui48([9; 6]), None, days(31), now());
    assert_eq!(other, Err(days(30)));
}

#[test]
fn section_4_line_16_the_source_must_be_the_units_own_line_and_unknown_is_neither() {
    let (device, credential, line) = (device(LifeCycle::Live), credential(), line());
    let of = |outer, line| decide(&claim(outer), Some(&device), Some(&credential), line);
    assert_eq!(of("127.66.0.9:4500", Some(&line)), Decision::Refuse(Reason::ForeignNetwork));
    assert_eq!(of("[::ffff:127.10.0.9]:4500", Some(&line)), Decision::Admit(Admit::First));
    assert_eq!(of("127.66.0.9:4500", None), Decision::Admit(Admit::First));
    let empty = AccessLineRecord { prefixes: vec![], ..line.clone() };
    assert_eq!(of("127.66.0.9:4500", Some(&empty)), Decision::Admit(Admit::First));
    let strict = enforced(Reason::LineUnknown);
    let facts = Facts {
        device: Some(&device),
        credential: Some(&credential),
        line: None,
        good_at: None,
        is_extended: false,
        ..Facts::default()
    };
    let verdict = judge(&claim(HOME), &facts, None, &Policy::default(), &strict, now());
    assert_eq!(verdict.decision, Decision::Refuse(Reason::LineUnknown));
    assert!(verdict.missing.contains(&"access line"), "missing evidence is named, and never counted as good");
}

#[test]
fn section_4_line_12_a_second_claim_is_settled_by_what_the_holder_does() {
    assert_eq!(decide_with(&claim(HOME), Some(&holder(Probe::NotAsked))).decision, Decision::Contest);
    for gone in [Probe::Silent, Probe::Unreachable] {
        let verdict = decide_with(&claim(HOME), Some(&holder(gone)));
        assert_eq!(verdict.decision, Decision::Admit(Admit::Reconnect));
        assert_eq!(verdict.conclusion, Some(Conclusion::Reconnect));
    }
    let made_room = decide_with(&claim(HOME), Some(&holder(Probe::MadeRoom)));
    assert_eq!(made_room.decision, Decision::Admit(Admit::MadeRoom));
    let alive = decide_with(&claim(HOME), Some(&holder(Probe::Answered)));
    assert_eq!(alive.decision, Decision::Quarantine(Reason::SecondClaim));
    assert_eq!(alive.conclusion, Some(Conclusion::Undecided));
    assert!(Reason::SecondClaim.opens_incident());
}

#[test]
fn a_holder_is_asked_once_in_ten_seconds_at_most() {
    let asked = |ago| Holder { asked_ago: Some(Duration::from_secs(ago)), ..holder(Probe::NotAsked) };
    assert_eq!(decide_with(&claim(HOME), Some(&asked(9))).decision, Decision::Drop(Transient::ProbedLately));
    assert_eq!(decide_with(&claim(HOME), Some(&asked(10))).decision, Decision::Contest);
}

#[test]
fn who_comes_from_elsewhere_keeps_the_unit_itself_from_nothing() {
    let (device, credential) = (device(LifeCycle::Live), credential());
    let line =
        AccessLineRecord { prefixes: vec!["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()], ..line() };
    let facts = Facts {
        device: Some(&device),
        credential: Some(&credential),
        line: Some(&line),
        good_at: None,
        is_extended: false,
        ..Facts::default()
    };
    let of = |from: &str, held_at: Option<&str>, ago| {
        let outer = held_at.map(|outer| outer.parse().unwrap());
        let holder = Holder { outer, asked_ago: Some(Duration::from_secs(ago)), ..holder(Probe::NotAsked) };
        judge(&claim(from), &facts, Some(&holder), &Policy::default(), &Modes::new(Vec::new(), &[]), now())
            .decision
    };
    let later = Decision::Drop(Transient::ProbedLately);
    for near in ["127.10.0.9:500", "[::ffff:127.10.0.9]:4500"] {
        assert_eq!(of(near, Some(HOME), 10), Decision::Contest, "{near}");
    }
    for elsewhere in ["127.10.0.8:4500", "[2001:db8:1::1]:4500"] {
        assert_eq!(of(elsewhere, Some(HOME), 119), later, "{elsewhere}");
        assert_eq!(of(elsewhere, Some(HOME), 120), Decision::Contest, "{elsewhere}");
    }
    assert_eq!(of("[2001:db8:1::2:1]:4500", Some("[2001:db8:1::1]:4500"), 10), Decision::Contest);
    assert_eq!(of("[2001:db8:1:2::1]:4500", Some("[2001:db8:1::1]:4500"), 119), later);
    assert_eq!(of(HOME, None, 119), later, "nobody knows where the holder is");
}

#[test]
fn a_silent_holder_opens_no_door_for_what_is_refused_anyway() {
    let verdict = decide_with(&claim("127.66.0.9:4500"), Some(&holder(Probe::Silent)));
    assert_eq!(verdict.decision, Decision::Refuse(Reason::ForeignNetwork));
}

#[test]
fn what_is_observed_lets_in_and_says_so_and_what_is_enforced_still_refuses() {
    let (device, credential, line) = (device(LifeCycle::Live), credential(), line());
    let good_at = Some(Network::of("127.66.0.200".parse().unwrap()));
    let facts = Facts {
        device: Some(&device),
        credential: Some(&credential),
        line: Some(&line),
        good_at,
        is_extended: false,
        ..Facts::default()
    };
    let abroad = Claim { validity: Duration::from_secs(3650 * DAY), ..claim("127.66.0.9:4500") };
    let under = |modes: &Modes| judge(&abroad, &facts, None, &Policy::default(), modes, now());
    let both = under(&observed(&[Reason::ValidityTooLong, Reason::ForeignNetwork]));
    assert_eq!(both.decision, Decision::Admit(Admit::First));
    assert_eq!(both.observed, [Reason::ValidityTooLong, Reason::ForeignNetwork]);
    assert!(!both.on_probation);
    let one = under(&observed(&[Reason::ValidityTooLong]));
    assert_eq!(one.decision, Decision::Refuse(Reason::ForeignNetwork));
    assert_eq!(one.observed, [Reason::ValidityTooLong]);
    assert_eq!(under(&Modes::new(Vec::new(), &[])).decision, Decision::Refuse(Reason::ValidityTooLong));
    let mut tripped = enforced(Reason::ValidityTooLong);
    tripped.trip(Reason::ForeignNetwork);
    assert_eq!(under(&tripped).decision, Decision::Refuse(Reason::ValidityTooLong));
    tripped = observed(&[Reason::ValidityTooLong]);
    tripped.trip(Reason::ForeignNetwork);
    assert_eq!(under(&tripped).decision, Decision::Admit(Admit::First));
    assert!(under(&tripped).on_probation);
}

#[test]
fn what_is_observed_still_takes_no_identity_from_a_holder_that_lives() {
    let (device, credential, line) = (device(LifeCycle::Live), credential(), line());
    let facts = Facts {
        device: Some(&device),
        credential: Some(&credential),
        line: Some(&line),
        good_at: None,
        is_extended: false,
        ..Facts::default()
    };
    let modes = observed(&[Reason::ForeignNetwork]);
    let of = |probe| {
        let holder = holder(probe);
        judge(&claim("127.66.0.9:4500"), &facts, Some(&holder), &Policy::default(), &modes, now()).decision
    };
    assert_eq!(of(Probe::NotAsked), Decision::Contest);
    assert_eq!(of(Probe::Answered), Decision::Quarantine(Reason::SecondClaim));
}

#[test]
fn nobody_can_be_let_in_against_what_a_person_said_or_what_can_not_be_judged() {
    let all = observed(&Reason::ALL);
    let (known, credential, line) = (device(LifeCycle::Live), credential(), line());
    for state in [LifeCycle::Suspended, LifeCycle::Lost, LifeCycle::Stolen, LifeCycle::Retired] {
        let device = device(state);
        let facts = Facts {
            device: Some(&device),
            credential: Some(&credential),
            line: Some(&line),
            good_at: None,
            is_extended: false,
            ..Facts::default()
        };
        let verdict = judge(&claim(HOME), &facts, None, &Policy::default(), &all, now());
        assert!(matches!(verdict.decision, Decision::Refuse(_)), "{state}");
    }
    let other = Credential { device: DeviceId::eui48([9; 6]), ..credential.clone() };
    let gone = Credential {
        revoked: Some(Revoked { at: now(), why: String::new(), reason: None }),
        ..credential.clone()
    };
    for (credential, reason) in [(&other, Reason::OthersCertificate), (&gone, Reason::Revoked)] {
        let facts = Facts {
            device: Some(&known),
            credential: Some(credential),
            line: Some(&line),
            good_at: None,
            is_extended: false,
            ..Facts::default()
        };
        let verdict = judge(&claim(HOME), &facts, None, &Policy::default(), &all, now());
        assert_eq!(verdict.decision, Decision::Refuse(reason));
    }
    let facts = Facts {
        device: None,
        credential: Some(&credential),
        line: Some(&line),
        good_at: None,
        is_extended: false,
        ..Facts::default()
    };
    let verdict = judge(&claim(HOME), &facts, None, &Policy::default(), &all, now());
    assert_eq!(verdict.decision, Decision::Refuse(Reason::UnknownDevice));
}

#[test]
fn codes_are_unique_and_every_reason_says_what_to_do() {
    let codes: HashSet<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
    assert_eq!(codes.len(), Reason::ALL.len());
    for reason in Reason::ALL {
        assert_eq!(serde_json::to_value(reason).unwrap(), reason.code());
        assert!(!reason.next().is_empty());
    }
}

#[test]
fn an_unknown_key_in_the_policy_is_refused() {
    assert!(serde_json::from_str::<Policy>(r#"{"max_validity_d": 20}"#).is_ok());
    assert!(serde_json::from_str::<Policy>(r#"{"max_validty_d": 20}"#).is_err());
}

proptest! {
    #[test]
    fn whatever_is_admitted_breaks_no_rule(
        state in 0usize..9, has_device: bool, has_credential: bool, own: bool, revoked: bool, days in 0u64..5000, home: bool, has_line: bool,
    ) {
        let mut claim = claim(if home { HOME } else { "127.66.0.9:4500" });
        claim.validity = Duration::from_secs(days * DAY);
        let device = device(LifeCycle::ALL[state]);
        let mut credential = credential();
        if !own { credential.device = DeviceId::eui48([9; 6]); }
        if revoked { credential.revoked = Some(Revoked { at: now(), why: String::new(), reason: None }); }
        let line = line();
        let decision = decide(&claim, has_device.then_some(&device), has_credential.then_some(&credential), has_line.then_some(&line));
        let may = has_device && allows(device.state, device.enrolment).attach && has_credential && own && !revoked && days <= 30 && (home || !has_line);
        prop_assert_eq!(decision == Decision::Admit(Admit::First), may, "{:?}", decision);
    }
}

fn with_revocation(revocation: Revocation) -> Claim {
    Claim { revocation: Evidence::seen(revocation, "issuer", now()), ..claim(HOME) }
}

/// A unit that was attached lately with nothing against it, or never.
fn decide_lately(claim: &Claim, was_good: bool) -> Decision {
    let (device, credential, line) = (device(LifeCycle::Live), credential(), line());
    let good_at = was_good.then(|| Network::of(claim.outer.address.ip()));
    let facts = Facts {
        device: Some(&device),
        credential: Some(&credential),
        line: Some(&line),
        good_at,
        is_extended: false,
        ..Facts::default()
    };
    judge(claim, &facts, None, &Policy::default(), &Modes::new(Vec::new(), &[]), now()).decision
}

#[test]
fn what_a_foreign_ca_has_revoked_is_refused_whoever_it_was_good_for() {
    let claim = with_revocation(Revocation::RevokedByIssuer { at: now(), reason: None });
    for was_good in [true, false] {
        assert_eq!(decide_lately(&claim, was_good), Decision::Refuse(Reason::RevokedByIssuer));
    }
}

#[test]
fn grace_is_for_units_that_were_attached_lately_and_ends_at_its_second() {
    let unknown = |grace: Option<i64>| {
        let end = |secs| UnixTime::from_secs(now().secs() + secs);
        with_revocation(Revocation::Unknown { since: now(), grace_until: grace.map(end) })
    };
    let refused = Decision::Refuse(Reason::RevocationUnknown);
    assert_eq!(decide_lately(&unknown(Some(1)), true), Decision::Admit(Admit::First));
    assert_eq!(decide_lately(&unknown(Some(1)), false), refused, "a first admission has no grace");
    assert_eq!(decide_lately(&unknown(Some(0)), true), refused);
    assert_eq!(decide_lately(&unknown(None), true), refused);
}

#[test]
fn while_a_foreign_ca_is_asked_for_the_first_time_nobody_is_judged_by_it() {
    let asking = with_revocation(Revocation::Asking);
    assert_eq!(decide_lately(&asking, true), Decision::Drop(Transient::IssuerAsked));
    let (elsewhere, good) = (claim("203.0.113.9:4500"), with_revocation(Revocation::Good));
    let elsewhere = Claim { revocation: asking.revocation, ..elsewhere };
    assert_eq!(decide_lately(&elsewhere, false), Decision::Refuse(Reason::ForeignNetwork));
    assert_eq!(decide_lately(&good, false), Decision::Admit(Admit::First));
}

#[test]
fn what_no_foreign_ca_says_is_missing_evidence() {
    let used = |revocation| {
        let verdict = decide_with(&with_revocation(revocation), None);
        assert_ne!(verdict.used.contains(&"revocation"), verdict.missing.contains(&"revocation"));
        verdict.used.contains(&"revocation")
    };
    assert!(used(Revocation::Good));
    assert!(used(Revocation::RevokedByIssuer { at: now(), reason: None }));
    assert!(!used(Revocation::Asking));
    assert!(!used(Revocation::Unknown { since: now(), grace_until: None }));
}

#[test]
fn whose_address_it_is_now_counts_before_the_prefixes_of_the_line_and_silence_counts_for_nothing() {
    let (device, credential, line) = (device(LifeCycle::Live), credential(), line());
    let decided = |outer: &str, here: Evidence<AccessLine>| {
        let mut claim = claim(outer);
        claim.outer.line = here;
        decide(&claim, Some(&device), Some(&credential), Some(&line))
    };
    let on = |name: &str| Evidence::seen(name.parse().unwrap(), "line-feed", now());
    let (good, foreign) = (Decision::Admit(Admit::First), Decision::Refuse(Reason::ForeignNetwork));
    let away = "127.66.0.9:4500";
    assert_eq!(decided(HOME, on("L-1")), good);
    assert_eq!(decided(away, on("L-1")), good);
    assert_eq!(decided(HOME, on("L-2")), foreign);
    for missing in [Missing::Stale, Missing::NoRecord, Missing::NotGathered] {
        assert_eq!(decided(HOME, Evidence::Missing(missing)), good);
        assert_eq!(decided(away, Evidence::Missing(missing)), foreign);
    }
}

#[test]
fn another_line_behind_the_address_of_the_holder_is_not_near_it() {
    let behind = |line: &str| {
        let mut claim = claim(HOME);
        claim.outer.line = Evidence::seen(line.parse().unwrap(), "line-feed", now());
        claim
    };
    let holder = |claim: Option<Claim>| Holder {
        session: SessionId { epoch: ids::Epoch(1), number: 1 },
        outer: claim.as_ref().map(|claim| claim.outer.address),
        claim,
        probe: Probe::NotAsked,
        asked_ago: None,
        heard_ago: None,
    };
    let held = holder(Some(behind("L-1")));
    assert!(held.is_near(&behind("L-1")) && !held.is_near(&behind("L-2")));
    assert!(held.is_near(&claim(HOME)), "nobody knows of another line");
    assert!(holder(Some(claim(HOME))).is_near(&behind("L-2")), "nobody knows of another line");
}
