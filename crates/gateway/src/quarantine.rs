//! Sessions without a lease: what they reach, and under which addresses. The holder of the lease uses the unit's own
//! address, so that a session in quarantine is known behind the gateway by one of a pool of its own.

mod pool;
mod translation;

pub(crate) use pool::Pool;
pub(crate) use translation::Translation;

use crate::classes::Class;
use admission::Reason;
use esp::{Barred, Inner, Rule};
use ids::UnixTime;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

/// What units in quarantine get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantine {
    /// Addresses that stand for theirs behind the gateway; in no other pool.
    pub pool_v4: Option<Ipv4Net>,
    /// The same for IPv6.
    pub pool_v6: Option<Ipv6Net>,
    /// What they may reach, in place of what their class does. Never a pool.
    pub reach: Vec<Rule>,
}

impl Quarantine {
    /// A session in quarantine authenticates anew within this time.
    pub const LIFETIME: Duration = Duration::from_secs(3600);

    pub(crate) fn pools(&self) -> impl Iterator<Item = IpNet> {
        self.pool_v4.map(IpNet::V4).into_iter().chain(self.pool_v6.map(IpNet::V6))
    }
}

/// One address of each family, where there is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Addresses {
    pub(crate) v4: Option<Ipv4Addr>,
    pub(crate) v6: Option<Ipv6Addr>,
}

impl Addresses {
    /// IPv4 first.
    pub(crate) fn iter(self) -> impl Iterator<Item = IpAddr> {
        self.v4.map(IpAddr::V4).into_iter().chain(self.v6.map(IpAddr::V6))
    }
}

/// How one session is confined.
pub(crate) struct Confinement {
    pub(crate) reason: Reason,
    /// What it may reach.
    pub(crate) class: Arc<Class>,
    pub(crate) translation: Translation,
    /// When it ends at the latest.
    pub(crate) until: UnixTime,
}

impl Confinement {
    pub(crate) fn view(&self) -> Confined {
        Confined {
            reason: self.reason.code().to_owned(),
            translated: self.translation.outside().iter().collect(),
        }
    }

    /// A packet from the unit.
    pub(crate) fn check_inbound(&self, inner: &Inner, packet: &[u8]) -> Result<(), Barred> {
        self.class.reach.check_inbound(inner, packet)?;
        let is_known = self.translation.has_inside(inner);
        if is_known { may_be_translated(inner) } else { Err(Barred::OutOfReach) }
    }

    /// A packet for the unit.
    pub(crate) fn check_outbound(&self, inner: &Inner, packet: &[u8]) -> Result<(), Barred> {
        self.class.reach.check_outbound(inner, packet)?;
        may_be_translated(inner)
    }
}

/// Of ICMP only echo passes: what else there is holds a packet with its addresses, and by one of those the holder's
/// connections could be ended.
fn may_be_translated(inner: &Inner) -> Result<(), Barred> {
    const ICMP: u8 = 1;
    const ICMPV6: u8 = 58;
    let kind = inner.ports.map(|(kind, _)| kind >> 8);
    let passes = match inner.protocol {
        ICMP => inner.is_later_fragment || matches!(kind, Some(0 | 8)),
        ICMPV6 => inner.is_later_fragment || matches!(kind, Some(128 | 129)),
        _ => true,
    };
    if passes { Ok(()) } else { Err(Barred::OutOfReach) }
}

/// A session in quarantine as people and programs see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confined {
    /// Why, as a stable code.
    pub reason: String,
    /// By which addresses it is known behind the gateway, IPv4 first.
    pub translated: Vec<IpAddr>,
}
