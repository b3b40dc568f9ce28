use crate::payload::TrafficSelector;
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

/// Answer to `AskAdmission`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It may attach, on these terms.
    Grant(Grant),
    /// It may not: the peer is told AUTHENTICATION_FAILED and nothing else.
    Refuse,
    /// It can't be judged now: silence. A retransmitted IKE_AUTH asks anew.
    Drop,
}

/// Terms of an attach. How they are decided is not known here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Inner IPv4 address; TSi is narrowed to it.
    pub inner_v4: Option<Ipv4Addr>,
    /// Inner IPv6 address with the prefix length that the CFG_REPLY says; TSi is narrowed to the
    /// address alone.
    pub inner_v6: Option<(Ipv6Addr, u8)>,
    /// For INTERNAL_IP4_DNS and INTERNAL_IP6_DNS, where asked for.
    pub dns: Vec<IpAddr>,
    /// What the peer may reach; TSr is narrowed to it. Shared by all peers that may reach the same.
    pub ts_r: Arc<[TrafficSelector]>,
    /// AUTH_LIFETIME (RFC 4478), cut at 24 h.
    pub auth_lifetime: Duration,
    /// From now to the hard end of the tunnel; no rekey moves it. The certificate's end comes
    /// first if it is earlier.
    pub expires_in: Duration,
}

impl Grant {
    /// What TSi may hold.
    pub(crate) fn inner(&self) -> Vec<TrafficSelector> {
        let v4 = self.inner_v4.map(|address| TrafficSelector::host(address.into()));
        let v6 = self.inner_v6.map(|(address, _)| TrafficSelector::host(address.into()));
        v4.into_iter().chain(v6).collect()
    }
}
