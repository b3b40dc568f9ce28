//! As what a unit has been seen at the gate: how its IKE looks, and from where.
//!
//! Two who hold one key and are never there at once are known by this alone. What was seen at the unit's own line is
//! what the unit looks like; whoever else comes with its key later is compared with that.

mod appearance;

pub use appearance::{Appearance, Judged, Look};

use crate::{Finding, LedgerError, Row, Tx, transaction::Because};
use ids::{DeviceId, UnixTime};
use serde::{Deserialize, Serialize};
use std::{cmp::Reverse, time::Duration};

/// As what one unit was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Which unit.
    pub device: DeviceId,
    /// Each way it was seen once, the latest first; [`Self::MAX`] at most.
    pub seen: Vec<Appearance>,
}
impl Profile {
    /// Ways of being seen that are kept. Who was not seen at home, and of whom nobody concluded anything, takes the
    /// place of none but such; nor of the very first, as the unit may never have been seen at home.
    pub const MAX: usize = 8;
    /// The same again within this time is not written down.
    pub const FOLDED: Duration = Duration::from_secs(86_400);
    /// A look that was not seen for so long, while another was, is a look of the past.
    pub const PAST: Duration = Duration::from_secs(30 * 86_400);

    /// Nothing was seen yet.
    pub fn new(device: DeviceId) -> Self {
        Self { device, seen: Vec::new() }
    }

    /// How the unit looks: the oldest look that was at home under this firmware and is not of the past. Without one
    /// nobody knows.
    pub fn look(&self, firmware: &str) -> Option<&Appearance> {
        let known =
            || self.seen.iter().filter(|seen| seen.at_home && seen.firmware == firmware && !seen.is_copy());
        let newest = known().map(|seen| seen.last).max()?;
        known().filter(|seen| seen.last >= newest.before(Self::PAST)).min_by_key(|seen| seen.first)
    }

    /// The one that looks like this, if it was seen before.
    pub fn like(&self, now: &Appearance) -> Option<&Appearance> {
        self.seen.iter().find(|seen| seen.is_like(now))
    }

    /// The unit was seen. Returns whether there is anything to write down.
    pub fn note(&mut self, now: Appearance) -> bool {
        let Some(index) = self.seen.iter().position(|seen| seen.is_like(&now)) else {
            self.seen.insert(0, now);
            self.shorten();
            return true;
        };
        let is_latest = index == 0;
        let known = &self.seen[index];
        let says_same = known.marks == now.marks
            && now.judged.as_ref().is_none_or(|judged| known.judged.as_ref() == Some(judged));
        if is_latest && says_same && now.last < known.last.after(Self::FOLDED) {
            return false;
        }
        let mut known = self.seen.remove(index);
        known.again(now);
        self.seen.insert(0, known);
        true
    }

    /// Something was concluded about one who was seen, or is seen by it.
    pub fn judge(&mut self, about: &Appearance, judged: Judged) {
        match self.seen.iter_mut().find(|seen| seen.is_like(about)) {
            Some(known) => known.judged = Some(judged),
            None => {
                let index = self.seen.len().min(1);
                self.seen.insert(index, Appearance { judged: Some(judged), ..about.clone() });
                self.shorten();
            }
        }
    }

    /// The latest stays in any case.
    fn shorten(&mut self) {
        let first = self.seen.iter().map(|seen| seen.first).min();
        let is_kept = |seen: &Appearance| seen.at_home || seen.judged.is_some() || Some(seen.first) == first;
        // One place is never theirs, so that who is seen next takes that.
        let is_full = self.seen.iter().filter(|seen| is_kept(seen)).count() >= Self::MAX;
        let may_go = |seen: &Appearance| is_kept(seen) == is_full && Some(seen.first) != first;
        let others = self.seen.iter().enumerate().skip(1).filter(|(_, seen)| may_go(seen));
        let goes = others.min_by_key(|(place, seen)| (seen.judged.is_some(), Reverse(*place)));
        if let Some((place, _)) = goes.filter(|_| is_full || self.seen.len() > Self::MAX) {
            self.seen.remove(place);
        }
    }
}

impl Row for Profile {
    const TABLE: &'static str = "profile";

    fn key(&self) -> String {
        self.device.to_string()
    }
}

impl Tx<'_> {
    /// As what a unit was seen; nothing where its row was tampered with, and what is wrong with that. A unit is judged
    /// by the rest then: whoever writes to the database must not be able to turn homes off by it.
    ///
    /// # Errors
    /// The transient ones.
    pub fn profile(&mut self, device: DeviceId) -> Result<(Option<Profile>, Option<Finding>), LedgerError> {
        match self.row(&device.to_string()) {
            Ok(known) => Ok((known.map(|(profile, _)| profile), None)),
            Err(error) => Ok((None, Some(Finding::of(&error).ok_or(error)?))),
        }
    }

    /// Writes down as what a unit was seen, also in place of a row that was tampered with.
    ///
    /// # Errors
    /// The transient ones.
    pub fn put_profile(
        &mut self,
        profile: &Profile,
        (by, why): (&str, &str),
        now: UnixTime,
    ) -> Result<(), LedgerError> {
        self.put_row_anyway(profile, &Because::new(by, why), now).map(drop)
    }
}

#[cfg(test)]
mod tests;
