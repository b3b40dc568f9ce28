//! Shadow mode: which reasons to refuse are only observed, what was observed, and reasons that hit too many.

mod books;

use crate::{Device, Row};
use ids::{DeviceId, UnixTime};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What becomes of a unit that there is a reason to refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// It is let in, and written down.
    Observe,
    /// It is refused.
    Enforce,
    /// As the next wider scope says.
    Inherit,
}

/// Units of one class and one region, as their rows name them; `None` is any.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// Class.
    pub class: Option<String>,
    /// Region.
    pub region: Option<String>,
}

/// How one reason to refuse is applied to the units of one scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyRule {
    /// Stable word of the reason.
    pub reason: String,
    /// To whom it applies.
    pub scope: Scope,
    /// How.
    pub mode: Mode,
    /// Why.
    pub why: String,
    /// Who said so.
    pub by: String,
    /// Since when.
    pub since: UnixTime,
}

/// For which reasons a unit would be refused if they were enforced. None any more, once it attached
/// without.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observation {
    /// Which unit.
    pub device: DeviceId,
    /// The reasons, each with the time it was first seen.
    pub reasons: Vec<Observed>,
}

/// One reason for which a unit would be refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observed {
    /// Stable word of the reason.
    pub reason: String,
    /// Seen without a break since then.
    pub since: UnixTime,
}

/// A reason to refuse that hit so many good units at once that it is not believed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Breaker {
    /// Stable word of the reason.
    pub reason: String,
    /// Since when.
    pub tripped_at: UnixTime,
    /// How many good units it hit in the time before.
    pub hits: u64,
    /// How many good units there were.
    pub good: u64,
    /// Some of those hit.
    pub examples: Vec<DeviceId>,
    /// Who set it back, when and why; until then the reason refuses no good unit at its home.
    pub set_back: Option<SetBack>,
}

/// A breaker was set back: its reason is applied again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetBack {
    /// When.
    pub at: UnixTime,
    /// By whom.
    pub by: String,
    /// Why.
    pub why: String,
}

impl Mode {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Enforce => "enforce",
            Self::Inherit => "inherit",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Scope {
    /// The narrowest scope that a unit is in.
    pub fn of(device: &Device) -> Self {
        Self { class: Some(device.class.clone()), region: Some(device.region.clone()) }
    }

    /// All four that a unit is in: a class is narrower than a region, both than either.
    pub fn narrowest_first(device: &Device) -> [Self; 4] {
        let Self { class, region } = Self::of(device);
        let of_class = Self { class: class.clone(), region: None };
        let of_region = Self { class: None, region: region.clone() };
        [Self { class, region }, of_class, of_region, Self::default()]
    }

    /// Whether a rule of this scope comes before one of `other` for some unit.
    pub fn overrides(&self, other: &Self) -> bool {
        let meet = |a: &Option<String>, b: &Option<String>| a.is_none() || b.is_none() || a == b;
        let narrowness = |scope: &Self| (scope.class.is_some(), scope.region.is_some());
        meet(&self.class, &other.class)
            && meet(&self.region, &other.region)
            && narrowness(self) > narrowness(other)
    }

    /// By which units are found, and as which it stands in a rule's key.
    pub(crate) fn entry(&self) -> String {
        serde_json::json!([self.class, self.region]).to_string()
    }
}

impl Row for PolicyRule {
    const TABLE: &'static str = "policy";

    fn key(&self) -> String {
        format!("{} {}", self.reason, self.scope.entry())
    }
}

impl Observation {
    /// The value of `state` by which those are found that stand.
    pub(crate) const STANDS: &'static str = "stands";
}

impl Row for Observation {
    const TABLE: &'static str = "observation";

    fn key(&self) -> String {
        self.device.to_string()
    }

    fn entries(&self) -> Vec<(&'static str, String)> {
        let stands = (!self.reasons.is_empty()).then(|| ("state", Self::STANDS.to_owned()));
        stands.into_iter().collect()
    }
}

impl Row for Breaker {
    const TABLE: &'static str = "breaker";

    fn key(&self) -> String {
        self.reason.clone()
    }
}
