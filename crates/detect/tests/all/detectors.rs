//! Each detector against the attack and against each honest cause that its `About` names as told from it.

mod absence;
mod cells;
mod movement;
mod population;
mod protection;

use crate::scene::{Scene, at};
use detect::{Finding, Subject};

/// What is found by a detector is one thing about one cell.
fn only(found: &[Finding], key: &Subject) -> Finding {
    let about: Vec<_> = found.iter().map(|finding| (&finding.key, &finding.what)).collect();
    assert_eq!(found.len(), 1, "{about:?}");
    assert_eq!(&found[0].key, key);
    found[0].clone()
}

fn nothing(scene: &Scene, detector: &str) {
    let found = scene.found_by(detector);
    assert!(found.is_empty(), "{found:#?}");
}

fn secs(finding: &Finding) -> u64 {
    finding.at.since(at(0)).as_secs()
}
