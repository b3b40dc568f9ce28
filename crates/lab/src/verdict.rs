//! How well the rules tell the unit from a copy of it: simulated, event by event, with the real rules.
//!
//! Every claim and every new piece of evidence is judged by [`admission::judge`], as the gateway's registrar does: who is let in
//! becomes the holder and part of the unit's profile, a holder is asked whether it lives, a session is looked at again when
//! something more is known of it. Only what happens is drawn, by [`RATES`], from ChaCha8 by seed and actor: the same seed gives
//! the same figures.

mod attack;
mod churn;
mod draws;
mod exact;
mod gate;
mod kind;
mod party;
mod rates;
mod said;
mod tampered;
mod two;
mod world;

pub use attack::{Called, attack};
pub use churn::{Churned, churn};
pub use exact::{at_least, at_most};
pub use kind::Attack;
pub use rates::{RATES, Rate};
pub use tampered::tampered;
pub use two::two;

use std::fmt;

/// What the gate is told of, beside what it sees itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fed {
    /// Sessions of access lines.
    pub line: bool,
    /// What management systems say.
    pub facts: bool,
    /// Where handsets come from and go to.
    pub trail: bool,
}

/// The evidence there is about an attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Given {
    /// [`Fed::line`].
    pub line: bool,
    /// Both are there at once.
    pub overlap: bool,
    /// [`Fed::facts`].
    pub facts: bool,
    /// [`Fed::trail`].
    pub trail: bool,
}

impl Given {
    fn fed(self) -> Fed {
        let Self { line, overlap: _, facts, trail } = self;
        Fed { line, facts, trail }
    }

    fn bits(self) -> u64 {
        let Self { line, overlap, facts, trail } = self;
        [line, overlap, facts, trail].into_iter().fold(0, |bits, is| bits << 1 | u64::from(is))
    }
}

impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, overlap, facts, trail } = *self;
        let all = [(line, "line"), (overlap, "overlap"), (facts, "facts"), (trail, "trail")];
        let names: Vec<_> = all.into_iter().filter(|(is, _)| *is).map(|(_, name)| name).collect();
        f.write_str(if names.is_empty() { "nothing" } else { "" })?;
        f.write_str(&names.join(", "))
    }
}
