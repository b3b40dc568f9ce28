//! IKEv2 (RFC 7296), sans-IO: bytes, answers and time go in, outputs come out.
//!
//! The crate knows the protocol. Who a peer is, whether its certificate has a path to an anchor, and
//! whether it may attach are questions that it asks ([`Output`]) and others answer.

#[cfg(all(feature = "key-log", not(debug_assertions)))]
compile_error!("`key-log` writes keys down: it is for test builds alone");

mod ask_peer;
mod attach_request;
mod auth_verified;
mod await_admission;
mod await_auth_answer;
mod await_gateway;
mod await_ike_auth;
mod await_init_answer;
mod await_peer;
mod child_sa;
mod config;
mod context;
mod cookie;
mod costly;
mod ending;
mod established;
mod event;
mod exchange;
mod fragments;
mod grant;
mod handshake;
mod header;
mod ike_sa;
mod initiator;
mod lobby;
mod message;
mod nat_detection;
mod output;
mod path;
mod quota;
mod reader;
mod reason;
mod responder;
mod retransmission;
mod spis;
mod stats;
mod suite;
mod timers;

pub mod crypto;
#[cfg(feature = "fuzz")]
pub mod fuzz;
pub mod payload;

pub use ask_peer::{AskPeer, Peer, Refusal};
pub use attach_request::{AttachRequest, ObservedFingerprint};
pub use auth_verified::AuthVerified;
pub use child_sa::{ChildSa, EspKeys};
pub use config::{
    CookiePolicy, HalfOpenLimits, InitiatorConfig, LocalIdentity, RekeyTimes, ResponderConfig,
    Retransmission, SaTimes,
};
pub(crate) use context::Context;
pub use event::{ConnectFailure, DeletedBy, Event};
pub use grant::{Admission, Grant};
pub use header::{ExchangeType, HEADER_LEN, Header};
pub use initiator::{Initiator, Reauthentication};
pub use message::{FragmentNumber, MAX_MESSAGE, Sealed, parse_plain, write_plain};
pub use output::{IkeSaId, Output, Ticket, Timer};
pub use path::Path;
pub use reason::{Answer, Reason};
pub use responder::Responder;
pub use stats::Stats;
pub use suite::{ChosenEsp, CipherSuite, EspSuite, IkeSuite, SuitePolicy};
