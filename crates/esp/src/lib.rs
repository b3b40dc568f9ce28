//! ESP (RFC 4303) in tunnel mode inside UDP (RFC 3948), sans-IO: a packet goes in, a packet or the
//! reason why not comes out.
//!
//! What the crate knows: the transforms AES-GCM-16 (RFC 4106) and AES-CBC with HMAC-SHA-256-128
//! (RFC 3602, RFC 4868), 32-bit and extended sequence numbers, the replay window, padding, the
//! traffic selectors of a CHILD SA, which it holds both directions to, and the destinations that a
//! class of peers may reach ([`Reach`]). What it leaves to others: where keys come from (`ike`),
//! sockets, who is of which class, and what an inner packet means.
//!
//! Where it is narrower than the standard, on purpose:
//! - tunnel mode only: an inner packet is IPv4 or IPv6, anything else is [`Dropped::NotTunnelMode`];
//! - replay protection is always on, with a window of 1,024 packets or more ([`WindowSize`]). It moves
//!   only once the ICV has verified;
//! - the padding must be the sequence 1, 2, 3 ... (RFC 4303 §2.4);
//! - a sequence number is never used twice: an SA that ran out of them seals no more
//!   ([`Unsealed::SequenceExhausted`]), and AES-GCM takes its IV from the sequence number;
//! - TFC padding is cut off and dummy packets are dropped; no padding is made, and a dummy packet only when asked
//!   for ([`OutboundSa::seal_dummy`]);
//! - the CBC IV is the encrypted sequence number (NIST SP 800-38A appendix C, first method), so
//!   that no randomness is needed: unpredictable to who lacks the key, and never the same twice.
//!
//! Memory: an SA keeps its raw keys (20 to 64 octets), for one direction also the window (128 octets to 2 KiB),
//! which is made at the first packet. So are key schedules, the larger part, which can be let go with
//! [`InboundSa::rest`] and [`OutboundSa::rest`]. In steady state no packet allocates, but for
//! those dummy ones.

#[cfg(feature = "fuzz")]
pub mod fuzz;
mod inner;
mod protocol;
mod reach;
mod replay;
mod rule;
mod sa;
mod selector;
mod transform;
pub mod udp_encap;

pub use inner::{Destination, Inner, NotIp};
pub use reach::{Barred, Reach};
pub use replay::{Replay, ReplayWindow, WindowSize};
pub use rule::{ParseRuleError, Rule};
pub use sa::{Dropped, InboundSa, Opened, OutboundSa, Rejected, Unsealed, Usage};
pub use selector::{Outside, Selector, Selectors};
pub use transform::{KeyLength, Keys, Suite};
