//! Good units, and how many of them a soft reason to refuse hits at once: a wrong list must not become an
//! outage.

use admission::Reason;
use ids::{DeviceId, Network, UnixTime};
use std::{
    collections::HashMap,
    net::IpAddr,
    time::{Duration, Instant},
};

/// A unit is good for so long after it attached with no reason against it. AUTH_LIFETIME is at most a day:
/// whoever was good yesterday has attached since then.
pub(crate) const GOOD_FOR: Duration = Duration::from_secs(48 * 3600);
/// In so much time ...
const WITHIN: Duration = Duration::from_secs(600);
/// ... more than this part of the good units, in per cent ...
const SHARE: usize = 1;
/// ... and at least so many units: fewer are units, not a list that is wrong.
const LEAST: usize = 10;
/// Units that are named.
const EXAMPLES: usize = 10;

/// When a unit was good last, and at which address it is at home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Good {
    pub(crate) at: UnixTime,
    pub(crate) home: IpAddr,
}

impl Good {
    pub(crate) fn network(&self) -> Network {
        Network::of(self.home)
    }

    /// It was good at another time. Another address is its home only once it has not been good at the first for so long
    /// that it counts no more: a copy that comes in while the unit is off takes no home from it.
    pub(crate) fn again(&mut self, other: Self) {
        let is_same = Network::site(self.home) == Network::site(other.home);
        if is_same || other.at.since(self.at) >= GOOD_FOR {
            *self = Self { at: self.at.max(other.at), home: other.home };
        }
    }
}

/// Counts.
#[derive(Default)]
pub(crate) struct Hits {
    good: HashMap<DeviceId, Good>,
    swept: UnixTime,
    hits: HashMap<Reason, HashMap<DeviceId, Instant>>,
    /// While the good units of the time before the start are not known yet: what hit since then, to be counted once
    /// they are.
    early: Option<HashMap<(Reason, DeviceId), Good>>,
}

/// A reason has hit too many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tripped {
    pub(crate) reason: Reason,
    /// Whom, in order.
    pub(crate) hits: Vec<DeviceId>,
    pub(crate) good: usize,
}

impl Hits {
    /// A unit attached with no reason against it that is believed.
    pub(crate) fn note_good(&mut self, device: DeviceId, good: Good) {
        self.good.entry(device).and_modify(|known| known.again(good)).or_insert(good);
    }

    /// Where a unit was good lately.
    pub(crate) fn home(&self, device: DeviceId) -> Option<IpAddr> {
        self.good.get(&device).map(|good| good.home)
    }

    /// It is not known yet who was good before the start.
    pub(crate) fn recalls(&self) -> bool {
        self.early.is_some()
    }

    /// A soft reason speaks against a unit; says so when that is one too many. From where the unit was not good it says
    /// nothing about the list: a copy of its key may be there.
    pub(crate) fn hit(
        &mut self,
        reason: Reason,
        device: DeviceId,
        here: Good,
        now: Instant,
    ) -> Option<Tripped> {
        self.sweep(here.at);
        if let Some(early) = &mut self.early {
            early.insert((reason, device), here);
            return None;
        }
        let home = self.good.get(&device).map(Good::network);
        if home != Some(here.network()) {
            return None;
        }
        let hits = self.hits.entry(reason).or_default();
        hits.retain(|_, hit| now.duration_since(*hit) < WITHIN);
        hits.insert(device, now);
        let good = self.good.len();
        if hits.len() < LEAST || hits.len() * 100 <= good * SHARE {
            return None;
        }
        let mut hits: Vec<_> = self.hits.remove(&reason)?.into_keys().collect();
        hits.sort();
        Some(Tripped { reason, hits, good })
    }

    /// Until [`Self::recalled`], nothing is too many.
    pub(crate) fn recall(&mut self) {
        self.early = Some(HashMap::new());
    }

    /// Units that were good before the start; what hit meanwhile is to be counted now.
    pub(crate) fn recalled(
        &mut self,
        good: HashMap<DeviceId, Good>,
    ) -> impl Iterator<Item = (Reason, DeviceId, Good)> + use<> {
        for (device, mut before) in good {
            if let Some(since) = self.good.get(&device) {
                before.again(*since);
            }
            self.good.insert(device, before);
        }
        let early = self.early.take().unwrap_or_default();
        early.into_iter().map(|((reason, device), here)| (reason, device, here))
    }

    /// Whom a reason has hit so far does not count any more.
    pub(crate) fn forget(&mut self, reason: Reason) {
        self.hits.remove(&reason);
    }

    fn sweep(&mut self, at: UnixTime) {
        if at.since(self.swept) >= WITHIN {
            self.swept = at;
            self.good.retain(|_, good| at.since(good.at) < GOOD_FOR);
        }
    }
}

impl Tripped {
    /// As the ledger keeps it.
    pub(crate) fn as_row(&self, now: UnixTime) -> ledger::Breaker {
        ledger::Breaker {
            reason: self.reason.code().to_owned(),
            tripped_at: now,
            hits: self.hits.len() as u64,
            good: self.good as u64,
            examples: self.hits.iter().take(EXAMPLES).copied().collect(),
            set_back: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn id(n: usize) -> DeviceId {
        DeviceId::eui64((n as u64).to_be_bytes())
    }

    fn at() -> UnixTime {
        UnixTime::from_secs(1_790_000_000)
    }

    fn home() -> Good {
        Good { at: at(), home: "192.0.2.1".parse().unwrap() }
    }

    fn with_good(units: usize) -> Hits {
        let mut breaker = Hits::default();
        (0..units).for_each(|n| breaker.note_good(id(n), home()));
        breaker
    }

    fn hit_all(breaker: &mut Hits, units: std::ops::Range<usize>, now: Instant) -> Option<Tripped> {
        units.into_iter().find_map(|n| breaker.hit(Reason::ForeignNetwork, id(n), home(), now))
    }

    #[test]
    fn more_than_one_per_cent_of_the_good_units_within_ten_minutes_is_too_many() {
        let (mut breaker, now) = (with_good(5_000), Instant::now());
        assert_eq!(hit_all(&mut breaker, 0..50, now), None, "one per cent is not more than that");
        assert_eq!(hit_all(&mut breaker, 0..50, now), None, "the same units are not more units");
        let tripped = breaker.hit(Reason::ForeignNetwork, id(50), home(), now).unwrap();
        assert_eq!((tripped.hits.len(), tripped.good), (51, 5_000));
        assert_eq!(tripped.as_row(at()).examples.len(), EXAMPLES);
    }

    #[test]
    fn what_was_hit_longer_ago_does_not_count() {
        let (mut breaker, now) = (with_good(5_000), Instant::now());
        assert_eq!(hit_all(&mut breaker, 0..50, now), None);
        assert_eq!(hit_all(&mut breaker, 50..100, now + WITHIN), None);
        assert!(hit_all(&mut breaker, 100..101, now + WITHIN).is_some());
    }

    #[test]
    fn a_few_units_of_a_small_estate_are_units_and_no_wrong_list() {
        let (mut breaker, now) = (with_good(20), Instant::now());
        assert_eq!(hit_all(&mut breaker, 0..9, now), None);
        assert!(hit_all(&mut breaker, 9..10, now).is_some());
    }

    #[test]
    fn strangers_and_units_not_seen_for_two_days_trip_nothing() {
        let (mut breaker, now) = (with_good(100), Instant::now());
        assert_eq!(hit_all(&mut breaker, 100..1_000, now), None, "nobody knows them as good");
        let later = at().after(2 * DAY);
        let tripped = (0..100)
            .find_map(|n| breaker.hit(Reason::ForeignNetwork, id(n), Good { at: later, ..home() }, now));
        assert_eq!(tripped, None);
    }

    #[test]
    fn copies_elsewhere_trip_nothing_and_nothing_is_too_many_before_the_start_is_recalled() {
        let (mut breaker, now) = (with_good(100), Instant::now());
        let elsewhere = Good { home: "198.51.100.1".parse().unwrap(), ..home() };
        let mut hit = |n| breaker.hit(Reason::ForeignNetwork, id(n), elsewhere, now);
        assert_eq!((0..100).find_map(&mut hit), None);
        breaker.recall();
        assert_eq!(hit_all(&mut breaker, 0..9, now), None);
        assert_eq!(hit_all(&mut breaker, 190..201, now), None);
        let early: Vec<_> = breaker.recalled(HashMap::from([(id(200), home())])).collect();
        assert_eq!(early.len(), 20);
        let hits =
            early.into_iter().find_map(|(reason, device, here)| breaker.hit(reason, device, here, now));
        let expected: Vec<_> = (0..9).chain([200]).map(id).collect();
        assert_eq!(hits.unwrap().hits, expected, "those that were good, before the start or since");
    }

    #[test]
    fn a_copy_that_comes_in_takes_no_home_from_its_unit() {
        let elsewhere = Good { home: "198.51.100.1".parse().unwrap(), at: at().after(DAY) };
        let mut hits = with_good(1);
        hits.note_good(id(0), elsewhere);
        assert_eq!(hits.home(id(0)), Some(home().home));
        hits.note_good(id(0), Good { at: at().after(2 * DAY), ..elsewhere });
        assert_eq!(hits.home(id(0)), Some(elsewhere.home), "the unit has not been there for two days");
        let mut started = Hits::default();
        started.recall();
        started.note_good(id(0), elsewhere);
        drop(started.recalled(HashMap::from([(id(0), home())])));
        assert_eq!(started.home(id(0)), Some(home().home), "also when the copy is first after a start");
    }

    #[test]
    fn reasons_count_apart_and_begin_anew_when_set_back() {
        let (mut breaker, now) = (with_good(100), Instant::now());
        assert_eq!(hit_all(&mut breaker, 0..9, now), None);
        assert_eq!(breaker.hit(Reason::LineUnknown, id(10), home(), now), None);
        breaker.forget(Reason::ForeignNetwork);
        assert_eq!(hit_all(&mut breaker, 9..18, now), None);
    }
}
