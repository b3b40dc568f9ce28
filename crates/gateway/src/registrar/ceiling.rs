//! How much service may be lost by what the rules conclude, until a person has looked.
//!
//! A holder that lives is ended only by evidence against it, and evidence may be wrong for many at once: a list of lines that is
//! old, a feed that is another region's. So within one hour no more of them go than the policy says, in one region, and of those
//! whose certificates are of one realm. Who is found out beyond that stays, and is looked at again once there is room. It is kept in memory: a start begins with an hour of its own.

use admission::Claim;
use ids::{DeviceId, SessionId};
use ledger::{Credential, Device};
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::{Duration, Instant},
};

/// What counts towards the ceiling.
const WITHIN: Duration = Duration::from_secs(3600);

/// Those from whom service was taken lately, by region and by realm, and those who stay as there was no room.
#[derive(Default)]
pub(super) struct Ceiling {
    ended: HashMap<Group, VecDeque<Instant>>,
    /// By session: no more than there are.
    held_back: BTreeMap<SessionId, HeldBack>,
    /// Under which limit they were last looked at, and whether anything is an hour ago since then.
    limit: u32,
    has_more: bool,
}

/// One who was found out and stays.
struct HeldBack {
    device: DeviceId,
    groups: Vec<Group>,
    /// Beside whom.
    beside: Option<Box<Claim>>,
}

/// Units that one wrong list may hit together.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Group {
    Region(String),
    Realm(String),
}

impl Ceiling {
    /// Whether one more of these may lose service.
    pub(super) fn has_room(
        &self,
        device: Option<&Device>,
        credential: Option<&Credential>,
        limit: u32,
        now: Instant,
    ) -> bool {
        groups(device, credential).all(|group| self.lately(&group, now) < limit as usize)
    }

    fn lately(&self, group: &Group, now: Instant) -> usize {
        let lately = |ended: &VecDeque<Instant>| ended.iter().filter(|at| is_lately(**at, now)).count();
        self.ended.get(group).map_or(0, lately)
    }

    /// One lost it.
    pub(super) fn spend(&mut self, device: Option<&Device>, credential: Option<&Credential>, now: Instant) {
        self.forget_past(now);
        groups(device, credential).for_each(|group| self.ended.entry(group).or_default().push_back(now));
    }

    fn forget_past(&mut self, now: Instant) {
        self.ended.retain(|_, ended| {
            while ended.front().is_some_and(|at| !is_lately(*at, now)) {
                ended.pop_front();
                self.has_more = true;
            }
            !ended.is_empty()
        });
    }

    /// One was found out, and stays until there is room. `beside`: the other who has its key; who was found out beside one before
    /// still is.
    pub(super) fn hold_back(
        &mut self,
        session: SessionId,
        (device, credential): (&Device, Option<&Credential>),
        beside: Option<Box<Claim>>,
    ) {
        let groups = groups(Some(device), credential).collect();
        let beside = beside.or_else(|| self.let_go(session));
        self.held_back.insert(session, HeldBack { device: device.id, groups, beside });
    }

    /// It is held back no more. Returns beside whom it was found out.
    pub(super) fn let_go(&mut self, session: SessionId) -> Option<Box<Claim>> {
        self.held_back.remove(&session)?.beside
    }

    /// Beside whom it was found out, where it is held back for that.
    pub(super) fn beside(&self, session: SessionId) -> Option<&Claim> {
        self.held_back.get(&session)?.beside.as_deref()
    }

    /// Units of those who are held back and for whom there is room by now: as many as there is room for. Nobody where
    /// nothing has changed since this was last asked.
    pub(super) fn have_room(&mut self, limit: u32, now: Instant) -> Vec<DeviceId> {
        self.forget_past(now);
        let is_other = std::mem::replace(&mut self.limit, limit) != limit;
        if !std::mem::take(&mut self.has_more) && !is_other {
            return Vec::new();
        }
        let (mut taken, mut fitting) = (HashMap::<&Group, usize>::new(), Vec::new());
        for one in self.held_back.values() {
            let fits = |group| self.lately(group, now) + taken.get(group).unwrap_or(&0) < limit as usize;
            if one.groups.iter().all(fits) {
                one.groups.iter().for_each(|group| *taken.entry(group).or_default() += 1);
                fitting.push(one.device);
            }
        }
        fitting
    }
}

fn is_lately(at: Instant, now: Instant) -> bool {
    now.saturating_duration_since(at) < WITHIN
}

fn groups(device: Option<&Device>, credential: Option<&Credential>) -> impl Iterator<Item = Group> {
    let region = device.map(|device| Group::Region(device.region.clone()));
    let realm = credential.map(|credential| Group::Realm(credential.realm.to_string()));
    region.into_iter().chain(realm)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ids::{Epoch, UnixTime};
    use ledger::LifeCycle;

    fn id(number: u8) -> DeviceId {
        DeviceId::eui48([number; 6])
    }

    fn unit(region: &str) -> Device {
        let unit = Device::new(id(2), LifeCycle::Live, UnixTime::default());
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

    #[test]
    fn who_is_held_back_is_looked_at_once_there_is_room_and_no_more_of_them_than_there_is_room_for() {
        let (mut ceiling, start, north) = (Ceiling::default(), Instant::now(), unit("north"));
        let session = |number| SessionId { epoch: Epoch(1), number };
        ceiling.spend(Some(&north), None, start);
        ceiling.spend(Some(&north), None, start + Duration::from_secs(1));
        for number in 1..=4 {
            ceiling.hold_back(
                session(number),
                (&Device { id: id(number as u8), ..north.clone() }, None),
                None,
            );
        }
        let have_room = |ceiling: &mut Ceiling, second, limit| {
            ceiling.have_room(limit, start + Duration::from_secs(second))
        };
        have_room(&mut ceiling, 2, 2);
        assert_eq!(have_room(&mut ceiling, 3599, 2), []);
        assert_eq!(have_room(&mut ceiling, 3600, 2), [id(1)]);
        ceiling.let_go(session(1));
        ceiling.spend(Some(&north), None, start + Duration::from_secs(3600));
        assert_eq!(have_room(&mut ceiling, 3601, 2), [id(2)]);
        assert_eq!(have_room(&mut ceiling, 3602, 2), [], "nothing has changed");
        assert_eq!(have_room(&mut ceiling, 3603, 4), [id(2), id(3), id(4)], "the limit is another one");
        assert_eq!(have_room(&mut ceiling, 3604, 0), [], "a person has to say so");
    }
}
