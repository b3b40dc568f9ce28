use crate::{
    Core, GatewayConfig, SessionView, Stats, WallClock,
    cause::Cause,
    clock::ClockGuard,
    contest::Contests,
    data::DataThread,
    hand_off::{Answer, Order, Work},
    health::{Health, HealthView},
    ike_thread::{IkeThread, Links},
    registrar::{Registrar, Shared, last_seen},
    sessions::Sessions,
    shard::{Shard, ShardCounters},
    stats::{Control, Tallies},
    udp::Socket,
    waker::Waker,
};
use crossbeam_channel::{Sender, bounded, unbounded};
use events::{Durability, gateway::NodeStarted};
use ids::{DeviceId, SessionId};
use ike::{Responder, crypto::CryptoProvider};
use ledger::Ledger;
use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{Builder, JoinHandle},
    time::Instant,
};
use x509::Anchors;

/// What the gateway works with.
pub struct Deps {
    /// Devices, credentials, lines, leases, incidents, and the journal behind them; opened.
    pub ledger: Ledger,
    /// Who may vouch for the devices of which realm.
    pub anchors: Anchors,
    /// What stands behind the tunnels.
    pub core: Box<dyn Core>,
    /// Wall time.
    pub clock: Arc<dyn WallClock>,
    /// Randomness and public-key work of IKE.
    pub crypto: Arc<dyn CryptoProvider>,
}

/// Why the gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A port is taken, or needs CAP_NET_BIND_SERVICE.
    #[error("{address} cannot be bound: {source}")]
    Bind {
        /// Which.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A thread or an eventfd could not be made.
    #[error("{0}")]
    System(#[from] io::Error),
    /// The journal could not be read to its end, or not be written.
    #[error("the journal cannot be used: {0}")]
    Journal(String),
}

/// Where the gateway receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listening {
    /// IKE without NAT.
    pub ike: SocketAddr,
    /// IKE and ESP in UDP.
    pub natt: SocketAddr,
}

/// The security gateway, running. Dropped, it stops as [`Self::shutdown`] does.
pub struct Gateway {
    listening: Vec<Listening>,
    sessions: Arc<Sessions>,
    counters: Arc<ShardCounters>,
    control: Arc<Control>,
    health: Arc<Health>,
    tallies: Arc<Tallies>,
    orders: Sender<Order>,
    ike_waker: Waker,
    data_waker: Waker,
    stop_data: Arc<AtomicBool>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// From the data thread to the IKE thread: batches of IKE messages, and notices. Full, the data thread
/// drops and counts. 1,024 batches of up to 32 messages are what a burst of attaches of a small city
/// makes in the 5 s that the slowest cryptography takes for it.
const TO_IKE: usize = 1024;
/// To the data thread: nothing may be lost, so the IKE thread waits when it is full.
const TO_DATA: usize = 4096;
/// To the registrar: claims find it full and are answered with silence; what must not be lost is kept
/// by the IKE thread until there is room.
const TO_REGISTRAR: usize = 1024;

impl Gateway {
    /// Binds the sockets and starts the threads.
    ///
    /// # Errors
    /// [`StartError`]; nothing runs then.
    pub fn start(mut config: GatewayConfig, deps: Deps) -> Result<Self, StartError> {
        let (sockets, listening) = bind(&config)?;
        config.responder.authorities = authorities(&deps.anchors);
        let (to_ike, from_data) = bounded(TO_IKE);
        let (to_data, commands) = bounded(TO_DATA);
        let (to_registrar, work) = bounded::<Work>(TO_REGISTRAR);
        // At most one answer for each piece of work, and one for each session that is ended.
        let (to_control, answers) = unbounded::<Answer>();
        // Filled by people.
        let (orders, from_api) = unbounded();
        let (ike_waker, data_waker) = (Waker::new()?, Waker::new()?);
        let last_seen = last_seen(deps.ledger.journal()).map_err(StartError::Journal)?;
        let clock = Arc::new(ClockGuard::new(deps.clock, last_seen));
        let started =
            NodeStarted { epoch: deps.ledger.epoch().0, version: env!("CARGO_PKG_VERSION").to_owned() };
        let written = deps.ledger.journal().append(&started, clock.now(), Durability::Durable);
        written.map_err(|error| StartError::Journal(error.to_string()))?;
        let sessions = Arc::new(Sessions::default());
        let (counters, control) = (Arc::new(ShardCounters::default()), Arc::new(Control::default()));
        let health = Arc::new(Health::default());
        let stop_data = Arc::new(AtomicBool::new(false));
        let now = Instant::now();

        let data = DataThread {
            shard: Shard::new(config.limits(), config.pools(), counters.clone()),
            core: deps.core,
            sockets: sockets.clone(),
            commands,
            waker: data_waker.clone(),
            to_ike,
            ike_waker: ike_waker.clone(),
            stop: stop_data.clone(),
        };
        let tallies = Arc::new(Tallies::default());
        let shared = Shared {
            sessions: sessions.clone(),
            clock: clock.clone(),
            health: health.clone(),
            tallies: tallies.clone(),
            answers: to_control,
            ike_waker: ike_waker.clone(),
        };
        let registrar = Registrar::new(&config, deps.ledger, shared);
        let ike = IkeThread {
            responder: Responder::new(config.responder.clone(), deps.crypto, now),
            sockets,
            sessions: sessions.clone(),
            contests: Contests::new(config.policy.make_room()),
            anchors: Arc::new(deps.anchors),
            peers: config.peers.clone(),
            clock,
            control: control.clone(),
            links: Links {
                waker: ike_waker.clone(),
                from_data,
                answers,
                orders: from_api,
                to_data,
                data_waker: data_waker.clone(),
                to_registrar,
            },
            state: Default::default(),
        };
        let threads = vec![
            thread("data", move || data.run())?,
            thread("registrar", move || registrar.run(&work))?,
            thread("ike", move || ike.run())?,
        ];
        Ok(Self {
            listening,
            sessions,
            counters,
            control,
            health,
            tallies,
            orders,
            ike_waker,
            data_waker,
            stop_data,
            threads: Mutex::new(threads),
        })
    }

    /// Where it receives, in the order of the configuration; the ports that were chosen.
    pub fn addresses(&self) -> &[Listening] {
        &self.listening
    }

    /// Up to `limit` sessions, oldest first, those behind `after`.
    pub fn sessions(&self, after: Option<SessionId>, limit: usize) -> Vec<SessionView> {
        self.sessions.views(after, limit)
    }

    /// One session; `None` when it is over.
    pub fn session(&self, id: SessionId) -> Option<SessionView> {
        self.sessions.get(id).map(|session| session.view())
    }

    /// The sessions of a device: none, one, or two while a second claim is being settled.
    pub fn sessions_of(&self, device: DeviceId) -> Vec<SessionView> {
        self.sessions.of_device(device).iter().map(|session| session.view()).collect()
    }

    /// Ends a session: its packets stop and the unit is told, within milliseconds. `false` when there
    /// is none of that name.
    pub fn cut(&self, id: SessionId, by: &str, why: &str) -> bool {
        let exists = self.sessions.get(id).is_some();
        if exists {
            self.order(Order::Cut { session: id, by: by.to_owned(), why: why.to_owned() });
        }
        exists
    }

    /// To be called after a device's record, its line or a credential of it has changed in the ledger: a
    /// device that may not be attached any more is cut within 5 s; one that is now outside the network of
    /// its line, or inside again, is treated as one that has moved.
    pub fn device_changed(&self, device: DeviceId) {
        self.order(Order::DeviceChanged(device));
    }

    /// Counters.
    pub fn stats(&self) -> Stats {
        let mut stats = Stats {
            sessions: self.sessions.len(),
            uplink: self.counters.uplink.view(),
            downlink: self.counters.downlink.view(),
            keepalives: self.counters.keepalives.view().packets,
            drops: Cause::all().map(|cause| (cause.labels(), self.counters.drops.of(cause))).collect(),
            ..Stats::default()
        };
        self.control.fill(&mut stats);
        self.tallies.fill(&mut stats);
        stats
    }

    /// Whether it can admit, and if not, why.
    pub fn health(&self) -> HealthView {
        self.health.view()
    }

    /// Tells every unit that its tunnel ends, releases the leases, and waits for the threads.
    pub fn shutdown(&self) {
        self.order(Order::Shutdown);
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        // The IKE thread ends first; without it the registrar's channel ends, then the registrar.
        for thread in threads.into_iter().rev() {
            if thread.thread().name() == Some("data") {
                self.stop_data.store(true, Relaxed);
                self.data_waker.wake();
            }
            if thread.join().is_err() {
                tracing::error!("a gateway thread panicked");
            }
        }
    }

    fn order(&self, order: Order) {
        // Fails only once the thread has ended.
        if self.orders.send(order).is_ok() {
            self.ike_waker.wake();
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.shutdown();
    }
}

fn bind(config: &GatewayConfig) -> Result<(Arc<[Socket]>, Vec<Listening>), StartError> {
    let (mut sockets, mut listening) = (Vec::new(), Vec::new());
    for ip in &config.listen {
        let bind = |port, encapsulated| {
            let address = SocketAddr::new(*ip, port);
            Socket::bind(address, encapsulated).map_err(|source| StartError::Bind { address, source })
        };
        let (ike, natt) = (bind(config.ike_port, false)?, bind(config.natt_port, true)?);
        listening.push(Listening { ike: ike.local(), natt: natt.local() });
        sockets.extend([ike, natt]);
    }
    Ok((sockets.into(), listening))
}

/// SHA-1 of each anchor's key, as CERTREQ names them (RFC 7296 §3.7).
fn authorities(anchors: &Anchors) -> Vec<[u8; 20]> {
    anchors.certreq().as_chunks().0.to_vec()
}

fn thread(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    Builder::new().name(name.to_owned()).spawn(run)
}
