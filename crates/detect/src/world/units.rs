use crate::{
    keyed::{Dense, Key},
    ledger_change::{Session, Unit},
};
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use ids::{DeviceId, LifeCycle, UnixTime};
use records::row::Order;
use serde::{Deserialize, Deserializer, Serialize};
use std::{collections::BTreeMap, net::IpAddr, time::Duration};

/// A unit, by the order in which it was first named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UnitId(pub(crate) u32);

/// What is known of a unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitState {
    /// The ledger's row; the last that there was, where it is gone.
    pub unit: Unit,
    /// Since when it is in its state.
    pub since: UnixTime,
    /// Its tunnel.
    pub session: Option<Session>,
    /// When its tunnel came or went last.
    pub session_at: Option<UnixTime>,
}

/// Units by name and by number: as many as the ledger has.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Units {
    all: Vec<UnitState>,
    /// Times in which a unit may be on its way, the newest last. An order may come before the ledger has its unit.
    bookings: BTreeMap<DeviceId, Vec<(UnixTime, UnixTime)>>,
    pub(crate) knows_sessions: bool,
    /// These two are looked up, never walked.
    #[serde(skip)]
    index: HashMap<DeviceId, u32, RandomState>,
    #[serde(skip)]
    inner: HashMap<IpAddr, UnitId, RandomState>,
}

#[derive(Deserialize)]
struct Written {
    all: Vec<UnitState>,
    bookings: BTreeMap<DeviceId, Vec<(UnixTime, UnixTime)>>,
    knows_sessions: bool,
}

/// Orders of a unit that are kept.
const BOOKINGS: usize = 4;
/// A van is late, and a unit is plugged in before its time, by a working day.
const BOOKED_AROUND: Duration = Duration::from_secs(8 * 3600);

impl UnitId {
    /// As a key of timers.
    pub fn number(self) -> u64 {
        self.0.into()
    }
}

impl Key for UnitId {
    type Index = Dense;

    fn number(self) -> u64 {
        self.0.into()
    }
}

impl Units {
    pub(crate) fn get(&self, UnitId(at): UnitId) -> Option<&UnitState> {
        self.all.get(at as usize)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(crate) fn at_inner(&self, inner: IpAddr) -> Option<UnitId> {
        self.inner.get(&inner).copied()
    }

    pub(crate) fn id(&self, device: DeviceId) -> Option<UnitId> {
        self.index.get(&device).copied().map(UnitId)
    }

    /// The row of a unit, as it is from now on.
    pub(crate) fn put(&mut self, unit: &Unit, now: UnixTime) -> Option<UnitId> {
        if let Some(id) = self.id(unit.device) {
            if let Some(state) = self.get_mut(id) {
                state.since = if state.unit.state == unit.state { state.since } else { now };
                state.unit = unit.clone();
            }
            return Some(id);
        }
        let at = u32::try_from(self.all.len()).ok()?;
        self.all.push(UnitState { unit: unit.clone(), since: now, session: None, session_at: None });
        self.index.insert(unit.device, at);
        Some(UnitId(at))
    }

    /// The ledger has no such unit any more.
    pub(crate) fn take_away(&mut self, id: UnitId, now: UnixTime) {
        if let Some(state) = self.get_mut(id) {
            (state.unit.state, state.since) = (LifeCycle::Retired, now);
        }
    }

    pub(crate) fn set_session(&mut self, id: UnitId, session: Option<Session>, now: UnixTime) {
        self.knows_sessions = true;
        let Some(state) = self.all.get_mut(id.0 as usize) else { return };
        if let Some(before) = state.session.take() {
            // Another session may have the address by now.
            if self.inner.get(&before.inner) == Some(&id) {
                self.inner.remove(&before.inner);
            }
        }
        if let Some(session) = &session {
            self.inner.insert(session.inner, id);
        }
        (state.session, state.session_at) = (session, Some(now));
    }

    pub(crate) fn book(&mut self, order: &Order) {
        let bookings = self.bookings.entry(order.device).or_default();
        bookings.push((order.from, order.to));
        if bookings.len() > BOOKINGS {
            bookings.remove(0);
        }
    }

    /// Whether an order lets it be on its way at about that time.
    pub(crate) fn is_booked(&self, device: DeviceId, at: UnixTime) -> bool {
        let is_within = |(from, to): &(UnixTime, UnixTime)| {
            from.before(BOOKED_AROUND) <= at && at <= to.after(BOOKED_AROUND)
        };
        self.bookings.get(&device).is_some_and(|bookings| bookings.iter().any(is_within))
    }

    fn get_mut(&mut self, UnitId(at): UnitId) -> Option<&mut UnitState> {
        self.all.get_mut(at as usize)
    }
}

impl<'de> Deserialize<'de> for Units {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Written { all, bookings, knows_sessions } = Written::deserialize(deserializer)?;
        let index = (0..).zip(&all).map(|(at, state)| (state.unit.device, at)).collect();
        let sessions = (0..).zip(&all).filter_map(|(at, state)| Some((state, at, state.session.as_ref()?)));
        let mut of_address: Vec<_> =
            sessions.map(|(state, at, session)| (state.session_at, session.inner, UnitId(at))).collect();
        of_address.sort_unstable();
        let inner = of_address.into_iter().map(|(_, inner, unit)| (inner, unit)).collect();
        Ok(Self { all, bookings, knows_sessions, index, inner })
    }
}
