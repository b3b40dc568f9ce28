use crate::{
    Appraisal, Claim, Effect, Evidence, Facts, Holder, Located, Modes, Policy, Probe, Reason, Revocation,
    Transient,
    appraisal::{appearance, appraise, is_on_line},
    weighing::{APART, APART_IN_TURN, Relation, WRONG_HANDS, is_exchange, weigh},
};
use ids::{Network, UnixTime};
use ledger::{Appearance, Grade, Item, LifeCycle, Profile, allows};
use serde::Serialize;
use std::{collections::HashSet, time::Duration};

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
    /// Somebody loses service by it who may be the unit, so it counts towards the ceiling: the holder ends, and who comes is
    /// not let in, or is not known to be at home.
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
    /// Answer it, and let it reach what brings a unit back to order and nothing else, without a lease: it may be the genuine
    /// unit.
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

type Rule = fn(&Claim, &Facts<'_>, &Appraisal, &Policy, UnixTime) -> Option<Reason>;

/// The rules in order: the first that speaks and is enforced decides. First who it is, then its certificate, then
/// where it comes from.
const RULE_TABLE: [Rule; 8] =
    [life_cycle, certificate, issuer, extension, validity, judged, access_line, hands];

fn life_cycle(_: &Claim, facts: &Facts<'_>, _: &Appraisal, _: &Policy, _: UnixTime) -> Option<Reason> {
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

fn certificate(claim: &Claim, facts: &Facts<'_>, _: &Appraisal, _: &Policy, now: UnixTime) -> Option<Reason> {
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
fn issuer(claim: &Claim, facts: &Facts<'_>, _: &Appraisal, _: &Policy, now: UnixTime) -> Option<Reason> {
    match claim.revocation.value()? {
        Revocation::Good | Revocation::Revoked(_) | Revocation::Asking => None,
        Revocation::RevokedByIssuer { .. } => Some(Reason::RevokedByIssuer),
        Revocation::Unknown { grace_until, .. } => {
            let is_in_grace = facts.good_at.is_some() && grace_until.is_some_and(|end| now < end);
            (!is_in_grace).then_some(Reason::RevocationUnknown)
        }
    }
}

fn extension(claim: &Claim, facts: &Facts<'_>, _: &Appraisal, _: &Policy, _: UnixTime) -> Option<Reason> {
    (claim.extended && !facts.is_extended).then_some(Reason::NotExtended)
}

fn validity(
    claim: &Claim,
    facts: &Facts<'_>,
    _: &Appraisal,
    policy: &Policy,
    now: UnixTime,
) -> Option<Reason> {
    let realm = facts.credential.map(|credential| &credential.realm);
    let allowed = policy.allows_validity(claim.device, realm, claim.validity, now);
    allowed.is_err().then_some(Reason::ValidityTooLong)
}

/// One who was found out before comes back.
fn judged(_: &Claim, _: &Facts<'_>, own: &Appraisal, _: &Policy, _: UnixTime) -> Option<Reason> {
    own.of(Item::Judged).filter(|mark| mark.grade == Grade::Bad).map(|_| Reason::Clone)
}

fn access_line(claim: &Claim, facts: &Facts<'_>, _: &Appraisal, _: &Policy, _: UnixTime) -> Option<Reason> {
    match is_on_line(claim, facts) {
        Some(true) => None,
        Some(false) => Some(Reason::ForeignNetwork),
        None => Some(Reason::LineUnknown),
    }
}

/// What speaks against whoever has the key, beside the line: network, place, handsets, management. No list of networks or
/// places refuses anybody by itself: one in a hundred addresses may be wrong in it. Where a person has said that this is the
/// unit, it is.
fn hands(_: &Claim, _: &Facts<'_>, own: &Appraisal, _: &Policy, _: UnixTime) -> Option<Reason> {
    (!own.is_cleared() && own.total_alone() < WRONG_HANDS).then_some(Reason::WrongHands)
}

/// Rules of what is told of one who is let in, and refuses nobody.
const TOLD: [fn(&Appraisal) -> Option<Reason>; 1] = [contradicted_at_home];

/// Management says that it is not the unit that it knows, and it is where the unit should be. Whoever has a copy can speak to
/// management as the unit.
fn contradicted_at_home(own: &Appraisal) -> Option<Reason> {
    let is_contradicted = own.of(Item::Management).is_some_and(|mark| mark.grade == Grade::Bad);
    (is_contradicted && own.is_home()).then_some(Reason::WrongHands)
}

/// What of it is believed: where a list of ours would refuse nobody, it does not tell a copy either.
fn believed(seen: Appraisal, claim: &Claim, facts: &Facts<'_>, modes: &Modes) -> Appraisal {
    let is_home = is_where_it_was_good(claim, facts);
    let counts = |reason| modes.effect(reason, facts.device, is_home) == Effect::Refused;
    let (line, hands) = (counts(Reason::ForeignNetwork), counts(Reason::WrongHands));
    seen.keep(|item| match item {
        Item::Line => line,
        Item::Network | Item::Site | Item::Trail | Item::Management => hands,
        Item::Judged | Item::Fingerprint | Item::Lineage | Item::Proof | Item::Attestation => true,
    })
}

/// How a claim is settled that no rule speaks against.
struct Settled {
    decision: Decision,
    conclusion: Option<Conclusion>,
    holder_goes: bool,
    other: Option<Appraisal>,
}

impl Settled {
    fn of(decision: Decision) -> Self {
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

/// Who is refused for where it is, beside a holder that lives and is at home, is a copy: two there are, and the holder need not
/// be asked.
fn refused(
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
fn settle(
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

/// Both live: two there are. An unbroken holder goes only by evidence against it, and under the ceiling where that takes
/// service from somebody.
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

/// Farther than one network's places in a database are from each other, km.
const FAR: f64 = 300.0;

fn is_far(one: &Appearance, other: &Appearance) -> bool {
    let place =
        |seen: &Appearance| seen.position.map(|position| Located { position, radius_km: seen.radius_km });
    place(one).zip(place(other)).is_some_and(|(one, other)| one.at_least_km(other) > FAR)
}

/// So many different looks of one unit, under one firmware ...
const LOOKS: usize = 4;
/// ... within this are not those of one.
const LOOKS_WITHIN: Duration = Duration::from_secs(7 * 86_400);

/// It is not the first that looks otherwise than anyone before.
fn changes_its_look(profile: &Profile, here: &Appearance, now: UnixTime) -> bool {
    let is_lately =
        |seen: &&Appearance| seen.firmware == here.firmware && now < seen.last.after(LOOKS_WITHIN);
    let seen = profile.seen.iter().filter(is_lately).chain([here]);
    seen.map(|seen| seen.look.ike).collect::<HashSet<_>>().len() >= LOOKS
}

/// Who was here last, where the claim is that of one who was here before: two take turns. One and the same unit looks
/// otherwise once, after an upgrade, and does not go back; at its own line it may even do that. Nor does it look otherwise again
/// and again.
fn in_turn<'a>(claim: &Claim, facts: &Facts<'a>, own: &Appraisal, now: UnixTime) -> Option<&'a Appearance> {
    let here = appearance(claim, facts, &[], now)?;
    let profile = facts.profile?;
    let last = profile.seen.first().filter(|last| !last.is_like(&here) && !last.is_copy())?;
    if profile.like(&here).is_none() {
        return changes_its_look(profile, &here, now).then_some(last);
    }
    let is_lately = now < last.last.after(Profile::PAST);
    let looks_otherwise = !last.look.is_like(&here.look);
    // Where nothing speaks against either that no person has looked at, the line was only not known for a time.
    let speaks = |seen: &Appraisal| seen.is_accused() && !seen.is_cleared();
    let is_accused = speaks(own) || speaks(&Appraisal::new(last.marks.iter().copied()));
    let both_at_home = last.at_home && here.at_home;
    let differs = looks_otherwise || last.at_home != here.at_home && is_accused || is_far(last, &here);
    (is_lately && differs && !both_at_home).then_some(last)
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
