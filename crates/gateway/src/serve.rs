use crate::{
    CaCheck, Check, Core, GatewayConfig, Issuers, Origins, SessionBrief, SessionView, Stats, WallClock,
    backlog::Backlog,
    cause::Cause,
    clock::ClockGuard,
    command_link::CommandLink,
    contest::Contests,
    data::{DataThread, FromData, ToShard},
    hand_off::{Answer, Order},
    health::{Alarm, Health, HealthView},
    holds::Holds,
    ike_thread::{IkeThread, Links},
    index,
    ports::{Listening, Ports},
    refusals::Refusals,
    registrar::{Outside, Registrar, Shared},
    sessions::Sessions,
    shard::{Shard, ShardCounters},
    shards::{Place, ShardCount},
    stats::{Control, Tallies},
    udp::Socket,
    waker::Waker,
    witness::{Delivery, Witness},
    work_queue::work_queue,
};
use crossbeam_channel::{Sender, bounded, unbounded};
use events::{Durability, Journal, gateway::NodeStarted};
use ids::{DeviceId, SessionId, UnixTime};
use ike::{Responder, crypto::CryptoProvider};
use ledger::{Ledger, LedgerError};
use std::{
    collections::HashSet,
    io,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{Builder, JoinHandle},
    time::{Duration, Instant},
};
use x509::Anchors;

/// What the gateway works with.
pub struct Deps {
    /// Devices, credentials, lines, leases, incidents, and the journal behind them; opened.
    pub ledger: Ledger,
    /// Who may vouch for the devices of which realm.
    pub anchors: Anchors,
    /// What foreign CAs say about the certificates that they issued.
    pub issuers: Arc<dyn Issuers>,
    /// What feeds and databases say about where a claim comes from.
    pub origins: Arc<dyn Origins>,
    /// Whether the embedded CA can issue to units.
    pub ca_check: CaCheck,
    /// What stands behind the tunnels: a side of it for each shard.
    pub cores: Vec<Box<dyn Core>>,
    /// Whether that can be reached: packets get there, and from there to the units.
    pub core_check: Check,
    /// Whether the embedded CA can sign, for units, gateways or revocation lists.
    pub ca_key_check: Check,
    /// Wall time.
    pub clock: Arc<dyn WallClock>,
    /// Randomness and public-key work of IKE.
    pub crypto: Arc<dyn CryptoProvider>,
}

/// Why the gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A port is taken, or needs CAP_NET_BIND_SERVICE.
    #[error("{address} cannot be bound")]
    Bind {
        /// Which.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The core has another number of sides than the configuration has shards.
    #[error("{cores} sides of the core for {shards} shards")]
    Cores {
        /// How many there are.
        cores: usize,
        /// How many there must be.
        shards: usize,
    },
    /// A thread or an eventfd could not be made.
    #[error(transparent)]
    System(#[from] io::Error),
    /// Ledger or journal could not be written.
    #[error("the start cannot be written down")]
    Ledger(#[from] LedgerError),
}

/// The security gateway, running. Dropped, it stops as [`Self::shutdown`] does.
pub struct Gateway {
    listening: Vec<Listening>,
    common: Common,
    /// By shard.
    counters: Vec<Arc<ShardCounters>>,
    orders: Sender<Order>,
    shards: Vec<ToShard>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    witness: Mutex<Option<Witness>>,
}

/// What several threads read and write.
struct Common {
    sessions: Arc<Sessions>,
    clock: Arc<ClockGuard>,
    control: Arc<Control>,
    health: Arc<Health>,
    delivery: Arc<Delivery>,
    tallies: Arc<Tallies>,
    ike_waker: Waker,
    stop_data: Arc<AtomicBool>,
    stop_check: Arc<AtomicBool>,
    started: Instant,
}

/// From the data threads to the IKE thread: batches of IKE messages, and notices. Full, the data thread
/// drops and counts. 1,024 batches of up to 32 messages are what a burst of attaches of a small city
/// makes in the 5 s that the slowest cryptography takes for it.
const TO_IKE: usize = 1024;
/// To each data thread: nothing may be lost, so the IKE thread keeps what finds it full. That grows with
/// the tunnels that there are, and with nothing else: while a shard is stuck nobody new is admitted.
const TO_DATA: usize = 4096;
/// IKE messages that wait for the IKE thread: 32,000 attaches' worth of IKE_SA_INIT, octets.
const BACKLOG: usize = 16 << 20;
/// To the registrar: claims find it full and are answered with silence; what must not be lost is kept
/// by the IKE thread until there is room.
const TO_REGISTRAR: usize = 1024;

impl Gateway {
    /// Starts the threads.
    ///
    /// # Errors
    /// [`StartError`]; whatever ran by then has ended.
    pub fn start(mut config: GatewayConfig, ports: Ports, deps: Deps) -> Result<Self, StartError> {
        config.responder.authorities = authorities(&deps.anchors);
        let common = Common::new(&deps)?;
        let (to_ike, from_data) = bounded(TO_IKE);
        let (to_registrar, work) = work_queue(TO_REGISTRAR);
        // Without a bound, as nothing may be lost: at most one answer for each piece of work, and one for each session
        // that is ended.
        let (to_control, answers) = unbounded();
        // The same: what operators order.
        let (orders, from_api) = unbounded();
        let (ways, data) = common.data(to_ike).threads(&config, &ports, deps.cores)?;
        let Ports { ike, natt, listening } = ports;
        let sockets = ike.into_iter().chain(natt.into_iter().next().into_iter().flatten()).collect();
        let links = Links {
            waker: common.ike_waker.clone(),
            from_data,
            answers,
            orders: from_api,
            to_shards: ways.commands,
            to_registrar,
        };
        let outside = Outside {
            core_check: deps.core_check,
            ca_key_check: deps.ca_key_check,
            ca_check: deps.ca_check,
            issuers: deps.issuers,
            origins: deps.origins,
        };
        let shared = common.shared(ways.counters.clone(), outside, to_control);
        let journal = deps.ledger.journal().clone();
        let registrar = Registrar::new(&config, deps.ledger.clone(), shared);
        let shards = ways.counters.clone();
        let ike = common.ike_thread(&config, sockets, deps.anchors, deps.crypto, links, shards);
        let (counters, shards) = (ways.counters, ways.packets);
        let gateway = Self {
            listening,
            common,
            counters,
            orders,
            shards,
            threads: Mutex::default(),
            witness: Mutex::default(),
        };
        for (index, data) in data.into_iter().enumerate() {
            gateway.spawn(&format!("data-{index}"), move || data.run())?;
        }
        gateway.spawn("registrar", move || registrar.run(&work))?;
        gateway.spawn("ike", move || ike.run())?;
        gateway.send_to_witness(config.witness.as_deref(), journal)?;
        gateway.check_index(deps.ledger)?;
        Ok(gateway)
    }

    fn spawn(&self, name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let thread = thread(name, &self.common.health, run)?;
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        Ok(())
    }

    fn send_to_witness(&self, folder: Option<&Path>, journal: Journal) -> io::Result<()> {
        let Some(folder) = folder else { return Ok(()) };
        let (clock, delivery) = (self.common.clock.clone(), self.common.delivery.clone());
        let witness = Witness::start(folder, journal, clock, delivery)?;
        *self.witness.lock().unwrap_or_else(PoisonError::into_inner) = Some(witness);
        Ok(())
    }

    fn check_index(&self, ledger: Ledger) -> io::Result<()> {
        let (stop, orders) = (self.common.stop_check.clone(), self.orders.clone());
        let waker = self.common.ike_waker.clone();
        // Fails only once the IKE thread has ended.
        let mended = move || {
            let ordered = orders.send(Order::PairsChanged).and_then(|()| orders.send(Order::PolicyChanged));
            ordered.into_iter().for_each(|()| waker.wake());
        };
        self.spawn("index", move || index::check(&ledger, &stop, mended))
    }

    /// Where it receives, in the order of the configuration; the ports that were chosen.
    pub fn addresses(&self) -> &[Listening] {
        &self.listening
    }

    /// Up to `limit` sessions, oldest first, those behind `after`.
    pub fn sessions(&self, after: Option<SessionId>, limit: usize) -> Vec<SessionView> {
        self.common.sessions.views(after, limit)
    }

    /// The same in brief.
    pub fn sessions_in_brief(&self, after: Option<SessionId>, limit: usize) -> Vec<SessionBrief> {
        self.common.sessions.briefs(after, limit)
    }

    /// One session; `None` when it is over.
    pub fn session(&self, id: SessionId) -> Option<SessionView> {
        self.common.sessions.get(id).map(|session| session.view())
    }

    /// The sessions of a device: none, one, or two while a second claim is being settled; and one in quarantine.
    pub fn sessions_of(&self, device: DeviceId) -> Vec<SessionView> {
        self.common.sessions.of_device(device).iter().map(|session| session.view()).collect()
    }

    /// Whether a unit has a session that is not in quarantine.
    pub fn is_attached(&self, device: DeviceId) -> bool {
        self.common.sessions.is_attached(device)
    }

    /// Whether a unit has a session of any kind.
    pub fn has_session(&self, device: DeviceId) -> bool {
        self.common.sessions.has(device)
    }

    /// Units that have a session with their lease now, or had one since this was last asked: for who keeps track of who is
    /// there, and asks every minute.
    pub fn take_seen(&self) -> HashSet<DeviceId> {
        self.common.sessions.take_seen()
    }

    /// Ends a session: its packets stop and the unit is told, within milliseconds. `false` when there
    /// is none of that name.
    pub fn cut(&self, id: SessionId, by: &str, why: &str) -> bool {
        let exists = self.common.sessions.get(id).is_some();
        if exists {
            self.order(Order::Cut { session: id, by: by.to_owned(), why: why.to_owned() });
        }
        exists
    }

    /// Ends what a unit has in quarantine, as [`Self::cut`] does: it may attach anew, and is judged by what is known then.
    pub fn end_quarantine(&self, device: DeviceId, by: &str, why: &str) {
        self.order(Order::EndQuarantine { device, by: by.to_owned(), why: why.to_owned() });
    }

    /// To be called after a device's record, its line or a credential of it has changed in the ledger: a
    /// device that may not be attached any more is cut within 5 s; one that is now outside the network of
    /// its line, or inside again, is treated as one that has moved.
    pub fn device_changed(&self, device: DeviceId) {
        self.order(Order::DeviceChanged(device));
    }

    /// To be called after the list of pairs has changed in the ledger: it holds within milliseconds.
    pub fn pairs_changed(&self) {
        self.order(Order::PairsChanged);
    }

    /// To be called after a policy rule or a breaker has changed in the ledger: the next claim is judged by it, and
    /// tunnels that it concerns are judged anew.
    pub fn policy_changed(&self) {
        self.order(Order::PolicyChanged);
    }

    /// To be called after an extension was made or ended in the ledger: it holds within milliseconds, and who is attached by
    /// one that was ended is cut.
    pub fn extension_changed(&self) {
        self.order(Order::ExtensionChanged);
    }

    /// Takes another configuration without a stop: what begins from now on is by this, and a tunnel ends whose
    /// unit may reach something else by it. Pools and the witness's folder stay as they were at the start.
    pub fn reconfigure(&self, mut config: GatewayConfig, anchors: Anchors) {
        config.responder.authorities = authorities(&anchors);
        self.order(Order::Configure(Box::new((config, anchors))));
    }

    /// Since it started.
    pub fn uptime(&self) -> Duration {
        self.common.started.elapsed()
    }

    /// The wall clock's time, for judging certificates; `None` while it cannot be right, and then nobody is judged.
    pub fn trusted_time(&self) -> Option<UnixTime> {
        self.common.clock.trusted()
    }

    /// Counters.
    pub fn stats(&self) -> Stats {
        let mut stats = Stats {
            sessions: self.common.sessions.len(),
            uplink: self.counters.iter().map(|shard| shard.uplink.view()).sum(),
            downlink: self.counters.iter().map(|shard| shard.downlink.view()).sum(),
            keepalives: self.counters.iter().map(|shard| shard.keepalives.view().packets).sum(),
            drops: Cause::all().map(|cause| (cause.labels(), self.drops(cause))).collect(),
            ..Stats::default()
        };
        self.common.control.fill(&mut stats);
        self.common.tallies.fill(&mut stats);
        stats
    }

    fn drops(&self, cause: Cause) -> u64 {
        self.counters.iter().map(|shard| shard.drops.of(cause)).sum()
    }

    /// Whether it can admit, and if not, why.
    pub fn health(&self) -> HealthView {
        self.common.health.view()
    }

    /// Tells every unit that its tunnel ends, releases the leases, waits for the threads, and has the end
    /// witnessed.
    pub fn shutdown(&self) {
        self.order(Order::Shutdown);
        self.common.stop_check.store(true, Relaxed);
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        // The IKE thread ends first; without it the registrar's channel ends, then the registrar, and
        // the data threads last.
        for thread in threads.into_iter().rev() {
            thread.thread().unpark();
            if thread.thread().name().is_some_and(|name| name.starts_with("data")) {
                self.common.stop_data.store(true, Relaxed);
                self.shards.iter().for_each(|shard| shard.waker.wake());
            }
            if thread.join().is_err() {
                tracing::error!("a gateway thread panicked");
            }
        }
        let witness = self.witness.lock().unwrap_or_else(PoisonError::into_inner).take();
        witness.into_iter().for_each(Witness::stop);
    }

    fn order(&self, order: Order) {
        // Fails only once the thread has ended.
        if self.orders.send(order).is_ok() {
            self.common.ike_waker.wake();
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.shutdown();
    }
}

impl Common {
    fn new(deps: &Deps) -> Result<Self, StartError> {
        Ok(Self {
            sessions: Arc::default(),
            clock: started(deps)?,
            control: Arc::default(),
            health: Arc::default(),
            delivery: Arc::default(),
            tallies: Arc::default(),
            ike_waker: Waker::new()?,
            stop_data: Arc::default(),
            stop_check: Arc::default(),
            started: Instant::now(),
        })
    }

    fn data(&self, to_ike: Sender<FromData>) -> Data {
        Data {
            to_ike,
            backlog: Arc::new(Backlog::new(BACKLOG)),
            ike_waker: self.ike_waker.clone(),
            stop: self.stop_data.clone(),
        }
    }

    fn shared(&self, shards: Vec<Arc<ShardCounters>>, outside: Outside, answers: Sender<Answer>) -> Shared {
        Shared {
            sessions: self.sessions.clone(),
            clock: self.clock.clone(),
            health: self.health.clone(),
            delivery: self.delivery.clone(),
            tallies: self.tallies.clone(),
            shards,
            outside,
            answers,
            ike_waker: self.ike_waker.clone(),
        }
    }

    fn ike_thread(
        &self,
        config: &GatewayConfig,
        sockets: Vec<Arc<Socket>>,
        anchors: Anchors,
        crypto: Arc<dyn CryptoProvider>,
        links: Links,
        shards: Vec<Arc<ShardCounters>>,
    ) -> IkeThread {
        IkeThread {
            responder: Responder::new(config.responder.clone(), crypto, Instant::now()),
            sockets,
            sessions: self.sessions.clone(),
            contests: Contests::new(config.policy.make_room()),
            holds: Holds::new(config.off_line, config.off_line_hold),
            anchors: Arc::new(anchors),
            peers: config.peers.clone(),
            clock: self.clock.clone(),
            control: self.control.clone(),
            shards,
            links,
            state: Default::default(),
        }
    }
}

/// The clock's guard, once this start has an epoch and is in the journal.
fn started(deps: &Deps) -> Result<Arc<ClockGuard>, StartError> {
    let last_seen = deps.ledger.journal().seen_until();
    let clock = Arc::new(ClockGuard::new(deps.clock.clone(), last_seen, Instant::now()));
    deps.ledger.begin_epoch(clock.now())?;
    let started = NodeStarted { epoch: deps.ledger.epoch().0, version: env!("CARGO_PKG_VERSION").to_owned() };
    deps.ledger.journal().append(&started, clock.now(), Durability::Durable).map_err(LedgerError::from)?;
    Ok(clock)
}

/// What all data threads share.
struct Data {
    to_ike: Sender<FromData>,
    backlog: Arc<Backlog>,
    ike_waker: Waker,
    stop: Arc<AtomicBool>,
}

/// The ways to the data threads, by shard.
struct Ways {
    commands: Vec<CommandLink>,
    packets: Vec<ToShard>,
    counters: Vec<Arc<ShardCounters>>,
}

impl Data {
    /// The data threads, not yet running.
    fn threads(
        self,
        config: &GatewayConfig,
        ports: &Ports,
        cores: Vec<Box<dyn Core>>,
    ) -> Result<(Ways, Vec<DataThread>), StartError> {
        let shards = ShardCount::new(ports.natt.len());
        if cores.len() != shards.get() {
            return Err(StartError::Cores { cores: cores.len(), shards: shards.get() });
        }
        let mut ways = Ways { commands: Vec::new(), packets: Vec::new(), counters: Vec::new() };
        let mut ends = Vec::new();
        for _ in 0..shards.get() {
            let (waker, (commands, taken)) = (Waker::new()?, bounded(TO_DATA));
            ways.commands.push(CommandLink::new(commands, waker.clone()));
            let (packets, handed) = ToShard::new(waker);
            ways.packets.push(packets);
            ways.counters.push(Arc::new(ShardCounters::default()));
            ends.push((taken, handed));
        }
        let mut threads = Vec::new();
        for (own, ((core, (commands, handed)), sockets)) in
            cores.into_iter().zip(ends).zip(&ports.natt).enumerate()
        {
            let place = Place { own, shards };
            threads.push(DataThread {
                shard: Shard::new(place, config.limits(), config.all_pools(), ways.counters[own].clone()),
                core,
                sockets: sockets.clone(),
                commands,
                waker: ways.packets[own].waker.clone(),
                shards: ways.packets.clone(),
                handed,
                to_ike: self.to_ike.clone(),
                backlog: self.backlog.clone(),
                ike_waker: self.ike_waker.clone(),
                stop: self.stop.clone(),
                warnings: Refusals::default(),
            });
        }
        Ok((ways, threads))
    }
}

/// SHA-1 of each anchor's key, as CERTREQ names them (RFC 7296 §3.7).
fn authorities(anchors: &Anchors) -> Vec<[u8; 20]> {
    anchors.certreq().as_chunks().0.to_vec()
}

/// A thread whose panic is an alarm.
fn thread(
    name: &str,
    health: &Arc<Health>,
    run: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let watch = Watch { name: name.to_owned(), health: health.clone() };
    let run = move || {
        let _watch = watch;
        run();
    };
    Builder::new().name(name.to_owned()).spawn(run)
}

struct Watch {
    name: String,
    health: Arc<Health>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.health.raise(Alarm::ThreadEnded, &format!("the thread {} has panicked", self.name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_panics_is_an_alarm_and_one_that_ends_is_none() {
        let health = Arc::new(Health::default());
        thread("registrar", &health, || ()).unwrap().join().unwrap();
        assert!(health.view().can_admit());
        assert!(thread("data-0", &health, || panic!("on purpose")).unwrap().join().is_err());
        assert_eq!(health.view().alarms[&Alarm::ThreadEnded], "the thread data-0 has panicked");
    }
}
