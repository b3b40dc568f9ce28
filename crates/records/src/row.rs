//! What core, IMS and billing say of handsets: typed rows, one file for each, as JSON lines or as rows of the lake.
//!
//! Each row has a [`Stamp`]: when it happened by the clock of who saw it, which feed says so, and the row's number in that feed. Feed and
//! number name the row, so what comes twice is known; numbers without a hole say that nothing was lost. Where something was, that is a
//! row itself ([`Gap`]): who reads later must not take silence for innocence. Subscribers are keyed hashes, never IMSI or MSISDN, and no
//! row has the content of anything. A line is read strictly: what is not in its schema is refused and named. docs/formats.md has the schema.

/// A row's type, and how it is written as a line: `needs` must be there, `may` can be absent.
macro_rules! row {
    (
        $(#[$doc:meta])* $name:ident;
        needs { $($(#[$need_doc:meta])* $need:ident: $need_type:ty,)* }
        may { $($(#[$may_doc:meta])* $may:ident: $may_type:ty,)* }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name {
            /// When, and by whose word.
            pub stamp: $crate::row::Stamp,
            $($(#[$need_doc])* pub $need: $need_type,)*
            $($(#[$may_doc])* pub $may: Option<$may_type>,)*
        }

        #[derive(serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Written {
            v: $crate::head::Known<{ $crate::row::V }>,
            kind: $crate::row::Kind,
            at: ids::UnixTime,
            feed: ids::Label,
            seq: u64,
            $($need: $need_type,)*
            $(#[serde(skip_serializing_if = "Option::is_none")] $may: Option<$may_type>,)*
        }

        impl $crate::row::Line for $name {
            fn read(line: &[u8]) -> Result<Self, $crate::row::BadRow> {
                let Written { v: _, kind: _, at, feed, seq, $($need,)* $($may,)* } =
                    $crate::head::read::<_, { $crate::row::V }>(line, $crate::row::LONGEST)?;
                let row = Self { stamp: $crate::row::Stamp { at, feed, seq }, $($need,)* $($may,)* };
                row.wrong().map_or(Ok(row), |wrong| Err($crate::row::BadRow::Wrong(wrong)))
            }

            fn write(&self) -> Result<String, serde_json::Error> {
                let $crate::row::Stamp { at, feed, seq } = self.stamp.clone();
                let Self { stamp: _, $($need,)* $($may,)* } = self.clone();
                let (v, kind) = ($crate::head::Known, $crate::row::Kind::$name);
                serde_json::to_string(&Written { v, kind, at, feed, seq, $($need,)* $($may,)* })
            }
        }
    };
}

mod access;
mod code;
mod complaint;
mod gap;
mod heartbeat;
mod ims;
mod macro_cell;
mod number;
mod order;
mod payment;
mod text;

pub use access::{Access, AccessEvent, NasCipher, NasIntegrity};
pub use code::Code;
pub use complaint::{Complaint, Grievance};
pub use gap::{Gap, GapWhy};
pub use heartbeat::Heartbeat;
pub use ims::{Alg, Ealg, Ims, ImsEvent};
pub use macro_cell::MacroCell;
pub use number::Number;
pub use order::{Order, Purpose};
pub use payment::{Channel, Currency, ParseCurrencyError, Payment};
pub use text::{ParseTextError, Text};

use crate::head::{Known, Unread, read};
use ids::{Label, UnixTime};
use serde::{Deserialize, Serialize};

/// Version of the schema that is read.
pub const V: u16 = 1;
/// Octets of one line at most: a payment with every field at its longest takes some 700.
pub const LONGEST: usize = 1024;

/// When a row happened, and by whose word.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    /// When it happened, by the clock of who saw it: event time.
    pub at: UnixTime,
    /// Which feed says so.
    pub feed: Label,
    /// Its number in that feed: each has one more than the one before.
    pub seq: u64,
}

/// Kinds of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// [`Access`].
    Access,
    /// [`Ims`].
    Ims,
    /// [`Code`].
    Code,
    /// [`Payment`].
    Payment,
    /// [`Number`].
    Number,
    /// [`MacroCell`].
    MacroCell,
    /// [`Complaint`].
    Complaint,
    /// [`Order`].
    Order,
    /// [`Heartbeat`].
    Heartbeat,
    /// [`Gap`].
    Gap,
}

/// One row of any kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Row {
    /// A handset and a cell.
    Access(Access),
    /// A registration with IMS.
    Ims(Ims),
    /// A one-time code was delivered.
    Code(Code),
    /// A payment was asked for.
    Payment(Payment),
    /// Who has a number.
    Number(Number),
    /// Where a macro cell is.
    MacroCell(MacroCell),
    /// A subscriber complains.
    Complaint(Complaint),
    /// Somebody is to install, move or fetch a unit.
    Order(Order),
    /// The feed works.
    Heartbeat(Heartbeat),
    /// Something is not known.
    Gap(Gap),
}

/// Why a line is no row.
#[derive(Debug, thiserror::Error)]
pub enum BadRow {
    /// Too long, no JSON object of this schema, or of a schema that is not known here.
    #[error(transparent)]
    Unread(#[from] Unread),
    /// Its fields do not go together.
    #[error("{0}")]
    Wrong(&'static str),
}

/// A row as a line.
trait Line: Sized {
    fn read(line: &[u8]) -> Result<Self, BadRow>;
    fn write(&self) -> Result<String, serde_json::Error>;
}

#[derive(Deserialize)]
struct Head {
    #[serde(rename = "v")]
    _v: Known<V>,
    kind: Kind,
}

impl Kind {
    /// Each.
    pub const ALL: [Self; 10] = [
        Self::Access,
        Self::Ims,
        Self::Code,
        Self::Payment,
        Self::Number,
        Self::MacroCell,
        Self::Complaint,
        Self::Order,
        Self::Heartbeat,
        Self::Gap,
    ];
}

/// The same for each kind.
macro_rules! of_each {
    ($self:expr, $row:ident => $do:expr) => {
        match $self {
            Row::Access($row) => $do,
            Row::Ims($row) => $do,
            Row::Code($row) => $do,
            Row::Payment($row) => $do,
            Row::Number($row) => $do,
            Row::MacroCell($row) => $do,
            Row::Complaint($row) => $do,
            Row::Order($row) => $do,
            Row::Heartbeat($row) => $do,
            Row::Gap($row) => $do,
        }
    };
}

impl Row {
    /// Reads one line, without its end.
    ///
    /// # Errors
    /// [`BadRow`]; nothing of it counts then.
    pub fn parse(line: &[u8]) -> Result<Self, BadRow> {
        match read::<Head, V>(line, LONGEST)?.kind {
            Kind::Access => Line::read(line).map(Self::Access),
            Kind::Ims => Line::read(line).map(Self::Ims),
            Kind::Code => Line::read(line).map(Self::Code),
            Kind::Payment => Line::read(line).map(Self::Payment),
            Kind::Number => Line::read(line).map(Self::Number),
            Kind::MacroCell => Line::read(line).map(Self::MacroCell),
            Kind::Complaint => Line::read(line).map(Self::Complaint),
            Kind::Order => Line::read(line).map(Self::Order),
            Kind::Heartbeat => Line::read(line).map(Self::Heartbeat),
            Kind::Gap => Line::read(line).map(Self::Gap),
        }
    }

    /// The row as a line, without its end: what [`Self::parse`] reads.
    ///
    /// # Errors
    /// None for any row that there is.
    pub fn to_line(&self) -> Result<String, serde_json::Error> {
        of_each!(self, row => row.write())
    }

    /// Which kind it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Access(_) => Kind::Access,
            Self::Ims(_) => Kind::Ims,
            Self::Code(_) => Kind::Code,
            Self::Payment(_) => Kind::Payment,
            Self::Number(_) => Kind::Number,
            Self::MacroCell(_) => Kind::MacroCell,
            Self::Complaint(_) => Kind::Complaint,
            Self::Order(_) => Kind::Order,
            Self::Heartbeat(_) => Kind::Heartbeat,
            Self::Gap(_) => Kind::Gap,
        }
    }

    /// When, and by whose word.
    pub fn stamp(&self) -> &Stamp {
        of_each!(self, row => &row.stamp)
    }

    /// The same, to be set.
    pub fn stamp_mut(&mut self) -> &mut Stamp {
        of_each!(self, row => &mut row.stamp)
    }

    /// Why its fields do not go together. [`Self::parse`] gives no such row; whoever makes rows of other things than lines asks.
    pub fn wrong(&self) -> Option<&'static str> {
        of_each!(self, row => row.wrong())
    }
}

/// A time that ends before it begins.
fn turned(from: UnixTime, to: Option<UnixTime>) -> Option<&'static str> {
    to.filter(|to| *to < from).map(|_| "`to` is earlier than `from`")
}

#[cfg(test)]
mod tests;
