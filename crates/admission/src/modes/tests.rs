use super::*;
use ids::{DeviceId, UnixTime};
use ledger::{Enrolment, LifeCycle, Scope, SetBack};

fn device(class: &str, region: &str) -> Device {
    let now = UnixTime::from_secs(1_790_000_000);
    Device {
        enrolment: Enrolment::Enrolled,
        region: region.into(),
        class: class.into(),
        ..Device::new(DeviceId::eui48([1; 6]), LifeCycle::Live, now)
    }
}

fn rule(reason: &str, class: Option<&str>, region: Option<&str>, mode: Mode) -> PolicyRule {
    PolicyRule {
        reason: reason.into(),
        scope: Scope { class: class.map(str::to_owned), region: region.map(str::to_owned) },
        mode,
        why: "test".into(),
        by: "kim".into(),
        since: UnixTime::from_secs(1_790_000_000),
    }
}

fn breaker(reason: Reason, set_back: bool) -> Breaker {
    let at = UnixTime::from_secs(1_790_000_000);
    let set_back = set_back.then(|| SetBack { at, by: "kim".into(), why: "mended".into() });
    Breaker {
        reason: reason.code().into(),
        tripped_at: at,
        hits: 201,
        good: 20_000,
        examples: vec![],
        set_back,
    }
}

#[test]
fn the_narrowest_rule_that_says_something_decides() {
    let rules = vec![
        rule("foreign-network", None, None, Mode::Observe),
        rule("foreign-network", None, Some("seoul"), Mode::Enforce),
        rule("foreign-network", Some("home"), None, Mode::Observe),
        rule("foreign-network", Some("home"), Some("seoul"), Mode::Enforce),
        rule("foreign-network", Some("home"), Some("busan"), Mode::Inherit),
    ];
    let modes = Modes::new(rules, &[]);
    let of = |class, region| modes.effect(Reason::ForeignNetwork, Some(&device(class, region)), false);
    assert_eq!(of("office", "jeju"), Effect::Observed, "every unit");
    assert_eq!(of("office", "seoul"), Effect::Refused, "the region");
    assert_eq!(of("home", "jeju"), Effect::Observed, "the class, narrower than a region");
    assert_eq!(of("home", "seoul"), Effect::Refused, "both");
    assert_eq!(of("home", "busan"), Effect::Observed, "as the class says");
}

#[test]
fn without_rules_only_what_nobody_knows_is_let_in() {
    let modes = Modes::new(Vec::new(), &[]);
    for reason in Reason::ALL {
        let effect = modes.effect(reason, Some(&device("", "")), true);
        assert_eq!(effect == Effect::Observed, reason == Reason::LineUnknown, "{}", reason.code());
    }
}

#[test]
fn a_tripped_breaker_overrides_every_rule_of_a_soft_reason_and_of_no_other() {
    let enforced = || vec![rule("foreign-network", None, None, Mode::Enforce)];
    let modes = Modes::new(enforced(), &[breaker(Reason::ForeignNetwork, false)]);
    assert_eq!(modes.effect(Reason::ForeignNetwork, Some(&device("", "")), true), Effect::OnProbation);
    let elsewhere = modes.effect(Reason::ForeignNetwork, Some(&device("", "")), false);
    assert_eq!(elsewhere, Effect::Refused, "a copy of the key may be there");
    let set_back = Modes::new(enforced(), &[breaker(Reason::ForeignNetwork, true)]);
    assert_eq!(set_back.effect(Reason::ForeignNetwork, Some(&device("", "")), true), Effect::Refused);
    for firm in Reason::ALL.into_iter().filter(|reason| !reason.is_soft()) {
        let mut modes = Modes::new(Vec::new(), &[breaker(firm, false)]);
        modes.trip(firm);
        assert_eq!(modes.effect(firm, Some(&device("", "")), true), Effect::Refused, "{}", firm.code());
    }
}

#[test]
fn rules_that_mean_nothing_here_change_nothing() {
    let rules =
        vec![rule("lost", None, None, Mode::Observe), rule("of-the-future", None, None, Mode::Observe)];
    assert_eq!(Modes::new(rules, &[]), Modes::new(Vec::new(), &[]));
}

#[test]
fn everything_is_enforced_before_the_ledger_was_read() {
    for reason in Reason::ALL {
        assert_eq!(Modes::default().effect(reason, Some(&device("", "")), true), Effect::Refused);
    }
}
