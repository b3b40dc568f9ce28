use ids::{CellKey, DeviceId, EventRef, UnixTime};
use serde::{Deserialize, Serialize};

/// Something that bears on the trust in one cell: the one form in which every stage tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signal {
    /// What.
    pub kind: SignalKind,
    /// The unit that it is about; none where it is about the cell alone.
    pub device: Option<DeviceId>,
    /// When it was so.
    pub at: UnixTime,
    /// Up to when it knows what happened: what came later it says nothing of. At most `at`.
    pub data_at: UnixTime,
    /// Which stage says so: `admission`, `life cycle`, the name of a detector ...
    pub source: String,
    /// Where it is written down.
    pub evidence: TrustEvidence,
    /// The same in words; [`Self::MAX_DETAIL`] octets at most are kept.
    pub detail: String,
}

/// Where it is written down what a signal says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrustEvidence {
    /// In a record of a journal.
    Event(EventRef),
    /// In an incident, by its number.
    Incident(u64),
}

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $name:ident = $word:literal,)+) => {
        /// What a signal says; what each does is in [`super::TABLE`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum SignalKind {
            $($(#[doc = $doc])+ #[serde(rename = $word)] $name,)+
        }

        impl SignalKind {
            /// Each.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// Its stable word.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)+
                }
            }
        }
    };
}

kinds! {
    /// Its unit attached, and there was nothing against it.
    Attached = "attached",
    /// Its unit came from its own access line.
    LineConfirmed = "line-confirmed",
    /// Its handsets come from, and go to, the cells around its site.
    TrailConfirmed = "trail-confirmed",
    /// What management systems say of its unit fits.
    FactsConfirmed = "facts-confirmed",
    /// Its unit attested itself.
    Attested = "attested",
    /// Its unit's rolling proof moved on without a fork.
    ProofConfirmed = "proof-confirmed",
    /// Its unit attached for reasons that are only observed, or with a certificate on probation.
    Observed = "observed",
    /// Its unit is back after silence.
    Returned = "returned",
    /// Its unit has a certificate of its own since a migration: before, many had its key.
    Migrated = "migrated",
    /// Another unit has it now.
    Assigned = "assigned",
    /// Somebody else has its unit's key, and the unit stands well.
    NewcomerClone = "newcomer-clone",
    /// A finding that is no more than a sign.
    FindingLow = "finding-low",
    /// Nothing has been heard of its unit for long.
    Silent = "silent",
    /// Two claim to be its unit, and the evidence does not say which one is.
    Contested = "contested",
    /// A finding that leaves doubt.
    FindingMedium = "finding-medium",
    /// Who serves it is a copy of its unit, by the evidence.
    HolderClone = "holder-clone",
    /// Its unit's key is in the wrong hands.
    KeyUntrusted = "key-untrusted",
    /// A person found a copy where its unit should be.
    JudgedClone = "judged-clone",
    /// A finding that hardly has a benign cause.
    FindingHigh = "finding-high",
    /// A person found misuse behind what detectors found.
    JudgedMisuse = "judged-misuse",
    /// What was written down of its trust, or of its unit, was tampered with.
    RowTampered = "row-tampered",
    /// Its unit is suspended, lost, stolen or retired.
    Barred = "barred",
    /// A person found that its unit is the genuine one.
    JudgedGenuine = "judged-genuine",
    /// A person found an honest cause for what detectors found.
    JudgedBenign = "judged-benign",
    /// Its unit may serve again.
    Released = "released",
    /// An administrator took it from a unit.
    TakenOff = "taken-off",
}

impl Signal {
    /// Octets of `detail`.
    pub const MAX_DETAIL: usize = 240;

    /// The same, as it can be known at `now`: nothing is of the future, and nobody knows more than was.
    pub(super) fn known_at(&self, now: UnixTime) -> Self {
        let at = self.at.min(now);
        let end = (0..=Self::MAX_DETAIL.min(self.detail.len()))
            .rev()
            .find(|end| self.detail.is_char_boundary(*end));
        let detail = self.detail[..end.unwrap_or(0)].to_owned();
        Self { at, data_at: self.data_at.min(at), detail, ..self.clone() }
    }

    /// Whose signal about which cell, for the record.
    pub(super) fn why(&self, cell: CellKey) -> String {
        match self.detail.is_empty() {
            true => format!("{cell}: {}", self.kind.as_str()),
            false => format!("{cell}: {}: {}", self.kind.as_str(), self.detail),
        }
    }
}
