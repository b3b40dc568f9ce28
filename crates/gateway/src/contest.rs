//! A second claim on a device that is attached already, while it is being settled.
//!
//! Nobody wins by coming first or last. The newcomer's tunnel stands but is blocked; the holder is
//! asked whether it lives. What the holder does within the time to make room decides; `ike` says when it was silent, and
//! does not while datagrams are lost at our own door.

use crate::hand_off::Why;
use admission::Probe;
use ids::{DeviceId, SessionId};
use ike::IkeSaId;
use std::{
    collections::{HashMap, hash_map::Entry},
    time::{Duration, Instant},
};

/// What is known of the holder since it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Probed {
    /// Not yet answered.
    Waiting,
    /// It lives; round trip where it was measured.
    Answered(Option<Duration>),
}

/// How a contest ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The holder ended its own session in time: one unit that re-authenticated make-before-break.
    HolderMadeRoom,
    /// The holder answered nothing: it is gone, the newcomer takes its place.
    HolderSilent,
    /// The holder is alive and stays: two hold one key. The newcomer goes.
    HolderStays {
        /// Of the probe.
        round_trip: Option<Duration>,
    },
    /// The holder's session ended otherwise: it expired, or somebody ended it.
    HolderEnded,
    /// The newcomer left by itself before the holder had answered.
    NewcomerLeft,
}

impl Outcome {
    /// Of a holder whose session is over.
    fn of_end(why: &Why) -> Self {
        match why {
            Why::Peer => Self::HolderMadeRoom,
            Why::DpdTimeout | Why::HolderSilent => Self::HolderSilent,
            Why::PeerRefused
            | Why::Expired
            | Why::SecondClaim
            | Why::Displaced
            | Why::Cut { .. }
            | Why::Device(_)
            | Why::ClassChanged
            | Why::LeftLine
            | Why::NeverStood
            | Why::Shutdown => Self::HolderEnded,
        }
    }

    /// What the holder did, as admission asks; nothing is to be judged when the newcomer left.
    pub(crate) fn probe(self) -> Option<Probe> {
        match self {
            Self::HolderMadeRoom => Some(Probe::MadeRoom),
            Self::HolderSilent => Some(Probe::Silent),
            Self::HolderStays { .. } => Some(Probe::Answered),
            Self::HolderEnded => Some(Probe::Unreachable),
            Self::NewcomerLeft => None,
        }
    }

    /// The holder lives on.
    pub(crate) fn holder_lives(self) -> bool {
        matches!(self, Self::HolderStays { .. } | Self::NewcomerLeft)
    }

    /// Of the probe, where it was measured.
    pub(crate) fn round_trip(self) -> Option<Duration> {
        if let Self::HolderStays { round_trip } = self { round_trip } else { None }
    }

    /// Stable word, in events and as metric label.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::HolderMadeRoom => "made-room",
            Self::HolderSilent => "holder-silent",
            Self::HolderStays { .. } => "holder-alive",
            Self::HolderEnded => "holder-ended",
            Self::NewcomerLeft => "newcomer-left",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Party {
    pub(crate) sa: IkeSaId,
    pub(crate) session: SessionId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Contest {
    pub(crate) device: DeviceId,
    pub(crate) newcomer: Party,
    pub(crate) holder: Party,
    pub(crate) began: Instant,
    probed: Probed,
}

/// Every contest that runs, at most one for a device.
pub(crate) struct Contests {
    make_room: Duration,
    running: HashMap<DeviceId, Contest>,
}

impl Contests {
    pub(crate) fn new(make_room: Duration) -> Self {
        Self { make_room, running: HashMap::new() }
    }

    /// For those that begin and those that run.
    pub(crate) fn set_make_room(&mut self, time: Duration) {
        self.make_room = time;
    }

    /// Begins one; the caller probes the holder. `false`, and nothing changes, while another of the device
    /// runs.
    pub(crate) fn begin(&mut self, device: DeviceId, newcomer: Party, holder: Party, now: Instant) -> bool {
        let Entry::Vacant(room) = self.running.entry(device) else { return false };
        room.insert(Contest { device, newcomer, holder, began: now, probed: Probed::Waiting });
        true
    }

    /// The holder with this SA answered its probe.
    pub(crate) fn answered(&mut self, device: DeviceId, sa: IkeSaId, round_trip: Option<Duration>) {
        if let Some(contest) = self.running.get_mut(&device).filter(|contest| contest.holder.sa == sa) {
            contest.probed = Probed::Answered(round_trip);
        }
    }

    /// It did not.
    pub(crate) fn silent(&mut self, device: DeviceId, sa: IkeSaId) -> Option<(Contest, Outcome)> {
        self.running.get(&device).filter(|contest| contest.holder.sa == sa)?;
        Some((self.running.remove(&device)?, Outcome::HolderSilent))
    }

    /// A session of the device is over.
    pub(crate) fn gone(&mut self, device: DeviceId, sa: IkeSaId, why: &Why) -> Option<(Contest, Outcome)> {
        let contest = self.running.get(&device)?;
        let outcome = if contest.holder.sa == sa {
            Outcome::of_end(why)
        } else if contest.newcomer.sa == sa {
            contest.of_newcomer()
        } else {
            return None;
        };
        Some((self.running.remove(&device)?, outcome))
    }

    /// The holder was gone before it could be asked.
    pub(crate) fn ended_before(&mut self, device: DeviceId) -> Option<(Contest, Outcome)> {
        Some((self.running.remove(&device)?, Outcome::HolderEnded))
    }

    /// Those whose time is over.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<(Contest, Outcome)> {
        let over = |contest: &&Contest| contest.due(self.make_room).is_some_and(|due| now >= due);
        let devices: Vec<_> = self.running.values().filter(over).map(|contest| contest.device).collect();
        let contests = devices.iter().filter_map(|device| self.running.remove(device));
        contests.map(|contest| (contest, contest.of_newcomer())).collect()
    }

    /// When the next one is over.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.running.values().filter_map(|contest| contest.due(self.make_room)).min()
    }

    pub(crate) fn len(&self) -> usize {
        self.running.len()
    }
}

impl Contest {
    /// Never before the holder has answered; that it does not comes from `ike`.
    fn due(&self, make_room: Duration) -> Option<Instant> {
        match self.probed {
            Probed::Waiting => None,
            Probed::Answered(_) => Some(self.began + make_room),
        }
    }

    /// When the time to make room is over, or the newcomer left. That takes nothing back: once the holder has answered, two
    /// have proven to hold one key.
    fn of_newcomer(&self) -> Outcome {
        match self.probed {
            Probed::Waiting => Outcome::NewcomerLeft,
            Probed::Answered(round_trip) => Outcome::HolderStays { round_trip },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ids::Epoch;

    const DEVICE: DeviceId = DeviceId::eui48([2; 6]);

    fn party(number: u64) -> Party {
        Party { sa: IkeSaId(number), session: SessionId { epoch: Epoch(1), number } }
    }

    fn begun(now: Instant) -> Contests {
        let mut contests = Contests::new(Duration::from_secs(30));
        assert!(contests.begin(DEVICE, party(2), party(1), now));
        contests
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_holder_that_goes_by_itself_made_room() {
        let now = Instant::now();
        let mut contests = begun(now);
        contests.answered(DEVICE, IkeSaId(1), None);
        assert_eq!(contests.gone(DEVICE, IkeSaId(1), &Why::Peer).unwrap().1, Outcome::HolderMadeRoom);
        assert_eq!(contests.len(), 0);
    }

    #[test]
    fn a_holder_that_is_given_up_or_ended_did_not_make_room() {
        let cut = Why::Cut { by: "kim".into(), why: "stolen".into() };
        let ends = [
            (Why::DpdTimeout, Outcome::HolderSilent),
            (Why::Expired, Outcome::HolderEnded),
            (Why::LeftLine, Outcome::HolderEnded),
            (cut, Outcome::HolderEnded),
        ];
        for (why, outcome) in ends {
            let mut contests = begun(Instant::now());
            assert_eq!(contests.gone(DEVICE, IkeSaId(1), &why).unwrap().1, outcome, "{why:?}");
        }
    }

    #[test]
    fn a_contest_that_runs_is_not_replaced_by_another() {
        let now = Instant::now();
        let mut contests = begun(now);
        assert!(!contests.begin(DEVICE, party(3), party(1), now));
        assert_eq!(contests.silent(DEVICE, IkeSaId(1)).unwrap().0.newcomer, party(2));
    }

    #[test]
    fn a_silent_holder_is_replaced() {
        let mut contests = begun(Instant::now());
        assert!(contests.silent(DEVICE, IkeSaId(2)).is_none(), "the newcomer's silence decides nothing");
        let (contest, outcome) = contests.silent(DEVICE, IkeSaId(1)).unwrap();
        assert_eq!((contest.newcomer, outcome), (party(2), Outcome::HolderSilent));
    }

    #[test]
    fn a_holder_that_answers_and_stays_keeps_its_service() {
        let now = Instant::now();
        let mut contests = begun(now);
        contests.answered(DEVICE, IkeSaId(1), Some(seconds(1)));
        assert_eq!(contests.due(now + seconds(29)), []);
        assert_eq!(contests.next_due(), Some(now + seconds(30)));
        let [(_, outcome)] = contests.due(now + seconds(30)).try_into().unwrap();
        assert_eq!(outcome, Outcome::HolderStays { round_trip: Some(seconds(1)) });
    }

    #[test]
    fn a_newcomer_that_leaves_ends_it() {
        let mut contests = begun(Instant::now());
        assert!(contests.gone(DEVICE, IkeSaId(9), &Why::Peer).is_none());
        assert_eq!(contests.gone(DEVICE, IkeSaId(2), &Why::Peer).unwrap().1, Outcome::NewcomerLeft);
    }

    #[test]
    fn a_newcomer_that_leaves_once_the_holder_has_answered_was_a_second_holder_all_the_same() {
        let mut contests = begun(Instant::now());
        contests.answered(DEVICE, IkeSaId(1), Some(seconds(1)));
        let (_, outcome) = contests.gone(DEVICE, IkeSaId(2), &Why::Peer).unwrap();
        assert_eq!(outcome, Outcome::HolderStays { round_trip: Some(seconds(1)) });
    }

    #[test]
    fn a_short_time_to_make_room_does_not_cut_the_probe_short() {
        let now = Instant::now();
        let mut contests = Contests::new(seconds(1));
        assert!(contests.begin(DEVICE, party(2), party(1), now));
        assert_eq!((contests.next_due(), contests.due(now + seconds(60))), (None, vec![]));
        contests.answered(DEVICE, IkeSaId(1), None);
        assert_eq!(contests.due(now + seconds(5))[0].1, Outcome::HolderStays { round_trip: None });
    }
}
