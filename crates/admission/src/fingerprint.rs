//! What is seen of an initiator's IKE, and what of that stays the same for one make, version and configuration.

use crate::Words;
use ids::{Sha256, number_as_text};
use ledger::Look;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// How an initiator's IKE looks: the same for one unit and version, other for other makers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Vendor IDs, hex.
    pub vendor_ids: Words,
    /// Proposals in order, as `number:type:id:keylen`.
    pub proposals: Words,
    /// Notify types in order.
    pub notifies: Box<[u16]>,
    /// Octets of each fragment of IKE_AUTH; empty when it came whole.
    pub fragment_sizes: Box<[u16]>,
    /// Octets of the nonce.
    pub nonce_length: u16,
    /// Messages that came more than once.
    pub retransmissions: u16,
    /// Milliseconds from a request to the first time that it came again, when one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_retransmission_ms: Option<u32>,
    /// Method of the KE payload.
    pub key_exchange: Option<u16>,
    /// Microseconds from our IKE_SA_INIT response to its IKE_AUTH: round trip and the unit's own work.
    #[serde(with = "number_as_text")]
    pub init_to_auth_us: u64,
}

/// Notify types that are there or not as a connection goes, and not as an initiator is made: INITIAL_CONTACT, COOKIE
/// (RFC 7296 §3.10.1), the addresses of MOBIKE (RFC 4555 §4), a redirection (RFC 5685 §6).
const OF_THE_MOMENT: [u16; 7] = [16384, 16390, 16397, 16398, 16399, 16401, 16408];

impl Fingerprint {
    /// What of it stays the same for one make, version and configuration. `from`: the address that it comes from.
    pub fn look(&self, from: IpAddr) -> Look {
        let mut notifies: Vec<_> =
            self.notifies.iter().filter(|kind| !OF_THE_MOMENT.contains(kind)).collect();
        notifies.sort_unstable();
        notifies.dedup();
        let [vendor_ids, proposals] = [&self.vendor_ids, &self.proposals].map(Words::as_slice);
        let text = format!("{vendor_ids:?} {proposals:?} {notifies:?} {}", self.nonce_length);
        let fragment = self.fragment_sizes.iter().copied().max().filter(|_| self.fragment_sizes.len() > 1);
        let (ike, retransmission) = (Sha256::of(text.as_bytes()), self.retransmission());
        match from.to_canonical() {
            IpAddr::V4(_) => Look { ike, fragment, fragment_v6: None, retransmission },
            IpAddr::V6(_) => Look { ike, fragment: None, fragment_v6: fragment, retransmission },
        }
    }

    /// Class of its retransmission timer: 0 is a quarter of a second, and each further one twice as long, to the
    /// nearest.
    fn retransmission(&self) -> Option<u8> {
        let quarters = f64::from(self.first_retransmission_ms?) / 250.0;
        Some(quarters.log2().round().max(0.0) as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

    #[test]
    fn timers_are_told_apart_by_the_nearest_class() {
        let class = |milliseconds| {
            let first_retransmission_ms = Some(milliseconds);
            let seen = Fingerprint { first_retransmission_ms, ..Fingerprint::default() };
            seen.look(HERE).retransmission
        };
        let classes = [125, 250, 500, 499, 4000, 3990, 4010, 7200].map(|time| class(time).unwrap());
        assert_eq!(classes, [0, 0, 1, 1, 4, 4, 4, 5]);
        assert_eq!(Fingerprint::default().look(HERE).retransmission, None);
    }
}
