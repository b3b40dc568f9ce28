//! What payments tell by themselves: amount, hour, class of merchant, and how often a payer or a class is asked for.
//!
//! A simple rule, as a billing system has: it sees each request as it arrives, and names the payer. It cannot find an attack that does not
//! pay, none before it pays, and no cell.

use super::said::Said;
use crate::scenario::Truth;
use detect::{Input, Subject};
use ids::{SubscriberKey, UnixTime};
use records::row::{Payment, Row};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

/// Its name.
pub const PAYMENTS: &str = "payments-alone";

/// What is as good as cash.
const CASH: &str = "gift-card";
/// For so much of that in a day a payer is named: less than one fraud of the case on average (313,000 KRW), twice what the case's carrier
/// allowed afterwards (100,000).
const CASH_A_DAY: i64 = 200_000;
/// For so many requests within an hour.
const REQUESTS: usize = 3;
/// In the small hours, for that class being asked for so often within an hour, and so many times as often as in a mean hour before.
const NIGHT_REQUESTS: usize = 10;
const NIGHT_TIMES: usize = 5;
const NIGHT_UNTIL_H: i64 = 6;
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// Requests of the last day.
pub(super) struct Payments {
    begins: UnixTime,
    payers: BTreeMap<SubscriberKey, VecDeque<(UnixTime, i64)>>,
    cash: VecDeque<(UnixTime, SubscriberKey)>,
    cash_before: usize,
    /// Payers named, by day.
    named: BTreeSet<(i64, SubscriberKey)>,
    found: Vec<(UnixTime, SubscriberKey, &'static str)>,
}

impl Payments {
    pub(super) fn new(begins: UnixTime) -> Self {
        Self {
            begins,
            payers: BTreeMap::new(),
            cash: VecDeque::new(),
            cash_before: 0,
            named: BTreeSet::new(),
            found: Vec::new(),
        }
    }

    /// Something arrives.
    pub(super) fn see(&mut self, arrives: UnixTime, input: &Input) {
        if let Input::Row(Row::Payment(payment)) = input {
            self.see_payment(arrives, payment);
        }
    }

    fn see_payment(&mut self, arrives: UnixTime, payment: &Payment) {
        let (at, payer) = (payment.stamp.at, payment.payer);
        let is_cash = payment.merchant_class.as_str() == CASH;
        let of_payer = self.payers.entry(payer).or_default();
        of_payer.push_back((at, if is_cash { payment.amount_minor } else { 0 }));
        while of_payer.front().is_some_and(|(first, _)| *first < at.before(DAY)) {
            of_payer.pop_front();
        }
        let in_hour = of_payer.iter().filter(|(earlier, _)| *earlier >= at.before(HOUR)).count();
        let is_much = is_cash && of_payer.iter().map(|(_, amount)| amount).sum::<i64>() >= CASH_A_DAY;
        if is_much {
            self.name(arrives, payer, "much that is as good as cash in a day");
        }
        if in_hour >= REQUESTS {
            self.name(arrives, payer, "many requests in an hour");
        }
        if is_cash {
            self.see_cash(arrives, at, payer);
        }
    }

    fn see_cash(&mut self, arrives: UnixTime, at: UnixTime, payer: SubscriberKey) {
        self.cash.push_back((at, payer));
        while self.cash.front().is_some_and(|(first, _)| *first < at.before(HOUR)) {
            self.cash.pop_front();
            self.cash_before += 1;
        }
        let hours = (at.since(self.begins).as_secs() / HOUR.as_secs()).max(1) as usize;
        let is_night = at.secs().rem_euclid(86_400) < NIGHT_UNTIL_H * 3600;
        let is_many =
            self.cash.len() >= NIGHT_REQUESTS && self.cash.len() * hours > NIGHT_TIMES * self.cash_before;
        if is_night && is_many {
            let payers: Vec<_> = self.cash.iter().map(|(_, payer)| *payer).collect();
            payers.into_iter().for_each(|payer| self.name(arrives, payer, "one of many at night"));
        }
    }

    fn name(&mut self, arrives: UnixTime, payer: SubscriberKey, why: &'static str) {
        if self.named.insert((arrives.secs().div_euclid(86_400), payer)) {
            self.found.push((arrives, payer, why));
        }
    }

    /// What it found.
    pub(super) fn finish(&self, truth: &Truth) -> Vec<Said> {
        let said = |(told, payer, why): &(UnixTime, SubscriberKey, &'static str)| Said {
            by: PAYMENTS,
            told: *told,
            on: Subject::Subscriber(*payer),
            what: (*why).to_owned(),
            cells: Vec::new(),
            units: Vec::new(),
            attack: truth.attacks.iter().position(|attack| {
                attack.from.is_some_and(|from| from <= *told) && attack.handsets.contains(payer)
            }),
            honest: None,
        };
        self.found.iter().map(said).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use records::row::{Channel, Stamp};

    const BEGINS: i64 = 1_767_571_200;

    /// Requests as payer, hours from the start, amount and class; who is named, and when.
    fn named(requests: &[(u8, f64, i64, &str)]) -> Vec<(u8, f64)> {
        let begins = UnixTime::from_secs(BEGINS);
        let mut payments = Payments::new(begins);
        for (seq, (payer, hours, amount_minor, class)) in (1..).zip(requests) {
            let at = begins.after(Duration::from_secs_f64(hours * 3600.0));
            let stamp = Stamp { at, feed: "payments".parse().unwrap(), seq };
            let row = Payment {
                stamp,
                payer: SubscriberKey::new([*payer; 16]),
                amount_minor: *amount_minor,
                currency: "KRW".parse().unwrap(),
                merchant_class: class.parse().unwrap(),
                channel: Channel::Sms,
                request: format!("P-{seq}").parse().unwrap(),
            };
            payments.see(at, &Input::Row(Row::Payment(row)));
        }
        let who = |payer: SubscriberKey| (0..=255).find(|of| SubscriberKey::new([*of; 16]) == payer).unwrap();
        payments
            .found
            .iter()
            .map(|(told, payer, _)| (who(*payer), told.since(begins).as_secs_f64() / 3600.0))
            .collect()
    }

    #[test]
    fn much_cash_and_many_requests_name_the_payer() {
        assert_eq!(named(&[(1, 30.0, 199_999, CASH)]), []);
        assert_eq!(named(&[(1, 30.0, 200_000, CASH)]), [(1, 30.0)]);
        assert_eq!(named(&[(1, 30.0, 900_000, "shopping")]), []);
        assert_eq!(named(&[(1, 30.0, 100_000, CASH), (1, 53.0, 100_000, CASH)]), [(1, 53.0)]);
        assert_eq!(named(&[(1, 30.0, 100_000, CASH), (1, 54.5, 100_000, CASH)]), []);
        let often =
            |hours: f64| [(1, 30.0, 9, "shopping"), (1, 30.25, 9, "shopping"), (1, hours, 9, "shopping")];
        assert_eq!((named(&often(31.0)), named(&often(31.25))), (vec![(1, 31.0)], vec![]));
    }

    #[test]
    fn a_night_of_many_gift_cards_names_its_payers() {
        let many = |from_h: f64, count: u8| -> Vec<_> {
            (0..count).map(|payer| (payer, from_h + f64::from(payer) / 100.0, 30_000, CASH)).collect()
        };
        assert_eq!(named(&many(25.0, 9)), []);
        let all: Vec<_> = named(&many(25.0, 10)).iter().map(|(payer, _)| *payer).collect();
        assert_eq!(all, (0..10).collect::<Vec<_>>());
        assert_eq!(named(&many(32.0, 10)), [], "by day");
        // 60 in the 25 hours before: 10 in one is 4.2 times the mean.
        let usual: Vec<_> = (0..60).map(|at| (100 + at, f64::from(at) * 0.4, 30_000, CASH)).collect();
        assert_eq!(named(&[usual, many(25.0, 10)].concat()), []);
    }
}
