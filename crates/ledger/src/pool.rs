use crate::{
    LedgerError,
    store::{Store, StoreError},
};
use ipnet::{Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Where inner addresses come from: each unit gets one of each family, and keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pools {
    /// For example `10.64.0.0/12`; the first and last address are left out.
    pub v4: Option<Ipv4Net>,
    /// For example `fd00:64::/64`; each unit gets one address.
    pub v6: Option<Ipv6Net>,
}

/// Hands out addresses in order; what was handed out is in the device rows.
pub(crate) struct Addresses {
    pools: Pools,
    next_v4: u32,
    next_v6: u128,
}

impl Addresses {
    pub(crate) fn open(pools: Pools, store: &mut dyn Store) -> Result<Self, StoreError> {
        let highest = |value: Option<String>| value.and_then(|hex| u128::from_str_radix(&hex, 16).ok());
        let last_v4 =
            highest(store.last_entry("device", "inner_v4")?).and_then(|bits| u32::try_from(bits).ok());
        let last_v6 = highest(store.last_entry("device", "inner_v6")?);
        let first_v4 = pools.v4.map_or(0, |net| net.network().to_bits().saturating_add(1));
        let first_v6 = pools.v6.map_or(0, |net| net.network().to_bits().saturating_add(1));
        let next_v4 = last_v4.map_or(first_v4, |last| last.saturating_add(1).max(first_v4));
        let next_v6 = last_v6.map_or(first_v6, |last| last.saturating_add(1).max(first_v6));
        Ok(Self { pools, next_v4, next_v6 })
    }

    /// A free address of each family that has a pool.
    pub(crate) fn draw(&mut self) -> Result<(Option<Ipv4Addr>, Option<Ipv6Addr>), LedgerError> {
        let v4 = self.pools.v4.map(|net| {
            let free = Some(Ipv4Addr::from_bits(self.next_v4))
                .filter(|v4| net.contains(v4) && *v4 != net.broadcast());
            free.ok_or(LedgerError::PoolExhausted("IPv4"))
        });
        let v6 = self.pools.v6.map(|net| {
            let free = Some(Ipv6Addr::from_bits(self.next_v6)).filter(|v6| net.contains(v6));
            free.ok_or(LedgerError::PoolExhausted("IPv6"))
        });
        let drawn = (v4.transpose()?, v6.transpose()?);
        self.next_v4 += u32::from(drawn.0.is_some());
        self.next_v6 += u128::from(drawn.1.is_some());
        Ok(drawn)
    }
}
