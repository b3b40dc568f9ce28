//! How a claim is settled beside another who holds the key, or held it before.

use super::{Admit, Conclusion, Decision, in_turn::in_turn, rules::believed};
use crate::{
    Appraisal, Claim, Facts, Holder, Modes, Policy, Probe, Reason, Transient,
    appraisal::appraise,
    weighing::{APART, APART_IN_TURN, Relation, is_exchange, weigh},
};
use ids::UnixTime;

/// How a claim is settled that no rule speaks against.
pub(super) struct Settled {
    pub(super) decision: Decision,
    pub(super) conclusion: Option<Conclusion>,
    pub(super) holder_goes: bool,
    pub(super) other: Option<Appraisal>,
}

impl Settled {
    pub(super) fn of(decision: Decision) -> Self {
        Self { decision, conclusion: None, holder_goes: false, other: None }
    }

    fn meaning(decision: Decision, conclusion: Conclusion) -> Self {
        Self { conclusion: Some(conclusion), ..Self::of(decision) }
    }

    fn refused(reason: Reason) -> Self {
        let is_elsewhere = matches!(reason, Reason::ForeignNetwork | Reason::WrongHands);
        let untrusted = is_elsewhere.then_some(Conclusion::GenuineKeyUntrusted);
        let conclusion = untrusted.or((reason == Reason::Clone).then_some(Conclusion::NewcomerIsClone));
        Self { conclusion, ..Self::of(Decision::Refuse(reason)) }
    }

    fn beside(self, other: Appraisal) -> Self {
        Self { other: Some(other), ..self }
    }
}

/// Who is refused for where it is, beside a holder that lives and is at home, is a copy: two there are, and the holder
/// need not be asked.
pub(super) fn refused(
    reason: Reason,
    own: &Appraisal,
    holder: Option<&Holder>,
    facts: &Facts<'_>,
    modes: &Modes,
) -> Settled {
    let is_elsewhere = matches!(reason, Reason::ForeignNetwork | Reason::WrongHands);
    let at_home = holder.filter(|holder| is_elsewhere && holder.lives()).map(|holder| {
        let other = appraised(holder, facts, modes);
        (weigh(own, &other, APART), other)
    });
    match at_home {
        Some((Relation::FirstIsCopy, other)) if other.is_home() => {
            Settled::refused(Reason::Clone).beside(other)
        }
        Some(_) | None => Settled::refused(reason),
    }
}

/// What is known and believed of the holder's side.
fn appraised(holder: &Holder, facts: &Facts<'_>, modes: &Modes) -> Appraisal {
    let side = |claim| believed(appraise(claim, facts), claim, facts, modes);
    holder.claim.as_ref().map(side).unwrap_or_default()
}

/// Another may hold the lease, or have held it.
pub(super) fn settle(
    claim: &Claim,
    facts: &Facts<'_>,
    own: &Appraisal,
    holder: Option<&Holder>,
    (policy, modes): (&Policy, &Modes),
    now: UnixTime,
) -> Settled {
    let Some(holder) = holder else { return alone(claim, facts, own, Admit::First, now) };
    match holder.probe {
        Probe::Silent | Probe::Unreachable => alone(claim, facts, own, Admit::Reconnect, now),
        Probe::MadeRoom => Settled::meaning(Decision::Admit(Admit::MadeRoom), Conclusion::Reconnect),
        Probe::Answered => between(own, holder, facts, modes),
        Probe::NotAsked => {
            let near = holder.is_near(claim);
            let interval = if near { policy.probe_interval() } else { policy.probe_interval_elsewhere() };
            let lately = holder.asked_ago.is_some_and(|ago| ago < interval);
            Settled::of(if lately { Decision::Drop(Transient::ProbedLately) } else { Decision::Contest })
        }
    }
}

/// Both live: two there are. An unbroken holder goes only by evidence against it, and under the ceiling where that
/// takes service from somebody.
fn between(own: &Appraisal, holder: &Holder, facts: &Facts<'_>, modes: &Modes) -> Settled {
    let other = appraised(holder, facts, modes);
    let has_call = facts.holder_has_call;
    let goes = facts.holder_may_go && !has_call;
    let settled = match weigh(own, &other, APART) {
        Relation::FirstIsCopy => Settled::refused(Reason::Clone),
        Relation::SecondIsCopy if goes || (is_exchange(own, &other) && !has_call) => Settled {
            holder_goes: true,
            ..Settled::meaning(Decision::Admit(Admit::HolderIsClone), Conclusion::HolderIsClone)
        },
        Relation::SecondIsCopy => {
            Settled::meaning(Decision::Quarantine(Reason::SecondClaim), Conclusion::HolderIsClone)
        }
        Relation::BothInWrongHands => Settled { holder_goes: goes, ..Settled::refused(Reason::WrongHands) },
        Relation::Undecided => {
            Settled::meaning(Decision::Quarantine(Reason::SecondClaim), Conclusion::Undecided)
        }
    };
    settled.beside(other)
}

/// Nobody else is here now; who was here before it may have been another all the same.
fn alone(claim: &Claim, facts: &Facts<'_>, own: &Appraisal, how: Admit, now: UnixTime) -> Settled {
    let admitted = Settled {
        conclusion: (how == Admit::Reconnect).then_some(Conclusion::Reconnect),
        ..Settled::of(Decision::Admit(how))
    };
    let Some(before) = in_turn(claim, facts, own, now) else { return admitted };
    let other = Appraisal::new(before.marks.iter().copied());
    let settled = match weigh(own, &other, APART_IN_TURN) {
        Relation::FirstIsCopy => Settled::refused(Reason::Clone),
        Relation::SecondIsCopy => Settled { conclusion: Some(Conclusion::HolderIsClone), ..admitted },
        Relation::BothInWrongHands => {
            Settled { conclusion: Some(Conclusion::GenuineKeyUntrusted), ..admitted }
        }
        Relation::Undecided => Settled { conclusion: Some(Conclusion::Undecided), ..admitted },
    };
    settled.beside(other)
}
