use crate::pairs::Pairs;
use esp::Inner;
use ipnet::IpNet;
use std::{net::IpAddr, sync::Arc};

/// Who may send to which unit.
pub(super) struct Neighbours {
    /// Where inner addresses come from: who sends there sends to a unit.
    pub(super) pools: Vec<IpNet>,
    pub(super) pairs: Arc<Pairs>,
}

impl Neighbours {
    pub(super) fn is_unit(&self, address: IpAddr) -> bool {
        self.pools.iter().any(|pool| pool.contains(&address))
    }

    pub(super) fn is_lateral(&self, inner: &Inner) -> bool {
        self.is_unit(inner.destination) && !self.pairs.has(inner)
    }
}
