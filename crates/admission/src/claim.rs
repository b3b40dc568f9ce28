//! An authenticated claim to be one unit, and each kind of evidence that it may have.

use crate::{Evidence, Fingerprint};
use ids::{AccessLine, CertSha256, DeviceId, IkeSpi, Position, SourceClass, UnixTime, spi_as_text};
use ledger::Revoked;
use serde::{Deserialize, Serialize};
use std::{net::SocketAddr, time::Duration};

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
    /// Whether it is the unit that this is said of: one thing that is not so is enough. Other software is none: an
    /// upgrade that the ledger has not heard of, or one that was set back, shows just that.
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
