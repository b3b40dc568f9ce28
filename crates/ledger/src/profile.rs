//! As what a unit has been seen at the gate: how its IKE looks, and from where.
//!
//! Two who hold one key and are never there at once are known by this alone. What was seen at the unit's own line is what
//! the unit looks like; whoever else comes with its key later is compared with that.

use crate::{Finding, LedgerError, Mark, Row, Tx, transaction::Because};
use ids::{CertSha256, DeviceId, Network, Position, Sha256, UnixTime};
use serde::{Deserialize, Serialize};
use std::{cmp::Reverse, net::IpAddr, time::Duration};

/// As what one unit was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Which unit.
    pub device: DeviceId,
    /// Each way it was seen once, the latest first; [`Self::MAX`] at most.
    pub seen: Vec<Appearance>,
}

/// One way in which a unit was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Appearance {
    /// How its IKE looked.
    pub look: Look,
    /// From where, the last time; what counts is the neighbourhood, or that it was its line.
    pub from: IpAddr,
    /// It was at its own line.
    pub at_home: bool,
    /// Where that network is, as far as anybody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// How far from there it may be, km.
    #[serde(default)]
    pub radius_km: u16,
    /// With which certificate, the last time.
    pub cert_sha256: CertSha256,
    /// What the ledger had as its firmware.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub firmware: String,
    /// When it was so for the first time.
    pub first: UnixTime,
    /// When it was so last, to [`Profile::FOLDED`].
    pub last: UnixTime,
    /// What was known of it then.
    pub marks: Vec<Mark>,
    /// What was concluded about whoever looks like this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judged: Option<Judged>,
}

/// How the IKE of an initiator looks, in what stays the same for one make, version and configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Look {
    /// SHA-256 over vendor IDs, proposals, notify types and length of nonce.
    pub ike: Sha256,
    /// Octets of a full fragment over IPv4, where a message came in fragments (RFC 7383).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fragment: Option<u16>,
    /// The same over IPv6, whose header is longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fragment_v6: Option<u16>,
    /// Class of its retransmission timer, where a request came again: 0 is a quarter of a second, each further one twice as
    /// long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retransmission: Option<u8>,
}

/// A conclusion about one who was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judged {
    /// It is the copy; else, the unit.
    pub is_copy: bool,
    /// When.
    pub at: UnixTime,
    /// The person who said so.
    pub by: String,
    /// The incident that it was about.
    pub incident: Option<u64>,
}

impl Look {
    /// Whether both can be of one make, version and configuration. A request that was lost makes its timer look one class
    /// longer, and one that waited here may look shorter, so the next class is no difference.
    pub fn is_like(&self, other: &Self) -> bool {
        let fragments = [self.fragment.zip(other.fragment), self.fragment_v6.zip(other.fragment_v6)];
        let timers = self.retransmission.zip(other.retransmission);
        self.ike == other.ike
            && fragments.into_iter().flatten().all(|(one, other)| one == other)
            && timers.is_none_or(|(one, other)| one.abs_diff(other) <= 1)
    }
}

impl Appearance {
    /// Whether both are the same one again, as far as can be seen from here.
    pub fn is_like(&self, other: &Self) -> bool {
        let is_there = match (self.at_home, other.at_home) {
            (true, true) => true,
            (false, false) => Network::of(self.from) == Network::of(other.from),
            (true, false) | (false, true) => false,
        };
        is_there && self.look.is_like(&other.look)
    }

    fn again(&mut self, later: Self) {
        let Self {
            look,
            from,
            position,
            radius_km,
            at_home: _,
            cert_sha256,
            firmware,
            first,
            last,
            marks,
            judged,
        } = later;
        self.look.fragment = look.fragment.or(self.look.fragment);
        self.look.fragment_v6 = look.fragment_v6.or(self.look.fragment_v6);
        // The first one stays: each may be one class off, and that must not add up.
        self.look.retransmission = self.look.retransmission.or(look.retransmission);
        (self.position, self.radius_km) = (position, radius_km);
        (self.from, self.cert_sha256, self.firmware, self.marks) = (from, cert_sha256, firmware, marks);
        (self.first, self.last) = (self.first.min(first), self.last.max(last));
        self.judged = judged.or_else(|| self.judged.take());
    }
}

impl Profile {
    /// Ways of being seen that are kept. Who was not seen at home, and of whom nobody concluded anything, takes the place of
    /// none but such; nor of the very first, as the unit may never have been seen at home.
    pub const MAX: usize = 8;
    /// The same again within this time is not written down.
    pub const FOLDED: Duration = Duration::from_secs(86_400);
    /// A look that was not seen for so long, while another was, is a look of the past.
    pub const PAST: Duration = Duration::from_secs(30 * 86_400);

    /// Nothing was seen yet.
    pub fn new(device: DeviceId) -> Self {
        Self { device, seen: Vec::new() }
    }

    /// How the unit looks: the oldest look that was at home under this firmware and is not of the past. Without one nobody
    /// knows.
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

impl Appearance {
    /// It was concluded to be the copy.
    pub fn is_copy(&self) -> bool {
        self.judged.as_ref().is_some_and(|judged| judged.is_copy)
    }
}

impl Row for Profile {
    const TABLE: &'static str = "profile";

    fn key(&self) -> String {
        self.device.to_string()
    }
}

impl Tx<'_> {
    /// As what a unit was seen; nothing where its row was tampered with, and what is wrong with that. A unit is judged by the
    /// rest then: whoever writes to the database must not be able to turn homes off by it.
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
mod tests {
    use super::*;

    fn at(days: i64) -> UnixTime {
        UnixTime::from_secs(1_790_000_000 + days * 86_400)
    }

    fn looks(look: u8) -> Look {
        Look { ike: Sha256([look; 32]), fragment: None, fragment_v6: None, retransmission: None }
    }

    fn seen(look: u8, from: &str, at_home: bool, days: i64) -> Appearance {
        Appearance {
            look: looks(look),
            from: from.parse().unwrap(),
            at_home,
            position: None,
            radius_km: 0,
            cert_sha256: Sha256([9; 32]),
            firmware: String::new(),
            first: at(days),
            last: at(days),
            marks: Vec::new(),
            judged: None,
        }
    }

    fn profile(of: impl IntoIterator<Item = Appearance>) -> Profile {
        let mut profile = Profile::new(DeviceId::eui48([2; 6]));
        for seen in of {
            profile.note(seen);
        }
        profile
    }

    #[test]
    fn the_same_again_is_written_once_a_day_and_what_comes_between_at_once() {
        let mut profile = profile([seen(1, "192.0.2.1", true, 0)]);
        assert!(!profile.note(seen(1, "198.51.100.1", true, 0)), "its line has another address");
        assert!(profile.note(seen(1, "192.0.2.1", true, 1)));
        assert!(profile.note(seen(2, "203.0.113.1", false, 1)));
        assert!(profile.note(seen(1, "192.0.2.1", true, 1)), "it came back: who alternates is to be seen");
        assert_eq!(
            (profile.seen.len(), profile.seen[0].look.ike, profile.seen[0].first),
            (2, Sha256([1; 32]), at(0))
        );
    }

    #[test]
    fn a_unit_looks_as_it_first_did_at_home_until_that_is_past_or_its_firmware_is_another() {
        let mut upgraded = seen(3, "192.0.2.1", true, 41);
        upgraded.firmware = "2.0".into();
        let days = [
            seen(2, "192.0.2.1", true, 5),
            seen(2, "192.0.2.1", true, 20),
            seen(9, "203.0.113.1", false, 21),
        ];
        let young = profile([seen(1, "192.0.2.1", true, 0)].into_iter().chain(days));
        assert_eq!(young.look("").unwrap().look.ike, Sha256([1; 32]));
        let old = profile(young.seen.into_iter().rev().chain([seen(2, "192.0.2.1", true, 40), upgraded]));
        assert_eq!(old.look("").unwrap().look.ike, Sha256([2; 32]));
        assert_eq!(old.look("2.0").unwrap().look.ike, Sha256([3; 32]));
        assert_eq!(old.look("3.0"), None, "after an upgrade nobody knows yet");
    }

    #[test]
    fn strangers_do_not_drive_out_what_the_unit_is_and_who_was_found_out() {
        let copy = Appearance {
            judged: Some(Judged { is_copy: true, at: at(1), by: "kim".into(), incident: None }),
            ..seen(2, "203.0.113.1", false, 1)
        };
        let crowd = (0..50).map(|number| seen(3, &format!("198.18.{number}.1"), false, 2));
        let profile = profile([seen(1, "192.0.2.1", true, 0), copy.clone()].into_iter().chain(crowd));
        assert_eq!(profile.seen.len(), Profile::MAX);
        assert!(profile.look("").is_some() && profile.like(&copy).is_some_and(Appearance::is_copy));
        assert_eq!(profile.seen[0].from.to_string(), "198.18.49.1");
    }

    #[test]
    fn one_that_looks_otherwise_each_time_drives_out_its_own_alone_where_nobody_knows_the_line() {
        let unit = seen(1, "192.0.2.1", false, 0);
        let said = |is_copy| Some(Judged { is_copy, at: at(1), by: "kim".into(), incident: None });
        let cleared = Appearance { judged: said(false), ..seen(2, "203.0.113.1", false, 1) };
        let crowd = (0..100).map(|look| seen(100 + look, "198.51.100.1", false, 2));
        let mut profile = profile([unit.clone(), cleared.clone()].into_iter().chain(crowd));
        assert!(profile.like(&unit).is_some() && profile.like(&cleared).is_some());
        assert_eq!((profile.seen.len(), profile.seen[0].look.ike), (Profile::MAX, Sha256([199; 32])));
        (0..20).for_each(|look| assert!(profile.note(seen(10 + look, "192.0.2.1", true, 3))));
        let stranger = seen(200, "198.18.0.1", false, 4);
        profile.note(stranger.clone());
        let home = profile.seen.iter().filter(|seen| seen.at_home).count();
        profile.note(seen(201, "198.18.0.1", false, 4));
        assert_eq!(
            profile.seen.iter().filter(|seen| seen.at_home).count(),
            home,
            "no stranger takes their places"
        );
        assert!(profile.like(&unit).is_some() && profile.like(&cleared).is_some());
        assert!(profile.like(&stranger).is_none() && profile.seen.len() == Profile::MAX);
    }

    #[test]
    fn a_message_that_came_whole_says_nothing_about_fragments() {
        let look = |fragment| Look { fragment, ..looks(1) };
        assert!(look(None).is_like(&look(Some(1280))) && look(Some(1280)).is_like(&look(Some(1280))));
        assert!(!look(Some(576)).is_like(&look(Some(1280))));
    }

    #[test]
    fn a_fragment_over_ipv6_is_compared_with_those_over_ipv6_alone_and_the_unit_is_known_by_both() {
        let v4 = |fragment| Look { fragment, ..looks(1) };
        let v6 = |fragment_v6| Look { fragment_v6, ..looks(1) };
        assert!(v6(Some(1228)).is_like(&v4(Some(1248))) && !v6(Some(1228)).is_like(&v6(Some(1248))));
        let at = |look, from, days| Appearance { look, ..seen(1, from, true, days) };
        let both = profile([at(v4(Some(1248)), "192.0.2.1", 0), at(v6(Some(1228)), "2001:db8::1", 2)]);
        let [known] = &both.seen[..] else { panic!("{:?}", both.seen) };
        assert!(!known.look.is_like(&v4(Some(576))) && !known.look.is_like(&v6(Some(576))));
    }

    #[test]
    fn a_timer_of_the_next_class_is_no_difference_and_does_not_add_up() {
        let look = |retransmission| Look { retransmission, ..looks(1) };
        assert!(look(None).is_like(&look(Some(4))) && look(Some(5)).is_like(&look(Some(4))));
        assert!(!look(Some(1)).is_like(&look(Some(4))));
        let with = |class, days| Appearance { look: look(Some(class)), ..seen(1, "192.0.2.1", true, days) };
        let profile = profile([with(4, 0), with(3, 2), with(2, 4)]);
        let classes: Vec<_> = profile.seen.iter().map(|seen| seen.look.retransmission).collect();
        assert_eq!(classes, [Some(2), Some(4)]);
    }
}
