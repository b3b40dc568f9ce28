//! A carrier at the level of single events, played from a file: who was at which cell when, what units and tunnels did, what an
//! attacker's boxes did, and what of it the carrier's feeds say, late, lost and twice.
//!
//! It makes rows and nothing else: no socket, no radio, no network is spoken to. A [`Scenario`] is a file (docs/scenarios.md); a
//! [`Player`] is an iterator of what arrives, in the order of arrival, for an engine that [`Player::setup`] fits; [`Truth`] is what was
//! really so, for who keeps score; [`run`] does all of it and compares with what the file expects.
//!
//! - **The world** (`world`, `unit`, `country`, `estate`, `habit`) is drawn day by day and unit by unit, from ChaCha8 by seed, actor and day:
//!   whatever one does changes no draw of another. Towns of macro cells and units; of each unit some 40 octets are kept, of people
//!   nothing: who somebody is, where they live and how their handset behaves follows from a number.
//! - **A stay** (`stay`) is the one mechanism by which rows of handsets come to be: somebody comes from a macro cell, is at a cell, and goes
//!   to a macro cell. Households, guests, crowds and victims are stays; so are those at a box, that takes something from handsets besides.
//! - **Steps** (`deeds`, `rogue`, `route`) are what the file has actors do.
//! - **Feeds** (`feeds`, `written`) number rows, delay, lose and repeat them, and write them as a carrier's systems do.
//!
//! All rows of femtocells are made, and those rows of macro cells that handsets leave just before and just after; the rest of a carrier's
//! rows, by far the most, is not.

mod admit;
mod check;
mod country;
mod deeds;
mod draws;
mod estate;
mod event;
mod feeds;
mod file;
mod habit;
mod handset;
mod keys;
mod moment;
mod names;
mod outcome;
mod player;
mod rare;
mod rogue;
mod route;
mod shipped;
mod stay;
mod truth;
mod unit;
mod word;
mod world;
mod written;

pub use admit::{Admit, Attempt};
pub use check::BadScenario;
pub use feeds::OnTheWay;
pub use file::{Actor, Estate, Expect, FORMAT, FeedTerms, GapTerms, Never, Scenario, Step};
pub use keys::Key;
pub use moment::{Moment, ParseMomentError};
pub use outcome::{Expected, Outcome, Violated, judge, run};
pub use player::{Arrival, Counts, Player};
pub use shipped::{SHIPPED, Shipped};
pub use truth::{Attack, AttackedCell, Honest, Truth};
pub use word::{ActorKind, By, Deed, FeedKind, Omits, Place, Strip, Via};

#[cfg(test)]
mod tests;
