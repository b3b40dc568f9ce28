use crate::{
    Path,
    crypto::PrivateAuthKey,
    payload::{Identification, TrafficSelector},
    suite::SuitePolicy,
};
use std::{sync::Arc, time::Duration};

/// Who we are: identity, certificates, and the key that signs AUTH.
#[derive(Clone)]
pub struct LocalIdentity {
    /// IDr of a responder, IDi of an initiator.
    pub id: Identification,
    /// DER, end entity first, then intermediates, no root.
    pub certificates: Vec<Vec<u8>>,
    /// Private key of the end entity.
    pub key: Arc<dyn PrivateAuthKey>,
}

/// When a stateless cookie is asked for (RFC 7296 §2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CookiePolicy {
    /// From this many half-open IKE SAs and IKE_SA_INIT that wait on; and in any case once they are half of all places, or
    /// half of those of the initiator's prefix, or half of what may wait does. Who can't receive at its address never takes
    /// the other half. Once one was due for anyone, everyone is asked for 60 s more.
    Above(usize),
    /// Of everyone.
    Always,
}

/// Bounds on what peers can make us keep before they have authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HalfOpenLimits {
    /// Half-open and undecided IKE SAs in all; each takes up to 12 KiB, and 56 KiB while fragments come in.
    /// Places that are free hold the answers to attempts that were refused, each for `lifetime`.
    pub total: usize,
    /// Of these, from one source prefix; 8 once three quarters of all are taken, unless the prefix is known.
    pub per_prefix: usize,
    /// Leading bits of an IPv4 address that make a prefix.
    pub prefix_v4: u8,
    /// Leading bits of an IPv6 address that make a prefix.
    pub prefix_v6: u8,
    /// How long one waits for IKE_AUTH, for fragments, and for answers to our questions.
    pub lifetime: Duration,
    /// Key exchanges of group 14 for all strangers together in one second; a quarter of it for one source prefix.
    /// From half of either on a cookie comes first, for group 14 from everyone and for 60 s more; beyond it silence.
    pub costly: u32,
}

/// When a request of ours is sent again (RFC 7296 §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retransmission {
    /// From the first sending to the second; each later wait is 1.8 times the one before.
    pub first: Duration,
    /// Sendings in all.
    pub tries: u8,
}

/// When SAs are renewed from our side; each time is shortened by up to a tenth at random.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RekeyTimes {
    /// Age of an IKE SA.
    pub ike_sa: Duration,
    /// Age of a CHILD SA.
    pub child_sa: Duration,
}

/// What every IKE SA needs to know, whichever side began it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SaTimes {
    /// When requests are sent again.
    pub retransmission: Retransmission,
    /// Silence after which the peer is asked whether it lives; zero for never.
    pub dpd_after: Duration,
    /// When SAs are renewed.
    pub rekey: RekeyTimes,
    /// How long the last response is kept for a peer that did not get it; RFC 7296 §2.1 asks for
    /// several minutes.
    pub response_kept: Duration,
    /// Longest IKE datagram that is sent whole to a peer that speaks RFC 7383, in octets of UDP payload.
    pub fragment_limit: usize,
}

impl Default for SaTimes {
    fn default() -> Self {
        Self {
            // 2 + 3.6 + 6.5 + 11.7 + 21 + 37.8 = 82.6 s until the peer counts as gone.
            retransmission: Retransmission { first: Duration::from_secs(2), tries: 6 },
            dpd_after: Duration::from_secs(60),
            rekey: RekeyTimes {
                ike_sa: Duration::from_secs(20 * 3600),
                child_sa: Duration::from_secs(4 * 3600),
            },
            // charon gives up 165 s after its first try.
            response_kept: Duration::from_secs(180),
            // 1280 (IPv6 minimum MTU) - 40 (IPv6) - 8 (UDP) - 4 (non-ESP marker).
            fragment_limit: 1228,
        }
    }
}

/// Configuration of a [`Responder`](crate::Responder).
#[derive(Clone)]
pub struct ResponderConfig {
    /// Who we are.
    pub identity: LocalIdentity,
    /// SHA-1 of each configured anchor's SubjectPublicKeyInfo, for CERTREQ;
    /// [`authority_hash`](crate::crypto::authority_hash) makes one.
    pub authorities: Vec<[u8; 20]>,
    /// What we accept, in our order.
    pub suites: SuitePolicy,
    /// When cookies are asked for.
    pub cookies: CookiePolicy,
    /// Bounds before authentication.
    pub half_open: HalfOpenLimits,
    /// Times of established IKE SAs.
    pub times: SaTimes,
}

impl ResponderConfig {
    /// The defaults around an identity.
    pub fn new(identity: LocalIdentity, authorities: Vec<[u8; 20]>) -> Self {
        Self {
            identity,
            authorities,
            suites: SuitePolicy::default(),
            cookies: CookiePolicy::Above(1_000),
            half_open: HalfOpenLimits {
                total: 20_000,
                per_prefix: 500,
                prefix_v4: 24,
                prefix_v6: 48,
                lifetime: Duration::from_secs(30),
                // 0.22 ms for a key pair and 1.16 ms for a secret (AMD EPYC, 2.4 GHz; `cargo bench -p ike`): a third
                // of the time of one thread.
                costly: 250,
            },
            times: SaTimes::default(),
        }
    }
}

/// Configuration of an [`Initiator`](crate::Initiator): one femtocell.
#[derive(Clone)]
pub struct InitiatorConfig {
    /// Who it says it is. Nothing checks that the certificate agrees: a lab needs the lie.
    pub identity: LocalIdentity,
    /// IDr that the gateway must prove; also sent, as the identity it is expected to have.
    pub gateway_id: Identification,
    /// For CERTREQ: SHA-1 of the SubjectPublicKeyInfo of each anchor.
    pub authorities: Vec<[u8; 20]>,
    /// What is offered, in order; the first key exchange method goes into the KE payload.
    pub suites: SuitePolicy,
    /// From where to where IKE_SA_INIT goes (port 500).
    pub path: Path,
    /// From where to where the rest goes once NAT traversal is on (port 4500).
    pub natt_path: Path,
    /// Send INITIAL_CONTACT.
    pub initial_contact: bool,
    /// Ask for no CHILD SA in IKE_AUTH if the gateway allows that (RFC 6023), and create it after.
    pub childless: bool,
    /// Ask for INTERNAL_IP4_ADDRESS and INTERNAL_IP4_DNS.
    pub want_v4: bool,
    /// Ask for INTERNAL_IP6_ADDRESS and INTERNAL_IP6_DNS.
    pub want_v6: bool,
    /// What the unit wants to reach.
    pub ts_r: Vec<TrafficSelector>,
    /// Vendor IDs of IKE_SA_INIT.
    pub vendor_ids: Vec<Vec<u8>>,
    /// Octets of its nonces, 16 to 256.
    pub nonce_length: usize,
    /// Times of its IKE SAs.
    pub times: SaTimes,
    /// Between NAT-keepalives when nothing else is sent; zero for none.
    pub keepalive: Duration,
}

impl InitiatorConfig {
    /// The defaults around identities and paths.
    pub fn new(identity: LocalIdentity, gateway_id: Identification, path: Path, natt_path: Path) -> Self {
        Self {
            identity,
            gateway_id,
            authorities: Vec::new(),
            suites: SuitePolicy::default(),
            path,
            natt_path,
            initial_contact: false,
            childless: false,
            want_v4: true,
            want_v6: false,
            ts_r: vec![TrafficSelector::ALL_V4],
            vendor_ids: Vec::new(),
            nonce_length: 32,
            times: SaTimes::default(),
            keepalive: Duration::from_secs(20),
        }
    }
}
