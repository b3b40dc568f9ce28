use crate::{forgotten::Forgotten, world::CellId};
use hashbrown::HashTable;
use ids::SubscriberKey;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeSeed, Error, SeqAccess, Visitor},
};
use std::fmt;

/// Where a handset was last. Times are whole seconds since the engine's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handset {
    /// The cell of its last access record; [`CellId::NONE`] before the first.
    pub cell: CellId,
    /// When that was.
    pub at: u32,
    /// The macro cell of its last access record at any.
    pub macro_cell: CellId,
    /// When that was.
    pub macro_at: u32,
    /// How it was protected when last seen at a macro cell.
    pub protection: Protection,
}

/// How a handset was protected when it was last seen at a macro cell: what its own equipment and subscription can.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Protection {
    /// Its IMS registration was encrypted.
    pub ims: Option<bool>,
    /// NAS was ciphered.
    pub nas: Option<bool>,
}

/// Handsets by subscriber, bounded: 36 octets and an index entry of 5 each.
///
/// Where one more would be too many the sixteenth that was seen longest ago goes.
#[derive(Clone, Debug)]
pub struct HandsetTable {
    rows: Vec<(SubscriberKey, Handset)>,
    index: HashTable<u32>,
    bound: usize,
    evicted: u64,
    forgotten: Forgotten,
}

/// Rows as they are read, into the room that all of them will have.
struct Rows(Vec<(SubscriberKey, Handset)>);

/// A handset's place in the table, until the next [`HandsetTable::touch`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot(u32);

impl Default for Handset {
    fn default() -> Self {
        let (cell, macro_cell) = (CellId::NONE, CellId::NONE);
        Self { cell, at: 0, macro_cell, macro_at: 0, protection: Protection::default() }
    }
}

impl HandsetTable {
    /// For `bound` handsets at most, at least 16. Room for all is asked for at once, and used as they come.
    pub fn new(bound: usize) -> Self {
        let bound = bound.clamp(16, u32::MAX as usize - 1);
        let (rows, index) = (Vec::with_capacity(bound), HashTable::new());
        Self { rows, index, bound, evicted: 0, forgotten: Forgotten::new() }
    }

    /// Where a handset is in the table, new if it is not; `likely`: where it was not long ago.
    pub(crate) fn touch(&mut self, subscriber: SubscriberKey, likely: Option<Slot>) -> Slot {
        if let Some(slot) =
            likely.filter(|slot| self.is_at(*slot, subscriber)).or_else(|| self.find(subscriber))
        {
            return slot;
        }
        if self.rows.len() >= self.bound {
            self.evict();
        }
        let at = self.rows.len() as u32;
        self.rows.push((subscriber, Handset::default()));
        let rows = &self.rows;
        self.index.insert_unique(hash(subscriber), at, |at| hash_at(rows, *at));
        Slot(at)
    }

    pub(crate) fn at(&self, Slot(at): Slot) -> Option<&Handset> {
        self.rows.get(at as usize).map(|(_, handset)| handset)
    }

    pub(crate) fn at_mut(&mut self, Slot(at): Slot) -> Option<&mut Handset> {
        self.rows.get_mut(at as usize).map(|(_, handset)| handset)
    }

    /// Where a subscriber's handset was last, where that is known.
    pub fn get(&self, subscriber: SubscriberKey) -> Option<Handset> {
        self.find(subscriber).and_then(|slot| self.at(slot)).copied()
    }

    /// Whether what was known of it was evicted.
    pub fn is_forgotten(&self, subscriber: SubscriberKey) -> bool {
        self.forgotten.has(hash(subscriber))
    }

    /// How many are known.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// None yet.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// How many were evicted so far.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    pub(crate) fn find(&self, subscriber: SubscriberKey) -> Option<Slot> {
        self.index.find(hash(subscriber), |at| self.is_at(Slot(*at), subscriber)).copied().map(Slot)
    }

    fn is_at(&self, Slot(at): Slot, subscriber: SubscriberKey) -> bool {
        self.rows.get(at as usize).is_some_and(|(key, _)| *key == subscriber)
    }

    fn evict(&mut self) {
        let mut order: Vec<_> = self.rows.iter().map(|(key, handset)| (handset.at, *key)).collect();
        let count = (order.len() / 16).max(1);
        let (_, limit, _) = order.select_nth_unstable(count - 1);
        let limit = *limit;
        for (key, handset) in &self.rows {
            if (handset.at, *key) <= limit {
                self.forgotten.add(hash(*key));
                self.evicted += 1;
            }
        }
        self.rows.retain(|(key, handset)| (handset.at, *key) > limit);
        self.index = indexed(&self.rows);
    }
}

fn indexed(rows: &[(SubscriberKey, Handset)]) -> HashTable<u32> {
    let mut index = HashTable::with_capacity(rows.len());
    for (at, (key, _)) in rows.iter().enumerate() {
        index.insert_unique(hash(*key), at as u32, |at| hash_at(rows, *at));
    }
    index
}

/// A keyed hash already: its first half is as good as any.
fn hash(subscriber: SubscriberKey) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = subscriber.octets();
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

fn hash_at(rows: &[(SubscriberKey, Handset)], at: u32) -> u64 {
    rows.get(at as usize).map_or(0, |(key, _)| hash(*key))
}

impl Serialize for HandsetTable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.bound, self.evicted, &self.forgotten, &self.rows).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for HandsetTable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_tuple(4, TableVisitor)
    }
}

struct TableVisitor;

impl<'de> Visitor<'de> for TableVisitor {
    type Value = HandsetTable;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bound, evicted, forgotten, rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<HandsetTable, A::Error> {
        let short = || A::Error::custom("cut off");
        let bound = parts.next_element()?.ok_or_else(short)?;
        let evicted = parts.next_element()?.ok_or_else(short)?;
        let forgotten = parts.next_element()?.ok_or_else(short)?;
        let rows = parts.next_element_seed(Rows(Vec::with_capacity(bound)))?.ok_or_else(short)?;
        Ok(HandsetTable { index: indexed(&rows), rows, bound, evicted, forgotten })
    }
}

impl<'de> DeserializeSeed<'de> for Rows {
    type Value = Vec<(SubscriberKey, Handset)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Rows {
    type Value = Vec<(SubscriberKey, Handset)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("handsets")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut rows: A) -> Result<Self::Value, A::Error> {
        while let Some(row) = rows.next_element()? {
            self.0.push(row);
        }
        Ok(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn person(number: u8) -> SubscriberKey {
        SubscriberKey::new([number; 16])
    }

    proptest! {
        /// Against a plain map that is searched for the least each time: of 16 one goes.
        #[test]
        fn who_goes_was_seen_longest_ago_and_is_known_to_have_gone(
            touches in proptest::collection::vec((0..40_u8, 0..9_u32), 0..200),
        ) {
            let (mut table, mut plain, mut gone) = (HandsetTable::new(16), BTreeMap::new(), Vec::new());
            // Where each was last: after an eviction somebody else may be there.
            let mut slots = BTreeMap::new();
            for (number, at) in touches {
                if plain.len() == 16 && !plain.contains_key(&number) {
                    let (_, least) = plain.iter().map(|(number, at)| (*at, *number)).min().unwrap();
                    plain.remove(&least);
                    gone.push(least);
                }
                plain.insert(number, at);
                let slot = table.touch(person(number), slots.get(&number).copied());
                slots.insert(number, slot);
                table.at_mut(slot).unwrap().at = at;
            }
            for (number, at) in &plain {
                prop_assert_eq!(table.get(person(*number)).unwrap().at, *at);
            }
            prop_assert_eq!((table.len(), table.evicted()), (plain.len(), gone.len() as u64));
            prop_assert!(gone.iter().all(|number| table.is_forgotten(person(*number))));
        }
    }
}
