//! IKEv2 (RFC 7296), sans-IO: bytes, answers and time go in, outputs come out.
//!
//! The crate knows the protocol. Who a peer is, whether its certificate has a path to an anchor, and
//! whether it may attach are questions that it asks ([`Output`]) and others answer.

mod header;
mod message;
mod reader;
mod suite;

pub mod crypto;
pub mod payload;

pub use header::{ExchangeType, HEADER_LEN, Header};
pub use message::{FragmentNumber, MAX_MESSAGE, Sealed, parse_plain, write_plain};
pub use suite::{ChosenEsp, CipherSuite, EspSuite, IkeSuite, SuitePolicy};
