//! Who may attach: (claim, what the ledger knows, holder, policy, time) to a verdict with reasons.
//!
//! Pure: no clock, no I/O, no memory of earlier claims. Every field of a claim is evidence that is
//! known, with its source and time, or missing, with the cause; missing evidence never counts as good.
//! Order of arrival and INITIAL_CONTACT weigh nothing: no rule reads them.
//!
//! Each reason to refuse is enforced, or observed first, by the unit's class and region ([`Modes`]).
//!
//! Two who hold one key are told apart by what is known of each, weighed by one table ([`weighing`]): the unit by where
//! it is, by what it looked like there before, by its handsets and its management. Nothing that a copy could have gained counts.

mod appraisal;
mod case;
mod claim;
mod evidence;
mod modes;
mod policy;
mod reason;
mod verdict;
mod words;

pub mod weighing;

pub use appraisal::{appearance, appraise};
pub use case::Case;
pub use claim::{
    Claim, Facts, Fingerprint, Holder, IkeSpis, Lineage, Located, Management, Outer, Probe, Proof,
    Revocation, Trail,
};
pub use evidence::{Evidence, Known, Missing};
pub use modes::{Effect, Modes};
pub use policy::{Policy, ValidityException};
pub use reason::{Reason, Transient};
pub use verdict::{Admit, Conclusion, Decision, RULES, Verdict, judge};
pub use weighing::Appraisal;
pub use words::Words;
