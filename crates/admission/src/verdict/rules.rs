//! What speaks against a claim by itself, and what of its evidence is believed.

use super::is_where_it_was_good;
use crate::{
    Appraisal, Claim, Effect, Facts, Modes, Policy, Reason, Revocation, appraisal::is_on_line,
    weighing::WRONG_HANDS,
};
use ids::UnixTime;
use ledger::{Grade, Item, LifeCycle, allows};

type Rule = fn(&Claim, &Facts<'_>, &Appraisal, &Policy, UnixTime) -> Option<Reason>;

/// The rules in order: the first that speaks and is enforced decides. First who it is, then its certificate, then
/// where it comes from.
pub(super) const RULE_TABLE: [Rule; 8] =
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

/// What the foreign CA says that issued the certificate, where it is asked. The grace after its last answer is for
/// units that were attached lately with nothing against them: a first admission has none.
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

/// What speaks against whoever has the key, beside the line: network, place, handsets, management. No list of networks
/// or places refuses anybody by itself: one in a hundred addresses may be wrong in it. Where a person has said that
/// this is the unit, it is.
fn hands(_: &Claim, _: &Facts<'_>, own: &Appraisal, _: &Policy, _: UnixTime) -> Option<Reason> {
    (!own.is_cleared() && own.total_alone() < WRONG_HANDS).then_some(Reason::WrongHands)
}

/// Rules of what is told of one who is let in, and refuses nobody.
pub(super) const TOLD: [fn(&Appraisal) -> Option<Reason>; 1] = [contradicted_at_home];

/// Management says that it is not the unit that it knows, and it is where the unit should be. Whoever has a copy can
/// speak to management as the unit.
fn contradicted_at_home(own: &Appraisal) -> Option<Reason> {
    let is_contradicted = own.of(Item::Management).is_some_and(|mark| mark.grade == Grade::Bad);
    (is_contradicted && own.is_home()).then_some(Reason::WrongHands)
}

/// What of it is believed: where a list of ours would refuse nobody, it does not tell a copy either.
pub(super) fn believed(seen: Appraisal, claim: &Claim, facts: &Facts<'_>, modes: &Modes) -> Appraisal {
    let is_home = is_where_it_was_good(claim, facts);
    let counts = |reason| modes.effect(reason, facts.device, is_home) == Effect::Refused;
    let (line, hands) = (counts(Reason::ForeignNetwork), counts(Reason::WrongHands));
    seen.keep(|item| match item {
        Item::Line => line,
        Item::Network | Item::Site | Item::Trail | Item::Management => hands,
        Item::Judged | Item::Fingerprint | Item::Lineage | Item::Proof | Item::Attestation => true,
    })
}
