use crate::{config::HalfOpenLimits, payload::KeyExchangeMethod, quota::Prefix};
use std::{
    collections::HashMap,
    net::IpAddr,
    time::{Duration, Instant},
};

/// What strangers get of costly work in one second: key exchanges of group 14. They share it, so that whoever uses
/// another method never waits for it; and one source prefix gets a quarter at most. Who finds nothing left hears
/// nothing, and comes again by its retransmission.
pub(crate) struct CostlyQuota {
    /// When the second began.
    since: Instant,
    total: u32,
    /// At most [`HalfOpenLimits::costly`] entries: whoever is in it has had something this second.
    by_prefix: HashMap<Prefix, u32>,
}

const SECOND: Duration = Duration::from_secs(1);
/// Prefixes that can have their whole share at a time.
const SHARES: u32 = 4;

/// A key exchange that costs about four times the dearest other method, or verification of AUTH (`cargo bench -p ike`).
pub(crate) fn is_costly_method(method: KeyExchangeMethod) -> bool {
    method == KeyExchangeMethod::MODP_2048
}

impl CostlyQuota {
    pub(crate) fn new(now: Instant) -> Self {
        Self { since: now, total: 0, by_prefix: HashMap::new() }
    }

    /// Half of all is taken in this second, or half of the share of the prefix of `address`: a cookie comes first.
    pub(crate) fn is_half_used(&self, address: IpAddr, limits: &HalfOpenLimits, now: Instant) -> bool {
        let is_over = self.is_over(now);
        let taken = |count: u32| if is_over { 0 } else { count };
        let of_prefix = self.by_prefix.get(&Prefix::of(address, limits)).copied().unwrap_or(0);
        taken(self.total) >= limits.costly / 2 || taken(of_prefix) >= share(limits) / 2
    }

    /// Takes one for a stranger at `address`; false when there is none left in this second.
    pub(crate) fn take(&mut self, address: IpAddr, limits: &HalfOpenLimits, now: Instant) -> bool {
        if self.is_over(now) {
            *self = Self::new(now);
        }
        let prefix = Prefix::of(address, limits);
        let of_prefix = self.by_prefix.get(&prefix).copied().unwrap_or(0);
        let is_left = self.total < limits.costly && of_prefix < share(limits);
        if is_left {
            self.total += 1;
            self.by_prefix.insert(prefix, of_prefix + 1);
        }
        is_left
    }

    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) >= SECOND
    }
}

fn share(limits: &HalfOpenLimits) -> u32 {
    limits.costly.div_ceil(SHARES)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test begins at some time")]
mod tests {
    use super::*;

    const LIMITS: HalfOpenLimits = HalfOpenLimits {
        total: 100,
        per_prefix: 100,
        prefix_v4: 24,
        prefix_v6: 48,
        lifetime: Duration::from_secs(30),
        costly: 8,
    };

    fn address(prefix: u8) -> IpAddr {
        [192, 0, prefix, 1].into()
    }

    #[test]
    fn a_prefix_gets_a_quarter_and_all_get_what_there_is_and_a_second_later_it_is_there_again() {
        let now = Instant::now();
        let mut quota = CostlyQuota::new(now);
        let mut taken = |prefixes: u8, now| {
            let tries = (0..prefixes).flat_map(|prefix| [prefix; 5]);
            tries.filter(|prefix| quota.take(address(*prefix), &LIMITS, now)).count()
        };
        assert_eq!(taken(1, now), 2);
        assert_eq!(taken(200, now), 6, "and 2 before");
        assert_eq!(taken(200, now + SECOND / 2), 0);
        assert_eq!(taken(200, now + SECOND), 8);
        assert_eq!(quota.by_prefix.len(), 4);
    }

    #[test]
    fn a_cookie_is_due_for_a_prefix_that_had_half_of_its_share_and_for_all_at_half_of_the_whole() {
        let now = Instant::now();
        let mut quota = CostlyQuota::new(now);
        let due = |quota: &CostlyQuota, prefix| quota.is_half_used(address(prefix), &LIMITS, now);
        assert!(!due(&quota, 0));
        assert!(quota.take(address(0), &LIMITS, now));
        assert!(due(&quota, 0) && !due(&quota, 1));
        for prefix in 1..4 {
            assert!(quota.take(address(prefix), &LIMITS, now));
        }
        assert!(due(&quota, 9));
        assert!(!quota.is_half_used(address(9), &LIMITS, now + SECOND));
    }
}
