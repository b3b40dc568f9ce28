//! From a claim to a verdict with reasons: the rules that refuse one by itself, then how it is settled beside another.

mod in_turn;
mod rules;
mod settled;

use crate::{
    Appraisal, Claim, Effect, Evidence, Facts, Holder, Modes, Policy, Reason, Revocation, Transient,
    appraisal::appraise, weighing::is_exchange,
};
use ids::{Network, UnixTime};
use rules::{RULE_TABLE, TOLD, believed};
use serde::Serialize;
use settled::{Settled, refused, settle};

/// Version of the rules below; every verdict names it.
pub const RULES: &str = "6";

/// What is decided, and on what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// What is to be done.
    pub decision: Decision,
    /// What it means, when two hold one key, or one who should not.
    pub conclusion: Option<Conclusion>,
    /// The holder's session ends by it.
    pub holder_goes: bool,
    /// What is known of the claim's side.
    pub own: Appraisal,
    /// What is known of the other: the holder, or the one who was here before.
    pub other: Option<Appraisal>,
    /// What speaks against it and is told, and ends nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub told: Option<Reason>,
    /// Reasons for which the claim would have been refused, were they enforced.
    pub observed: Vec<Reason>,
    /// One of them is observed only as it hit too many good units at once.
    pub on_probation: bool,
    /// A named exception without which the claim would have been refused.
    pub exception: Option<String>,
    /// Evidence that was read.
    pub used: Vec<&'static str>,
    /// Evidence that was not there.
    pub missing: Vec<&'static str>,
    /// Version of the rules.
    pub rules: &'static str,
}

impl Verdict {
    /// Somebody loses service by it who may be the unit, so it counts towards the ceiling: the holder ends, and who
    /// comes is not let in, or is not known to be at home.
    pub fn takes_service(&self) -> bool {
        let is_let_in = matches!(self.decision, Decision::Admit(_));
        let is_exchange = self.other.as_ref().is_some_and(|other| is_exchange(&self.own, other));
        self.holder_goes && !(is_let_in && is_exchange)
    }
}

/// What is to be done about a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Let it in.
    Admit(Admit),
    /// Answer it, keep its tunnel blocked, ask the holder whether it lives.
    Contest,
    /// Answer it, and let it reach what brings a unit back to order and nothing else, without a lease: it may be the
    /// genuine unit.
    Quarantine(Reason),
    /// Refuse it for good.
    Refuse(Reason),
    /// Leave it unanswered.
    Drop(Transient),
}

/// How a claim comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Admit {
    /// Nobody had the lease.
    First,
    /// The holder is gone; the unit comes back.
    Reconnect,
    /// The holder ended its own session for it: one unit that re-authenticated.
    MadeRoom,
    /// The holder is the copy, and goes.
    HolderIsClone,
}

impl Admit {
    /// Stable word.
    pub fn code(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Reconnect => "reconnect",
            Self::MadeRoom => "made-room",
            Self::HolderIsClone => "holder-is-clone",
        }
    }
}

/// What a claim means beside what else is known of its identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Conclusion {
    /// One unit that lost its session, or began a new one.
    Reconnect,
    /// Two hold one key, and the claim is that of the copy.
    NewcomerIsClone,
    /// Two hold one key, and the copy is who has the lease, or had it last.
    HolderIsClone,
    /// The right key in wrong hands, however many there are.
    GenuineKeyUntrusted,
    /// Two hold one key, and nothing here says which is the genuine unit.
    Undecided,
}

impl Conclusion {
    /// Stable word.
    pub fn code(self) -> &'static str {
        match self {
            Self::Reconnect => "reconnect",
            Self::NewcomerIsClone => "newcomer-is-clone",
            Self::HolderIsClone => "holder-is-clone",
            Self::GenuineKeyUntrusted => "genuine-key-untrusted",
            Self::Undecided => "undecided",
        }
    }
}

/// Judges a claim.
///
/// `modes`: which reasons are enforced against this unit. `holder`: who has the unit's lease, if anyone. After
/// [`Decision::Contest`] ask again, with what the holder did.
pub fn judge(
    claim: &Claim,
    facts: &Facts<'_>,
    holder: Option<&Holder>,
    policy: &Policy,
    modes: &Modes,
    now: UnixTime,
) -> Verdict {
    let exception = exception(claim, facts, policy, now);
    let is_home = is_where_it_was_good(claim, facts);
    let seen = appraise(claim, facts);
    let found: Vec<_> = RULE_TABLE
        .iter()
        .filter_map(|rule| rule(claim, facts, &seen, policy, now))
        .map(|reason| (reason, modes.effect(reason, facts.device, is_home)))
        .collect();
    let having = |wanted: Effect| found.iter().filter(move |(_, effect)| *effect == wanted);
    let own = believed(seen, claim, facts, modes);
    let settled = match having(Effect::Refused).next() {
        Some((reason, _)) => refused(*reason, &own, holder, facts, modes),
        None if claim.revocation.value() == Some(&Revocation::Asking) => {
            Settled::of(Decision::Drop(Transient::IssuerAsked))
        }
        None => settle(claim, facts, &own, holder, (policy, modes), now),
    };
    let observed = found.iter().filter(|(_, effect)| *effect != Effect::Refused);
    let (used, missing) = inventory(claim, facts);
    let Settled { decision, conclusion, holder_goes, other } = settled;
    Verdict {
        decision,
        conclusion,
        holder_goes,
        told: TOLD.iter().find_map(|rule| rule(&own)),
        own,
        other,
        observed: observed.map(|(reason, _)| *reason).collect(),
        on_probation: having(Effect::OnProbation).next().is_some(),
        exception,
        used,
        missing,
        rules: RULES,
    }
}

/// It comes from where the unit was attached lately with nothing against it.
fn is_where_it_was_good(claim: &Claim, facts: &Facts<'_>) -> bool {
    facts.good_at == Some(Network::of(claim.outer.address.ip()))
}

fn exception(claim: &Claim, facts: &Facts<'_>, policy: &Policy, now: UnixTime) -> Option<String> {
    let realm = facts.credential.map(|credential| &credential.realm);
    let allowed = policy.allows_validity(claim.device, realm, claim.validity, now);
    allowed.ok().flatten().map(str::to_owned)
}

fn inventory(claim: &Claim, facts: &Facts<'_>) -> (Vec<&'static str>, Vec<&'static str>) {
    fn known<T>(evidence: &Evidence<T>) -> bool {
        evidence.value().is_some()
    }
    let all = [
        ("certificate path", true),
        ("ledger record", facts.device.is_some()),
        ("credential record", facts.credential.is_some()),
        ("revocation", claim.revocation.value().is_some_and(Revocation::is_known)),
        ("access line", known(&claim.outer.line) || facts.line.is_some_and(|line| !line.prefixes.is_empty())),
        ("network class", known(&claim.outer.class)),
        ("rolling proof", known(&claim.proof)),
        ("lineage", known(&claim.lineage)),
        ("fingerprint", known(&claim.fingerprint)),
        ("place", known(&claim.place)),
        ("management facts", known(&claim.facts)),
        ("attestation", known(&claim.attestation)),
    ];
    let names =
        |is_there: bool| all.iter().filter(|(_, there)| *there == is_there).map(|(name, _)| *name).collect();
    (names(true), names(false))
}

#[cfg(test)]
mod tests;
