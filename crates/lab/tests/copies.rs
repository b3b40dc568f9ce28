//! Copies of a unit's key, shown at will.
#![allow(clippy::unwrap_used, reason = "tests")]

use ids::DeviceId;
use lab::{Carrier, Outcome, SERVICE};

const LINE: &str = "L-1";
const DEVICE: DeviceId = DeviceId::eui48([0x02, 0xfe, 0x73, 0, 0, 1]);

#[test]
fn who_attaches_again_and_again_is_not_heard_and_keeps_nobody_elsewhere_out() {
    let dir = tempfile::tempdir().unwrap();
    let carrier = Carrier::start(dir.path()).unwrap();
    carrier.line(LINE, "127.61.0.0/16").unwrap();
    carrier.device(DEVICE, LINE).unwrap();
    let identity = carrier.enrol(DEVICE).unwrap();
    let outcomes: Vec<_> = (1..=25)
        .map(|n| {
            let copy = carrier.attach(&identity, [127, 61, 1, n]).unwrap();
            copy.close();
            copy.outcome.clone()
        })
        .take_while(|outcome| matches!(outcome, Outcome::Attached(_)))
        .collect();
    assert_eq!(outcomes.len(), 20, "then nobody answers");
    assert_eq!(carrier.gateway.stats().attaches["admitted"], 20);
    assert!(carrier.gateway.stats().attaches["too-often"] >= 1);
    let unit = carrier.attach(&identity, [127, 61, 2, 1]).unwrap();
    assert!(matches!(unit.outcome, Outcome::Attached(_)), "{:?}", unit.outcome);
    assert_eq!(unit.ping(SERVICE, 3).0, 3);
}
