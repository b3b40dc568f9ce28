use detect::{Change, Input, World};
use ids::CellKey;
use std::{cell::RefCell, collections::HashSet};

/// Which cells are not the carrier's macro cells: of these the lake keeps who visited them.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    macro_cells: RefCell<HashSet<CellKey>>,
    units: RefCell<HashSet<CellKey>>,
}

impl Plan {
    /// As an engine knows it.
    pub(crate) fn new(world: &World) -> Self {
        let (units, macro_cells) = (world.cells_of_units().collect(), world.cells_of_plan().collect());
        Self { macro_cells: RefCell::new(macro_cells), units: RefCell::new(units) }
    }

    /// The plan of macro cells has it.
    pub(crate) fn planned(&self, cell: CellKey) {
        self.macro_cells.borrow_mut().insert(cell);
    }

    /// Units may carry other cells from now on.
    pub(crate) fn changed(&self, input: &Input) {
        if let Input::Ledger(change) = input
            && let Change::Unit { after: Some(unit), .. } = &change.change
        {
            self.units.borrow_mut().extend(&unit.cells);
        }
    }

    /// A unit's cell, or one that nobody knows, where the plan is known at all.
    pub(crate) fn is_femtocell(&self, cell: CellKey) -> bool {
        let macro_cells = self.macro_cells.borrow();
        self.units.borrow().contains(&cell) || !(macro_cells.is_empty() || macro_cells.contains(&cell))
    }
}
