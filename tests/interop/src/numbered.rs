//! Numbered datagrams from one host to another: which of them arrive, and in which order.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use rustix::net::sockopt::set_socket_recv_buffer_size_force;

use crate::deadline::until;
use crate::internet::Host;

/// A stream of datagrams that goes on. `Drop` ends it.
#[derive(Debug)]
pub struct Numbered {
    shared: Arc<Shared>,
    sending: Option<JoinHandle<()>>,
    receiving: Option<JoinHandle<()>>,
}

/// What became of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Datagrams that the sender's kernel took.
    pub sent: u64,
    /// Numbers of those that never arrived.
    pub lost: Vec<u64>,
    /// How many arrived behind one with a higher number.
    pub late: u64,
    /// How many arrived once more.
    pub doubled: u64,
}

#[derive(Debug, Default)]
struct Shared {
    sent: AtomicU64,
    sends_no_more: AtomicBool,
    is_over: AtomicBool,
    arrived: Mutex<Arrived>,
}

#[derive(Debug, Default)]
struct Arrived {
    numbers: BTreeSet<u64>,
    late: u64,
    doubled: u64,
}

/// Octets of each datagram: what a voice frame or a small answer has.
const LENGTH: usize = 200;
/// What the receiver's kernel holds while its thread is not run.
const RECEIVE_BUFFER: usize = 8 << 20;
/// How long the last ones may be under way.
const LAST: Duration = Duration::from_secs(3);

impl Numbered {
    /// Sends one datagram each `each` from an address of one host to an address of another.
    ///
    /// # Errors
    /// When a host does not have its address.
    pub fn start(from: (&Host, IpAddr), to: (&Host, IpAddr), each: Duration) -> Result<Self> {
        let (sender, receiver) = (bound(from)?, bound(to)?);
        set_socket_recv_buffer_size_force(&receiver, RECEIVE_BUFFER)?;
        receiver.set_read_timeout(Some(Duration::from_millis(50)))?;
        let target = receiver.local_addr()?;
        let shared = Arc::new(Shared::default());
        let (sends, receives) = (shared.clone(), shared.clone());
        let sending = Some(thread::spawn(move || sends.send(&sender, target, each)));
        let receiving = Some(thread::spawn(move || receives.receive(&receiver)));
        Ok(Self { shared, sending, receiving })
    }

    /// How many the sender's kernel took so far.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.shared.sent.load(Relaxed)
    }

    /// How many different ones have arrived so far.
    #[must_use]
    pub fn arrived(&self) -> u64 {
        self.shared.arrived().numbers.len() as u64
    }

    /// Waits until `more` have arrived.
    ///
    /// # Errors
    /// When they do not within `within`.
    pub fn wait_for(&self, more: u64, within: Duration) -> Result<()> {
        let enough = self.arrived() + more;
        until(&format!("{more} datagrams"), within, || Ok((self.arrived() >= enough).then_some(())))
    }

    /// Ends it, once the last ones had time to arrive.
    ///
    /// # Errors
    /// When one of its threads has failed.
    pub fn stop(mut self) -> Result<Outcome> {
        self.shared.sends_no_more.store(true, Relaxed);
        join(&mut self.sending)?;
        // What does not come now is lost, and the outcome says so.
        let _ = until("the last ones", LAST, || Ok((self.arrived() == self.sent()).then_some(())));
        self.shared.is_over.store(true, Relaxed);
        join(&mut self.receiving)?;
        Ok(self.shared.outcome())
    }
}

impl Drop for Numbered {
    fn drop(&mut self) {
        self.shared.sends_no_more.store(true, Relaxed);
        self.shared.is_over.store(true, Relaxed);
        let _ = join(&mut self.sending);
        let _ = join(&mut self.receiving);
    }
}

impl Shared {
    fn arrived(&self) -> MutexGuard<'_, Arrived> {
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A datagram that the kernel refuses, such as for want of a route, has no number.
    fn send(&self, socket: &UdpSocket, target: SocketAddr, each: Duration) {
        let mut next = Instant::now();
        let mut datagram = [0; LENGTH];
        while !self.sends_no_more.load(Relaxed) {
            datagram[..8].copy_from_slice(&self.sent.load(Relaxed).to_be_bytes());
            if socket.send_to(&datagram, target).is_ok() {
                self.sent.fetch_add(1, Relaxed);
            }
            next += each;
            thread::sleep(next.saturating_duration_since(Instant::now()));
        }
    }

    fn receive(&self, socket: &UdpSocket) {
        let mut datagram = [0; LENGTH];
        while !self.is_over.load(Relaxed) {
            let Ok(LENGTH) = socket.recv(&mut datagram) else { continue };
            if let Some(number) = datagram.first_chunk() {
                self.arrived().see(u64::from_be_bytes(*number));
            }
        }
    }

    fn outcome(&self) -> Outcome {
        let (sent, arrived) = (self.sent.load(Relaxed), self.arrived());
        let lost = (0..sent).filter(|number| !arrived.numbers.contains(number)).collect();
        Outcome { sent, lost, late: arrived.late, doubled: arrived.doubled }
    }
}

impl Arrived {
    fn see(&mut self, number: u64) {
        let is_late = self.numbers.last().is_some_and(|highest| number < *highest);
        if !self.numbers.insert(number) {
            self.doubled += 1;
        } else if is_late {
            self.late += 1;
        }
    }
}

fn bound((host, address): (&Host, IpAddr)) -> Result<UdpSocket> {
    host.namespace.inside(|| Ok(UdpSocket::bind((address, 0))?))
}

fn join(thread: &mut Option<JoinHandle<()>>) -> Result<()> {
    thread.take().map_or(Ok(()), |thread| thread.join().map_err(|_| anyhow!("a thread panicked")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_late_and_doubled_is_told() {
        let shared = Shared::default();
        shared.sent.store(6, Relaxed);
        [0, 2, 1, 2, 4].into_iter().for_each(|number| shared.arrived().see(number));
        assert_eq!(shared.outcome(), Outcome { sent: 6, lost: vec![3, 5], late: 1, doubled: 1 });
    }
}
