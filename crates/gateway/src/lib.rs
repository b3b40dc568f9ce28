//! The security gateway at run time: sockets, threads, and the hand-off between protocol, evidence and
//! ledger.
//!
//! The *data threads*, one for each shard, own the NAT-T sockets, all ESP, and the core's side; they never
//! wait for anybody. The *IKE thread* owns the responder and all public-key work; it asks `x509` who a peer is. The
//! *registrar* alone works with ledger and journal, in batches; a fourth thread sends the journal's checkpoints to a
//! witness, where there is one. What strangers can fill between them is
//! bounded, with the drop policy written where it is made; what must not be lost (how a session moves and
//! ends, what an operator orders) waits without a bound of its own, as only who was admitted can add to it.
//!
//! A tunnel opens only with an [`Admitted`]: certificate path, AUTH and lease. A second claim on a live identity stands
//! blocked until what the holder does has settled it; order of arrival and INITIAL_CONTACT weigh nothing. Where nothing
//! says which of the two is the genuine unit the newcomer goes to quarantine: without a lease, under another address,
//! it reaches enrolment and management and nothing else.

mod attempts;
mod backlog;
mod breaker;
mod brief;
mod cause;
mod classes;
mod clock;
mod command_link;
mod config;
mod contest;
mod core;
mod data;
mod evidence;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod hand_off;
mod health;
mod holds;
mod identity;
mod ike_thread;
mod index;
mod issuers;
mod management;
mod offload;
mod origins;
mod pairs;
mod path_mtu;
mod ports;
mod quarantine;
mod refusals;
mod registrar;
mod serve;
mod sessions;
mod shard;
mod shards;
mod sightings;
mod spread;
mod stats;
mod too_big;
mod tun;
pub mod udp;
mod waker;
mod watch;
mod witness;
mod work_queue;

pub use brief::SessionBrief;
pub use cause::Cause;
pub use clock::{SystemClock, WallClock};
pub use config::{GatewayConfig, OffLine};
pub use core::{Check, Core, Packets, VirtualCore};
pub use esp::WindowSize;
pub use hand_off::{Admitted, Why};
pub use health::{Alarm, HealthView};
pub use holds::{Held, HeldWhy};
pub use identity::{LegacyProfile, PeerPolicy};
pub use issuers::{CaCheck, Issuers, NoIssuers};
pub use management::{NeighboursSeen, RadioSeen, TunnelSeen, UnitSays};
pub use origins::{NoOrigins, Origins};
pub use ports::{Listen, Listening, Ports};
pub use quarantine::{Confined, Quarantine};
pub use refusals::{Beyond, Pace, Refusals};
pub use serve::{Deps, Gateway, StartError};
pub use sessions::{Amount, ChildView, SessionView, State};
pub use spread::quantile;
pub use stats::Stats;
pub use tun::{Tun, TunError};
