//! Bad weather on the way: a relay between unit and gateway that loses, doubles and holds back datagrams.
//!
//! The unit takes the relay for the gateway, and the gateway takes it for the unit behind a NAT. What becomes of a
//! datagram follows from the seed, its way, its kind and its number among those alone.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::net::sockopt::set_socket_recv_buffer_size_force;

use crate::internet::Host;

const IKE: u16 = 500;
const NATT: u16 = 4500;
/// Silence after which what is held back goes on.
const LULL: Duration = Duration::from_millis(20);
const RECEIVE_BUFFER: usize = 8 << 20;
const MAX_DATAGRAM: usize = 1 << 16;

/// What happens to datagrams of one kind on one way, each in a thousand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weather {
    /// So many are lost.
    pub lost: u64,
    /// So many go on twice.
    pub doubled: u64,
    /// So many are held back.
    pub late: u64,
    /// Those go on when 1 to so many others have overtaken them, or when none has come for 20 ms.
    pub by: u64,
}

/// Which way a datagram goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To the gateway.
    Up,
    /// To the unit.
    Down,
}

/// What is in a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A message, on either port.
    Ike,
    /// A packet.
    Esp,
}

/// What became of the datagrams of one kind on one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Came in.
    pub seen: u64,
    /// Went no further.
    pub lost: u64,
    /// Went on twice.
    pub doubled: u64,
    /// Were held back.
    pub late: u64,
}

/// A relay that runs. `Drop` ends it.
#[derive(Debug)]
pub struct Relay {
    /// Where it stands.
    host: Host,
    gateway: IpAddr,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    is_over: AtomicBool,
    /// By way, then by kind.
    tallies: [[Counters; 2]; 2],
}

#[derive(Debug, Default)]
struct Counters {
    seen: AtomicU64,
    lost: AtomicU64,
    doubled: AtomicU64,
    late: AtomicU64,
}

/// What is decided for one datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Pass,
    Lose,
    Double,
    Hold(u64),
}

/// One way through one port.
struct Lane {
    way: Way,
    port: u16,
    seed: u64,
    /// By kind.
    weather: [Weather; 2],
    numbers: [u64; 2],
    held: Vec<Held>,
}

struct Held {
    /// So many more may overtake it.
    by: u64,
    datagram: Vec<u8>,
}

/// The sockets of one port, and whom the unit was seen as.
struct Port {
    near: UdpSocket,
    far: UdpSocket,
    unit: Mutex<Option<SocketAddr>>,
}

impl Relay {
    /// Stands on `host` between one unit and `gateway`; `weather` is that of each way and kind.
    ///
    /// # Errors
    /// When the ports cannot be bound.
    pub fn start(
        host: Host,
        gateway: IpAddr,
        seed: u64,
        weather: impl Fn(Way, Kind) -> Weather,
    ) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let mut threads = Vec::new();
        for port in [IKE, NATT] {
            let own = host.address(gateway.is_ipv6());
            let sockets =
                Arc::new(host.namespace.inside(|| Port::open(own, SocketAddr::new(gateway, port)))?);
            for way in [Way::Up, Way::Down] {
                let weather = [Kind::Ike, Kind::Esp].map(|kind| weather(way, kind));
                let lane = Lane { way, port, seed, weather, numbers: [0; 2], held: Vec::new() };
                let (shared, sockets) = (shared.clone(), sockets.clone());
                threads.push(thread::spawn(move || shared.relay(&sockets, lane)));
            }
        }
        Ok(Self { host, gateway, shared, threads })
    }

    /// What the unit is to take for the gateway's address.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.host.address(self.gateway.is_ipv6())
    }

    /// What became of the datagrams of one kind on one way so far.
    #[must_use]
    pub fn tally(&self, way: Way, kind: Kind) -> Tally {
        self.shared.tallies[way as usize][kind as usize].read()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Relaxed);
        self.threads.drain(..).for_each(|thread| drop(thread.join()));
    }
}

impl Shared {
    fn relay(&self, port: &Port, mut lane: Lane) {
        let mut buffer = vec![0; MAX_DATAGRAM];
        while !self.is_over.load(Relaxed) {
            let out = match port.receive(lane.way, &mut buffer) {
                Some(datagram) => lane.take(datagram, &self.tallies[lane.way as usize]),
                None => lane.lull(),
            };
            out.iter().for_each(|datagram| port.send(lane.way, datagram));
        }
    }
}

impl Counters {
    fn count(&self, fate: Fate) {
        self.seen.fetch_add(1, Relaxed);
        match fate {
            Fate::Pass => 0,
            Fate::Lose => self.lost.fetch_add(1, Relaxed),
            Fate::Double => self.doubled.fetch_add(1, Relaxed),
            Fate::Hold(_) => self.late.fetch_add(1, Relaxed),
        };
    }

    fn read(&self) -> Tally {
        let [seen, lost, doubled, late] =
            [&self.seen, &self.lost, &self.doubled, &self.late].map(|count| count.load(Relaxed));
        Tally { seen, lost, doubled, late }
    }
}

impl Weather {
    /// The fate of the datagram that is drawn as `drawn`.
    fn fate(&self, drawn: u64) -> Fate {
        let (share, rest) = (drawn % 1000, drawn / 1000);
        let Self { lost, doubled, late, by } = *self;
        match share {
            share if share < lost => Fate::Lose,
            share if share < lost + doubled => Fate::Double,
            share if share < lost + doubled + late => Fate::Hold(1 + rest % by.max(1)),
            _ => Fate::Pass,
        }
    }
}

impl Lane {
    /// What goes on now that `datagram` has come: itself, perhaps twice, and what it was the last to overtake.
    fn take(&mut self, datagram: &[u8], counters: &[Counters; 2]) -> Vec<Vec<u8>> {
        let fate = self.fate(datagram, counters);
        let mut out = match fate {
            Fate::Lose | Fate::Hold(_) => Vec::new(),
            Fate::Pass => vec![datagram.to_vec()],
            Fate::Double => vec![datagram.to_vec(); 2],
        };
        if !out.is_empty() {
            self.held.iter_mut().for_each(|held| held.by -= 1);
            out.extend(self.held.extract_if(.., |held| held.by == 0).map(|held| held.datagram));
        }
        if let Fate::Hold(by) = fate {
            self.held.push(Held { by, datagram: datagram.to_vec() });
        }
        out
    }

    fn lull(&mut self) -> Vec<Vec<u8>> {
        self.held.drain(..).map(|held| held.datagram).collect()
    }

    fn fate(&mut self, datagram: &[u8], counters: &[Counters; 2]) -> Fate {
        let Some(kind) = kind(self.port, datagram) else { return Fate::Pass };
        let number = &mut self.numbers[kind as usize];
        *number += 1;
        let lane = (self.way as u64) << 17 | (kind as u64) << 16 | u64::from(self.port);
        let drawn = draw(self.seed ^ lane << 32 ^ *number);
        let fate = self.weather[kind as usize].fate(drawn);
        counters[kind as usize].count(fate);
        fate
    }
}

impl Port {
    /// On the two sides of the relay: towards units, and towards the gateway.
    fn open(own: IpAddr, gateway: SocketAddr) -> Result<Self> {
        let (near, far) = (UdpSocket::bind((own, gateway.port()))?, UdpSocket::bind((own, 0))?);
        far.connect(gateway).context("no way to the gateway")?;
        for socket in [&near, &far] {
            socket.set_read_timeout(Some(LULL))?;
            set_socket_recv_buffer_size_force(socket, RECEIVE_BUFFER)?;
        }
        Ok(Self { near, far, unit: Mutex::default() })
    }

    /// `None` in a lull.
    fn receive<'a>(&self, way: Way, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
        let length = match way {
            Way::Up => {
                let (length, unit) = self.near.recv_from(buffer).ok()?;
                *self.unit.lock().unwrap_or_else(PoisonError::into_inner) = Some(unit);
                length
            }
            Way::Down => self.far.recv(buffer).ok()?,
        };
        buffer.get(..length)
    }

    /// What the kernel does not take is lost, as on any way.
    fn send(&self, way: Way, datagram: &[u8]) {
        let unit = *self.unit.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = match (way, unit) {
            (Way::Up, _) => self.far.send(datagram),
            (Way::Down, Some(unit)) => self.near.send_to(datagram, unit),
            (Way::Down, None) => Ok(0),
        };
    }
}

/// `None`: a NAT-keepalive. On the port of NAT-T four zeros stand before IKE (RFC 3948 §2.2, §2.3).
fn kind(port: u16, datagram: &[u8]) -> Option<Kind> {
    match datagram {
        [0xff] => None,
        [0, 0, 0, 0, ..] => Some(Kind::Ike),
        _ => Some(if port == IKE { Kind::Ike } else { Kind::Esp }),
    }
}

/// SplitMix64.
fn draw(state: u64) -> u64 {
    let mixed = state.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    const BAD: Weather = Weather { lost: 30, doubled: 20, late: 50, by: 4 };

    /// Of 10,000 numbered datagrams of ESP, what goes on, with what was counted.
    fn relayed(seed: u64) -> (Vec<u32>, Tally) {
        let mut lane =
            Lane { way: Way::Up, port: NATT, seed, weather: [BAD; 2], numbers: [0; 2], held: Vec::new() };
        let counters = Default::default();
        let mut out = Vec::new();
        for number in 1..=10_000_u32 {
            out.extend(lane.take(&number.to_be_bytes(), &counters));
        }
        out.extend(lane.lull());
        let numbers = out.iter().map(|datagram| u32::from_be_bytes(datagram[..].try_into().unwrap()));
        (numbers.collect(), counters[Kind::Esp as usize].read())
    }

    #[test]
    fn the_seed_decides_and_the_shares_are_as_asked() {
        let (out, tally) = relayed(7);
        assert_eq!(relayed(7), (out.clone(), tally));
        assert_ne!(relayed(8).0, out);
        assert_eq!(tally.seen, 10_000);
        // Six standard deviations of a binomial are less than 60 %, 75 % and 45 % of these.
        for (seen, expected) in [(tally.lost, 300), (tally.doubled, 200), (tally.late, 500)] {
            assert!((expected / 4..expected * 7 / 4).contains(&seen), "{tally:?}");
        }
    }

    #[test]
    fn each_datagram_goes_on_as_often_as_was_counted_and_is_overtaken_by_no_more_than_may_be() {
        let (out, tally) = relayed(7);
        assert_eq!(out.len() as u64, tally.seen - tally.lost + tally.doubled);
        let highest = out.iter().scan(0, |highest, number| {
            *highest = (*highest).max(*number);
            Some(*highest)
        });
        let behind = out.iter().zip(highest).map(|(number, highest)| highest - number).max().unwrap();
        // Four that went on, and those among them that were lost or held back themselves.
        assert!((2..=8).contains(&behind), "{behind}");
    }

    #[test]
    fn kinds_are_told_apart() {
        assert_eq!(kind(NATT, &[0xff]), None);
        assert_eq!([kind(NATT, &[0, 0, 0, 0, 9]), kind(IKE, &[1; 28])], [Some(Kind::Ike); 2]);
        assert_eq!(kind(NATT, &[1; 28]), Some(Kind::Esp));
    }
}
