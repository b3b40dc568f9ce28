//! Telling the copy from the original: what is known of two who hold one key, weighed by one table.
//!
//! Each item of evidence about a side is good, bad, or missing, and missing weighs nothing. What anyone who has the whole
//! of the unit's memory could show as well counts only as far as it was observed before two can have been about
//! ([`Weight::survives_copy`]): a copy must gain nothing by renewing first, attaching first, or being there for longer.
//! So the weighing knows neither which side came first nor which holds the lease: exchange the sides, and the
//! conclusion is exchanged. Better evidence for a side never turns the conclusion against it.

use ledger::{Grade, Item, Mark};
use serde::{Deserialize, Serialize};

/// How much one item weighs.
#[derive(Clone, Copy, Debug)]
pub struct Weight {
    /// Which.
    pub item: Item,
    /// Good.
    pub good: i32,
    /// Bad; negative.
    pub bad: i32,
    /// It says the same whoever has a copy of all that is in the unit.
    pub survives_copy: bool,
}

/// The table, one row for each item, in the order of [`Item`]. A place is weighed by the line, or else by network and site:
/// they say the same thing in other words.
pub const WEIGHTS: [Weight; 10] = [
    outside(Item::Judged, 9, -9),
    outside(Item::Line, 4, -4),
    outside(Item::Network, 1, -3),
    outside(Item::Site, 1, -3),
    outside(Item::Trail, 5, -5),
    outside(Item::Management, 2, -4),
    of_the_copy(Item::Fingerprint, 2, -2),
    of_the_copy(Item::Lineage, 1, -3),
    of_the_copy(Item::Proof, 3, -3),
    outside(Item::Attestation, 5, -5),
];

/// How far two sides must be apart for a conclusion where both are alive: two there are for certain.
pub const APART: i32 = 4;
/// The same where they were never there at once: it may be one that has changed.
pub const APART_IN_TURN: i32 = 6;
/// From here on a side is in wrong hands, whoever the other is.
pub const WRONG_HANDS: i32 = -3;

const fn outside(item: Item, good: i32, bad: i32) -> Weight {
    Weight { item, good, bad, survives_copy: true }
}

const fn of_the_copy(item: Item, good: i32, bad: i32) -> Weight {
    Weight { item, good, bad, survives_copy: false }
}

/// What a mark weighs.
pub fn weight(mark: Mark) -> i32 {
    let weight = &WEIGHTS[mark.item as usize];
    if !weight.survives_copy && !mark.before_fork {
        return 0;
    }
    match mark.grade {
        Grade::Good => weight.good,
        Grade::Bad => weight.bad,
    }
}

/// All that is known about one side; what is missing is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Appraisal {
    /// At most one mark for each item, in their order.
    marks: Vec<Mark>,
}

impl Appraisal {
    /// Of these marks; of two about one item the worse counts.
    pub fn new(marks: impl IntoIterator<Item = Mark>) -> Self {
        let mut marks: Vec<_> = marks.into_iter().collect();
        marks.sort_by_key(|mark| (mark.item, weight(*mark)));
        marks.dedup_by_key(|mark| mark.item);
        Self { marks }
    }

    /// Only the items that count.
    #[must_use]
    pub fn keep(mut self, counts: impl Fn(Item) -> bool) -> Self {
        self.marks.retain(|mark| counts(mark.item));
        self
    }

    /// What is known.
    pub fn marks(&self) -> &[Mark] {
        &self.marks
    }

    /// What one item says.
    pub fn of(&self, item: Item) -> Option<Mark> {
        self.marks.iter().copied().find(|mark| mark.item == item)
    }

    /// What is not known.
    pub fn missing(&self) -> impl Iterator<Item = Item> {
        WEIGHTS.iter().map(|weight| weight.item).filter(|item| self.of(*item).is_none())
    }

    /// What all of it weighs.
    pub fn total(&self) -> i32 {
        self.marks.iter().copied().map(weight).sum()
    }

    /// What is known by itself of one who comes alone, its line and what was concluded before aside: rules of their own read
    /// those. What a copy would have as well says nothing here, as an upgrade or a reset looks the same. Nor does management
    /// of one who is at home: a copy that has never been at the gate can say to it what it likes, and must end nobody by that.
    pub fn total_alone(&self) -> i32 {
        let is_home = self.is_home();
        let counts = |mark: &&Mark| {
            let is_left_out =
                matches!(mark.item, Item::Line | Item::Judged) || mark.item == Item::Management && is_home;
            !is_left_out && WEIGHTS[mark.item as usize].survives_copy
        };
        self.marks.iter().filter(counts).copied().map(weight).sum()
    }

    /// A person has said that it is the unit.
    pub fn is_cleared(&self) -> bool {
        self.of(Item::Judged).is_some_and(|mark| mark.grade == Grade::Good)
    }

    /// Something speaks against it.
    pub fn is_accused(&self) -> bool {
        self.marks.iter().any(|mark| weight(*mark) < 0)
    }

    /// It is behind the unit's own line.
    pub fn is_home(&self) -> bool {
        self.of(Item::Line).is_some_and(|mark| mark.grade == Grade::Good)
    }

    /// It is in wrong hands by itself, whoever else there is.
    pub fn is_in_wrong_hands(&self) -> bool {
        self.total() <= WRONG_HANDS
    }

    /// Whether this one is the copy, and the other the unit.
    fn is_copy_beside(&self, other: &Self, apart: i32) -> bool {
        self.is_accused() && other.total() - self.total() >= apart
    }
}

/// Whether nobody loses service where the second is ended and the first has its place: the first is behind the unit's own
/// line, and the second, of whom something bad is known by itself, is not known to be there. Whoever shows copied keys can be
/// behind one line, and not behind those of many.
pub fn is_exchange(first: &Appraisal, second: &Appraisal) -> bool {
    first.is_home() && !second.is_home() && second.is_accused()
}

/// What two sides are to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// The first is the copy.
    FirstIsCopy,
    /// The second is.
    SecondIsCopy,
    /// Neither is where the unit should be.
    BothInWrongHands,
    /// Nothing tells them apart.
    Undecided,
}

/// Weighs two who hold one key. `apart`: how far they must be for a conclusion.
pub fn weigh(first: &Appraisal, second: &Appraisal, apart: i32) -> Relation {
    if first.is_in_wrong_hands() && second.is_in_wrong_hands() {
        Relation::BothInWrongHands
    } else if first.is_copy_beside(second, apart) {
        Relation::FirstIsCopy
    } else if second.is_copy_beside(first, apart) {
        Relation::SecondIsCopy
    } else {
        Relation::Undecided
    }
}

#[cfg(test)]
mod tests;
