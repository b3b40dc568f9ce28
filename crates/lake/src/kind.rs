//! The kinds of entries: which columns each has. One file for each.

use crate::{
    columns::{Columns, Unfit, Why},
    entry::{Entry, Kind},
    field::{Field, cell::Cells, number::time, word::words},
    table::{OfKind, Table},
};
use arrow_array::ArrayRef;
use arrow_schema::{DataType, Schema};
use records::row::Stamp;
use std::sync::Arc;

/// Version of the columns that are written and read.
pub const V: u16 = 1;

/// A kind of entry by its fields: each `needs` a value in every row, or `may` have one.
pub(crate) trait Columnar: Sized {
    /// Where the rows of a part are gathered.
    type Store: Default;
    /// The columns of rows that are read.
    type View;
    const KIND: Kind;

    /// Its own columns, after those of all kinds, and which field each is of.
    fn columns() -> Vec<Column>;
    /// Columns of text that sources may have instead.
    fn instead() -> Vec<String>;
    fn of(entry: &Entry) -> Option<&Self>;
    fn stamp(&self) -> &Stamp;
    fn push(&self, to: &mut Self::Store);
    /// By what its parts are sorted before time.
    fn cells(store: &Self::Store) -> Option<&Cells>;
    fn arrays(store: &Self::Store, order: &[u32], to: &mut Vec<ArrayRef>);
    fn view(columns: Columns<'_>) -> Result<Self::View, Unfit>;
    /// The entry of a row; or which field is wrong, and why.
    fn get(view: &Self::View, row: usize, stamp: Stamp) -> Result<Entry, (&'static str, Why)>;
}

/// One column of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// What it is called.
    pub name: String,
    /// The field that it is of, as JSON lines have it, or a part of that.
    pub field: &'static str,
    /// What it has.
    pub data_type: DataType,
    /// Some rows have nothing there.
    pub is_nullable: bool,
}

/// Makes the columns of a kind from its fields; `by` says by which cell its parts are sorted.
macro_rules! columns {
    (
        $type:ident, $it:ident in $entry:pat, by [$($cell:ident)?];
        needs { $($need:ident: $need_type:ty,)* }
        may { $($may:ident: $may_type:ty,)* }
    ) => {
        #[derive(Default)]
        pub(crate) struct Store {
            $($need: <$need_type as $crate::field::Field>::Store,)*
            $($may: <$may_type as $crate::field::Field>::Store,)*
        }

        pub(crate) struct View {
            $($need: <$need_type as $crate::field::Field>::View,)*
            $($may: <$may_type as $crate::field::Field>::View,)*
        }

        impl $crate::kind::Columnar for $type {
            type Store = Store;
            type View = View;
            const KIND: $crate::entry::Kind = $crate::entry::Kind::$type;

            fn columns() -> Vec<$crate::kind::Column> {
                #[allow(unused_mut, reason = "some kinds have no columns of their own")]
                let mut columns = Vec::new();
                $($crate::kind::add::<$need_type>(&mut columns, stringify!($need), false);)*
                $($crate::kind::add::<$may_type>(&mut columns, stringify!($may), true);)*
                columns
            }

            fn instead() -> Vec<String> {
                #[allow(unused_imports, reason = "some kinds have no columns of their own")]
                use $crate::field::Field;
                let all: Vec<Option<String>> = vec![
                    $(<$need_type>::instead(stringify!($need)),)* $(<$may_type>::instead(stringify!($may)),)*
                ];
                all.into_iter().flatten().collect()
            }

            fn of(entry: &$crate::entry::Entry) -> Option<&Self> {
                let $entry = entry else { return None };
                Some($it)
            }

            fn stamp(&self) -> &records::row::Stamp {
                &self.stamp
            }

            #[allow(unused_variables, reason = "some kinds have no columns of their own")]
            fn push(&self, to: &mut Store) {
                $($crate::field::Field::push(Some(&self.$need), &mut to.$need);)*
                $($crate::field::Field::push(self.$may.as_ref(), &mut to.$may);)*
            }

            #[allow(unused_variables, unreachable_code, reason = "some kinds have no cell")]
            fn cells(store: &Store) -> Option<&$crate::field::cell::Cells> {
                $(return Some(&store.$cell);)?
                None
            }

            #[allow(unused_variables, reason = "some kinds have no columns of their own")]
            fn arrays(store: &Store, order: &[u32], to: &mut Vec<arrow_array::ArrayRef>) {
                $(<$need_type as $crate::field::Field>::arrays(&store.$need, order, to);)*
                $(<$may_type as $crate::field::Field>::arrays(&store.$may, order, to);)*
            }

            #[allow(unused_variables, reason = "some kinds have no columns of their own")]
            fn view(columns: $crate::columns::Columns<'_>) -> Result<View, $crate::columns::Unfit> {
                Ok(View {
                    $($need: <$need_type as $crate::field::Field>::view(columns, stringify!($need))?,)*
                    $($may: <$may_type as $crate::field::Field>::view(columns, stringify!($may))?,)*
                })
            }

            #[allow(unused_variables, reason = "some kinds have no columns of their own")]
            fn get(
                view: &View,
                row: usize,
                stamp: records::row::Stamp,
            ) -> Result<$crate::entry::Entry, (&'static str, $crate::columns::Why)> {
                let row = Self {
                    stamp,
                    $($need: $crate::kind::needed::<$need_type>(&view.$need, row, stringify!($need))?,)*
                    $($may: <$may_type as $crate::field::Field>::get(&view.$may, row)
                        .map_err(|why| (stringify!($may), why))?,)*
                };
                Ok(row.into())
            }
        }
    };
}
pub(crate) use columns as columns_of;

mod access;
mod code;
mod complaint;
mod device_facts;
mod gap;
mod heartbeat;
mod ims;
mod line_change;
mod line_session;
mod macro_cell;
mod number;
mod order;
mod payment;

/// The same for each kind, by its type.
macro_rules! of_kind {
    ($kind:expr, $type:ident => $do:expr) => {
        match $kind {
            Kind::Access => {
                type $type = records::row::Access;
                $do
            }
            Kind::Ims => {
                type $type = records::row::Ims;
                $do
            }
            Kind::Code => {
                type $type = records::row::Code;
                $do
            }
            Kind::Payment => {
                type $type = records::row::Payment;
                $do
            }
            Kind::Number => {
                type $type = records::row::Number;
                $do
            }
            Kind::MacroCell => {
                type $type = records::row::MacroCell;
                $do
            }
            Kind::Complaint => {
                type $type = records::row::Complaint;
                $do
            }
            Kind::Order => {
                type $type = records::row::Order;
                $do
            }
            Kind::Heartbeat => {
                type $type = records::row::Heartbeat;
                $do
            }
            Kind::Gap => {
                type $type = records::row::Gap;
                $do
            }
            Kind::LineSession => {
                type $type = crate::entry::LineSession;
                $do
            }
            Kind::LineChange => {
                type $type = crate::entry::LineChange;
                $do
            }
            Kind::DeviceFacts => {
                type $type = crate::entry::DeviceFacts;
                $do
            }
        }
    };
}

impl Kind {
    /// Where the rows of a part of it are gathered.
    pub(crate) fn table(self) -> Box<dyn Table> {
        of_kind!(self, Type => Box::new(OfKind::<Type>::default()))
    }

    /// Reads rows of it.
    pub(crate) fn reader(self, columns: Columns<'_>) -> Result<Box<dyn Reader>, Unfit> {
        Ok(of_kind!(self, Type => Box::new(ViewOf::<Type>(Type::view(columns)?))))
    }

    /// Columns of text that sources may have instead of others.
    pub(crate) fn instead(self) -> Vec<String> {
        of_kind!(self, Type => Type::instead())
    }

    /// What its parts look like.
    pub(crate) fn schema(self) -> Arc<Schema> {
        let field =
            |column: Column| arrow_schema::Field::new(column.name, column.data_type, column.is_nullable);
        Arc::new(Schema::new(columns(self).into_iter().map(field).collect::<Vec<_>>()))
    }

    /// Its parts are sorted by cell before time.
    pub fn has_cell(self) -> bool {
        columns(self).iter().any(|column| column.field == "cell")
    }
}

/// The columns of a kind, in their order.
pub fn columns(kind: Kind) -> Vec<Column> {
    let column =
        |name: &str, field, data_type| Column { name: name.into(), field, data_type, is_nullable: false };
    let stamp = [
        column("at", "at", time()),
        column("feed", "feed", words()),
        column("feed_seq", "seq", DataType::UInt64),
    ];
    stamp.into_iter().chain(of_kind!(kind, Type => Type::columns())).collect()
}

/// Rows of a kind, read one by one.
pub(crate) trait Reader {
    /// The entry of a row; or which field is wrong, and why.
    fn get(&self, row: usize, stamp: Stamp) -> Result<Entry, (&'static str, Why)>;
}

struct ViewOf<T: Columnar>(T::View);

impl<T: Columnar> Reader for ViewOf<T> {
    fn get(&self, row: usize, stamp: Stamp) -> Result<Entry, (&'static str, Why)> {
        T::get(&self.0, row, stamp)
    }
}

/// The columns of a field.
fn add<T: Field>(columns: &mut Vec<Column>, field: &'static str, is_nullable: bool) {
    // Of a value that has parts, one may be missing where the value is there.
    let has_parts = T::has_optional_parts();
    let column = |(name, data_type)| Column { name, field, data_type, is_nullable: is_nullable || has_parts };
    columns.extend(T::columns(field).into_iter().map(column));
}

/// A value that each row has.
pub(crate) fn needed<T: Field>(
    view: &T::View,
    row: usize,
    name: &'static str,
) -> Result<T, (&'static str, Why)> {
    match T::get(view, row) {
        Ok(Some(value)) => Ok(value),
        Ok(None) => Err((name, "it is missing".into())),
        Err(why) => Err((name, why)),
    }
}
