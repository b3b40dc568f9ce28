use ids::{CellKey, Position, UnixTime};

row! {
    /// Where a macro cell is: the carrier's own plan of its radio network.
    MacroCell;
    needs {
        /// Which cell.
        cell: CellKey,
        /// Where its antenna stands.
        position: Position,
        /// How far it reaches, metres.
        radius_m: u32,
        /// Since when.
        from: UnixTime,
    }
    may {
        /// Until when, without that moment; absent: still.
        to: UnixTime,
    }
}

impl MacroCell {
    pub(super) fn wrong(&self) -> Option<&'static str> {
        super::turned(self.from, self.to)
    }
}
