//! A unit that ends for a reason of its own leaves no tunnel behind.
#![allow(clippy::unwrap_used, reason = "tests")]

use ids::DeviceId;
use lab::{Carrier, Femtocell};
use std::{
    sync::atomic::AtomicBool,
    thread,
    time::{Duration, Instant},
};

#[test]
fn a_femtocell_that_never_carried_a_packet_says_that_it_leaves() {
    let folder = tempfile::tempdir().unwrap();
    let carrier = Carrier::start(folder.path()).unwrap();
    carrier.line("L-1", "127.0.0.0/8").unwrap();
    let device = DeviceId::eui48([0x02, 0xfe, 0x72, 0, 0, 1]);
    carrier.device(device, "L-1").unwrap();
    let identity = carrier.enrol(device).unwrap();
    let outer = [127, 10, 0, 1].into();
    let unit = Femtocell::attach(&identity, carrier.known(), outer, false, &AtomicBool::new(false)).unwrap();
    assert!(carrier.gateway.is_attached(device));
    drop(unit);
    // The gateway would ask a silent one whether it lives only after a minute.
    let until = Instant::now() + Duration::from_secs(20);
    while carrier.gateway.is_attached(device) {
        assert!(Instant::now() < until, "its tunnel still stands");
        thread::park_timeout(Duration::from_millis(10));
    }
}
