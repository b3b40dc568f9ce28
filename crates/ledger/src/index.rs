//! The index: the other values that rows are found by. No HMAC is on it, as it is derived: it is compared with the rows
//! before anything relies on what it does not have, and written anew from those that hold where it differs.

mod mend;
mod walk;

use crate::{
    Finding,
    row::SealedRow,
    store::{Store, StoreError},
    tables::{Alone, row_of},
    verify::each_row,
};
use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasher, RandomState},
};
use walk::Walk;

pub(crate) use mend::Compared;

/// What does not hold of the index of one table, and of the values that only one may have.
#[derive(Default)]
pub(crate) struct Differences {
    /// Rows that it has not as they are, and entries of rows that are not there: one for each row.
    pub(crate) entries: Vec<Finding>,
    /// Values that two have.
    pub(crate) shared: Vec<Shared>,
}

/// Two have a value that only one may have.
pub(crate) struct Shared {
    /// Who.
    pub(crate) holders: [String; 2],
    /// The row that came second, by key, and what it shares with which.
    pub(crate) finding: Finding,
}

/// Looks at each row of a table and at each entry of its index. `holds`: whether a row does; what one says that does not is
/// compared with nothing.
pub(crate) fn compare(
    store: &mut dyn Store,
    table: &str,
    mut holds: impl FnMut(&SealedRow) -> Result<bool, StoreError>,
) -> Result<Differences, StoreError> {
    let (mut walk, mut differences, mut holders) =
        (Walk::new(table), Differences::default(), Holders::default());
    each_row(store, table, |store, row| {
        let indexed = walk.entries_of(store, &row.key, &mut differences)?;
        if !holds(&row)? {
            return Ok(());
        }
        let Ok(body) = serde_json::from_str(&row.body) else { return Ok(()) };
        let written = row_of(table, &body);
        differences.of_row(&row, &written.entries, &indexed);
        written.alone.iter().for_each(|alone| holders.note(alone));
        Ok(())
    })?;
    walk.rest(store, &mut differences)?;
    if !holders.suspects.is_empty() {
        differences.shared = shared(store, table, &holders)?;
    }
    Ok(differences)
}

impl Differences {
    fn of_row(&mut self, row: &SealedRow, has: &[(&'static str, String)], indexed: &[(String, String)]) {
        let is_indexed = |(name, value): &&(&'static str, String)| {
            indexed.iter().any(|(other, theirs)| other == name && theirs == value)
        };
        let is_its_own =
            |(name, value): &&(String, String)| has.iter().any(|(other, own)| other == name && own == value);
        let lacks: Vec<_> =
            has.iter().filter(|entry| !is_indexed(entry)).map(|(name, value)| (*name, value)).collect();
        let has_more: Vec<_> = indexed
            .iter()
            .filter(|entry| !is_its_own(entry))
            .map(|(name, value)| (name.as_str(), value))
            .collect();
        let why = match (lacks.is_empty(), has_more.is_empty()) {
            (true, true) => return,
            (false, true) => format!("the index lacks its {}", named(&lacks)),
            (true, false) => format!("the index has {} for it, which it has not", named(&has_more)),
            (false, false) => {
                format!("the index lacks its {} and has {} instead", named(&lacks), named(&has_more))
            }
        };
        self.entries.push(Finding { table: row.table.clone(), key: row.key.clone(), why });
    }

    /// An entry of a row that is not there; each such row is named once.
    fn of_no_row(&mut self, table: &str, key: &str) {
        if self.entries.last().is_none_or(|last| last.key != key) {
            let (table, key, why) = (table.to_owned(), key.to_owned(), OF_NO_ROW.to_owned());
            self.entries.push(Finding { table, key, why });
        }
    }

    /// All of them.
    pub(crate) fn findings(self) -> impl Iterator<Item = Finding> {
        self.entries.into_iter().chain(self.shared.into_iter().map(|shared| shared.finding))
    }
}

const OF_NO_ROW: &str = "the index has a value for it, and there is no such row";

/// A few entries, for people.
fn named(entries: &[(&str, &String)]) -> String {
    const FEW: usize = 5;
    let names: Vec<_> = entries.iter().take(FEW).map(|(name, value)| format!("{name} {value}")).collect();
    let more = entries.len().saturating_sub(FEW);
    names.join(", ") + &if more > 0 { format!(" and {more} more") } else { String::new() }
}

/// Who has which value, as hashes: 16 octets for each value of each row.
#[derive(Default)]
struct Holders {
    hasher: RandomState,
    holder_of: HashMap<u64, u64>,
    /// Values that more than one seems to have.
    suspects: HashSet<u64>,
}

impl Holders {
    fn note(&mut self, alone: &Alone) {
        let (value, holder) = (self.value(alone), self.hasher.hash_one(&alone.holder));
        if *self.holder_of.entry(value).or_insert(holder) != holder {
            self.suspects.insert(value);
        }
    }

    fn value(&self, alone: &Alone) -> u64 {
        self.hasher.hash_one((alone.name, &alone.value))
    }
}

/// Looks at the rows again, for those that have a value which is suspected.
fn shared(store: &mut dyn Store, table: &str, holders: &Holders) -> Result<Vec<Shared>, StoreError> {
    let mut first = HashMap::<(&'static str, String), String>::new();
    let mut shared = Vec::new();
    each_row(store, table, |_, row| {
        let Ok(body) = serde_json::from_str(&row.body) else { return Ok(()) };
        for alone in row_of(table, &body).alone {
            if !holders.suspects.contains(&holders.value(&alone)) {
                continue;
            }
            let Alone { name, value, holder } = alone;
            let before = first.entry((name, value.clone())).or_insert_with(|| holder.clone());
            if *before != holder {
                let why = if holder == row.key {
                    format!("its {name} {value} is that of {before} too")
                } else {
                    format!("its {name} {value}, of {holder}, is that of {before} too")
                };
                let finding = Finding { table: row.table.clone(), key: row.key.clone(), why };
                shared.push(Shared { holders: [before.clone(), holder], finding });
            }
        }
        Ok(())
    })?;
    Ok(shared)
}

#[cfg(test)]
mod tests;
