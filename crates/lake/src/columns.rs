//! Columns of rows that are read, by name: those of the lake, or those of a source, which may have numbers, times and octets in other widths or
//! as text.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "Arrow has types by the dozen, and few of them fit a field"
)]

use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, DictionaryArray, FixedSizeBinaryArray, Int64Array,
    PrimitiveArray, RecordBatch, StringArray, UInt64Array, cast::AsArray, types as arrow,
};
use arrow_schema::{DataType, TimeUnit};
use ids::UnixTime;
use std::str::FromStr;

/// Why a value is none.
pub(crate) type Why = Box<str>;

/// A column cannot hold what its field is.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("column `{name}` has the type {found}; {needed}")]
pub(crate) struct Unfit {
    pub(crate) name: String,
    pub(crate) found: DataType,
    pub(crate) needed: &'static str,
}

/// The columns of some rows.
#[derive(Clone, Copy)]
pub(crate) struct Columns<'a>(pub(crate) &'a RecordBatch);

impl<'a> Columns<'a> {
    pub(crate) fn get(self, name: &str) -> Option<&'a ArrayRef> {
        self.0.column_by_name(name)
    }

    fn unfit(self, name: &str, needed: &'static str) -> Unfit {
        let found = self.get(name).map_or(DataType::Null, |array| array.data_type().clone());
        Unfit { name: name.to_owned(), found, needed }
    }
}

/// A column of text.
pub(crate) enum Texts {
    Nothing,
    Plain(StringArray),
    Keyed(DictionaryArray<arrow::Int32Type>, StringArray),
}

impl Texts {
    pub(crate) fn of(columns: Columns<'_>, name: &str) -> Result<Self, Unfit> {
        let Some(array) = columns.get(name) else { return Ok(Self::Nothing) };
        Self::from_array(array).ok_or_else(|| columns.unfit(name, "text is needed"))
    }

    fn from_array(array: &ArrayRef) -> Option<Self> {
        if array.null_count() == array.len() {
            return Some(Self::Nothing);
        }
        if let Some(plain) = array.as_string_opt::<i32>() {
            return Some(Self::Plain(plain.clone()));
        }
        let keyed = array.as_dictionary_opt::<arrow::Int32Type>()?;
        Some(Self::Keyed(keyed.clone(), keyed.values().as_string_opt::<i32>()?.clone()))
    }

    pub(crate) fn get(&self, row: usize) -> Option<&str> {
        match self {
            Self::Nothing => None,
            Self::Plain(texts) => texts.is_valid(row).then(|| texts.value(row)),
            Self::Keyed(keyed, values) => {
                let key = keyed.key(row).filter(|key| values.is_valid(*key))?;
                Some(values.value(key))
            }
        }
    }

    pub(crate) fn parsed<T: FromStr<Err: ToString>>(&self, row: usize) -> Result<Option<T>, Why> {
        self.get(row).map(|text| text.parse().map_err(|error: T::Err| error.to_string().into())).transpose()
    }
}

/// A column of whole numbers.
pub(crate) enum Numbers {
    Signed(Int64Array),
    Unsigned(UInt64Array),
    Words(Texts),
}

impl Numbers {
    pub(crate) fn of(columns: Columns<'_>, name: &str) -> Result<Self, Unfit> {
        let Some(array) = columns.get(name) else { return Ok(Self::Words(Texts::Nothing)) };
        let found = match array.data_type() {
            DataType::Int8 => Some(signed::<arrow::Int8Type>(array)),
            DataType::Int16 => Some(signed::<arrow::Int16Type>(array)),
            DataType::Int32 => Some(signed::<arrow::Int32Type>(array)),
            DataType::Int64 => Some(Self::Signed(array.as_primitive().clone())),
            DataType::UInt8 => Some(unsigned::<arrow::UInt8Type>(array)),
            DataType::UInt16 => Some(unsigned::<arrow::UInt16Type>(array)),
            DataType::UInt32 => Some(unsigned::<arrow::UInt32Type>(array)),
            DataType::UInt64 => Some(Self::Unsigned(array.as_primitive().clone())),
            _ => Texts::from_array(array).map(Self::Words),
        };
        found.ok_or_else(|| columns.unfit(name, "a whole number is needed"))
    }

    pub(crate) fn is_text(&self) -> bool {
        matches!(self, Self::Words(Texts::Plain(_) | Texts::Keyed(..)))
    }

    pub(crate) fn get<T>(&self, row: usize) -> Result<Option<T>, Why>
    where
        T: TryFrom<i64> + TryFrom<u64> + FromStr,
    {
        let number = match self {
            Self::Signed(numbers) if numbers.is_valid(row) => T::try_from(numbers.value(row)).ok(),
            Self::Unsigned(numbers) if numbers.is_valid(row) => T::try_from(numbers.value(row)).ok(),
            Self::Signed(_) | Self::Unsigned(_) => return Ok(None),
            Self::Words(texts) => match texts.get(row) {
                // What JSON would not read as a number is none here.
                Some(text) => text.parse().ok().filter(|_| !text.starts_with('+')),
                None => return Ok(None),
            },
        };
        number.map(Some).ok_or_else(|| "no whole number in the range of its field".into())
    }
}

fn signed<T: arrow::ArrowPrimitiveType<Native: Into<i64>>>(array: &ArrayRef) -> Numbers {
    Numbers::Signed(array.as_primitive::<T>().unary(Into::into))
}

fn unsigned<T: arrow::ArrowPrimitiveType<Native: Into<u64>>>(array: &ArrayRef) -> Numbers {
    Numbers::Unsigned(array.as_primitive::<T>().unary(Into::into))
}

/// A column of times.
pub(crate) enum Times {
    Micros(Int64Array),
    Words(Texts),
}

impl Times {
    pub(crate) fn of(columns: Columns<'_>, name: &str) -> Result<Self, Unfit> {
        let Some(array) = columns.get(name) else { return Ok(Self::Words(Texts::Nothing)) };
        let found = match array.data_type() {
            DataType::Timestamp(_, None) => None,
            DataType::Timestamp(TimeUnit::Second, _) => {
                Some(times::<arrow::TimestampSecondType>(array, |time| time.saturating_mul(1_000_000)))
            }
            DataType::Timestamp(TimeUnit::Millisecond, _) => {
                Some(times::<arrow::TimestampMillisecondType>(array, |time| time.saturating_mul(1000)))
            }
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                let times: &PrimitiveArray<arrow::TimestampMicrosecondType> = array.as_primitive();
                Some(Self::Micros(times.reinterpret_cast()))
            }
            DataType::Timestamp(TimeUnit::Nanosecond, _) => {
                Some(times::<arrow::TimestampNanosecondType>(array, |time| time.div_euclid(1000)))
            }
            _ => Texts::from_array(array).map(Self::Words),
        };
        found.ok_or_else(|| {
            columns.unfit(name, "a time with its zone is needed: a timestamp adjusted to UTC, or text")
        })
    }

    pub(crate) fn get(&self, row: usize) -> Result<Option<UnixTime>, Why> {
        match self {
            Self::Micros(micros) if micros.is_valid(row) => {
                let time = UnixTime::from_micros(micros.value(row));
                let is_one = time.micros() == micros.value(row);
                is_one.then_some(Some(time)).ok_or_else(|| "not a time of the years 0 to 9999".into())
            }
            Self::Micros(_) => Ok(None),
            Self::Words(texts) => texts.parsed(row),
        }
    }
}

fn times<T: arrow::ArrowPrimitiveType<Native = i64>>(array: &ArrayRef, micros: impl Fn(i64) -> i64) -> Times {
    Times::Micros(array.as_primitive::<T>().unary(micros))
}

/// A column of octets.
pub(crate) enum Octets {
    Fixed(FixedSizeBinaryArray),
    Plain(BinaryArray),
    Words(Texts),
}

impl Octets {
    pub(crate) fn of(columns: Columns<'_>, name: &str) -> Result<Self, Unfit> {
        let Some(array) = columns.get(name) else { return Ok(Self::Words(Texts::Nothing)) };
        let found = match array.data_type() {
            DataType::FixedSizeBinary(_) => Some(Self::Fixed(array.as_fixed_size_binary().clone())),
            DataType::Binary => Some(Self::Plain(array.as_binary().clone())),
            _ => Texts::from_array(array).map(Self::Words),
        };
        found.ok_or_else(|| columns.unfit(name, "octets or text are needed"))
    }

    /// The octets by `octets`, or the text by [`FromStr`].
    pub(crate) fn get<T: FromStr<Err: ToString>>(
        &self,
        row: usize,
        octets: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<Option<T>, Why> {
        let value = match self {
            Self::Fixed(values) if values.is_valid(row) => octets(values.value(row)),
            Self::Plain(values) if values.is_valid(row) => octets(values.value(row)),
            Self::Fixed(_) | Self::Plain(_) => return Ok(None),
            Self::Words(texts) => return texts.parsed(row),
        };
        value.map(Some).ok_or_else(|| "not as many octets as its field has".into())
    }
}

/// A column of yes and no.
pub(crate) enum Flags {
    Plain(BooleanArray),
    Words(Texts),
}

impl Flags {
    pub(crate) fn of(columns: Columns<'_>, name: &str) -> Result<Self, Unfit> {
        let Some(array) = columns.get(name) else { return Ok(Self::Words(Texts::Nothing)) };
        let plain = array.as_boolean_opt().map(|flags| Self::Plain(flags.clone()));
        let found = plain.or_else(|| Texts::from_array(array).map(Self::Words));
        found.ok_or_else(|| columns.unfit(name, "true or false is needed"))
    }

    pub(crate) fn get(&self, row: usize) -> Result<Option<bool>, Why> {
        match self {
            Self::Plain(flags) => Ok(flags.is_valid(row).then(|| flags.value(row))),
            Self::Words(texts) => texts.parsed(row),
        }
    }
}
