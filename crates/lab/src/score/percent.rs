use crate::verdict::{at_least, at_most};
use serde::{Serialize, Serializer, ser::SerializeStruct};

/// So many of so many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// These.
    pub hits: u64,
    /// Of these.
    pub of: u64,
}

impl Share {
    pub(super) fn count(&mut self, is_hit: bool) {
        self.hits += u64::from(is_hit);
        self.of += 1;
    }

    pub(super) fn add(&mut self, other: Self) {
        self.hits += other.hits;
        self.of += other.of;
    }

    /// The share itself; `None` of nothing.
    pub fn value(self) -> Option<f64> {
        (self.of > 0).then(|| self.hits as f64 / self.of as f64)
    }

    /// Lower bound of it, one-sided, exact, 95 %.
    pub fn at_least(self) -> Option<f64> {
        (self.of > 0).then(|| at_least(self.hits, self.of))
    }

    /// Upper bound of it, the same.
    pub fn at_most(self) -> Option<f64> {
        (self.of > 0).then(|| at_most(self.hits, self.of))
    }
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut share = serializer.serialize_struct("Share", 5)?;
        share.serialize_field("hits", &self.hits)?;
        share.serialize_field("of", &self.of)?;
        share.serialize_field("share", &self.value())?;
        share.serialize_field("at_least", &self.at_least())?;
        share.serialize_field("at_most", &self.at_most())?;
        share.end()
    }
}
