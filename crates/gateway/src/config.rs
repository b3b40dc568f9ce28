use crate::{PeerPolicy, Quarantine, shard::Limits};
use esp::{Rule, WindowSize};
use ike::{LocalIdentity, ResponderConfig};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::{collections::BTreeMap, net::IpAddr, path::PathBuf, time::Duration};

/// What the gateway is told. [`GatewayConfig::new`] has the defaults.
#[derive(Clone)]
pub struct GatewayConfig {
    /// The IKE responder: identity, suites, times, bounds. Its authorities are filled in from the
    /// anchors at start.
    pub responder: ResponderConfig,
    /// What peers may present, exceptions for older units included.
    pub peers: PeerPolicy,
    /// Inner IPv4 addresses, one for each device.
    pub pool_v4: Option<Ipv4Net>,
    /// Inner IPv6 addresses, one for each device.
    pub pool_v6: Option<Ipv6Net>,
    /// Name servers told to the units.
    pub dns: Vec<IpAddr>,
    /// What units may reach whose class stands not in `classes`. Never the pools, here and there.
    pub reachable: Vec<Rule>,
    /// What the units of a class may reach, by its name in the ledger.
    pub classes: BTreeMap<String, Vec<Rule>>,
    /// What becomes of units in quarantine; without it they are refused.
    pub quarantine: Option<Quarantine>,
    /// A unit authenticates anew within this time (AUTH_LIFETIME, RFC 4478); at most 24 h. The tunnel
    /// ends with it, and with the certificate if that is earlier.
    pub auth_lifetime: Duration,
    /// An SA without ESP in UDP for this long is an event: the unit sends raw ESP or nothing.
    pub esp_expected_within: Duration,
    /// Inner octets, either way, after which a CHILD SA is rekeyed.
    pub octets_per_child: u64,
    /// How late packets of a CHILD SA may arrive.
    pub replay_window: WindowSize,
    /// Key schedules of SAs without packets are let go after this.
    pub rest_after: Duration,
    /// What happens to a tunnel whose unit is seen outside the network of its access line.
    pub off_line: OffLine,
    /// With [`OffLine::Hold`]: how long, before the session ends.
    pub off_line_hold: Duration,
    /// Octets of the journal's disk that are kept back: with less, nobody new is admitted and nothing that strangers do
    /// is written down, so that there is room for what operators do and those who are attached.
    pub disk_reserve: u64,
    /// Whom to admit.
    pub policy: admission::Policy,
    /// Folder of a witness on another host that takes the journal's checkpoints
    /// ([`events::witness`]); at least one in 60 s goes there.
    pub witness: Option<PathBuf>,
}

/// What happens to a tunnel whose unit has moved out of the network of its access line. An event
/// tells of it in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OffLine {
    /// Nothing.
    Keep,
    /// No packet passes until the unit is back, or has authenticated anew; the session ends if it does
    /// neither in time.
    #[default]
    Hold,
    /// It ends at once.
    Close,
}

/// RFC 4478 has no upper bound; the checklist (line 25) has.
const MAX_AUTH_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// Sequence numbers to go at which an SA is rekeyed: 2^24 packets are 16 s at 1,000,000 packets/s, and a rekey takes
/// one round trip, or 6 s more where a path is being probed first.
const SEQUENCE_RESERVE: u64 = 1 << 24;

impl GatewayConfig {
    /// The defaults around an identity and the inner addresses.
    pub fn new(identity: LocalIdentity, pool_v4: Option<Ipv4Net>, pool_v6: Option<Ipv6Net>) -> Self {
        Self {
            responder: ResponderConfig::new(identity, Vec::new()),
            peers: PeerPolicy::default(),
            pool_v4,
            pool_v6,
            dns: Vec::new(),
            reachable: Vec::new(),
            classes: BTreeMap::new(),
            quarantine: None,
            auth_lifetime: MAX_AUTH_LIFETIME,
            esp_expected_within: Duration::from_secs(300),
            // 2^32 AES blocks: far below the birthday bound of 2^64.
            octets_per_child: 1 << 36,
            replay_window: WindowSize::default(),
            rest_after: Duration::from_secs(60),
            off_line: OffLine::default(),
            off_line_hold: Duration::from_secs(30),
            disk_reserve: 0,
            policy: admission::Policy::default(),
            witness: None,
        }
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits {
            heard_every: self.responder.times.dpd_after / 4,
            esp_expected_within: self.esp_expected_within,
            octets_per_child: self.octets_per_child,
            sequence_reserve: SEQUENCE_RESERVE,
            rest_after: self.rest_after,
            window: self.replay_window,
        }
    }

    /// Whatever stands for a unit behind the gateway, the addresses of quarantine included.
    pub(crate) fn all_pools(&self) -> Vec<IpNet> {
        self.pools().into_iter().chain(self.quarantine.iter().flat_map(Quarantine::pools)).collect()
    }

    pub(crate) fn pools(&self) -> Vec<IpNet> {
        self.pool_v4.map(IpNet::V4).into_iter().chain(self.pool_v6.map(IpNet::V6)).collect()
    }

    pub(crate) fn auth_lifetime(&self) -> Duration {
        self.auth_lifetime.min(MAX_AUTH_LIFETIME)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ike::{
        crypto::{PrivateAuthKey, SignatureHashes},
        payload::{Authentication, Identification},
    };
    use std::sync::Arc;

    struct NoKey;

    impl PrivateAuthKey for NoKey {
        fn sign(&self, _: &[u8], _: SignatureHashes) -> Option<Authentication> {
            None
        }
    }

    #[test]
    fn section_4_line_1_the_ports_are_500_and_4500_on_every_address() {
        let id = Identification::fqdn("segw.example");
        let identity = LocalIdentity { id, certificates: vec![], key: Arc::new(NoKey) };
        let mut config = GatewayConfig::new(identity, None, None);
        let listen = crate::Listen::default();
        assert_eq!((listen.ike_port, listen.natt_port), (500, 4500));
        assert!(listen.addresses.iter().all(IpAddr::is_unspecified));
        config.auth_lifetime = Duration::from_secs(7 * 86_400);
        assert_eq!(config.auth_lifetime(), Duration::from_secs(86_400), "line 25: a day at most");
    }
}
