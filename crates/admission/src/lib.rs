//! Who may attach: (claim, what the ledger knows, holder, policy, time) to a verdict with reasons.
//!
//! Pure: no clock, no I/O, no memory of earlier claims. Every field of a claim is evidence that is
//! known, with its source and time, or missing, with the cause; missing evidence never counts as good.
//! Order of arrival and INITIAL_CONTACT weigh nothing: no rule reads them.
//!
//! Each reason to refuse is enforced, or observed first, by the unit's class and region ([`Modes`]).
//!
//! The weighing of evidence between two holders of one key comes later. This version of the rules
//! ([`RULES`]) settles a second claim by what the holder does: it makes room, is silent, or lives.

mod claim;
mod evidence;
mod modes;
mod policy;
mod reason;
mod verdict;

pub use claim::{Claim, Facts, Fingerprint, Holder, IkeSpis, Located, Outer, Probe, Revocation};
pub use evidence::{Evidence, Known, Missing};
pub use ids::SourceClass;
pub use modes::{Effect, Modes};
pub use policy::{Policy, ValidityException};
pub use reason::{Reason, Transient};
pub use verdict::{Admit, Conclusion, Decision, RULES, Verdict, judge};
