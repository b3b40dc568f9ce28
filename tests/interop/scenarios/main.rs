//! Every scenario: one folder, one module.

mod algorithms;
mod attach;
mod attacks;
mod bench;
mod charon_with_charon;
mod clone;
mod legacy;
mod libreswan;
mod liveness;
mod paths;
mod quarantine;
mod refusals;
mod renewal;
mod silence;
mod traffic;
mod tshark;
mod vendor;
mod weather;

/// The unit of docs/interop.md: it attaches by itself, and comes back by itself from all that may pass.
const FEMTOCELL: &str = include_str!("femtocell.conf");

#[test]
fn the_document_shows_what_the_scenarios_use() {
    let document = include_str!("../../../docs/interop.md");
    let unit = interop::truecell::device_name("00aabbccddee");
    let shown = [
        interop::carrier::filled(FEMTOCELL, &unit, [192, 0, 2, 1].into()),
        include_str!("legacy/profile.toml").to_owned(),
    ];
    for text in shown {
        assert!(document.contains(&format!("\n{text}```")), "docs/interop.md differs from\n{text}");
    }
}
