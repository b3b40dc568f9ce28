use super::columns_of;
use crate::entry::Entry;
use ids::{CellKey, Position, UnixTime};
use records::row::{MacroCell, Row};

columns_of! {
    MacroCell, row in Entry::Row(Row::MacroCell(row)), by [cell];
    needs {
        cell: CellKey,
        position: Position,
        radius_m: u32,
        from: UnixTime,
    }
    may {
        to: UnixTime,
    }
}
