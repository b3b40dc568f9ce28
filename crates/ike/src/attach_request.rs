use crate::payload::{Attribute, KeyExchangeMethod, NotifyType, Proposal, TrafficSelector};
use std::time::Duration;

/// What an authenticated peer asks for, and how it went about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachRequest {
    /// INITIAL_CONTACT was sent: a claim that no other SA of this identity lives.
    pub initial_contact: bool,
    /// Attributes of CFG_REQUEST (RFC 7296 §3.15); empty when there was none.
    pub cfg_request: Vec<Attribute>,
    /// TSi as offered; empty when childless.
    pub ts_i: Vec<TrafficSelector>,
    /// TSr as offered; empty when childless.
    pub ts_r: Vec<TrafficSelector>,
    /// No CHILD SA is asked for with IKE_AUTH (RFC 6023).
    pub childless: bool,
    /// How the peer's software shows itself.
    pub fingerprint: ObservedFingerprint,
}

/// What tells one IKE implementation, its version and configuration, from another. Bounded: at most
/// 16 vendor IDs of 64 octets, 64 notifies, 64 fragment sizes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObservedFingerprint {
    /// Vendor IDs of IKE_SA_INIT and IKE_AUTH, in order, each cut to 64 octets.
    pub vendor_ids: Vec<Vec<u8>>,
    /// Proposals of IKE_SA_INIT, in order.
    pub proposals: Vec<Proposal>,
    /// ESP proposals of IKE_AUTH, in order, without their SPIs.
    pub child_proposals: Vec<Proposal>,
    /// Notifications of IKE_SA_INIT and IKE_AUTH, in order.
    pub notifies: Vec<NotifyType>,
    /// Method of the first KE payload that we took.
    pub key_exchange: Option<KeyExchangeMethod>,
    /// Octets of each fragment of IKE_AUTH in order of arrival; empty when it came whole.
    pub fragment_sizes: Vec<u16>,
    /// Octets of the nonce.
    pub nonce_length: u16,
    /// Datagrams of IKE_SA_INIT and IKE_AUTH that came more than once.
    pub retransmissions: u16,
    /// How long after the first copy of a request that came here the next one did, when one did: the start of its
    /// retransmission timer (RFC 7296 §2.4), or a later step of it where the network lost a copy.
    pub first_retransmission: Option<Duration>,
    /// From our IKE_SA_INIT response to its IKE_AUTH.
    pub init_to_auth: Duration,
}

impl ObservedFingerprint {
    const MAX_VENDOR_IDS: usize = 16;
    const MAX_VENDOR_ID: usize = 64;
    const MAX_NOTIFIES: usize = 64;
    const MAX_FRAGMENT_SIZES: usize = 64;
    /// What comes again sooner was doubled on the way, or waited here.
    const DOUBLED: Duration = Duration::from_millis(125);

    pub(crate) fn saw_vendor_id(&mut self, octets: &[u8]) {
        if self.vendor_ids.len() < Self::MAX_VENDOR_IDS {
            self.vendor_ids.push(octets.get(..Self::MAX_VENDOR_ID).unwrap_or(octets).to_vec());
        }
    }

    pub(crate) fn saw_notify(&mut self, kind: NotifyType) {
        if self.notifies.len() < Self::MAX_NOTIFIES {
            self.notifies.push(kind);
        }
    }

    pub(crate) fn saw_again(&mut self) {
        self.retransmissions = self.retransmissions.saturating_add(1);
    }

    /// A request came again, so long after the first time.
    pub(crate) fn saw_again_after(&mut self, time: Duration) {
        self.saw_again();
        if time >= Self::DOUBLED {
            self.first_retransmission.get_or_insert(time);
        }
    }

    pub(crate) fn saw_fragment(&mut self, octets: usize) {
        if self.fragment_sizes.len() < Self::MAX_FRAGMENT_SIZES {
            self.fragment_sizes.push(u16::try_from(octets).unwrap_or(u16::MAX));
        }
    }

    pub(crate) fn saw_child_proposals(&mut self, proposals: &[Proposal]) {
        self.child_proposals =
            proposals.iter().map(|proposal| Proposal { spi: Vec::new(), ..proposal.clone() }).collect();
    }
}
