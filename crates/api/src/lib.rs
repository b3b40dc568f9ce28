//! The control API: what people and programs may ask of a running node, over HTTP with JSON.
//!
//! One router serves two ways: [`socket::serve`] answers on DATA/control.sock, where the kernel says who
//! asks, and the command line calls the same router in its own process when no daemon runs. Each
//! route stands in one table with the least role that reaches it. Refusals are [`Problem`]s.
//!
//! Apart from it, [`public`] is what strangers reach where the node enrols.

mod accept;
pub mod backup;
mod books;
pub mod ca;
mod caller;
pub mod cell;
pub mod certificate;
mod client;
pub mod configuration;
pub mod device;
mod door;
mod enrolment;
pub mod event;
pub mod facts;
mod feed;
pub mod finding;
pub mod foreign;
mod health;
pub mod incident;
pub mod ledger_check;
pub mod legacy;
pub mod line;
pub mod lineage;
pub mod lines;
pub mod management;
mod metrics;
pub mod migration;
pub mod order;
mod origins;
mod page;
pub mod pair;
pub mod policy;
mod problem;
pub mod public;
mod reason;
mod requests;
mod revocations;
mod routes;
mod rules;
mod services;
pub mod session;
mod shares;
/// The listening side of the control socket.
pub mod socket;
pub mod stats;
mod statuses;

pub use books::{LedgerBooks, Office};
pub use caller::{Caller, Role};
pub use client::{Client, ClientError, Lines};
pub use configuration::{Configuration, Configured};
pub use enrolment::{EnrolmentRefusals, Enrolments, LedgerRegister};
pub use health::{Readiness, pages, serve_pages};
pub use metrics::{Family, Kind, Metrics, Sample, Source};
pub use origins::KnownOrigins;
pub use problem::Problem;
pub use reason::{BadReason, Reason};
pub use requests::{REMEMBERED, Requests};
pub use revocations::Revocations;
pub use routes::{Route, journal_router, router, routes};
pub use rules::Rules;
pub use services::Services;
pub use statuses::LedgerStatuses;
