//! How much service may be lost by what the rules conclude, until a person has looked.
//!
//! A holder that lives is ended only by evidence against it, and evidence may be wrong for many at once: a list of lines that is
//! old, a feed that is another region's. So within one hour no more of them go than the policy says, in one region, and of those
//! whose certificates are of one realm. It is kept in memory: a start begins with an hour of its own.

use ledger::{Credential, Device};
use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

/// What counts towards the ceiling.
const WITHIN: Duration = Duration::from_secs(3600);

/// Holders that were ended lately, by region and by realm.
#[derive(Default)]
pub(super) struct Ceiling {
    ended: HashMap<Group, VecDeque<Instant>>,
}

/// Units that one wrong list may hit together.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Group {
    Region(String),
    Realm(String),
}

impl Ceiling {
    /// Whether one more of these may be ended.
    pub(super) fn has_room(
        &self,
        device: Option<&Device>,
        credential: Option<&Credential>,
        limit: u32,
        now: Instant,
    ) -> bool {
        let lately =
            |ended: &VecDeque<Instant>| ended.iter().filter(|at| now.duration_since(**at) < WITHIN).count();
        let spent = groups(device, credential).filter_map(|group| self.ended.get(&group).map(lately)).max();
        spent.unwrap_or(0) < limit as usize
    }

    /// One was ended.
    pub(super) fn spend(&mut self, device: Option<&Device>, credential: Option<&Credential>, now: Instant) {
        self.ended.retain(|_, ended| {
            while ended.front().is_some_and(|at| now.duration_since(*at) >= WITHIN) {
                ended.pop_front();
            }
            !ended.is_empty()
        });
        groups(device, credential).for_each(|group| self.ended.entry(group).or_default().push_back(now));
    }
}

fn groups(device: Option<&Device>, credential: Option<&Credential>) -> impl Iterator<Item = Group> {
    let region = device.map(|device| Group::Region(device.region.clone()));
    let realm = credential.map(|credential| Group::Realm(credential.realm.to_string()));
    region.into_iter().chain(realm)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ids::{DeviceId, UnixTime};
    use ledger::LifeCycle;

    fn unit(region: &str) -> Device {
        let unit = Device::new(DeviceId::eui48([2; 6]), LifeCycle::Live, UnixTime::default());
        Device { region: region.into(), ..unit }
    }

    #[test]
    fn no_more_go_within_an_hour_than_the_policy_says_and_other_regions_are_others() {
        let (mut ceiling, start) = (Ceiling::default(), Instant::now());
        let (north, south) = (unit("north"), unit("south"));
        for minute in [0, 10] {
            let now = start + Duration::from_secs(minute * 60);
            assert!(ceiling.has_room(Some(&north), None, 2, now));
            ceiling.spend(Some(&north), None, now);
        }
        let at = |second| start + Duration::from_secs(second);
        assert!(!ceiling.has_room(Some(&north), None, 2, at(3599)));
        assert!(ceiling.has_room(Some(&south), None, 2, at(3599)));
        assert!(ceiling.has_room(Some(&north), None, 2, at(3600)), "the first is an hour ago");
        assert!(!ceiling.has_room(Some(&south), None, 0, at(0)), "none at all without a person");
        ceiling.spend(Some(&south), None, at(9000));
        assert_eq!(ceiling.ended.len(), 1, "what is long ago is forgotten");
    }
}
