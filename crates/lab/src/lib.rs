//! A carrier in one process: gateway, CA, ledger and journal on loopback, with virtual femtocells made
//! of the `ike` initiator and `esp`. Sockets, certificates, database and journal are real; there is no
//! radio and no core network, and the attacker is one of the lab's own units whose key the lab copies.
//!
//! [`tour`] shows what the gateway does about genuine units and about everyone else. Every reason that
//! it tells is read from the journal, as an operator would. [`Load`] attaches units by the thousand,
//! and [`Flood`] is what strangers send meanwhile. [`verdict`] simulates units and copies of them by the million. [`scenario`] plays a carrier row by row, and [`kt`] the case of 2024 and 2025. [`migrate`] brings an estate that shares one key to a certificate for each unit.

mod carrier;
mod echo;
mod femtocell;
mod flood;
pub mod kt;
mod load;
mod migration;
mod mmdb;
mod sa_pair;
pub mod scenario;
pub mod score;
mod tour;
mod unit;
pub mod verdict;

pub use carrier::{Carrier, SERVICE};
pub use femtocell::{Femtocell, NoTunnel};
pub use flood::Flood;
pub use load::{Arrival, Arrivals, Heard, Load, Pressed, SOCKETS, Tried, Tunnel};
pub use migration::{Migrated, migrate};
pub use mmdb::Mmdb;
pub use tour::{Act, Step, tour};
pub use unit::{Attached, KnownGateway, Outcome, Unit, UnitIdentity};
