use serde::{Deserialize, Serialize};

/// Numbers that were there, as ranges: one for a feed that lost nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seqs(Vec<(u64, u64)>);

impl Seqs {
    /// Ranges at most. Beyond it the lowest hole counts as filled: what comes out of it later is a duplicate.
    const MOST: usize = 4096;

    /// Whether the number is new; it is there from now on.
    pub(crate) fn insert(&mut self, seq: u64) -> bool {
        let at = self.0.partition_point(|(_, last)| *last < seq);
        if self.0.get(at).is_some_and(|(first, _)| *first <= seq) {
            return false;
        }
        let joins_left = at > 0 && self.0.get(at - 1).is_some_and(|(_, last)| *last + 1 == seq);
        let joins_right = self.0.get(at).is_some_and(|(first, _)| seq.checked_add(1) == Some(*first));
        match (joins_left, joins_right) {
            (true, true) => {
                let (_, last) = self.0.remove(at);
                self.set_last(at - 1, last);
            }
            (true, false) => self.set_last(at - 1, seq),
            (false, true) => {
                if let Some(range) = self.0.get_mut(at) {
                    range.0 = seq;
                }
            }
            (false, false) => self.0.insert(at, (seq, seq)),
        }
        if self.0.len() > Self::MOST {
            let (first, _) = self.0.remove(0);
            if let Some(range) = self.0.first_mut() {
                range.0 = first;
            }
        }
        true
    }

    fn set_last(&mut self, at: usize, last: u64) {
        if let Some(range) = self.0.get_mut(at) {
            range.1 = last;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn a_number_is_new_once(numbers in proptest::collection::vec(0..40_u64, 0..80)) {
            let (mut seqs, mut plain) = (Seqs::default(), BTreeSet::new());
            for number in numbers {
                prop_assert_eq!(seqs.insert(number), plain.insert(number));
            }
            let apart = plain.iter().filter(|number| !plain.contains(&(*number + 1))).count();
            prop_assert_eq!(seqs.0.len(), apart);
        }
    }

    #[test]
    fn the_last_number_has_no_next_and_holes_are_bounded() {
        let mut seqs = Seqs::default();
        assert!(seqs.insert(u64::MAX - 1) && seqs.insert(u64::MAX) && !seqs.insert(u64::MAX));
        for number in 0..5000 {
            assert!(seqs.insert(2 * number));
        }
        assert_eq!(seqs.0.len(), Seqs::MOST);
        assert!(!seqs.insert(1));
    }
}
