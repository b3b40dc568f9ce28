//! IKEv2 (RFC 7296), sans-IO: bytes, answers and time go in, outputs come out.
//!
//! The crate knows the protocol: both sides of it, X.509 authentication, NAT traversal, fragments,
//! cookies, rekeying, liveness. Who a peer is, whether its certificate has a path to an anchor, and
//! whether it may attach are questions that it asks ([`Output::AskPeer`], [`Output::AskAdmission`])
//! and others answer. It has no clock, no socket and no thread.
//!
//! Where it departs from the RFC, and why:
//! - The peer always sees a NAT before us, so that ESP comes in UDP: raw ESP is not served (§2.23).
//! - INVALID_IKE_SPI is never sent, and unprotected error notifications are not believed once an IKE
//!   SA stands: nobody learns which SPIs live, nobody off the path ends one (§2.21.4).
//! - PFS is obligatory in CREATE_CHILD_SA (§1.3 leaves it open).
//! - Simultaneous rekeys are answered TEMPORARY_FAILURE instead of being sorted out by nonce (§2.8.1).
//! - INITIAL_CONTACT deletes nothing: it is reported with the request for admission (§2.4).
//! - MOBIKE, EAP, shared keys, NULL authentication, Hash-and-URL, transport mode and IPComp are not
//!   spoken.

mod ask_peer;
mod attach_request;
mod attempt;
mod auth_verified;
mod channel;
mod child_sa;
mod config;
mod cookie;
mod event;
mod exchange;
mod grant;
mod half_open;
mod header;
mod ike_sa;
mod initiator;
mod message;
mod nat;
mod output;
mod path;
mod reader;
mod reason;
mod responder;
mod stats;
mod suite;
mod timers;

pub mod crypto;
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
