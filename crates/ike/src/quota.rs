use crate::{IkeSaId, Reason, config::HalfOpenLimits};
use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
};

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

/// Places of one prefix once three quarters of all are taken, so that few networks never take all.
const FEW: usize = 8;

/// How many places one prefix may have, when so many of all are taken.
pub(crate) fn most_of_prefix(taken: usize, all: usize, limits: &HalfOpenLimits) -> usize {
    if taken >= all / 4 * 3 { FEW.min(limits.per_prefix) } else { limits.per_prefix }
}

/// IKE SAs that have not been established yet, in all and by source prefix.
#[derive(Default)]
pub(crate) struct HalfOpenQuota {
    total: usize,
    /// The oldest first.
    by_prefix: HashMap<Prefix, VecDeque<IkeSaId>>,
}

impl HalfOpenQuota {
    pub(crate) fn total(&self) -> usize {
        self.total
    }

    /// How many of one prefix there are.
    pub(crate) fn of(&self, prefix: &Prefix) -> usize {
        self.by_prefix.get(prefix).map_or(0, VecDeque::len)
    }

    /// Those of one prefix, the oldest first.
    pub(crate) fn of_prefix(&self, prefix: &Prefix) -> impl Iterator<Item = IkeSaId> {
        self.by_prefix.get(prefix).into_iter().flatten().copied()
    }

    /// Whether one more of a prefix may be kept. A prefix that is known keeps all its places whatever others take.
    ///
    /// # Errors
    /// [`Reason::HalfOpenFull`], [`Reason::PrefixQuota`].
    pub(crate) fn has_place(
        &self,
        prefix: &Prefix,
        is_known: bool,
        limits: &HalfOpenLimits,
    ) -> Result<(), Reason> {
        let most =
            if is_known { limits.per_prefix } else { most_of_prefix(self.total, limits.total, limits) };
        if self.of(prefix) >= most {
            Err(Reason::PrefixQuota)
        } else if self.total >= limits.total {
            Err(Reason::HalfOpenFull)
        } else {
            Ok(())
        }
    }

    /// Counts one more.
    pub(crate) fn enter(&mut self, prefix: Prefix, id: IkeSaId) {
        self.by_prefix.entry(prefix).or_default().push_back(id);
        self.total += 1;
    }

    /// One of `prefix` is established, refused or gone.
    pub(crate) fn leave(&mut self, prefix: Prefix, id: IkeSaId) {
        let Some(of_prefix) = self.by_prefix.get_mut(&prefix) else { return };
        if let Some(index) = of_prefix.iter().position(|other| *other == id) {
            of_prefix.remove(index);
            self.total -= 1;
        }
        if of_prefix.is_empty() {
            self.by_prefix.remove(&prefix);
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

    fn enter(
        quota: &mut HalfOpenQuota,
        address: [u8; 4],
        id: u64,
        limits: &HalfOpenLimits,
    ) -> Result<(), Reason> {
        let prefix = Prefix::of(address.into(), limits);
        quota.has_place(&prefix, false, limits)?;
        quota.enter(prefix, IkeSaId(id));
        Ok(())
    }

    #[test]
    fn a_prefix_has_its_own_bound_and_all_have_one() {
        let mut quota = HalfOpenQuota::default();
        let mut enter = |address, id| enter(&mut quota, address, id, &LIMITS);
        enter([192, 0, 2, 1], 1).unwrap();
        enter([192, 0, 2, 200], 2).unwrap();
        assert_eq!(enter([192, 0, 2, 3], 3), Err(Reason::PrefixQuota));
        enter([192, 0, 3, 1], 4).unwrap();
        assert_eq!(enter([198, 51, 100, 1], 5), Err(Reason::HalfOpenFull));
        let prefix = Prefix::of([192, 0, 2, 1].into(), &LIMITS);
        quota.leave(prefix, IkeSaId(1));
        quota.leave(prefix, IkeSaId(1));
        assert_eq!(quota.of_prefix(&prefix).collect::<Vec<_>>(), [IkeSaId(2)]);
        super::tests::enter(&mut quota, [192, 0, 2, 3], 6, &LIMITS).unwrap();
        assert_eq!(quota.total(), 3);
    }

    #[test]
    fn few_networks_take_three_quarters_of_all_places_and_little_more_and_a_known_one_all_of_its_own() {
        let limits = HalfOpenLimits { total: 100, per_prefix: 20, ..LIMITS };
        let mut quota = HalfOpenQuota::default();
        for (net, host) in (0..5).flat_map(|net| (0..40).map(move |host| (net, host))) {
            let _ = enter(&mut quota, [192, 0, net, host], u64::from(net) * 40 + u64::from(host), &limits);
        }
        assert_eq!(quota.total(), 20 + 20 + 20 + 15 + 8);
        let known = Prefix::of([192, 0, 4, 1].into(), &limits);
        assert_eq!(quota.has_place(&known, true, &limits), Ok(()));
        let others = (0..17).map(|net| enter(&mut quota, [198, 51, net, 1], 1000 + u64::from(net), &limits));
        assert!(others.into_iter().all(|entered| entered.is_ok()));
    }

    #[test]
    fn prefixes_of_no_bits_and_of_all_bits() {
        let all = HalfOpenLimits { prefix_v4: 0, prefix_v6: 0, ..LIMITS };
        assert_eq!(Prefix::of([1, 2, 3, 4].into(), &all), Prefix::of([9, 9, 9, 9].into(), &all));
        let none = HalfOpenLimits { prefix_v4: 32, prefix_v6: 128, ..LIMITS };
        assert_ne!(Prefix::of([1, 2, 3, 4].into(), &none), Prefix::of([1, 2, 3, 5].into(), &none));
    }
}
