use super::{Field, Gathered};
use crate::columns::{Columns, Flags, Numbers, Times, Unfit, Why};
use arrow_array::{ArrayRef, BooleanArray, PrimitiveArray, types as arrow};
use arrow_buffer::BooleanBuffer;
use arrow_schema::DataType;
use ids::UnixTime;
use records::row::{NasCipher, NasIntegrity};
use std::sync::Arc;

/// Values that are one number in one column.
macro_rules! number {
    ($type:ty: $of:ty, $data_type:expr, $view:ty, $native:expr, $value:expr) => {
        impl Field for $type {
            type Store = Gathered<<$of as arrow::ArrowPrimitiveType>::Native>;
            type View = $view;

            fn columns(name: &str) -> Vec<(String, DataType)> {
                vec![(name.to_owned(), $data_type)]
            }

            fn push(value: Option<&Self>, to: &mut Self::Store) {
                to.push(value.map($native));
            }

            fn arrays(store: &Self::Store, order: &[u32], to: &mut Vec<ArrayRef>) {
                let array = PrimitiveArray::<$of>::new(store.in_order(order).collect(), store.nulls(order));
                to.push(Arc::new(array.with_data_type($data_type)));
            }

            fn view(columns: Columns<'_>, name: &str) -> Result<Self::View, Unfit> {
                <$view>::of(columns, name)
            }

            fn get(view: &Self::View, row: usize) -> Result<Option<Self>, Why> {
                Ok(view.get(row)?.map($value))
            }
        }
    };
}

number!(u16: arrow::UInt16Type, DataType::UInt16, Numbers, |number| *number, |number| number);
number!(u32: arrow::UInt32Type, DataType::UInt32, Numbers, |number| *number, |number| number);
number!(u64: arrow::UInt64Type, DataType::UInt64, Numbers, |number| *number, |number| number);
number!(i32: arrow::Int32Type, DataType::Int32, Numbers, |number| *number, |number| number);
number!(i64: arrow::Int64Type, DataType::Int64, Numbers, |number| *number, |number| number);
number!(NasCipher: arrow::UInt8Type, DataType::UInt8, Numbers, |code| code.0, NasCipher);
number!(NasIntegrity: arrow::UInt8Type, DataType::UInt8, Numbers, |code| code.0, NasIntegrity);
number!(UnixTime: arrow::TimestampMicrosecondType, time(), Times, |time| time.micros(), |time| time);

/// The type of a column of times.
pub(crate) fn time() -> DataType {
    DataType::Timestamp(arrow_schema::TimeUnit::Microsecond, Some("UTC".into()))
}

impl Field for bool {
    type Store = Gathered<bool>;
    type View = Flags;

    fn columns(name: &str) -> Vec<(String, DataType)> {
        vec![(name.to_owned(), DataType::Boolean)]
    }

    fn push(value: Option<&Self>, to: &mut Self::Store) {
        to.push(value.copied());
    }

    fn arrays(store: &Self::Store, order: &[u32], to: &mut Vec<ArrayRef>) {
        let flags: BooleanBuffer = store.in_order(order).collect();
        to.push(Arc::new(BooleanArray::new(flags, store.nulls(order))));
    }

    fn view(columns: Columns<'_>, name: &str) -> Result<Self::View, Unfit> {
        Flags::of(columns, name)
    }

    fn get(view: &Self::View, row: usize) -> Result<Option<Self>, Why> {
        view.get(row)
    }
}
