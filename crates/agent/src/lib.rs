//! The unit's own side of enrolment: it makes a key, has the operator certify it by CMP (`cmp`), renews in time, and
//! hands key and certificate to strongSwan.
//!
//! - **Blocking, on one thread.** No runtime, no database, no TLS: CMP messages are signed, and carry nothing secret.
//! - **What it touches is passed in**: [`Disk`], [`Wire`] and [`Clock`], so that a test can take the power away between
//!   any two steps.
//! - **Loss of power.** [`Store`] has at most two records: `current.json`, in use, and `pending.json`, on its way. Each
//!   holds a key together with its certificate, and changes by one rename; `pending` becomes `current` only once the
//!   registration authority has confirmed it. [`Unit`] says what follows from what a start finds.
//! - **Time.** [`Time`]: a unit's clock may say 1970. It learns the time from the authority's signed answers and sets
//!   no clock.
//!
//! Keys are files of mode 0600; what else can sign takes their place by `cmp::ProtectionKey`.

mod backoff;
mod clock;
mod disk;
mod failure;
mod http;
mod key;
mod record;
mod settings;
mod status;
mod store;
mod strongswan;
mod unit;
pub mod vici;

pub use backoff::{Backoff, renews_at};
pub use clock::{Clock, MachineClock, Time};
pub use disk::{Disk, Folder};
pub use failure::Failure;
pub use http::{Http, Wire, WireError};
pub use key::{Key, KeyError};
pub use record::{Current, Pending};
pub use settings::{Settings, SettingsError, StrongSwanSettings};
pub use status::{LastFailure, Status};
pub use store::{Handed, Store};
pub use strongswan::StrongSwan;
pub use unit::{Done, Unit};
