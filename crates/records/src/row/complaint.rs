use ids::SubscriberKey;
use serde::{Deserialize, Serialize};

row! {
    /// A subscriber complains.
    Complaint;
    needs {
        /// Who.
        subscriber: SubscriberKey,
        /// Of what.
        about: Grievance,
    }
    may {}
}

/// What a subscriber complains of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grievance {
    /// A payment that was not theirs.
    Payment,
    /// A code that they had not asked for.
    Code,
    /// A text or call that did not come.
    NotReached,
    /// No service where there was some.
    NoService,
}

impl Complaint {
    pub(super) fn wrong(&self) -> Option<&'static str> {
        None
    }
}
