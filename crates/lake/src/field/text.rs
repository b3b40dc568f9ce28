use super::Field;
use crate::columns::{Columns, Texts, Unfit, Why};
use arrow_array::{ArrayRef, builder::StringBuilder};
use arrow_schema::DataType;
use ids::{AccessLine, CellKey, DeviceId, IkeSpi, OrderId, Spi};
use records::row::Text;
use std::sync::Arc;

/// Texts of rows, each of its own.
#[derive(Default)]
pub(crate) struct Kept {
    texts: String,
    spans: Vec<Option<(usize, usize)>>,
}

impl Kept {
    fn push(&mut self, text: Option<&str>) {
        let start = self.texts.len();
        self.texts.push_str(text.unwrap_or_default());
        self.spans.push(text.map(|_| (start, self.texts.len())));
    }

    fn array(&self, order: &[u32]) -> ArrayRef {
        let mut array = StringBuilder::with_capacity(order.len(), 16 * order.len());
        for row in order {
            let span = self.spans[*row as usize];
            array.append_option(span.and_then(|(start, end)| self.texts.get(start..end)));
        }
        Arc::new(array.finish())
    }
}

macro_rules! texts {
    ($($type:ty: $write:expr, $read:expr;)*) => {
        $(impl Field for $type {
            type Store = Kept;
            type View = Texts;

            fn columns(name: &str) -> Vec<(String, DataType)> {
                vec![(name.to_owned(), DataType::Utf8)]
            }

            fn push(value: Option<&Self>, to: &mut Self::Store) {
                let write: fn(&Self) -> String = $write;
                to.push(value.map(write).as_deref());
            }

            fn arrays(store: &Self::Store, order: &[u32], to: &mut Vec<ArrayRef>) {
                to.push(store.array(order));
            }

            fn view(columns: Columns<'_>, name: &str) -> Result<Self::View, Unfit> {
                Texts::of(columns, name)
            }

            fn get(view: &Self::View, row: usize) -> Result<Option<Self>, Why> {
                let read: fn(&str) -> Result<Self, Why> = $read;
                view.get(row).map(read).transpose()
            }
        })*
    };
}

texts! {
    AccessLine: ToString::to_string, parsed;
    OrderId: ToString::to_string, parsed;
    DeviceId: ToString::to_string, parsed;
    Text<64>: |text| text.as_str().to_owned(), parsed;
    Box<str>: |text| text.to_string(), |text| Ok(text.into());
    IkeSpi: ToString::to_string, |text| hex(text, 16).map(IkeSpi);
    Spi: ToString::to_string, |text| hex(text, 8).and_then(|spi| u32::try_from(spi).map(Spi).map_err(why));
    // Between spaces; one without any is empty.
    Box<[CellKey]>: |cells| cells.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "), |text| {
        text.split_ascii_whitespace().map(parsed::<CellKey>).collect()
    };
}

fn why(error: impl ToString) -> Why {
    error.to_string().into()
}

fn parsed<T: std::str::FromStr<Err: ToString>>(text: &str) -> Result<T, Why> {
    text.parse().map_err(why)
}

/// Just so many hex digits.
fn hex(text: &str, digits: usize) -> Result<u64, Why> {
    let is_hex = text.len() == digits && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    let number = u64::from_str_radix(text, 16).ok().filter(|_| is_hex);
    number.ok_or_else(|| format!("an SPI has {digits} hex digits").into())
}
