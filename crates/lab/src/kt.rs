//! The case of 2024 and 2025, replayed row by row: a carrier's femtocells and subscribers, the gang with its boxes, and the same detectors
//! twice, in the carrier as it was and in one that admits units as Truecell does.
//!
//! What a government, police and press said of the case is in [`published`]; the scenario file `kt/case.toml` says it as a world, with
//! what is assumed where nothing was said. A [`Size`] makes the estate smaller or larger and the calendar shorter ([`Size::scenario`]).
//! [`play`] plays one world and notes what was noticed when ([`Noted`]); `door` asks the real rules of admission about each tunnel that a
//! box asks for, and which rule would have spoken if the first had not. A [`Report`] puts both beside each other, and [`html`] is the page.
//!
//! Nothing here is measured in a real network: the rows are drawn, the detectors and the rules of admission are those that run.

mod case;
mod chart;
mod door;
mod html;
mod note;
mod play;
pub mod published;
mod report;
mod story;
pub mod words;

pub use case::{Size, WHOLE_D};
pub use door::{Attempts, Refused};
pub use html::html;
pub use note::{Blamed, CellNote, DetectorNote, Noted, Point, Stopped};
pub use play::{Policies, Progress, play};
pub use report::{CellReport, DetectorReport, Published, Report, Rows, Taken, WorldReport};
pub use story::{Entry, Whose};

#[cfg(test)]
mod tests;
