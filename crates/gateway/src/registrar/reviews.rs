//! Units whose sessions are to be judged anew, each in its turn: whoever is asked about again and again keeps no other waiting.

use ids::DeviceId;
use std::{
    collections::BTreeSet,
    ops::Bound::{Excluded, Unbounded},
};

/// Each unit once.
#[derive(Default)]
pub(super) struct Reviews {
    due: BTreeSet<DeviceId>,
    /// Whose turn it was last.
    last: Option<DeviceId>,
}

impl Reviews {
    pub(super) fn is_empty(&self) -> bool {
        self.due.is_empty()
    }

    pub(super) fn insert(&mut self, device: DeviceId) {
        self.due.insert(device);
    }

    /// Whose turn it is: the next behind the last, and then from the beginning.
    pub(super) fn next(&self) -> Option<DeviceId> {
        let behind = self.last.map_or(Unbounded, Excluded);
        self.due.range((behind, Unbounded)).next().or_else(|| self.due.first()).copied()
    }

    /// It was its turn.
    pub(super) fn done(&mut self, device: DeviceId) {
        self.due.remove(&device);
        self.last = Some(device);
    }
}

impl Extend<DeviceId> for Reviews {
    fn extend<T: IntoIterator<Item = DeviceId>>(&mut self, devices: T) {
        self.due.extend(devices);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_that_is_to_be_judged_anew_without_end_keeps_no_other_waiting() {
        let id = |number| DeviceId::eui48([2, 0, 0, 0, 0, number]);
        let mut reviews = Reviews::default();
        reviews.extend([id(1), id(2), id(9)]);
        let mut turns = Vec::new();
        while turns.len() < 6 {
            let device = reviews.next().unwrap();
            turns.push(device);
            reviews.done(device);
            reviews.extend([id(1), id(2)]);
        }
        assert_eq!(turns, [1, 2, 9, 1, 2, 1].map(id));
        reviews.done(id(1));
        reviews.done(id(2));
        assert!(reviews.is_empty() && reviews.next().is_none());
    }
}
