//! From what is known about one holder of a key to the marks that are weighed.

use crate::{
    Claim, Evidence, Facts, Fingerprint, Lineage, Located, Management, Proof, Trail, weighing::Appraisal,
};
use ids::{Network, SourceClass, UnixTime};
use ledger::{Appearance, Grade, Item, Mark};

/// Appraises one holder: its claim, with where it is now, against what the ledger knows of the unit.
pub fn appraise(claim: &Claim, facts: &Facts<'_>) -> Appraisal {
    let looks = [
        judged(claim, facts),
        line(claim, facts),
        network(claim, facts),
        site(claim, facts),
        mark(Item::Trail, claim.place.value().map(|trail| *trail == Trail::AtSite)),
        mark(Item::Management, claim.facts.value().and_then(Management::agrees)),
        fingerprint(claim, facts),
        lineage(claim, facts),
        proof(claim),
        mark(Item::Attestation, claim.attestation.value().copied()),
    ];
    Appraisal::new(looks.into_iter().flatten())
}

fn mark(item: Item, is_good: Option<bool>) -> Option<Mark> {
    let grade = if is_good? { Grade::Good } else { Grade::Bad };
    Some(Mark { item, grade, before_fork: true })
}

/// Whether it is behind the unit's own line; `None` when nobody knows. Whose line the address belongs to now counts before
/// the prefixes that are written down for the unit's line.
pub(crate) fn is_on_line(claim: &Claim, facts: &Facts<'_>) -> Option<bool> {
    let line = facts.device.and_then(|device| device.access_line.as_ref());
    let by_feed = line.and_then(|line| claim.outer.is_behind(line));
    by_feed.or_else(|| facts.line.and_then(|line| line.covers(claim.outer.address.ip())))
}

/// As what it would be written down.
pub fn appearance(claim: &Claim, facts: &Facts<'_>, marks: &[Mark], now: UnixTime) -> Option<Appearance> {
    let Evidence::Known(fingerprint) = &claim.fingerprint else { return None };
    let from = claim.outer.address.ip();
    Some(Appearance {
        look: fingerprint.value.look(from),
        from,
        at_home: is_on_line(claim, facts) == Some(true),
        cert_sha256: claim.cert_sha256,
        position: claim.outer.place.value().map(|place| place.position),
        radius_km: claim.outer.place.value().map_or(0, |place| place.radius_km),
        firmware: facts.firmware().to_owned(),
        first: now,
        last: now,
        marks: marks.to_vec(),
        judged: None,
    })
}

/// One who looks the same and is where that one was has been found out before, or cleared by a person.
fn judged(claim: &Claim, facts: &Facts<'_>) -> Option<Mark> {
    let here = appearance(claim, facts, &[], UnixTime::default())?;
    let known = facts.profile?.like(&here)?;
    // Others are in that neighbourhood, too.
    let is_there = known.at_home || Network::site(known.from) == Network::site(here.from);
    mark(Item::Judged, known.judged.as_ref().filter(|_| is_there).map(|judged| !judged.is_copy))
}

fn line(claim: &Claim, facts: &Facts<'_>) -> Option<Mark> {
    mark(Item::Line, is_on_line(claim, facts))
}

fn network(claim: &Claim, facts: &Facts<'_>) -> Option<Mark> {
    if is_on_line(claim, facts).is_some() {
        return None;
    }
    mark(
        Item::Network,
        match claim.outer.class.value()? {
            SourceClass::OwnFixed => Some(true),
            // A unit may be there, with its carrier's leave.
            SourceClass::OtherFixed => None,
            SourceClass::Mobile | SourceClass::Foreign | SourceClass::Hosting => Some(false),
        },
    )
}

/// Within this of its site, km, it may well be there.
const AT_SITE: f64 = 30.0;
/// Beyond this it is not.
const OFF_SITE: f64 = 150.0;

fn site(claim: &Claim, facts: &Facts<'_>) -> Option<Mark> {
    if is_on_line(claim, facts).is_some() {
        return None;
    }
    let site = Located { position: facts.device?.position?, radius_km: 0 };
    let here = *claim.outer.place.value()?;
    let (least, most) = (
        here.at_least_km(site),
        here.position.distance_m(site.position) / 1000.0 + f64::from(here.radius_km),
    );
    mark(Item::Site, if least > OFF_SITE { Some(false) } else { (most < AT_SITE).then_some(true) })
}

fn fingerprint(claim: &Claim, facts: &Facts<'_>) -> Option<Mark> {
    let own = facts.profile?.look(facts.firmware())?.look;
    let look = |seen: &Fingerprint| seen.look(claim.outer.address.ip());
    mark(Item::Fingerprint, claim.fingerprint.value().map(|seen| look(seen).is_like(&own)))
}

/// A certificate that has a successor, or has none. Who has the newer one may have got it as the copy, so that counts only
/// where the unit itself has shown it at home.
fn lineage(claim: &Claim, facts: &Facts<'_>) -> Option<Mark> {
    let (newest, grade) = match claim.lineage.value()? {
        Lineage::Head => (claim.cert_sha256, Grade::Good),
        Lineage::Superseded { by } => (*by, Grade::Bad),
        Lineage::Forked => return None,
    };
    let own = facts.profile.and_then(|profile| profile.look(facts.firmware()));
    let before_fork = own.is_some_and(|own| own.cert_sha256 == newest);
    Some(Mark { item: Item::Lineage, grade, before_fork })
}

fn proof(claim: &Claim) -> Option<Mark> {
    let grade = match claim.proof.value()? {
        Proof::Fresh | Proof::Current => Grade::Good,
        Proof::Retired => Grade::Bad,
    };
    Some(Mark { item: Item::Proof, grade, before_fork: false })
}
