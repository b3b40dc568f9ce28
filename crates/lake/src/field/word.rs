use super::{Field, Gathered};
use crate::columns::{Columns, Texts, Unfit, Why};
use arrow_array::{Array, ArrayRef, DictionaryArray, Int32Array, StringArray};
use arrow_schema::DataType;
use hashbrown::HashMap;
use ids::Label;
use records::{
    line::ChangeKind,
    row::{AccessEvent, Alg, Channel, Currency, Ealg, GapWhy, Grievance, ImsEvent, Purpose, Text},
};
use serde::{Deserialize, Serialize, de::value};
use std::{hash::Hash, sync::Arc};

/// Words of which a dictionary is parsed at once; of a longer one each row's.
const FEW: usize = 256;

/// A value that is one of few words: kept once, however many rows have it.
pub(crate) trait Word: Clone + Eq + Hash {
    fn text(&self) -> String;
    fn of_text(text: &str) -> Result<Self, Why>;
}

/// Words as JSON lines have them.
fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Why> {
    T::deserialize(value::StrDeserializer::<value::Error>::new(text))
        .map_err(|error| error.to_string().into())
}

fn write(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

macro_rules! words {
    ($($type:ty)*) => {
        $(impl Word for $type {
            fn text(&self) -> String {
                write(self)
            }

            fn of_text(text: &str) -> Result<Self, Why> {
                read(text)
            }
        }

        word_field!($type);)*
    };
}

macro_rules! word_field {
    ($type:ty) => {
        impl Field for $type {
            type Store = Words<$type>;
            type View = View<$type>;

            fn columns(name: &str) -> Vec<(String, DataType)> {
                vec![(name.to_owned(), words())]
            }

            fn push(value: Option<&Self>, to: &mut Self::Store) {
                to.push(value);
            }

            fn arrays(store: &Self::Store, order: &[u32], to: &mut Vec<ArrayRef>) {
                to.push(store.array(order));
            }

            fn view(columns: Columns<'_>, name: &str) -> Result<Self::View, Unfit> {
                Texts::of(columns, name).map(View::new)
            }

            fn get(view: &Self::View, row: usize) -> Result<Option<Self>, Why> {
                view.get(row)
            }
        }
    };
}

words! { Label AccessEvent ImsEvent Ealg Alg Channel Grievance Purpose GapWhy Currency Text<32> }
word_field!(ChangeKind);

impl Word for ChangeKind {
    fn text(&self) -> String {
        self.as_str().to_owned()
    }

    fn of_text(text: &str) -> Result<Self, Why> {
        let known =
            [Self::Cancelled, Self::Moved, Self::Restored].into_iter().find(|known| known.as_str() == text);
        known.ok_or_else(|| "`cancelled`, `moved` or `restored`".into())
    }
}

/// The type of a column of words.
pub(crate) fn words() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

pub(crate) struct Words<T> {
    keys: Gathered<i32>,
    known: HashMap<T, i32, foldhash::fast::RandomState>,
    texts: Vec<String>,
    last: Option<(T, i32)>,
}

impl<T> Default for Words<T> {
    fn default() -> Self {
        Self { keys: Gathered::default(), known: HashMap::default(), texts: Vec::new(), last: None }
    }
}

impl<T: Word> Words<T> {
    fn push(&mut self, value: Option<&T>) {
        let key = value.map(|value| self.key(value));
        self.keys.push(key);
    }

    fn key(&mut self, value: &T) -> i32 {
        if let Some((last, key)) = &self.last
            && last == value
        {
            return *key;
        }
        let key = self.known.get(value).copied().unwrap_or_else(|| {
            let key = self.texts.len() as i32;
            self.known.insert(value.clone(), key);
            self.texts.push(value.text());
            key
        });
        self.last = Some((value.clone(), key));
        key
    }

    fn array(&self, order: &[u32]) -> ArrayRef {
        let keys = Int32Array::new(self.keys.in_order(order).collect(), self.keys.nulls(order));
        let values = Arc::new(StringArray::from_iter_values(&self.texts));
        // Each key was given out with its text.
        DictionaryArray::try_new(keys, values).map_or_else(
            |_| arrow_array::new_null_array(&words(), order.len()),
            |array| Arc::new(array) as ArrayRef,
        )
    }

    /// The word of a row, as text.
    pub(crate) fn text(&self, row: u32) -> &str {
        let key = self.keys.get(row).and_then(|key| usize::try_from(key).ok());
        key.and_then(|key| self.texts.get(key)).map_or("", String::as_str)
    }
}

pub(crate) struct View<T> {
    texts: Texts,
    /// The values of the dictionary.
    known: Vec<Result<T, Why>>,
}

impl<T: Word> View<T> {
    fn new(texts: Texts) -> Self {
        let known = match &texts {
            Texts::Keyed(_, values) if values.len() <= FEW => {
                values.iter().map(|text| T::of_text(text.unwrap_or_default())).collect()
            }
            Texts::Keyed(..) | Texts::Plain(_) | Texts::Nothing => Vec::new(),
        };
        Self { texts, known }
    }

    pub(crate) fn text(&self, row: usize) -> Option<&str> {
        self.texts.get(row)
    }

    fn get(&self, row: usize) -> Result<Option<T>, Why> {
        if let Texts::Keyed(keyed, _) = &self.texts
            && !self.known.is_empty()
        {
            let known = keyed.key(row).and_then(|key| self.known.get(key));
            return known.cloned().transpose();
        }
        self.texts.get(row).map(T::of_text).transpose()
    }
}
