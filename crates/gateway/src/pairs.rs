use esp::Inner;
use ledger::Device;
use std::{
    collections::HashSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// Which inner addresses may send to which others, as the ledger listed it at one moment. None, until it
/// was asked.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Pairs(HashSet<(IpAddr, IpAddr)>);

impl Pairs {
    pub(crate) fn list(&mut self, a: &Device, b: &Device) {
        self.list_addresses((a.inner_v4, a.inner_v6), (b.inner_v4, b.inner_v6));
    }

    pub(crate) fn list_addresses(
        &mut self,
        a: (Option<Ipv4Addr>, Option<Ipv6Addr>),
        b: (Option<Ipv4Addr>, Option<Ipv6Addr>),
    ) {
        let v4 = a.0.zip(b.0).map(|(a, b)| (IpAddr::V4(a), IpAddr::V4(b)));
        let v6 = a.1.zip(b.1).map(|(a, b)| (IpAddr::V6(a), IpAddr::V6(b)));
        for (a, b) in v4.into_iter().chain(v6) {
            self.0.extend([(a, b), (b, a)]);
        }
    }

    /// A pair may exchange whatever does not encapsulate.
    pub(crate) fn has(&self, inner: &Inner) -> bool {
        !inner.is_encapsulated() && self.0.contains(&(inner.source, inner.destination))
    }
}
