//! Device facts: what a management system (TR-069, TR-369, a vendor's own) has from the units themselves.
//!
//! A unit says what only it knows: the tunnel that it has, the cells that it hears, its software, whether its radio is on. Facts come
//! as JSON lines ([`Record`]), late, twice and out of order, and not all at once; the [`FactTable`] comes to the same whatever
//! the order. docs/formats.md has the schema.

mod record;
mod table;

pub use record::{BadLine, Facts, LONGEST, MOST, Radio, Record, TEXT, Tunnel, V};
pub use table::{APART, FactTable, Said, Taken, UNITS};
