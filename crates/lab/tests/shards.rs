//! Packets that the kernel brings to another shard than their own, on real sockets.
#![allow(clippy::unwrap_used, reason = "tests")]

use gateway::udp::Socket;
use ids::DeviceId;
use ike::Path;
use lab::{Carrier, Outcome, SERVICE};
use std::{
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

/// As many as make it all but sure that each of the two shards has one.
const UNITS: u8 = 8;

/// GRO joins datagrams of one sender, of IKE and of ESP alike, and steers them by the first. A run sent at once over
/// loopback comes in the same way.
#[test]
fn esp_that_came_joined_with_ike_finds_its_tunnel_on_any_shard() {
    let dir = tempfile::tempdir().unwrap();
    let carrier = Carrier::start(dir.path()).unwrap();
    carrier.line("L-1", "127.15.0.0/16").unwrap();
    let elsewhere = Socket::bind("127.15.0.99:0".parse().unwrap(), true).unwrap();
    for number in 1..=UNITS {
        let id = DeviceId::eui48([2, 0, 0, 0, 0, number]);
        carrier.device(id, "L-1").unwrap();
        let unit = carrier.attach(&carrier.enrol(id).unwrap(), [127, 15, 0, number]).unwrap();
        assert!(matches!(unit.outcome, Outcome::Attached(_)), "{:?}", unit.outcome);
        let esp = unit.intercepted_ping(SERVICE).unwrap();
        let ike = vec![0; esp.len()];
        let to: SocketAddr = carrier.known().natt;
        let path = Path { local: elsewhere.local(), peer: to, encapsulated: true };
        elsewhere.send_run(&path, &[ike, esp.clone()].concat(), esp.len()).unwrap();
        let until = Instant::now() + Duration::from_secs(20);
        while carrier.gateway.sessions_of(id)[0].uplink.packets == 0 {
            assert!(Instant::now() < until, "{:?}", carrier.gateway.stats().drops);
            thread::park_timeout(Duration::from_millis(5));
        }
    }
}
