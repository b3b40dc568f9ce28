use super::iperf::{self, Direction};
use crate::bench::{estate::SERVICE, network::Link};
use anyhow::{Context, bail};
use std::{
    io,
    net::UdpSocket,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

/// Round trips of small UDP datagrams between the unit and [`SERVICE`], in microseconds.
pub(super) struct RoundTrips(Vec<f64>);

/// From the end of one to the begin of the next.
const PAUSE: Duration = Duration::from_millis(1);
/// One that takes longer is lost, and counts as this.
const LOST: Duration = Duration::from_secs(1);
const OCTETS: usize = 64;

impl RoundTrips {
    /// Measured while TCP carries `load`, in Gbit/s, to the unit.
    ///
    /// # Errors
    /// Nothing passes.
    pub(super) fn under(link: &Link, load: f64, seconds: u32) -> anyhow::Result<Self> {
        let echo = link.gateway.within(|| Ok(UdpSocket::bind((SERVICE, 0))?))?;
        let ping = link.unit.within(|| Ok(UdpSocket::bind(("0.0.0.0", 0))?))?;
        ping.connect(echo.local_addr()?)?;
        [&echo, &ping].into_iter().try_for_each(|socket| socket.set_read_timeout(Some(LOST)))?;
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| answer(&echo, &over));
            let pinging = scope.spawn(|| measure(&ping, &over));
            let loaded = iperf::tcp_up_to(load, link, Direction::Downlink, seconds);
            over.store(true, Relaxed);
            let trips = pinging.join().unwrap_or_else(|_| bail!("it panicked"))?;
            loaded.map(|_| Self(trips))
        })
    }

    /// What so many in a hundred do not exceed.
    ///
    /// # Errors
    /// There was no round trip.
    pub(super) fn percentile(&self, hundredths: usize) -> anyhow::Result<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let place = (sorted.len() * hundredths).div_ceil(100).saturating_sub(1);
        sorted.get(place).copied().context("no round trip")
    }
}

fn answer(echo: &UdpSocket, over: &AtomicBool) {
    let mut datagram = [0; OCTETS];
    while !over.load(Relaxed) {
        if let Ok((length, from)) = echo.recv_from(&mut datagram) {
            // What is not sent is lost, and seen there.
            let _ = echo.send_to(datagram.get(..length).unwrap_or_default(), from);
        }
    }
}

fn measure(ping: &UdpSocket, over: &AtomicBool) -> anyhow::Result<Vec<f64>> {
    let mut trips = Vec::new();
    while !over.load(Relaxed) {
        trips.push(trip(ping, trips.len() as u64 + 1)?.as_secs_f64() * 1e6);
        thread::sleep(PAUSE);
    }
    Ok(trips)
}

/// Sends datagram `number`, counted from 1, and waits for its echo; that of an earlier one, taken for lost, may come
/// first.
fn trip(ping: &UdpSocket, number: u64) -> io::Result<Duration> {
    let (mut datagram, mut answer) = ([0; OCTETS], [0; OCTETS]);
    datagram[..8].copy_from_slice(&number.to_be_bytes());
    let began = Instant::now();
    ping.send(&datagram)?;
    while answer[..8] != datagram[..8] {
        match ping.recv(&mut answer) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(LOST),
            Err(error) => return Err(error),
        }
    }
    Ok(began.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_round_trip_that_was_seen() {
        let trips = RoundTrips((1..=200).rev().map(f64::from).collect());
        assert_eq!((trips.percentile(50).unwrap(), trips.percentile(99).unwrap()), (100.0, 198.0));
        assert_eq!(RoundTrips(vec![7.0]).percentile(99).unwrap(), 7.0);
        assert!(RoundTrips(vec![]).percentile(50).is_err());
    }
}
