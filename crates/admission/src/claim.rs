use crate::{Evidence, Words};
use ids::{
    AccessLine, CertSha256, DeviceId, IkeSpi, Network, Position, SessionId, Sha256, SourceClass, UnixTime,
    number_as_text, spi_as_text,
};
use ledger::{AccessLineRecord, Credential, Device, Look, Profile, Revoked};
use serde::{Deserialize, Serialize};
use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

/// An authenticated claim to be one unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Which unit it says it is: IDi, equal to the certificate's one dNSName.
    pub device: DeviceId,
    /// IDi as it was sent.
    pub idi: Box<str>,
    /// The certificate that AUTH verified with.
    pub cert_sha256: CertSha256,
    /// Its serial number, lower-case hex.
    pub serial: Box<str>,
    /// Its subjectKeyIdentifier, lower-case hex.
    pub ski: Evidence<Box<str>>,
    /// Whether it counts no more, and who says so.
    pub revocation: Evidence<Revocation>,
    /// SHA-256 of each certificate from it to the anchor.
    pub path: Box<[CertSha256]>,
    /// From first to last second of the certificate.
    pub validity: Duration,
    /// The certificate has ended, and its path was taken by an extension.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub extended: bool,
    /// Where it comes from.
    pub outer: Outer,
    /// SPIs of its IKE SA, 16 digits of hex.
    pub ike_spis: IkeSpis,
    /// Rolling proof.
    pub proof: Evidence<Proof>,
    /// Where its certificate stands in the line of renewals.
    pub lineage: Evidence<Lineage>,
    /// How its IKE looks.
    pub fingerprint: Evidence<Fingerprint>,
    /// Where its handsets come from and go to.
    pub place: Evidence<Trail>,
    /// What its management system says, against what is known here.
    pub facts: Evidence<Management>,
    /// The quote of its trusted platform is as it should be.
    pub attestation: Evidence<bool>,
}

/// What was found when the certificate's revocation was looked up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Revocation {
    /// It counts.
    Good,
    /// It does not, by our own word.
    Revoked(Revoked),
    /// It does not, by the word of the foreign CA that issued it.
    RevokedByIssuer {
        /// Since when.
        at: UnixTime,
        /// CRLReason (RFC 5280 §5.3.1), where it says one.
        reason: Option<Box<str>>,
    },
    /// The foreign CA that issued it is being asked for the first time.
    Asking,
    /// That CA has not answered, or its last answer counts no more.
    Unknown {
        /// Since when.
        since: UnixTime,
        /// Until when its last answer may still do for a unit that was here before.
        grace_until: Option<UnixTime>,
    },
}

impl Revocation {
    /// Whether somebody says how the certificate stands.
    pub(crate) fn is_known(&self) -> bool {
        match self {
            Self::Good | Self::Revoked(_) | Self::RevokedByIssuer { .. } => true,
            Self::Asking | Self::Unknown { .. } => false,
        }
    }
}

/// SPIs of an IKE SA (RFC 7296 §3.1), which tell it apart in captures and in the unit's own log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IkeSpis {
    /// The unit's.
    #[serde(with = "spi_as_text")]
    pub initiator: IkeSpi,
    /// The gateway's.
    #[serde(with = "spi_as_text")]
    pub responder: IkeSpi,
}

/// Which of a unit's one-time secrets it has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// The one that it got when it was last here.
    Fresh,
    /// The one that it used then.
    Current,
    /// An older one.
    Retired,
}

/// Where a certificate stands in the line of renewals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lineage {
    /// It is the newest.
    Head,
    /// A newer one has its place.
    Superseded {
        /// Which.
        by: CertSha256,
    },
    /// Two have asked for its successor.
    Forked,
}

/// Where the handsets of its cells come from and go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trail {
    /// The macro cells around its site.
    AtSite,
    /// Others.
    Elsewhere,
}

/// What a unit's management system says of it, against what is known here; `None` where it says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Management {
    /// Its serial number is that of the ledger.
    pub serial: Option<bool>,
    /// Its software is that of the ledger.
    pub software: Option<bool>,
    /// The tunnel that it sees is this one, by SPI and time.
    pub tunnel: Option<bool>,
    /// The cells that it hears are those that it heard before.
    pub neighbours: Option<bool>,
}

impl Management {
    /// Whether it is the unit that this is said of: one thing that is not so is enough. Other software is none: an upgrade
    /// that the ledger has not heard of, or one that was set back, shows just that.
    pub(crate) fn agrees(&self) -> Option<bool> {
        let Self { serial, software, tunnel, neighbours } = *self;
        let software = software.filter(|is_known| *is_known);
        [serial, software, tunnel, neighbours].into_iter().flatten().reduce(|all, one| all && one)
    }
}

/// Where a claim comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outer {
    /// Address and port as seen here.
    pub address: SocketAddr,
    /// Kind of the network.
    pub class: Evidence<SourceClass>,
    /// The line that this address and port belong to now, whoever's line that is.
    pub line: Evidence<AccessLine>,
    /// Where the network is.
    pub place: Evidence<Located>,
}

impl Outer {
    /// Whether it is behind a line by what is known of the address itself; `None` when nobody knows whose that is.
    pub fn is_behind(&self, line: &AccessLine) -> Option<bool> {
        self.line.value().map(|here| here == line)
    }
}

/// A place, and how far from there it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Located {
    /// The place.
    pub position: Position,
    /// Km.
    pub radius_km: u16,
}

impl Located {
    /// How far two places are at least, km.
    pub(crate) fn at_least_km(self, other: Self) -> f64 {
        let between = self.position.distance_m(other.position) / 1000.0;
        (between - f64::from(self.radius_km) - f64::from(other.radius_km)).max(0.0)
    }
}

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

/// Notify types that are there or not as a connection goes, and not as an initiator is made: INITIAL_CONTACT, COOKIE (RFC
/// 7296 §3.10.1), the addresses of MOBIKE (RFC 4555 §4), a redirection (RFC 5685 §6).
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

    /// Class of its retransmission timer: 0 is a quarter of a second, and each further one twice as long, to the nearest.
    fn retransmission(&self) -> Option<u8> {
        let quarters = f64::from(self.first_retransmission_ms?) / 250.0;
        Some(quarters.log2().round().max(0.0) as u8)
    }
}

/// What the ledger knows about the unit claimed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts<'a> {
    /// Its record.
    pub device: Option<&'a Device>,
    /// The record of the certificate, whoever's it is.
    pub credential: Option<&'a Credential>,
    /// The record of its access line.
    pub line: Option<&'a AccessLineRecord>,
    /// The ledger lets the certificate count now though it may have ended.
    pub is_extended: bool,
    /// Where it attached within the last two days with nothing against it.
    pub good_at: Option<Network>,
    /// As what it has been seen.
    pub profile: Option<&'a Profile>,
    /// The ceiling on service that may be lost lets its holder be ended.
    pub holder_may_go: bool,
    /// An emergency call goes on there, and is let finish.
    pub holder_has_call: bool,
}

impl Facts<'_> {
    /// Which firmware the ledger says that it has.
    pub(crate) fn firmware(&self) -> &str {
        self.device.map_or("", |device| &device.firmware)
    }
}

/// Who has the unit's lease while another claims it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its session.
    pub session: SessionId,
    /// Its claim, with where it is and what is known of it now; `None` when this process did not see it.
    pub claim: Option<Claim>,
    /// Whether it lives.
    pub probe: Probe,
    /// Where it is; `None` when its session is not here.
    pub outer: Option<SocketAddr>,
    /// How long ago it was last asked, for this or another claim.
    pub asked_ago: Option<Duration>,
    /// How long ago something came out of its tunnel.
    pub heard_ago: Option<Duration>,
}

/// Who was heard within this lives, and is nowhere else by now: a unit takes longer to start at another place.
const LIVELY: Duration = Duration::from_secs(60);

impl Holder {
    /// It is known to live: it has answered, or was heard a moment ago.
    pub(crate) fn lives(&self) -> bool {
        match self.probe {
            Probe::Answered => true,
            Probe::NotAsked => self.heard_ago.is_some_and(|ago| ago < LIVELY),
            Probe::Silent | Probe::Unreachable | Probe::MadeRoom => false,
        }
    }

    /// Whether the claim comes from where the holder is: the same address, or the same /64 of IPv6, and no other line behind
    /// the same CGNAT. A unit that authenticates anew does.
    pub(crate) fn is_near(&self, claim: &Claim) -> bool {
        let from = Network::site(claim.outer.address.ip());
        let is_same = self.outer.is_some_and(|outer| Network::site(outer.ip()) == from);
        let own = self.claim.as_ref().and_then(|own| own.outer.line.value());
        let is_other_line = own.is_some_and(|own| claim.outer.is_behind(own) == Some(false));
        is_same && !is_other_line
    }
}

/// What a holder said when asked whether it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Probe {
    /// Nobody asked.
    NotAsked,
    /// It answered, and did not make room in its time.
    Answered,
    /// It answered nothing.
    Silent,
    /// There was no way to ask it, or its session ended otherwise.
    Unreachable,
    /// It deleted its own session in its time.
    MadeRoom,
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
