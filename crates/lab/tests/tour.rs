//! The tour ends as it must, on real sockets.
#![allow(clippy::unwrap_used, reason = "tests")]

use lab::{Act, Carrier, tour};
use std::collections::BTreeSet;

#[test]
fn genuine_units_pass_packets_and_everyone_else_is_refused_for_the_right_reason() {
    let dir = tempfile::tempdir().unwrap();
    let carrier = Carrier::start(dir.path()).unwrap();
    let mut steps = Vec::new();
    let units = tour(&carrier, &mut |step| steps.push(step.clone())).unwrap();
    for step in &steps {
        assert!(step.as_it_must, "{step:#?}");
        assert_eq!(step.admitted, step.act == Act::Genuine);
    }
    let acts: BTreeSet<_> = steps.iter().map(|step| step.title).collect();
    assert_eq!(acts.len(), 9, "all nine acts were played");
    let copied = steps.iter().find(|step| step.act == Act::CopiedKey).unwrap();
    let incident = carrier.ledger.incident(copied.incident.unwrap()).unwrap().unwrap();
    assert_eq!(incident.kind, "second-claim");
    assert!(
        incident.evidence["newcomer"]["claim"]["outer"]["address"]
            .as_str()
            .unwrap()
            .starts_with("127.10.0.66:")
    );
    assert!(
        incident.evidence["holder"]["claim"]["outer"]["address"].as_str().unwrap().starts_with("127.10.0.1:")
    );
    assert_eq!(units.len(), 3);
    assert_eq!(carrier.gateway.stats().sessions, 3);
    assert_eq!(carrier.ledger.verify().unwrap().findings, []);
}
