use crate::{Reason, config::HalfOpenLimits};
use std::{collections::HashMap, net::IpAddr};

/// A source prefix: the address with its low bits cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Prefix(IpAddr);

impl Prefix {
    pub(crate) fn of(address: IpAddr, limits: &HalfOpenLimits) -> Self {
        Self(match address {
            IpAddr::V4(v4) => {
                let shift = 32u32.saturating_sub(limits.prefix_v4.into());
                IpAddr::V4(u32::MAX.checked_shl(shift).map_or(0, |mask| v4.to_bits() & mask).into())
            }
            IpAddr::V6(v6) => {
                let shift = 128u32.saturating_sub(limits.prefix_v6.into());
                IpAddr::V6(u128::MAX.checked_shl(shift).map_or(0, |mask| v6.to_bits() & mask).into())
            }
        })
    }
}

/// Counts IKE SAs that have not been established yet, in all and by source prefix.
#[derive(Default)]
pub(crate) struct HalfOpenQuota {
    total: usize,
    by_prefix: HashMap<Prefix, usize>,
}

impl HalfOpenQuota {
    pub(crate) fn total(&self) -> usize {
        self.total
    }

    /// Half of all places are taken, or half of those of the prefix of `address`.
    pub(crate) fn is_half_used(&self, address: IpAddr, limits: &HalfOpenLimits) -> bool {
        self.total >= limits.total / 2 || self.of(&Prefix::of(address, limits)) >= limits.per_prefix / 2
    }

    fn of(&self, prefix: &Prefix) -> usize {
        self.by_prefix.get(prefix).copied().unwrap_or(0)
    }

    /// Counts one more from `address`; give the result back to [`Self::leave`].
    ///
    /// # Errors
    /// [`Reason::HalfOpenFull`], [`Reason::PrefixQuota`]: it is not counted, and must not be kept.
    pub(crate) fn enter(&mut self, address: IpAddr, limits: &HalfOpenLimits) -> Result<Prefix, Reason> {
        if self.total >= limits.total {
            return Err(Reason::HalfOpenFull);
        }
        let prefix = Prefix::of(address, limits);
        let count = self.of(&prefix);
        if count >= limits.per_prefix {
            return Err(Reason::PrefixQuota);
        }
        self.by_prefix.insert(prefix, count + 1);
        self.total += 1;
        Ok(prefix)
    }

    /// One of `prefix` is established, refused or gone.
    pub(crate) fn leave(&mut self, prefix: Prefix) {
        if let Some(count) = self.by_prefix.get_mut(&prefix) {
            *count -= 1;
            self.total -= 1;
            if *count == 0 {
                self.by_prefix.remove(&prefix);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const LIMITS: HalfOpenLimits = HalfOpenLimits {
        total: 3,
        per_prefix: 2,
        prefix_v4: 24,
        prefix_v6: 48,
        lifetime: Duration::from_secs(30),
        costly: 0,
    };

    #[test]
    fn a_prefix_has_its_own_bound_and_all_have_one() {
        let mut quota = HalfOpenQuota::default();
        let one = quota.enter([192, 0, 2, 1].into(), &LIMITS).unwrap();
        quota.enter([192, 0, 2, 200].into(), &LIMITS).unwrap();
        assert_eq!(quota.enter([192, 0, 2, 3].into(), &LIMITS), Err(Reason::PrefixQuota));
        quota.enter([192, 0, 3, 1].into(), &LIMITS).unwrap();
        assert_eq!(quota.enter([198, 51, 100, 1].into(), &LIMITS), Err(Reason::HalfOpenFull));
        quota.leave(one);
        quota.enter([192, 0, 2, 3].into(), &LIMITS).unwrap();
        assert_eq!(quota.total(), 3);
    }

    #[test]
    fn prefixes_of_no_bits_and_of_all_bits() {
        let all = HalfOpenLimits { prefix_v4: 0, prefix_v6: 0, ..LIMITS };
        assert_eq!(Prefix::of([1, 2, 3, 4].into(), &all), Prefix::of([9, 9, 9, 9].into(), &all));
        let none = HalfOpenLimits { prefix_v4: 32, prefix_v6: 128, ..LIMITS };
        assert_ne!(Prefix::of([1, 2, 3, 4].into(), &none), Prefix::of([1, 2, 3, 5].into(), &none));
    }
}
