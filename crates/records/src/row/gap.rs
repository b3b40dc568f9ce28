use ids::UnixTime;
use serde::{Deserialize, Serialize};

row! {
    /// Something of this feed is not known. What a gap hides clears nobody.
    Gap;
    needs {
        /// Since when.
        from: UnixTime,
        /// Until when.
        to: UnixTime,
        /// Why.
        why: GapWhy,
    }
    may {
        /// How many rows are missing, where that is known.
        rows: u64,
    }
}

/// Why something is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GapWhy {
    /// The feed said nothing, not even that it works.
    Silent,
    /// Numbers of rows were left out.
    Missing,
    /// The source says itself that it did not keep them.
    NotKept,
}

impl Gap {
    pub(super) fn wrong(&self) -> Option<&'static str> {
        super::turned(self.from, Some(self.to))
    }
}
