use ids::{
    CrlReason,
    LifeCycle::{self, Installed, Live, Lost, Made, Retired, Shipped, Silent, Stolen, Suspended},
};
use serde::{Deserialize, Serialize};
use std::fmt;

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

impl Move {
    /// All that there are. What is not here can't be done; nothing leads out of `retired`.
    pub const ALL: &[Self] = &[
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

    /// The move from one state to another, if there is one.
    pub fn between(from: LifeCycle, to: LifeCycle) -> Option<Self> {
        Self::ALL.iter().copied().find(|step| (step.from, step.to) == (from, to))
    }
}

/// Why no certificate counts of a unit in this state; none where its life lets it attach, or will.
pub(crate) fn bars(state: LifeCycle) -> Option<CrlReason> {
    match state {
        Made | Shipped | Installed | Live | Silent => None,
        Suspended => Some(CrlReason::CertificateHold),
        Lost | Stolen => Some(CrlReason::KeyCompromise),
        Retired => Some(CrlReason::CessationOfOperation),
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
        assert!(Move::ALL.iter().all(|step| step.from != Retired && step.from != step.to));
        for (index, step) in Move::ALL.iter().enumerate() {
            let again =
                Move::ALL[index + 1..].iter().any(|other| (other.from, other.to) == (step.from, step.to));
            assert!(!again, "{step:?}");
        }
    }

    #[test]
    fn every_state_but_retired_can_be_retired_and_what_serves_can_be_lost_stolen_and_suspended() {
        for state in LifeCycle::ALL.into_iter().filter(|state| *state != Retired) {
            assert!(Move::between(state, Retired).is_some(), "{state}");
        }
        for state in LifeCycle::ALL.into_iter().filter(|state| allows(*state, Enrolment::Enrolled).attach) {
            assert!(
                [Lost, Stolen, Suspended].iter().all(|to| Move::between(state, *to).is_some()),
                "{state}"
            );
        }
    }

    #[test]
    fn what_was_lost_or_stolen_comes_back_only_through_suspended_and_with_two_people() {
        for gone in [Lost, Stolen] {
            let back: Vec<_> = Move::ALL
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
}
