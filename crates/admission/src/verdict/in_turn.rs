//! Two who are never there at once: by what the unit was seen as before.

use crate::{Appraisal, Claim, Facts, Located, appraisal::appearance};
use ids::UnixTime;
use ledger::{Appearance, Profile};
use std::{collections::HashSet, time::Duration};

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
/// otherwise once, after an upgrade, and does not go back; at its own line it may even do that. Nor does it look
/// otherwise again and again.
pub(super) fn in_turn<'a>(
    claim: &Claim,
    facts: &Facts<'a>,
    own: &Appraisal,
    now: UnixTime,
) -> Option<&'a Appearance> {
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
