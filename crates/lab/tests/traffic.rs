//! Packets of a load's units, counted by the gateway.
#![allow(clippy::unwrap_used, reason = "tests")]

use ids::DeviceId;
use lab::{Carrier, Load, SERVICE};

const LINE: &str = "L-1";
const UNITS: usize = 3;

#[test]
fn datagrams_of_a_load_go_by_each_tunnel_in_turn_and_every_echo_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let carrier = Carrier::start(folder.path()).unwrap();
    carrier.line(LINE, "127.0.0.0/8").unwrap();
    let enrol = |number| {
        let device = DeviceId::eui48([0x02, 0xfe, 0x72, 0, 0, number]);
        carrier.device(device, LINE).unwrap();
        carrier.enrol(device).unwrap()
    };
    let units: Vec<_> = (0..UNITS as u8).map(enrol).collect();
    // Fewer places than units: one socket carries packets of several.
    let mut load = Load::new(carrier.known().clone(), 2).unwrap();
    let mut tunnels = load.attach_tunnels(&units, || ()).unwrap();
    load.exchange(&mut tunnels, SERVICE, 100 * UNITS).unwrap();
    let sessions = carrier.gateway.sessions(None, UNITS + 1);
    let passed: Vec<_> =
        sessions.iter().map(|session| (session.uplink.packets, session.downlink.packets)).collect();
    assert_eq!(passed, [(100, 100); UNITS]);
    assert!(load.exchange(&mut [], SERVICE, 1).is_err(), "without a tunnel nothing is sent");
}
