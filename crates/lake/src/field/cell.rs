use super::{Field, Gathered};
use crate::columns::{Columns, Numbers, Texts, Unfit, Why};
use arrow_array::{ArrayRef, UInt8Array, UInt64Array};
use arrow_schema::DataType;
use ids::{CellKey, Rat};
use std::sync::Arc;

/// A cell: its number, and its technology by generation. Sources may have its text instead of both.
#[derive(Default)]
pub(crate) struct Cells {
    numbers: Gathered<u64>,
    rats: Gathered<u8>,
}

pub(crate) enum View {
    Numbers(Box<(Numbers, Numbers)>),
    Texts(Box<Texts>),
}

impl Cells {
    /// By what a part is sorted; what has no cell comes first.
    pub(crate) fn rank(&self, row: u32) -> u64 {
        let number = self.numbers.get(row).map_or(0, |number| number << 3);
        number | u64::from(self.rats.get(row).unwrap_or(0))
    }
}

/// `rat` of `cell`, `peer_rat` of `peer`.
fn rat(name: &str) -> String {
    if name == "cell" { "rat".into() } else { format!("{name}_rat") }
}

impl Field for CellKey {
    type Store = Cells;
    type View = View;

    fn columns(name: &str) -> Vec<(String, DataType)> {
        vec![(name.to_owned(), DataType::UInt64), (rat(name), DataType::UInt8)]
    }

    fn push(value: Option<&Self>, to: &mut Self::Store) {
        to.numbers.push(value.map(|cell| cell.number()));
        to.rats.push(value.map(|cell| cell.rat().generation()));
    }

    fn arrays(store: &Self::Store, order: &[u32], to: &mut Vec<ArrayRef>) {
        let Cells { numbers, rats } = store;
        to.push(Arc::new(UInt64Array::new(numbers.in_order(order).collect(), numbers.nulls(order))));
        to.push(Arc::new(UInt8Array::new(rats.in_order(order).collect(), rats.nulls(order))));
    }

    fn view(columns: Columns<'_>, name: &str) -> Result<Self::View, Unfit> {
        let number = Numbers::of(columns, name)?;
        match number.is_text() {
            true => Texts::of(columns, name).map(|texts| View::Texts(Box::new(texts))),
            false => Ok(View::Numbers(Box::new((number, Numbers::of(columns, &rat(name))?)))),
        }
    }

    fn get(view: &Self::View, row: usize) -> Result<Option<Self>, Why> {
        let (numbers, rats) = match view {
            View::Numbers(both) => (&both.0, &both.1),
            View::Texts(texts) => return texts.parsed(row),
        };
        match (numbers.get(row)?, rats.get(row)?) {
            (Some(number), Some(rat)) => {
                let cell = Rat::of_generation(rat).and_then(|rat| Self::of_number(rat, number));
                cell.map(Some).ok_or_else(|| "no cell of that technology has that number".into())
            }
            (None, None) => Ok(None),
            (Some(_), None) => Err("a cell's number needs its technology: 3, 4 or 5".into()),
            (None, Some(_)) => Err("a technology without its cell".into()),
        }
    }
}
