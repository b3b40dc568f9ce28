use ids::CrlReason;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Where a unit is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LifeCycle {
    /// Built, at the vendor's.
    Made,
    /// On its way to a customer.
    Shipped,
    /// At its site, not seen yet.
    Installed,
    /// In service.
    Live,
    /// Installed, but not seen for long.
    Silent,
    /// Barred for a time: a cancelled line, an open question.
    Suspended,
    /// Nobody knows where it is.
    Lost,
    /// Somebody took it.
    Stolen,
    /// Out of service for good.
    Retired,
}

/// How far a unit's enrolment is: a second axis beside [`LifeCycle`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Enrolment {
    /// Nobody asked for a certificate.
    None,
    /// An order is open.
    Ordered,
    /// It has one.
    Enrolled,
    /// Nothing more is issued before a person has looked.
    Held,
}

/// The text names no state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no state; the states are made, shipped, installed, live, silent, suspended, lost, stolen, retired"
)]
pub struct ParseStateError(String);

/// How many have to agree to a move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum People {
    /// Whoever makes it.
    One,
    /// A second person as well, by an [`Approval`](crate::Approval).
    Two,
}

/// One allowed step in the life of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// From.
    pub from: LifeCycle,
    /// To.
    pub to: LifeCycle,
    /// How many must agree.
    pub needs: People,
}

use LifeCycle::{Installed, Live, Lost, Made, Retired, Shipped, Silent, Stolen, Suspended};

impl LifeCycle {
    /// All states, in the order of a life.
    pub const ALL: [Self; 9] = [Made, Shipped, Installed, Live, Silent, Suspended, Lost, Stolen, Retired];

    /// Which moves there are. What is not here can't be done; nothing leads out of `retired`.
    pub const MOVES: &[Move] = &[
        step(Made, Shipped),
        step(Made, Installed),
        step(Shipped, Installed),
        step(Installed, Live),
        step(Live, Silent),
        step(Silent, Live),
        // Taken back to the store: a new site starts over.
        step(Suspended, Shipped),
        step(Installed, Suspended),
        step(Live, Suspended),
        step(Silent, Suspended),
        step(Suspended, Installed),
        // Anyone may say that a unit is gone, whatever it was.
        step(Made, Lost),
        step(Shipped, Lost),
        step(Installed, Lost),
        step(Live, Lost),
        step(Silent, Lost),
        step(Suspended, Lost),
        step(Made, Stolen),
        step(Shipped, Stolen),
        step(Installed, Stolen),
        step(Live, Stolen),
        step(Silent, Stolen),
        step(Suspended, Stolen),
        step(Lost, Stolen),
        // Found again: not in service before someone has looked at it, and two have agreed.
        approved(Lost, Suspended),
        approved(Stolen, Suspended),
        step(Made, Retired),
        step(Shipped, Retired),
        step(Installed, Retired),
        step(Live, Retired),
        step(Silent, Retired),
        step(Suspended, Retired),
        step(Lost, Retired),
        step(Stolen, Retired),
    ];

    /// Why no certificate counts of a unit in this state; none where its life lets it attach, or will.
    pub(crate) fn bars(self) -> Option<CrlReason> {
        match self {
            Made | Shipped | Installed | Live | Silent => None,
            Suspended => Some(CrlReason::CertificateHold),
            Lost | Stolen => Some(CrlReason::KeyCompromise),
            Retired => Some(CrlReason::CessationOfOperation),
        }
    }

    /// The move to another state, if there is one.
    pub fn to(self, to: Self) -> Option<Move> {
        Self::MOVES.iter().copied().find(|step| (step.from, step.to) == (self, to))
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Made => "made",
            Shipped => "shipped",
            Installed => "installed",
            Live => "live",
            Silent => "silent",
            Suspended => "suspended",
            Lost => "lost",
            Stolen => "stolen",
            Retired => "retired",
        }
    }
}

/// What a unit may, by both axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// Attach.
    pub attach: bool,
    /// Be given a certificate.
    pub enrol: bool,
}

/// The one table of pairs: who may attach, and who may be given a certificate.
pub const fn allows(state: LifeCycle, enrolment: Enrolment) -> Allowed {
    let (attach, enrol) = match (state, enrolment) {
        (Installed | Live | Silent, Enrolment::None | Enrolment::Ordered | Enrolment::Enrolled) => {
            (true, true)
        }
        (Installed | Live | Silent, Enrolment::Held) => (true, false),
        (Made | Shipped, Enrolment::None | Enrolment::Ordered | Enrolment::Enrolled) => (false, true),
        (Made | Shipped, Enrolment::Held) => (false, false),
        (Suspended | Lost | Stolen | Retired, _) => (false, false),
    };
    Allowed { attach, enrol }
}

const fn step(from: LifeCycle, to: LifeCycle) -> Move {
    Move { from, to, needs: People::One }
}

const fn approved(from: LifeCycle, to: LifeCycle) -> Move {
    Move { from, to, needs: People::Two }
}

impl FromStr for LifeCycle {
    type Err = ParseStateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| ParseStateError(text.to_owned()))
    }
}

impl fmt::Display for LifeCycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Enrolment {
    /// All of them, in the order of an enrolment; held may come at any time.
    pub const ALL: [Self; 4] = [Self::None, Self::Ordered, Self::Enrolled, Self::Held];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Ordered => "ordered",
            Self::Enrolled => "enrolled",
            Self::Held => "held",
        }
    }
}

impl fmt::Display for Enrolment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leads_out_of_retired_and_nothing_stands_twice() {
        assert!(LifeCycle::MOVES.iter().all(|step| step.from != Retired && step.from != step.to));
        for (index, step) in LifeCycle::MOVES.iter().enumerate() {
            let again = LifeCycle::MOVES[index + 1..]
                .iter()
                .any(|other| (other.from, other.to) == (step.from, step.to));
            assert!(!again, "{step:?}");
        }
    }

    #[test]
    fn every_state_but_retired_can_be_retired_and_what_serves_can_be_lost_stolen_and_suspended() {
        for state in LifeCycle::ALL.into_iter().filter(|state| *state != Retired) {
            assert!(state.to(Retired).is_some(), "{state}");
        }
        for state in LifeCycle::ALL.into_iter().filter(|state| allows(*state, Enrolment::Enrolled).attach) {
            assert!([Lost, Stolen, Suspended].iter().all(|to| state.to(*to).is_some()), "{state}");
        }
    }

    #[test]
    fn what_was_lost_or_stolen_comes_back_only_through_suspended_and_with_two_people() {
        for gone in [Lost, Stolen] {
            let back: Vec<_> = LifeCycle::MOVES
                .iter()
                .filter(|step| step.from == gone && ![Stolen, Retired].contains(&step.to))
                .collect();
            assert_eq!(back.len(), 1);
            assert_eq!((back[0].to, back[0].needs), (Suspended, People::Two));
            for enrolment in Enrolment::ALL {
                assert_eq!(allows(gone, enrolment), Allowed { attach: false, enrol: false });
            }
        }
    }

    #[test]
    fn a_held_enrolment_stops_certificates_and_nothing_else() {
        for state in LifeCycle::ALL {
            let (held, enrolled) = (allows(state, Enrolment::Held), allows(state, Enrolment::Enrolled));
            assert_eq!((held.attach, held.enrol), (enrolled.attach, false), "{state}");
        }
    }

    #[test]
    fn names_survive() {
        for state in LifeCycle::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
            assert_eq!(serde_json::to_string(&state).unwrap(), format!("\"{state}\""));
        }
        assert!("gone".parse::<LifeCycle>().is_err());
    }
}
