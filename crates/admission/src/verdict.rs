use crate::{Claim, Effect, Evidence, Facts, Holder, Modes, Policy, Probe, Reason, Revocation, Transient};
use ids::{Network, UnixTime};
use ledger::{LifeCycle, allows};
use serde::Serialize;

/// Version of the rules below; every verdict names it.
pub const RULES: &str = "4";

/// What is decided, and on what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// What is to be done.
    pub decision: Decision,
    /// What it means, when two hold one key.
    pub conclusion: Option<Conclusion>,
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

/// What is to be done about a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Let it in.
    Admit(Admit),
    /// Answer it, keep its tunnel blocked, ask the holder whether it lives.
    Contest,
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
}

impl Admit {
    /// Stable word.
    pub fn code(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Reconnect => "reconnect",
            Self::MadeRoom => "made-room",
        }
    }
}

/// What two claims on one identity mean. Later rules weigh evidence to tell the copy; these say
/// `Undecided` wherever both live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Conclusion {
    /// One unit that lost its session, or began a new one.
    Reconnect,
    /// Two hold one key, and nothing here says which is the genuine unit.
    Undecided,
}

impl Conclusion {
    /// Stable word.
    pub fn code(self) -> &'static str {
        match self {
            Self::Reconnect => "reconnect",
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
    let is_home = facts.good_at == Some(Network::of(claim.outer.address.ip()));
    let found: Vec<_> = RULE_TABLE
        .iter()
        .filter_map(|rule| rule(claim, facts, policy, now))
        .map(|reason| (reason, modes.effect(reason, facts.device, is_home)))
        .collect();
    let having = |wanted: Effect| found.iter().filter(move |(_, effect)| *effect == wanted);
    let decision = match having(Effect::Refused).next() {
        Some((reason, _)) => Decision::Refuse(*reason),
        None if claim.revocation.value() == Some(&Revocation::Asking) => {
            Decision::Drop(Transient::IssuerAsked)
        }
        None => settle(claim, holder, policy),
    };
    let observed = found.iter().filter(|(_, effect)| *effect != Effect::Refused);
    let conclusion = match (decision, holder) {
        (Decision::Admit(_), Some(_)) => Some(Conclusion::Reconnect),
        (Decision::Refuse(Reason::SecondClaim), Some(_)) => Some(Conclusion::Undecided),
        _ => None,
    };
    let (used, missing) = inventory(claim, facts);
    Verdict {
        decision,
        conclusion,
        observed: observed.map(|(reason, _)| *reason).collect(),
        on_probation: having(Effect::OnProbation).next().is_some(),
        exception,
        used,
        missing,
        rules: RULES,
    }
}

type Rule = fn(&Claim, &Facts<'_>, &Policy, UnixTime) -> Option<Reason>;

/// The rules in order: the first that speaks and is enforced decides. First who it is, then its certificate, then
/// where it comes from.
const RULE_TABLE: [Rule; 6] = [life_cycle, certificate, issuer, extension, validity, access_line];

fn life_cycle(_: &Claim, facts: &Facts<'_>, _: &Policy, _: UnixTime) -> Option<Reason> {
    let Some(device) = facts.device else { return Some(Reason::UnknownDevice) };
    if allows(device.state, device.enrolment).attach {
        return None;
    }
    Some(match device.state {
        LifeCycle::Made | LifeCycle::Shipped | LifeCycle::Installed | LifeCycle::Live | LifeCycle::Silent => {
            Reason::NotInstalled
        }
        LifeCycle::Suspended => Reason::Suspended,
        LifeCycle::Lost => Reason::Lost,
        LifeCycle::Stolen => Reason::Stolen,
        LifeCycle::Retired => Reason::Retired,
    })
}

fn certificate(claim: &Claim, facts: &Facts<'_>, _: &Policy, now: UnixTime) -> Option<Reason> {
    let Some(credential) = facts.credential.filter(|credential| credential.cert_sha256 == claim.cert_sha256)
    else {
        return Some(Reason::MisIssued);
    };
    if credential.device != claim.device {
        return Some(Reason::OthersCertificate);
    }
    // Whatever its time: a clock that is set back must not bring the certificate back.
    if credential.revoked.is_some() {
        return Some(Reason::Revoked);
    }
    let superseded = credential.superseded.as_ref().filter(|superseded| !superseded.in_grace(now));
    superseded.map(|_| Reason::Superseded)
}

/// What the foreign CA says that issued the certificate, where it is asked. The grace after its last answer is for units
/// that were attached lately with nothing against them: a first admission has none.
fn issuer(claim: &Claim, facts: &Facts<'_>, _: &Policy, now: UnixTime) -> Option<Reason> {
    match claim.revocation.value()? {
        Revocation::Good | Revocation::Revoked(_) | Revocation::Asking => None,
        Revocation::RevokedByIssuer { .. } => Some(Reason::RevokedByIssuer),
        Revocation::Unknown { grace_until, .. } => {
            let is_in_grace = facts.good_at.is_some() && grace_until.is_some_and(|end| now < end);
            (!is_in_grace).then_some(Reason::RevocationUnknown)
        }
    }
}

fn extension(claim: &Claim, facts: &Facts<'_>, _: &Policy, _: UnixTime) -> Option<Reason> {
    (claim.extended && !facts.is_extended).then_some(Reason::NotExtended)
}

fn validity(claim: &Claim, facts: &Facts<'_>, policy: &Policy, now: UnixTime) -> Option<Reason> {
    let realm = facts.credential.map(|credential| &credential.realm);
    let allowed = policy.allows_validity(claim.device, realm, claim.validity, now);
    allowed.is_err().then_some(Reason::ValidityTooLong)
}

/// Whose line the address belongs to now counts before the prefixes that are written down for the unit's line.
fn access_line(claim: &Claim, facts: &Facts<'_>, _: &Policy, _: UnixTime) -> Option<Reason> {
    let line = facts.device.and_then(|device| device.access_line.as_ref());
    let by_feed = line.and_then(|line| claim.outer.is_behind(line));
    let by_prefixes = || facts.line.and_then(|line| line.covers(claim.outer.address.ip()));
    match by_feed.or_else(by_prefixes) {
        Some(true) => None,
        Some(false) => Some(Reason::ForeignNetwork),
        None => Some(Reason::LineUnknown),
    }
}

/// A claim that nothing speaks against, when another may hold the lease.
fn settle(claim: &Claim, holder: Option<&Holder>, policy: &Policy) -> Decision {
    let Some(holder) = holder else { return Decision::Admit(Admit::First) };
    match holder.probe {
        Probe::Silent | Probe::Unreachable => Decision::Admit(Admit::Reconnect),
        Probe::MadeRoom => Decision::Admit(Admit::MadeRoom),
        Probe::Answered => Decision::Refuse(Reason::SecondClaim),
        Probe::NotAsked => {
            let near = holder.is_near(claim);
            let interval = if near { policy.probe_interval() } else { policy.probe_interval_elsewhere() };
            let lately = holder.asked_ago.is_some_and(|ago| ago < interval);
            if lately { Decision::Drop(Transient::ProbedLately) } else { Decision::Contest }
        }
    }
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
