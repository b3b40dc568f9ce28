//! The words in which evidence about whoever holds a unit's key is kept. What each weighs, `admission` says.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Something by which a holder of a key may be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Item {
    /// What a person concluded about it before.
    Judged,
    /// Its access line against the ledger's.
    Line,
    /// The class of the network that it comes from, where no line is known.
    Network,
    /// How far its address is from the unit's site, where no line is known.
    Site,
    /// Where its handsets come from and go to.
    Trail,
    /// What its management system says of it.
    Management,
    /// How its IKE looks, against the unit's own past.
    Fingerprint,
    /// Where its certificate stands in the line of renewals.
    Lineage,
    /// Its rolling proof.
    Proof,
    /// The quote of its trusted platform.
    Attestation,
}

/// What one item says of a holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Grade {
    /// As of the unit itself.
    Good,
    /// As of somebody else.
    Bad,
}

/// One item of evidence about one holder. What is not known has no mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// Which.
    pub item: Item,
    /// What it says.
    pub grade: Grade,
    /// It was so before two can have been about.
    pub before_fork: bool,
}

impl Item {
    /// Each, in the order in which they are declared.
    pub const ALL: [Self; 10] = [
        Self::Judged,
        Self::Line,
        Self::Network,
        Self::Site,
        Self::Trail,
        Self::Management,
        Self::Fingerprint,
        Self::Lineage,
        Self::Proof,
        Self::Attestation,
    ];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Judged => "judged",
            Self::Line => "line",
            Self::Network => "network",
            Self::Site => "site",
            Self::Trail => "trail",
            Self::Management => "management",
            Self::Fingerprint => "fingerprint",
            Self::Lineage => "lineage",
            Self::Proof => "proof",
            Self::Attestation => "attestation",
        }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
