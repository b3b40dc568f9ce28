use super::*;
use crate::crl::{CrlReason, Scope};
use proptest::prelude::*;

/// A CA of tests/path/openssl: which one makes no difference here.
const ISSUER: &[u8] = include_bytes!("../../tests/path/openssl/issuing.der");
const START: i64 = 1_796_083_200;
const HOUR: Duration = Duration::from_secs(3600);
const GRACE: Duration = Duration::from_secs(4 * 3600);

/// A keeper, and a clock that both kinds of time are told from.
struct Bench {
    keeper: StatusKeeper,
    began: Instant,
    passed: Duration,
}

impl Bench {
    fn new(crl: bool, ocsp: bool, grace: Duration) -> Self {
        #[expect(clippy::disallowed_methods, reason = "some instant to count from")]
        let began = Instant::now();
        let issuer = Anchor::from_der(ISSUER).unwrap();
        let keeper = StatusKeeper::new(issuer, Sources { crl, ocsp }, grace, began);
        Self { keeper, began, passed: Duration::ZERO }
    }

    fn now(&self) -> UnixTime {
        UnixTime::from_secs(START).after(self.passed)
    }

    fn at(&self) -> Instant {
        self.began + self.passed
    }

    fn pass(&mut self, span: Duration) {
        self.passed += span;
    }

    fn present(&mut self, number: u8) -> Standing {
        self.keeper.present(serial(number), self.now(), self.at())
    }

    fn standing(&self, number: u8) -> Standing {
        self.keeper.standing(serial(number), self.now())
    }

    fn poll(&mut self) -> Option<Ask> {
        self.keeper.poll(self.at())
    }

    /// A list of now that counts for two hours.
    fn list(&mut self, number: u8, revoked: &[(u8, Option<CrlReason>)]) -> Result<(), Unusable> {
        let crl = crl(number, self.now(), self.now().after(2 * HOUR), revoked);
        self.keeper.handle_crl(crl, self.now(), self.at(), 0)
    }

    /// An answer of now that counts for an hour.
    fn answer(&mut self, number: u8, revoked: Option<Option<CrlReason>>) {
        let revoked = revoked.map(|reason| Revoked { at: self.now(), reason });
        let answer = OcspAnswer { revoked, this_update: self.now(), until: self.now().after(HOUR) };
        self.keeper.handle_ocsp(serial(number), answer, self.now(), self.at(), 0);
    }

    fn fail(&mut self, ask: Ask) {
        self.keeper.handle_failure(ask, self.at(), 0);
    }
}

fn serial(number: u8) -> SerialNumber {
    SerialNumber::from_octets(&[number]).unwrap()
}

fn crl(number: u8, from: UnixTime, to: UnixTime, revoked: &[(u8, Option<CrlReason>)]) -> Crl {
    let entry = |(number, reason): &(u8, _)| (serial(*number), Revoked { at: from, reason: *reason });
    let mut entries: Vec<_> = revoked.iter().map(entry).collect();
    entries.sort_unstable_by_key(|(serial, _)| *serial);
    entries.dedup_by_key(|(serial, _)| *serial);
    Crl { number: Some(serial(number)), this_update: from, next_update: to, scope: Scope::All, entries }
}

fn is_revoked(standing: Standing) -> bool {
    matches!(standing, Standing::Revoked(_))
}

#[test]
fn a_list_that_counts_makes_good_whatever_is_not_on_it_and_then_comes_grace_and_then_nothing() {
    let mut bench = Bench::new(true, false, GRACE);
    assert_eq!(bench.present(1), Standing::Asking);
    assert_eq!(bench.poll(), Some(Ask::Crl));
    assert_eq!(bench.poll(), None, "it is out");
    bench.list(1, &[(2, None)]).unwrap();
    let until = bench.now().after(2 * HOUR);
    assert_eq!(bench.present(1), Standing::Good { until });
    assert!(is_revoked(bench.present(2)));
    bench.pass(2 * HOUR);
    assert_eq!(bench.standing(1), Standing::Good { until }, "nextUpdate itself");
    bench.pass(Duration::from_secs(1));
    let unknown = Standing::Unknown { since: until, grace_until: Some(until.after(GRACE)) };
    assert_eq!(bench.standing(1), unknown);
    assert!(!unknown.is_beyond_grace(bench.now()));
    assert!(unknown.is_beyond_grace(until.after(GRACE)));
    assert!(is_revoked(bench.standing(2)), "what is revoked stays so on a stale list");
}

#[test]
fn without_grace_the_end_of_the_last_answer_is_the_end() {
    let mut bench = Bench::new(true, false, Duration::ZERO);
    bench.list(1, &[]).unwrap();
    bench.pass(2 * HOUR + Duration::from_secs(1));
    let standing = bench.present(1);
    assert!(matches!(standing, Standing::Unknown { .. }));
    assert!(standing.is_beyond_grace(bench.now()));
}

#[test]
fn the_first_question_without_an_answer_leaves_no_grace() {
    let mut bench = Bench::new(false, true, GRACE);
    assert_eq!(bench.present(1), Standing::Asking);
    assert_eq!(bench.poll(), Some(Ask::Ocsp(serial(1))));
    assert_eq!(bench.present(1), Standing::Asking);
    bench.fail(Ask::Ocsp(serial(1)));
    let unknown = Standing::Unknown { since: bench.now(), grace_until: None };
    assert_eq!(bench.present(1), unknown);
    assert!(unknown.is_beyond_grace(bench.now()));
}

#[test]
fn revoked_and_then_good_stays_revoked_by_either_source() {
    let mut bench = Bench::new(true, true, GRACE);
    bench.present(1);
    bench.present(2);
    bench.list(1, &[(1, Some(CrlReason::KeyCompromise))]).unwrap();
    bench.answer(2, Some(None));
    bench.pass(Duration::from_secs(1));
    bench.list(2, &[]).unwrap();
    bench.answer(1, None);
    bench.answer(2, None);
    assert!(is_revoked(bench.standing(1)) && is_revoked(bench.standing(2)));
}

#[test]
fn certificate_hold_is_lifted_by_the_next_list_and_by_the_next_answer() {
    let hold = Some(CrlReason::CertificateHold);
    let mut bench = Bench::new(true, true, GRACE);
    bench.present(1);
    bench.present(2);
    bench.list(1, &[(1, hold)]).unwrap();
    bench.answer(2, Some(hold));
    assert!(is_revoked(bench.standing(1)) && is_revoked(bench.standing(2)));
    bench.pass(3 * HOUR);
    assert!(is_revoked(bench.standing(1)) && is_revoked(bench.standing(2)), "not by time");
    bench.list(2, &[]).unwrap();
    bench.answer(2, None);
    assert!(matches!(bench.standing(1), Standing::Good { .. }));
    assert!(matches!(bench.standing(2), Standing::Good { .. }));
}

#[test]
fn a_list_from_before_the_one_at_hand_from_the_future_or_about_cas_is_not_taken() {
    let mut bench = Bench::new(true, false, GRACE);
    bench.list(5, &[(1, None)]).unwrap();
    bench.pass(HOUR);
    let (now, later) = (bench.now(), bench.now().after(HOUR));
    let take = |bench: &mut Bench, crl| bench.keeper.handle_crl(crl, now, bench.at(), 0);
    assert_eq!(take(&mut bench, crl(4, now, later, &[])), Err(Unusable::Older), "by its number");
    let backdated = crl(6, UnixTime::from_secs(START - 1), later, &[]);
    assert_eq!(take(&mut bench, backdated), Err(Unusable::Older), "by its thisUpdate");
    let ahead = now.after(Duration::from_secs(301));
    assert_eq!(take(&mut bench, crl(6, ahead, ahead.after(HOUR), &[])), Err(Unusable::Future));
    let of_cas = Crl { scope: Scope::Authorities, ..crl(6, now, later, &[]) };
    assert_eq!(take(&mut bench, of_cas), Err(Unusable::OtherScope));
    assert!(is_revoked(bench.standing(1)));
    let near = now.after(Duration::from_secs(300));
    assert_eq!(take(&mut bench, crl(6, near, near.after(HOUR), &[])), Ok(()), "clocks differ a little");
}

#[test]
fn a_stale_list_revokes_and_makes_nothing_good() {
    let mut bench = Bench::new(true, false, GRACE);
    bench.present(1);
    let (from, to) = (bench.now().before(3 * HOUR), bench.now().before(HOUR));
    let stale = crl(1, from, to, &[(1, None)]);
    assert_eq!(bench.keeper.handle_crl(stale, bench.now(), bench.at(), 0), Err(Unusable::Stale));
    assert!(is_revoked(bench.standing(1)));
    let expected = Standing::Unknown { since: to, grace_until: Some(to.after(GRACE)) };
    assert_eq!(bench.standing(2), expected);
    let silent = Silent { lacks_list: true, list_ended: Some(to) };
    assert_eq!(bench.keeper.silent(bench.now()), Some(silent));
    assert_eq!(bench.keeper.poll_timeout(), Some(bench.at() + Duration::from_secs(5)), "soon again");
}

#[test]
fn a_list_that_was_kept_counts_at_once_and_is_asked_for_all_the_same() {
    let mut bench = Bench::new(true, false, GRACE);
    let kept = crl(1, bench.now().before(HOUR), bench.now().after(HOUR), &[(1, None)]);
    bench.keeper.recall_crl(kept, bench.now()).unwrap();
    assert!(is_revoked(bench.present(1)));
    assert!(matches!(bench.present(2), Standing::Good { .. }));
    assert_eq!(bench.poll(), Some(Ask::Crl));
}

#[test]
fn what_fails_is_asked_again_later_and_later_but_for_good_within_ten_minutes() {
    let mut bench = Bench::new(true, false, GRACE);
    let mut waits = Vec::new();
    for _ in 0..40 {
        assert_eq!(bench.poll(), Some(Ask::Crl));
        bench.fail(Ask::Crl);
        let wait = bench.keeper.poll_timeout().unwrap() - bench.at();
        waits.push(wait.as_secs());
        bench.pass(wait - Duration::from_micros(1));
        assert_eq!(bench.poll(), None, "not before");
        bench.pass(Duration::from_micros(1));
    }
    assert_eq!(waits[..9], [5, 10, 20, 40, 80, 160, 320, 600, 600]);
    assert_eq!(waits[39], 600);
    assert_eq!(bench.poll(), Some(Ask::Crl));
    bench.list(1, &[]).unwrap();
    assert_eq!(bench.keeper.silent(bench.now()), None);
    assert_eq!(bench.keeper.poll_timeout().unwrap() - bench.at(), HOUR, "half of two hours");
}

#[test]
fn ocsp_that_does_not_answer_three_times_in_a_row_is_a_trouble_whoever_was_asked_about() {
    let mut bench = Bench::new(false, true, GRACE);
    for number in 1..=4 {
        bench.present(number);
    }
    for number in 1..=3 {
        assert_eq!(bench.keeper.silent(bench.now()), None);
        bench.fail(Ask::Ocsp(serial(number)));
    }
    assert_eq!(bench.keeper.silent(bench.now()), Some(Silent { lacks_list: false, list_ended: None }));
    bench.answer(4, None);
    assert_eq!(bench.keeper.silent(bench.now()), None);
}

#[test]
fn nobody_asks_about_what_is_revoked_for_good_or_was_not_presented_for_two_days() {
    let mut bench = Bench::new(false, true, GRACE);
    bench.present(1);
    bench.present(2);
    assert!(bench.poll().is_some() && bench.poll().is_some());
    bench.answer(1, Some(None));
    bench.answer(2, None);
    bench.pass(HOUR);
    assert_eq!((bench.poll(), bench.poll()), (Some(Ask::Ocsp(serial(2))), None));
    bench.answer(2, None);
    bench.pass(48 * HOUR);
    assert_eq!(bench.poll(), None);
    assert!(is_revoked(bench.standing(1)), "and that stays known");
    assert_eq!(bench.present(2), Standing::Asking, "it begins anew");
}

#[test]
fn no_more_certificates_are_watched_than_there_is_room_for() {
    let mut bench = Bench::new(false, true, GRACE);
    let of = |number: usize| SerialNumber::from_octets(&(number as u32).to_be_bytes()).unwrap();
    let (now, at) = (bench.now(), bench.at());
    for number in 0..=MAX_WATCHED {
        bench.keeper.present(of(number), now, at);
    }
    assert_eq!(bench.keeper.watched.len(), MAX_WATCHED);
    let beyond = bench.keeper.standing(of(MAX_WATCHED), now);
    assert!(beyond.is_beyond_grace(now), "whoever finds no room is not let in");
    bench.pass(49 * HOUR);
    let (now, at) = (bench.now(), bench.at());
    assert_eq!(bench.keeper.present(of(MAX_WATCHED), now, at), Standing::Asking);
    assert_eq!(bench.keeper.watched.len(), 1, "who has gone makes room");
}

/// What may happen to a keeper.
#[derive(Clone, Debug)]
enum Step {
    Pass(u64),
    Present(u8),
    /// What comes back for whatever is asked next: nothing, or which certificates are revoked and why.
    Reply(Option<Vec<(u8, Option<CrlReason>)>>),
}

fn reason() -> impl Strategy<Value = Option<CrlReason>> {
    prop_oneof![
        Just(None),
        Just(Some(CrlReason::CertificateHold)),
        Just(Some(CrlReason::KeyCompromise)),
        Just(Some(CrlReason::Superseded))
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let revoked = prop::collection::vec((1_u8..5, reason()), 0..3);
    prop_oneof![
        (1_u64..20_000).prop_map(Step::Pass),
        (1_u8..5).prop_map(Step::Present),
        prop::option::weighted(0.7, revoked).prop_map(Step::Reply),
    ]
}

/// What the rules say of one certificate, reckoned without a keeper.
#[derive(Clone, Copy, Default)]
struct Model {
    presented: bool,
    finally: bool,
    good_until: Option<UnixTime>,
}

proptest! {
    #[test]
    fn the_rules_hold_for_drawn_sequences(
        sources in prop_oneof![Just((true, false)), Just((false, true)), Just((true, true))],
        grace in prop_oneof![Just(Duration::ZERO), Just(GRACE)],
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let mut bench = Bench::new(sources.0, sources.1, grace);
        let mut models = [Model::default(); 5];
        let mut number = 0;
        for step in steps {
            match step {
                Step::Pass(secs) => bench.pass(Duration::from_secs(secs)),
                Step::Present(serial) => {
                    bench.present(serial);
                    models[usize::from(serial)].presented = true;
                }
                Step::Reply(reply) => match (bench.poll(), reply) {
                    (None, _) => {}
                    (Some(ask), None) => bench.fail(ask),
                    (Some(Ask::Crl), Some(revoked)) => {
                        number += 1;
                        bench.list(number, &revoked).unwrap();
                        let list = bench.keeper.crl().unwrap().clone();
                        for (at, model) in models.iter_mut().enumerate() {
                            let found = list.revoked(serial(at as u8));
                            model.finally |= model.presented && found.is_some_and(|it| !it.is_hold());
                            model.good_until = model.good_until.max(Some(bench.now().after(2 * HOUR)));
                        }
                    }
                    (Some(Ask::Ocsp(asked)), Some(revoked)) => {
                        let at = asked.octets()[0];
                        let model = &mut models[usize::from(at)];
                        let found = revoked.first().map(|(_, reason)| *reason);
                        bench.answer(at, found);
                        model.finally |= found.is_some_and(|it| it != Some(CrlReason::CertificateHold));
                        model.good_until = model.good_until.max(Some(bench.now().after(HOUR)));
                    }
                },
            }
            let now = bench.now();
            for (at, model) in models.iter().enumerate().skip(1) {
                match bench.standing(at as u8) {
                    Standing::Revoked(_) => {}
                    _ if model.finally => prop_assert!(false, "revoked, and then something else"),
                    Standing::Good { until } => {
                        prop_assert!(now <= until && Some(until) <= model.good_until);
                    }
                    Standing::Unknown { since, grace_until: Some(end) } => {
                        prop_assert!(since < now && end == since.after(grace));
                        prop_assert!(Some(since) <= model.good_until);
                    }
                    Standing::Unknown { grace_until: None, .. } | Standing::Asking => {}
                }
            }
            let next = bench.keeper.poll_timeout();
            prop_assert!(next.is_none_or(|next| next <= bench.at() + HOUR), "nothing waits for longer");
        }
    }
}
