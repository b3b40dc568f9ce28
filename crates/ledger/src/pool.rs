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

/// Units whose inner addresses of one family are in no pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outside {
    /// `v4` or `v6`.
    pub family: &'static str,
    /// How many.
    pub units: u64,
    /// One of them.
    pub example: String,
}

impl Pools {
    /// What a database has that these pools have not.
    ///
    /// # Errors
    /// [`StoreError`]
    pub fn outside(&self, store: &mut dyn Store) -> Result<Vec<Outside>, StoreError> {
        let v4 = self.v4.map(|net| [v4_entry(net.network()), v4_entry(net.broadcast())]);
        let v6 = self.v6.map(|net| [v6_entry(net.network()), v6_entry(net.broadcast())]);
        let mut outside = Vec::new();
        for (family, name, ends) in [("v4", "inner_v4", v4), ("v6", "inner_v6", v6)] {
            // Without a pool, behind the empty text: every address.
            let [first, last] = ends.unwrap_or_default();
            let found = store.outside("device", name, &first, &last)?;
            outside.extend(found.map(|(units, example)| Outside { family, units, example }));
        }
        Ok(outside)
    }
}

/// Hands out addresses in order, behind the highest of each pool that a unit has; what was handed out is
/// in the device rows.
pub(crate) struct Addresses {
    pools: Pools,
    next_v4: u32,
    next_v6: u128,
}

impl Addresses {
    pub(crate) fn open(pools: Pools, store: &mut dyn Store) -> Result<Self, StoreError> {
        let mut this = Self { pools, next_v4: 0, next_v6: 0 };
        this.read(store)?;
        Ok(this)
    }

    /// What is free now, by the index.
    pub(crate) fn read(&mut self, store: &mut dyn Store) -> Result<(), StoreError> {
        if let Some(net) = self.pools.v4 {
            let network = net.network().to_bits().into();
            let next = next_of(store, "inner_v4", network, &v4_entry(net.broadcast()))?;
            self.next_v4 = u32::try_from(next).unwrap_or(u32::MAX);
        }
        if let Some(net) = self.pools.v6 {
            self.next_v6 = next_of(store, "inner_v6", net.network().to_bits(), &v6_entry(net.broadcast()))?;
        }
        Ok(())
    }

    /// How many units can still have theirs; `None` without a pool.
    pub(crate) fn room(&self) -> Option<u64> {
        let v4 = self.pools.v4.map(|net| u64::from(net.broadcast().to_bits().saturating_sub(self.next_v4)));
        let v6 = self.pools.v6.map(|net| {
            let behind = net.broadcast().to_bits().saturating_add(1).saturating_sub(self.next_v6);
            u64::try_from(behind).unwrap_or(u64::MAX)
        });
        v4.into_iter().chain(v6).min()
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

/// The address behind the highest one of a pool that a unit has.
fn next_of(store: &mut dyn Store, name: &str, network: u128, last: &str) -> Result<u128, StoreError> {
    let highest = store.last_entry("device", name, last)?;
    let highest = highest.and_then(|hex| u128::from_str_radix(&hex, 16).ok());
    Ok(highest.map_or(network, |highest| highest.max(network)).saturating_add(1))
}

/// An address as device rows are found by it: in order as text.
pub(crate) fn v4_entry(v4: Ipv4Addr) -> String {
    format!("{:08x}", v4.to_bits())
}

/// The same for IPv6.
pub(crate) fn v6_entry(v6: Ipv6Addr) -> String {
    format!("{:032x}", v6.to_bits())
}
