//! Many virtual femtocells on one thread: they attach, and fall silent once their tunnel stands, or keep it for
//! [`traffic`] and a steady [`flow`]. A bounded number at a time ([`Load::attach`]), each at its own time and for as long as it takes
//! ([`arrivals`]), coming and going ([`passing`]), or as an attacker does who has copies of their keys ([`copies`]). The
//! load of a bench; what they cost is nobody's figure.

mod arrivals;
mod copies;
mod flow;
mod passing;
mod place;
mod traffic;

pub use arrivals::{Arrival, Arrivals};
pub use copies::Pressed;
pub use flow::Heard;
pub use passing::Tried;
pub use traffic::Tunnel;

use crate::{KnownGateway, UnitIdentity};
use anyhow::{Context, bail};
use ids::IkeSpi;
use ike::Retransmission;
use place::{Place, Unit, message, received, spi_i};
use rustix::{
    buffer::spare_capacity,
    event::{Timespec, epoll},
};
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    net::{Ipv4Addr, UdpSocket},
    os::fd::OwnedFd,
    sync::Arc,
    time::{Duration, Instant},
};

/// Places from which units attach; one unit at a time has a place. Each has a socket of its own as far as [`SOCKETS`] go,
/// and shares it from there on, as units behind one NAT do.
pub struct Load {
    gateway: KnownGateway,
    places: Vec<Place>,
    sockets: Vec<Arc<UdpSocket>>,
    /// Whose message it is, by its SPIi: the place.
    by_spi: HashMap<IkeSpi, usize>,
    /// Says at which sockets something came in, by their number.
    epoll: OwnedFd,
    /// When a unit has something to do, by its place. Some entries are older than what it does now.
    timers: BinaryHeap<Reverse<(Instant, usize)>>,
    buffer: Vec<u8>,
}

/// Longest wait between two looks at the timers.
const AT_MOST: Duration = Duration::from_secs(1);
/// Fewer than many systems let one process have.
pub const SOCKETS: usize = 16_384;
/// As strongSwan's charon sends its requests: after 4 s again, each wait 1.8 times as long, and 165 s in all.
const CHARONS: Retransmission = Retransmission { first: Duration::from_secs(4), tries: 6 };

impl Load {
    /// Makes `places` places on loopback, each socket in a /24 of its own, so that a gateway's quota for half-open SAs
    /// from one prefix plays no part.
    ///
    /// # Errors
    /// What the system says: it may not allow so many open files.
    pub fn new(gateway: KnownGateway, places: usize) -> anyhow::Result<Self> {
        Self::at(gateway, places, (0..).map(in_many_networks))
    }

    /// As [`Self::new`], with all places in so many /24 networks that no other load uses.
    ///
    /// # Errors
    /// More than 250 sockets for a network, or what the system says.
    pub fn in_networks(gateway: KnownGateway, places: usize, networks: u8) -> anyhow::Result<Self> {
        Self::at(gateway, places, (0..).map(move |number| in_few_networks(number, networks)))
    }

    fn at(
        gateway: KnownGateway,
        places: usize,
        addresses: impl Iterator<Item = anyhow::Result<Ipv4Addr>>,
    ) -> anyhow::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let bind = |address: anyhow::Result<Ipv4Addr>| {
            let socket = UdpSocket::bind((address?, 0))?;
            socket.set_nonblocking(true)?;
            anyhow::Ok(Arc::new(socket))
        };
        let sockets: Vec<_> = addresses.take(places.min(SOCKETS)).map(bind).collect::<Result<_, _>>()?;
        for (number, socket) in sockets.iter().enumerate() {
            epoll::add(&epoll, socket, epoll::EventData::new_u64(number as u64), epoll::EventFlags::IN)?;
        }
        let places = sockets.iter().cycle().take(places).map(Place::at).collect::<Result<_, _>>()?;
        let (by_spi, timers) = (HashMap::new(), BinaryHeap::new());
        Ok(Self { gateway, places, sockets, by_spi, epoll, timers, buffer: vec![0; 65_536] })
    }

    /// Attaches every unit once. `done` hears of each tunnel that stands.
    ///
    /// # Errors
    /// The first unit that gets no tunnel, and why.
    pub fn attach(&mut self, units: &[UnitIdentity], mut done: impl FnMut()) -> anyhow::Result<()> {
        self.attach_while(units, |stand| {
            stand.iter().for_each(|_| done());
            true
        })
    }

    /// Attaches every unit once, for as long as `goes_on`. It hears, turn by turn, the names of the units whose
    /// tunnel stands since the turn before. When it says no, one more turn takes in what the gateway has sent
    /// already, and all who still attach fall silent.
    ///
    /// # Errors
    /// As [`Self::attach`].
    pub fn attach_while(
        &mut self,
        units: &[UnitIdentity],
        mut goes_on: impl FnMut(&[String]) -> bool,
    ) -> anyhow::Result<()> {
        self.attach_each(units, |stand| {
            let names: Vec<_> = stand.into_iter().map(|(_, unit)| unit.name).collect();
            goes_on(&names)
        })
    }

    /// `goes_on` hears of each unit whose tunnel stands, and of its place.
    fn attach_each(
        &mut self,
        units: &[UnitIdentity],
        mut goes_on: impl FnMut(Vec<(usize, Unit)>) -> bool,
    ) -> anyhow::Result<()> {
        let (mut waiting, mut free) = (units.iter(), (0..self.places.len()).rev().collect::<Vec<_>>());
        loop {
            self.fill(&mut free, &mut waiting)?;
            if free.len() == self.places.len() {
                return Ok(());
            }
            let stand = self.stand(Instant::now() + AT_MOST)?;
            free.extend(stand.iter().map(|(place, _)| *place));
            if !goes_on(stand) {
                goes_on(self.stand(Instant::now())?);
                self.places.iter_mut().for_each(|place| place.unit = None);
                return Ok(());
            }
        }
    }

    /// A turn in which nobody may fail.
    fn stand(&mut self, until: Instant) -> anyhow::Result<Vec<(usize, Unit)>> {
        let tried = self.turn(until)?;
        match tried.iter().find_map(|(_, unit)| unit.failed.as_ref()) {
            Some(failed) => bail!("{}", failed.why),
            None => Ok(tried),
        }
    }

    /// Has those who wait begin at free places.
    fn fill<'a>(
        &mut self,
        free: &mut Vec<usize>,
        waiting: &mut impl Iterator<Item = &'a UnitIdentity>,
    ) -> anyhow::Result<()> {
        while let Some(place) = free.pop() {
            let Some(identity) = waiting.next() else {
                free.push(place);
                break;
            };
            self.begin(place, identity, CHARONS)?;
        }
        Ok(())
    }

    fn begin(&mut self, place: usize, identity: &UnitIdentity, times: Retransmission) -> anyhow::Result<()> {
        let free = self.places.get_mut(place).context("no such place")?;
        free.spi.take().map(|before| self.by_spi.remove(&before));
        free.begin(identity, &self.gateway, times)?;
        self.by_spi.extend(free.spi.map(|spi| (spi, place)));
        self.arm(place);
        Ok(())
    }

    fn arm(&mut self, place: usize) {
        let unit = self.places.get(place).and_then(|place| place.unit.as_ref());
        let due = unit.and_then(|unit| unit.initiator.poll_timeout());
        self.timers.extend(due.map(|(at, _)| Reverse((at, place))));
    }

    /// Waits until something comes in or is due, but not beyond `until`, and does it. The units whose attempt is over,
    /// each with its place, which is free.
    fn turn(&mut self, until: Instant) -> anyhow::Result<Vec<(usize, Unit)>> {
        let mut ready = Vec::new();
        for socket in self.readable(until)? {
            self.receive(socket, &mut ready)?;
        }
        let now = Instant::now();
        while let Some(Reverse((_, place))) =
            self.timers.peek().copied().filter(|Reverse((at, _))| *at <= now)
        {
            self.timers.pop();
            ready.push(place);
        }
        let mut ended = Vec::new();
        for number in ready {
            let place = self.places.get_mut(number).context("no such place")?;
            ended.extend(place.step(&self.gateway)?.map(|unit| (number, unit)));
            self.arm(number);
        }
        Ok(ended)
    }

    /// Hands what came in to whom it is for; `ready`: their places.
    fn receive(&mut self, socket: usize, ready: &mut Vec<usize>) -> anyhow::Result<()> {
        let socket = self.sockets.get(socket).context("no such socket")?;
        while let Some((length, from)) = received(socket, &mut self.buffer)? {
            let datagram = self.buffer.get_mut(..length).unwrap_or_default();
            let Some(message) = message(datagram, from == self.gateway.natt) else { continue };
            let number = spi_i(message).and_then(|spi| self.by_spi.get(&spi).copied());
            let Some(number) = number else { continue };
            if let Some(place) = self.places.get_mut(number) {
                place.message(message, from, &self.gateway)?;
                ready.push(number);
            }
        }
        Ok(())
    }

    /// Sockets at which something came in.
    fn readable(&self, until: Instant) -> anyhow::Result<Vec<usize>> {
        let due = self.timers.peek().map(|Reverse((at, _))| *at).into_iter();
        let until = due.chain([until]).min().unwrap_or(until);
        let sleep = until.saturating_duration_since(Instant::now());
        let timeout = Timespec { tv_sec: sleep.as_secs() as i64, tv_nsec: sleep.subsec_nanos().into() };
        let mut events = Vec::with_capacity(1024);
        // Interrupted by a signal: the loop comes round.
        let _ = epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&timeout));
        Ok(events.iter().map(|event: &epoll::Event| event.data.u64() as usize).collect())
    }
}

/// From 127.1.0.0/24 on.
fn in_many_networks(number: usize) -> anyhow::Result<Ipv4Addr> {
    let [.., net, subnet] = number.to_be_bytes();
    let net = net.checked_add(1).filter(|_| number < 1 << 16);
    Ok(Ipv4Addr::new(127, net.context("more sockets than networks")?, subnet, 1))
}

/// From 127.0.1.0/24 on.
fn in_few_networks(number: usize, networks: u8) -> anyhow::Result<Ipv4Addr> {
    let networks = usize::from(networks.clamp(1, 254));
    let subnet = u8::try_from(number % networks + 1)?;
    let host = u8::try_from(number / networks + 1).ok().filter(|host| *host <= 250);
    Ok(Ipv4Addr::new(127, 0, subnet, host.context("more places than addresses")?))
}
