//! IKEv2 (RFC 7296), sans-IO: bytes, answers and time go in, outputs come out.
//!
//! The crate knows the protocol. Who a peer is, whether its certificate has a path to an anchor, and
//! whether it may attach are questions that it asks ([`Output`]) and others answer.

mod ask_peer;
mod attach_request;
mod auth_verified;
mod child_sa;
mod config;
mod event;
mod grant;
mod header;
mod initiator;
mod message;
mod output;
mod path;
mod reader;
mod reason;
mod responder;
mod stats;
mod suite;

pub mod crypto;
pub mod payload;

pub use ask_peer::{AskPeer, Peer, Refusal};
pub use attach_request::{AttachRequest, ObservedFingerprint};
pub use auth_verified::AuthVerified;
pub use child_sa::{ChildSa, EspKeys};
pub use config::{
    CookiePolicy, HalfOpenLimits, InitiatorConfig, LocalIdentity, RekeyTimes, ResponderConfig,
    Retransmission, SaTimes,
};
pub use event::{ConnectFailure, DeletedBy, Event};
pub use grant::{Admission, Grant};
pub use header::{ExchangeType, HEADER_LEN, Header};
pub use initiator::{Initiator, Reauthentication};
pub use message::{FragmentNumber, MAX_MESSAGE, Sealed, parse_plain, write_plain};
pub use output::{IkeSaId, Output, Ticket, Timer};
pub use path::Path;
pub use reason::{Answer, Fault, Reason};
pub use responder::Responder;
pub use stats::Stats;
pub use suite::{ChosenEsp, CipherSuite, EspSuite, IkeSuite, SuitePolicy};
