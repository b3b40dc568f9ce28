//! Whatever happens in whatever order, with the power cut between any two steps.

use super::*;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Act {
    /// A unit of the whole estate comes, from home or from elsewhere.
    Come(u8, bool),
    /// Time passes, in minutes, and whoever advances migrations looks.
    Pass(u64),
    Run,
    Halt,
    RollBack,
    /// The process ends and begins anew.
    Restart,
    /// A person bars a unit.
    Suspend(u8),
}

const UNITS: u8 = 8;

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        6 => (0..UNITS, any::<bool>()).prop_map(|(unit, at_home)| Act::Come(unit, at_home)),
        4 => (1..90u64).prop_map(Act::Pass),
        2 => Just(Act::Run),
        1 => Just(Act::Halt),
        1 => Just(Act::Restart),
        1 => (0..UNITS).prop_map(Act::Suspend),
        1 => prop_oneof![4 => Just(Act::Restart), 1 => Just(Act::RollBack)],
    ];
    proptest::collection::vec(act, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn one_wave_is_open_at_most_a_halt_opens_none_and_only_who_has_an_order_gets_a_certificate(acts in acts()) {
        let mut estate = Estate::planned(UNITS, 2, 3);
        let mut now = 10;
        for act in acts {
            let (before, opened) = (estate.migration(), opened(&estate));
            now += 1;
            match act {
                Act::Come(number, at_home) => {
                    let unit = unit(number);
                    let from = if at_home { home(unit) } else { "192.0.2.1".to_owned() };
                    let has_turn = estate.ledger.waves(&label("m")).unwrap().iter()
                        .any(|wave| wave.is_open() && wave.units.contains(&unit));
                    let came = estate.enrol(unit, &from, at(now)).is_ok();
                    prop_assert!(!came || (at_home && has_turn), "{} {} {}", unit, from, has_turn);
                }
                Act::Pass(minutes) => {
                    now += minutes * 60;
                    estate.advance(now);
                }
                Act::Run => drop(estate.ledger.run_migration(&label("m"), "kim", "go", at(now))),
                Act::Halt => drop(estate.ledger.halt_migration(&label("m"), "kim", "wait", at(now))),
                Act::RollBack => drop(estate.ledger.roll_back_migration(&label("m"), "kim", "no", at(now))),
                Act::Restart => estate = estate.restarted(),
                Act::Suspend(number) => {
                    let to = LifeCycle::Suspended;
                    let _ = estate.ledger.move_device(unit(number), to, "kim", "cancelled", None, at(now));
                }
            }
            prop_assert!(estate.open_waves() <= 1);
            let ran = before.state == MigrationState::Running || matches!(act, Act::Run);
            prop_assert!(ran || self::opened(&estate) == opened, "{:?} opened a wave", act);
            let counts = estate.report(now).counts;
            prop_assert_eq!(counts.units, u32::from(UNITS));
        }
        prop_assert_eq!(estate.ledger.verify().unwrap().findings, Vec::new());
    }
}

fn opened(estate: &Estate) -> usize {
    let waves = estate.ledger.waves(&label("m")).unwrap();
    waves.iter().filter(|wave| wave.opened_at.is_some()).count()
}

impl Estate {
    fn restarted(self) -> Self {
        let Self { ledger, dir } = self;
        ledger.close().unwrap();
        drop(ledger);
        Self { ledger: open(dir.path()), dir }
    }
}
