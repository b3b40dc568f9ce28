use crate::{
    SessionBrief,
    cause::{Cause, SessionDrops},
    classes::Class,
    holds::Held,
    quarantine::{Addresses, Confined, Confinement},
};
use ids::{CertSha256, DeviceId, IkeSpi, SessionId, Spi, UnixTime};
use ike::{CipherSuite, IkeSaId};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    ops::Bound,
    sync::{
        Arc, Mutex, OnceLock, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// How far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Another session of the device is alive: no packet passes until that is settled.
    Contesting,
    /// It has the lease; packets pass.
    Open,
    /// It has the lease, but left the network of its access line: no packet passes.
    Held,
    /// It has no lease: under another address it reaches what quarantine leaves it, and nothing else.
    Quarantined,
    /// Over; about to leave the table.
    Closed,
}

impl State {
    const ALL: [Self; 5] = [Self::Contesting, Self::Open, Self::Held, Self::Quarantined, Self::Closed];

    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::Contesting => "contesting",
            Self::Open => "open",
            Self::Held => "held",
            Self::Quarantined => "quarantined",
            Self::Closed => "closed",
        }
    }
}

/// One attached unit: what the threads share of it.
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) sa: IkeSaId,
    pub(crate) device: DeviceId,
    pub(crate) cert_sha256: CertSha256,
    pub(crate) inner_v4: Option<Ipv4Addr>,
    pub(crate) inner_v6: Option<Ipv6Addr>,
    pub(crate) since: UnixTime,
    /// The certificate's end or the attach's, whichever comes first.
    until: UnixTime,
    /// Its unit's, when it began.
    pub(crate) class: Arc<Class>,
    /// As the ledger named it then; `class` may be what all others have.
    class_name: Box<str>,
    confinement: OnceLock<Arc<Confinement>>,
    state: AtomicU8,
    stood: AtomicBool,
    changing: Mutex<Changing>,
    pub(crate) traffic: Traffic,
}

/// What changes now and then, under a lock that the packet path takes only when the path changes.
struct Changing {
    outer: SocketAddr,
    children: Vec<Child>,
    held: Option<Held>,
    /// Initiator's SPIs of its IKE SA, of before it was rekeyed too, the newest last: [`IKE_SPIS`] at most.
    ike_spis: Vec<IkeSpi>,
}

/// What a unit that is asked now and then says of its tunnel may be some rekeyings behind.
const IKE_SPIS: usize = 8;

/// A CHILD SA of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Child {
    pub(crate) spi_in: Spi,
    pub(crate) spi_out: Spi,
    pub(crate) cipher: CipherSuite,
    /// Sequence numbers have 64 bits.
    pub(crate) esn: bool,
}

/// A CHILD SA as people and programs see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildView {
    /// The SPI that the gateway receives on.
    pub spi_in: Spi,
    /// The SPI that it sends with.
    pub spi_out: Spi,
    /// Its cipher and integrity.
    pub cipher: String,
    /// Sequence numbers have 64 bits.
    pub esn: bool,
}

impl From<Child> for ChildView {
    fn from(child: Child) -> Self {
        let Child { spi_in, spi_out, cipher, esn } = child;
        Self { spi_in, spi_out, cipher: cipher.name().to_owned(), esn }
    }
}

/// Counters that the data thread writes and anyone reads.
#[derive(Default)]
pub(crate) struct Traffic {
    pub(crate) uplink: Counted,
    pub(crate) downlink: Counted,
    pub(crate) drops: SessionDrops,
    /// ESP in UDP has come in at least once.
    pub(crate) esp_seen: AtomicBool,
    pub(crate) heard: Heard,
}

/// When fresh ESP came in last.
pub(crate) struct Heard {
    /// When that could be for the first time.
    since: Instant,
    /// Milliseconds from then on, and one more; 0 before the first.
    last: AtomicU64,
}

impl Default for Heard {
    fn default() -> Self {
        Self { since: Instant::now(), last: AtomicU64::new(0) }
    }
}

impl Heard {
    /// For the data thread, the only writer.
    pub(crate) fn note(&self, now: Instant) {
        let since = u64::try_from(now.saturating_duration_since(self.since).as_millis()).unwrap_or(u64::MAX);
        self.last.store(since.saturating_add(1), Relaxed);
    }

    /// How long ago; `None` where there was none.
    pub(crate) fn ago(&self, now: Instant) -> Option<Duration> {
        let last = Duration::from_millis(self.last.load(Relaxed).checked_sub(1)?);
        Some(now.saturating_duration_since(self.since).saturating_sub(last))
    }
}

#[derive(Default)]
pub(crate) struct Counted {
    packets: AtomicU64,
    octets: AtomicU64,
}

impl Counted {
    /// For the data thread, the only writer.
    pub(crate) fn add(&self, octets: usize) {
        self.packets.store(self.packets.load(Relaxed) + 1, Relaxed);
        self.octets.store(self.octets.load(Relaxed).saturating_add(octets as u64), Relaxed);
    }

    pub(crate) fn view(&self) -> Amount {
        Amount { packets: self.packets.load(Relaxed), octets: self.octets.load(Relaxed) }
    }
}

/// Packets and octets of inner traffic in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    /// Packets.
    pub packets: u64,
    /// Octets, inner headers included.
    pub octets: u64,
}

impl std::iter::Sum for Amount {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            packets: sum.packets + one.packets,
            octets: sum.octets.saturating_add(one.octets),
        })
    }
}

/// What is fixed when a session begins.
pub(crate) struct Beginning {
    pub(crate) id: SessionId,
    pub(crate) sa: IkeSaId,
    /// The initiator's.
    pub(crate) ike_spi: IkeSpi,
    pub(crate) device: DeviceId,
    pub(crate) cert_sha256: CertSha256,
    pub(crate) inner_v4: Option<Ipv4Addr>,
    pub(crate) inner_v6: Option<Ipv6Addr>,
    pub(crate) outer: SocketAddr,
    pub(crate) since: UnixTime,
    pub(crate) until: UnixTime,
    pub(crate) class: Arc<Class>,
    pub(crate) class_name: Box<str>,
}

impl Session {
    /// Begins blocked; [`Self::set_state`] opens it.
    pub(crate) fn begin(beginning: Beginning) -> Self {
        let Beginning {
            id,
            sa,
            ike_spi,
            device,
            cert_sha256,
            inner_v4,
            inner_v6,
            outer,
            since,
            until,
            class,
            class_name,
        } = beginning;
        Self {
            id,
            sa,
            device,
            cert_sha256,
            inner_v4,
            inner_v6,
            since,
            until,
            class,
            class_name,
            confinement: OnceLock::new(),
            state: AtomicU8::new(State::Contesting as u8),
            stood: AtomicBool::new(false),
            changing: Mutex::new(Changing {
                outer,
                children: Vec::new(),
                held: None,
                ike_spis: vec![ike_spi],
            }),
            traffic: Traffic::default(),
        }
    }

    pub(crate) fn state(&self) -> State {
        State::ALL.get(usize::from(self.state.load(Relaxed))).copied().unwrap_or(State::Closed)
    }

    /// It stands, and is no newcomer's whose contest is not settled.
    fn has_lease(&self) -> bool {
        self.has_stood() && matches!(self.state(), State::Open | State::Held)
    }

    pub(crate) fn set_state(&self, state: State) {
        self.state.store(state as u8, Relaxed);
    }

    /// Its IKE SA stands.
    pub(crate) fn stands(&self) {
        self.stood.store(true, Relaxed);
    }

    /// Its IKE SA stood, and may stand no longer.
    pub(crate) fn has_stood(&self) -> bool {
        self.stood.load(Relaxed)
    }

    pub(crate) fn outer(&self) -> SocketAddr {
        self.changing().outer
    }

    pub(crate) fn moved_to(&self, outer: SocketAddr) {
        self.changing().outer = outer;
    }

    pub(crate) fn set_held(&self, held: Option<Held>) {
        self.changing().held = held;
    }

    pub(crate) fn child_installed(&self, child: Child) {
        self.changing().children.push(child);
    }

    /// Its IKE SA has other SPIs now.
    pub(crate) fn ike_rekeyed(&self, spi_i: IkeSpi) {
        let spis = &mut self.changing().ike_spis;
        if spis.len() >= IKE_SPIS {
            spis.remove(0);
        }
        spis.push(spi_i);
    }

    /// Initiator's SPIs of its IKE SA, now and before.
    pub(crate) fn ike_spis(&self) -> Vec<IkeSpi> {
        self.changing().ike_spis.clone()
    }

    /// Of its CHILD SAs, both directions.
    pub(crate) fn esp_spis(&self) -> Vec<Spi> {
        self.changing().children.iter().flat_map(|child| [child.spi_in, child.spi_out]).collect()
    }

    pub(crate) fn child_removed(&self, spi_in: Spi) {
        self.changing().children.retain(|child| child.spi_in != spi_in);
    }

    /// The inner addresses, IPv4 first.
    pub(crate) fn inner(&self) -> impl Iterator<Item = IpAddr> {
        self.inner_addresses().iter()
    }

    /// The same, to be had by family.
    pub(crate) fn inner_addresses(&self) -> Addresses {
        Addresses { v4: self.inner_v4, v6: self.inner_v6 }
    }

    /// Puts it into quarantine, for good.
    pub(crate) fn confine(&self, confinement: Arc<Confinement>) {
        // Once only, and never another way.
        if self.confinement.set(confinement).is_ok() {
            self.set_state(State::Quarantined);
        }
    }

    /// When it ends at the latest.
    pub(crate) fn until(&self) -> UnixTime {
        self.confinement().map_or(self.until, |confinement| confinement.until)
    }

    pub(crate) fn confinement(&self) -> Option<&Arc<Confinement>> {
        self.confinement.get()
    }

    /// What leads to it behind the gateway: its inner addresses, or those that stand for them.
    pub(crate) fn known_as(&self) -> impl Iterator<Item = IpAddr> {
        let confined = self.confinement().map(|confinement| confinement.translation.outside());
        confined.unwrap_or_else(|| self.inner_addresses()).iter()
    }

    fn changing(&self) -> std::sync::MutexGuard<'_, Changing> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn view(&self) -> SessionView {
        let (outer, children, held) = {
            let changing = self.changing();
            (changing.outer, changing.children.clone(), changing.held)
        };
        let class = self.confinement().map_or(&self.class, |confinement| &confinement.class);
        let mut drops = BTreeMap::new();
        for (cause, count) in Cause::all().map(|cause| (cause, self.traffic.drops.of(cause))) {
            if count > 0 {
                *drops.entry(cause.labels().1.to_owned()).or_default() += count;
            }
        }
        SessionView {
            id: self.id,
            device: self.device,
            cert_sha256: self.cert_sha256,
            state: self.state(),
            held,
            outer,
            inner: self.inner().collect(),
            since: self.since,
            until: self.until(),
            quarantine: self.confinement().map(|confinement| confinement.view()),
            class: self.class_name.to_string(),
            class_listed: self.class.is_listed,
            reach: class.rules.iter().map(ToString::to_string).collect(),
            uplink: self.traffic.uplink.view(),
            downlink: self.traffic.downlink.view(),
            drops,
            esp_seen: self.traffic.esp_seen.load(Relaxed),
            children: children.into_iter().map(ChildView::from).collect(),
        }
    }
}

/// A session as people and programs see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionView {
    /// Its name.
    pub id: SessionId,
    /// Whose it is.
    pub device: DeviceId,
    /// The certificate that it was authenticated with.
    pub cert_sha256: CertSha256,
    /// How far it is.
    pub state: State,
    /// Why no packet may pass, and until when, where its unit is not known to be on its access line.
    pub held: Option<Held>,
    /// Where the unit is seen: address and port of its datagrams.
    pub outer: SocketAddr,
    /// Its inner addresses.
    pub inner: Vec<IpAddr>,
    /// When it was admitted.
    pub since: UnixTime,
    /// When it ends at the latest.
    pub until: UnixTime,
    /// Of one in quarantine: why, and by which addresses it is known. `reach` is what quarantine leaves it.
    #[serde(default)]
    pub quarantine: Option<Confined>,
    /// The class that the ledger had for its unit when it began; empty without one.
    pub class: String,
    /// A `[[gateway.class]]` has that name, and `reach` is its own; otherwise it is `reachable`, as of all others.
    pub class_listed: bool,
    /// What it may reach, each destination as the configuration writes it.
    pub reach: Vec<String>,
    /// From the unit, passed on.
    pub uplink: Amount,
    /// To the unit.
    pub downlink: Amount,
    /// Dropped, by cause, both directions together; causes without a drop are left out.
    pub drops: BTreeMap<String, u64>,
    /// ESP in UDP has come in at least once.
    pub esp_seen: bool,
    /// Its CHILD SAs.
    pub children: Vec<ChildView>,
}

/// Every session, by name, by device and by IKE SA. Written by the control threads, read by anyone.
#[derive(Default)]
pub(crate) struct Sessions(RwLock<Tables>);

#[derive(Default)]
struct Tables {
    by_id: BTreeMap<SessionId, Arc<Session>>,
    /// One, or two while a second claim is being settled; beside these one in quarantine.
    by_device: HashMap<DeviceId, Vec<Arc<Session>>>,
    by_sa: HashMap<IkeSaId, Arc<Session>>,
    /// Units whose session with their lease has ended, until someone asks: none twice.
    left: HashSet<DeviceId>,
}

impl Sessions {
    pub(crate) fn insert(&self, session: Arc<Session>) {
        let mut tables = self.write();
        tables.by_id.insert(session.id, session.clone());
        tables.by_device.entry(session.device).or_insert_with(|| Vec::with_capacity(1)).push(session.clone());
        tables.by_sa.insert(session.sa, session);
    }

    pub(crate) fn remove(&self, id: SessionId) -> Option<Arc<Session>> {
        let mut tables = self.write();
        let session = tables.by_id.remove(&id)?;
        tables.by_sa.remove(&session.sa);
        let of_device = tables.by_device.get_mut(&session.device);
        if let Some(sessions) = of_device {
            sessions.retain(|other| other.id != id);
            if sessions.is_empty() {
                tables.by_device.remove(&session.device);
            }
        }
        if session.has_lease() {
            tables.left.insert(session.device);
        }
        session.set_state(State::Closed);
        Some(session)
    }

    pub(crate) fn get(&self, id: SessionId) -> Option<Arc<Session>> {
        self.read().by_id.get(&id).cloned()
    }

    pub(crate) fn of_sa(&self, sa: IkeSaId) -> Option<Arc<Session>> {
        self.read().by_sa.get(&sa).cloned()
    }

    pub(crate) fn of_device(&self, device: DeviceId) -> Vec<Arc<Session>> {
        self.read().by_device.get(&device).cloned().unwrap_or_default()
    }

    /// Whether it has one that is not in quarantine.
    pub(crate) fn is_attached(&self, device: DeviceId) -> bool {
        let tables = self.read();
        let sessions = tables.by_device.get(&device);
        sessions.is_some_and(|sessions| sessions.iter().any(|one| one.confinement().is_none()))
    }

    pub(crate) fn has(&self, device: DeviceId) -> bool {
        self.read().by_device.contains_key(&device)
    }

    /// Units that have their lease now, or had it since this was last asked.
    pub(crate) fn take_seen(&self) -> HashSet<DeviceId> {
        let mut tables = self.write();
        let mut seen = std::mem::take(&mut tables.left);
        seen.extend(tables.by_id.values().filter(|one| one.has_lease()).map(|one| one.device));
        seen
    }

    /// Units whose tunnels pass nothing now.
    pub(crate) fn held(&self) -> Vec<DeviceId> {
        let tables = self.read();
        tables.by_id.values().filter(|session| session.state() == State::Held).map(|one| one.device).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.read().by_id.len()
    }

    pub(crate) fn ids(&self) -> Vec<SessionId> {
        self.read().by_id.keys().copied().collect()
    }

    pub(crate) fn views(&self, after: Option<SessionId>, limit: usize) -> Vec<SessionView> {
        self.page(after, limit).iter().map(|session| session.view()).collect()
    }

    pub(crate) fn briefs(&self, after: Option<SessionId>, limit: usize) -> Vec<SessionBrief> {
        self.page(after, limit).iter().map(|session| session.brief()).collect()
    }

    /// Up to `limit`, in the order of their names, those behind `after`.
    fn page(&self, after: Option<SessionId>, limit: usize) -> Vec<Arc<Session>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let tables = self.read();
        tables.by_id.range((from, Bound::Unbounded)).take(limit).map(|(_, one)| one.clone()).collect()
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Tables> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Tables> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
pub(crate) fn session_for_tests(number: u64) -> Arc<Session> {
    let octets = number.to_be_bytes();
    Arc::new(Session::begin(Beginning {
        id: SessionId { epoch: ids::Epoch(1), number },
        sa: IkeSaId(number),
        ike_spi: IkeSpi(number),
        device: DeviceId::eui64(octets),
        cert_sha256: ids::Sha256([number as u8; 32]),
        inner_v4: Some(Ipv4Addr::new(10, 64, octets[6], octets[7])),
        inner_v6: None,
        outer: SocketAddr::from(([127, 0, 0, 9], 4500)),
        since: UnixTime::from_secs(0),
        until: UnixTime::from_secs(60),
        class: Arc::new(Class::new(&["0.0.0.0/0".parse().unwrap()], &[])),
        class_name: "home".into(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_may_have_two_while_a_claim_is_settled() {
        let sessions = Sessions::default();
        let (first, second) = (session_for_tests(1), session_for_tests(2));
        let second = Arc::new(Session::begin(Beginning {
            id: second.id,
            sa: second.sa,
            ike_spi: IkeSpi(2),
            device: first.device,
            cert_sha256: second.cert_sha256,
            inner_v4: first.inner_v4,
            inner_v6: None,
            outer: second.outer(),
            since: second.since,
            until: second.until,
            class: second.class.clone(),
            class_name: "home".into(),
        }));
        sessions.insert(first.clone());
        sessions.insert(second.clone());
        assert_eq!(sessions.of_device(first.device).len(), 2);
        sessions.remove(first.id);
        assert_eq!(first.state(), State::Closed);
        assert!(sessions.of_sa(first.sa).is_none());
        assert_eq!(sessions.of_device(second.device)[0].id, second.id);
        sessions.remove(second.id);
        assert!(sessions.of_device(second.device).is_empty());
        assert_eq!(sessions.len(), 0);
    }

    #[test]
    fn a_view_names_only_the_causes_that_occurred() {
        let session = session_for_tests(7);
        session.traffic.drops.count(Cause::UplinkBlocked);
        session.traffic.drops.count(Cause::Uplink(esp::Barred::Fragment));
        session.traffic.drops.count(Cause::Downlink(esp::Barred::Fragment));
        session.traffic.uplink.add(100);
        let view = session.view();
        assert_eq!(view.drops, BTreeMap::from([("blocked".to_owned(), 1), ("fragment".to_owned(), 2)]));
        assert_eq!(view.uplink, Amount { packets: 1, octets: 100 });
        assert_eq!(view.state, State::Contesting);
    }

    #[test]
    fn a_session_remembers_so_many_spis_of_its_ike_sa() {
        let session = session_for_tests(1);
        for spi in 2..20 {
            session.ike_rekeyed(IkeSpi(spi));
        }
        assert_eq!(session.ike_spis(), (12..20).map(IkeSpi).collect::<Vec<_>>());
    }

    #[test]
    fn a_session_stays_small() {
        assert!(size_of::<Session>() <= 448, "{} octets", size_of::<Session>());
    }
}
