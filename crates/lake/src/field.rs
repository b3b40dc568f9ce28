//! How the value of a field stands in columns: one file for each sort of value.

pub(crate) mod cell;
pub(crate) mod number;
mod octets;
mod parts;
mod text;
pub(crate) mod word;

use crate::columns::{Columns, Unfit, Why};
use arrow_array::ArrayRef;
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;

/// A value, or none, in one or more columns.
pub(crate) trait Field: Sized {
    /// Where rows are gathered until they are written.
    type Store: Default;
    /// The columns of rows that are read.
    type View;

    /// What its columns are called, for a field of that name, and their types.
    fn columns(name: &str) -> Vec<(String, DataType)>;
    /// Another column, of text, that sources may have instead.
    fn instead(_name: &str) -> Option<String> {
        None
    }
    /// Some of its columns may be empty where it is there.
    fn has_optional_parts() -> bool {
        false
    }
    /// Adds the value of a row.
    fn push(value: Option<&Self>, to: &mut Self::Store);
    /// The columns of some rows, in that order.
    fn arrays(store: &Self::Store, order: &[u32], to: &mut Vec<ArrayRef>);
    /// Finds its columns.
    fn view(columns: Columns<'_>, name: &str) -> Result<Self::View, Unfit>;
    /// The value of a row.
    fn get(view: &Self::View, row: usize) -> Result<Option<Self>, Why>;
}

/// Values of rows, some of which may have none.
#[derive(Default)]
pub(crate) struct Gathered<T> {
    values: Vec<T>,
    /// Which rows have one; empty while all have.
    is_there: Vec<bool>,
}

impl<T: Copy + Default> Gathered<T> {
    fn push(&mut self, value: Option<T>) {
        if value.is_none() && self.is_there.is_empty() {
            self.is_there = vec![true; self.values.len()];
            self.is_there.push(false);
        } else if value.is_none() || !self.is_there.is_empty() {
            self.is_there.push(value.is_some());
        }
        self.values.push(value.unwrap_or_default());
    }

    fn in_order(&self, order: &[u32]) -> impl Iterator<Item = T> {
        order.iter().map(|row| self.values[*row as usize])
    }

    fn nulls(&self, order: &[u32]) -> Option<NullBuffer> {
        let there = || order.iter().map(|row| self.is_there[*row as usize]).collect::<Vec<_>>();
        (!self.is_there.is_empty()).then(|| NullBuffer::from(there()))
    }

    pub(crate) fn get(&self, row: u32) -> Option<T> {
        let is_there = self.is_there.get(row as usize).copied().unwrap_or(true);
        self.values.get(row as usize).copied().filter(|_| is_there)
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }
}
