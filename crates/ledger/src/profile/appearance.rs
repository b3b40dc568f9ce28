//! One way in which a unit was seen, and when two of them are the same one again.

use crate::Mark;
use ids::{CertSha256, Network, Position, Sha256, UnixTime};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// One way in which a unit was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Appearance {
    /// How its IKE looked.
    pub look: Look,
    /// From where, the last time; what counts is the neighbourhood, or that it was its line.
    pub from: IpAddr,
    /// It was at its own line.
    pub at_home: bool,
    /// Where that network is, as far as anybody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// How far from there it may be, km.
    #[serde(default)]
    pub radius_km: u16,
    /// With which certificate, the last time.
    pub cert_sha256: CertSha256,
    /// What the ledger had as its firmware.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub firmware: String,
    /// When it was so for the first time.
    pub first: UnixTime,
    /// When it was so last, to [`Profile::FOLDED`](super::Profile::FOLDED).
    pub last: UnixTime,
    /// What was known of it then.
    pub marks: Vec<Mark>,
    /// What was concluded about whoever looks like this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judged: Option<Judged>,
}

/// How the IKE of an initiator looks, in what stays the same for one make, version and configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Look {
    /// SHA-256 over vendor IDs, proposals, notify types and length of nonce.
    pub ike: Sha256,
    /// Octets of a full fragment over IPv4, where a message came in fragments (RFC 7383).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fragment: Option<u16>,
    /// The same over IPv6, whose header is longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fragment_v6: Option<u16>,
    /// Class of its retransmission timer, where a request came again: 0 is a quarter of a second, each further one
    /// twice as long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retransmission: Option<u8>,
}

/// A conclusion about one who was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judged {
    /// It is the copy; else, the unit.
    pub is_copy: bool,
    /// When.
    pub at: UnixTime,
    /// The person who said so.
    pub by: String,
    /// The incident that it was about.
    pub incident: Option<u64>,
}

impl Look {
    /// Whether both can be of one make, version and configuration. A request that was lost makes its timer look one
    /// class longer, and one that waited here may look shorter, so the next class is no difference.
    pub fn is_like(&self, other: &Self) -> bool {
        let fragments = [self.fragment.zip(other.fragment), self.fragment_v6.zip(other.fragment_v6)];
        let timers = self.retransmission.zip(other.retransmission);
        self.ike == other.ike
            && fragments.into_iter().flatten().all(|(one, other)| one == other)
            && timers.is_none_or(|(one, other)| one.abs_diff(other) <= 1)
    }
}

impl Appearance {
    /// Whether both are the same one again, as far as can be seen from here.
    pub fn is_like(&self, other: &Self) -> bool {
        let is_there = match (self.at_home, other.at_home) {
            (true, true) => true,
            (false, false) => Network::of(self.from) == Network::of(other.from),
            (true, false) | (false, true) => false,
        };
        is_there && self.look.is_like(&other.look)
    }

    /// It was concluded to be the copy.
    pub fn is_copy(&self) -> bool {
        self.judged.as_ref().is_some_and(|judged| judged.is_copy)
    }

    /// It was seen once more.
    pub(super) fn again(&mut self, later: Self) {
        let Self {
            look,
            from,
            position,
            radius_km,
            at_home: _,
            cert_sha256,
            firmware,
            first,
            last,
            marks,
            judged,
        } = later;
        self.look.fragment = look.fragment.or(self.look.fragment);
        self.look.fragment_v6 = look.fragment_v6.or(self.look.fragment_v6);
        // The first one stays: each may be one class off, and that must not add up.
        self.look.retransmission = self.look.retransmission.or(look.retransmission);
        (self.position, self.radius_km) = (position, radius_km);
        (self.from, self.cert_sha256, self.firmware, self.marks) = (from, cert_sha256, firmware, marks);
        (self.first, self.last) = (self.first.min(first), self.last.max(last));
        self.judged = judged.or_else(|| self.judged.take());
    }
}
