//! An estate that shares one key, to a certificate for each of its units.
#![allow(clippy::unwrap_used, reason = "tests")]

use ledger::{MigrationState, WaveState};

fn migrated(units: u32) -> lab::Migrated {
    let dir = tempfile::tempdir().unwrap();
    let mut waves = 0;
    let migrated = lab::migrate(dir.path(), units, |report| {
        waves += 1;
        let open = report.waves.iter().filter(|wave| wave.state == WaveState::Open).count();
        assert!(open <= 1, "{open} waves are open");
    });
    let migrated = migrated.unwrap();
    let report = &migrated.report;
    let (counts, silent) = (report.counts, units.div_ceil(100));
    assert_eq!((report.migration.state, counts.units), (MigrationState::Done, units));
    assert!(counts.missed >= silent && counts.missed <= units / 10, "{counts:?}");
    assert_eq!(counts.enrolled + counts.missed + counts.held, units, "{counts:?}");
    assert!(waves >= report.waves.len());
    assert_eq!((migrated.stolen, migrated.claims > 20, migrated.taken_on), (0, true, 1));
    assert_eq!((migrated.findings, migrated.attached), (0, 3));
    let kinds = |kind: &str| migrated.incidents.iter().filter(|one| *one == kind).count();
    let told = ["legacy-key-misused", "migration-halted", "legacy-second-claim"].map(kinds);
    assert_eq!(told, [1, 1, 1], "{:?}", migrated.incidents);
    assert_eq!(migrated.incidents.len(), 3);
    migrated
}

#[test]
fn an_estate_gets_a_certificate_for_each_unit_in_waves_and_whoever_copied_the_key_gets_none() {
    migrated(300);
}

/// Some minutes in a debug build.
#[test]
#[ignore = "it takes long: `truecell lab migration --units 10000` is the same"]
fn an_estate_of_10000_units_too() {
    migrated(10_000);
}
