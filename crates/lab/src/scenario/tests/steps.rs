//! What steps and keys of a file do to the world.

use super::{super::*, BOX, small};
use detect::Input;
use records::row::Row;
use std::collections::{BTreeMap, BTreeSet};

#[test]
fn registers_are_as_wrong_as_the_file_says() {
    let masts = |more: &str| {
        let rows = Player::new(&small(more), 1)
            .unwrap()
            .filter(|arrival| matches!(&arrival.input, Input::Row(Row::MacroCell(_))));
        rows.count()
    };
    assert_eq!(masts(""), 36);
    assert!((12..=24).contains(&masts("unplanned_pct = 50")));
    let sites = |more: &str| -> Vec<_> {
        let of = |arrival: Arrival| match arrival.input {
            Input::Ledger(detect::LedgerChange {
                change: detect::Change::Unit { before: None, after },
                ..
            }) => after.and_then(|unit| Some((unit.device, unit.position?))),
            Input::Ledger(_) | Input::Row(_) | Input::Watermark { .. } => None,
        };
        Player::new(&small(more), 1)
            .unwrap()
            .filter_map(of)
            .collect::<BTreeMap<_, _>>()
            .into_values()
            .collect()
    };
    let (right, wrong) = (sites(""), sites("misplaced_pct = 50"));
    let apart: Vec<_> = right.iter().zip(&wrong).map(|(right, wrong)| right.distance_m(*wrong)).collect();
    let moved = apart.iter().filter(|metres| (1950.0..6300.0).contains(*metres)).count();
    let same = apart.iter().filter(|metres| **metres == 0.0).count();
    assert!(moved + same == 20 && (5..=15).contains(&moved), "{apart:?}");
    let moves = |more: &str| run(&small(more), 1).unwrap().findings.len();
    assert_eq!((moves(""), moves("moves_pct_y = 100")), (0, 0));
}

/// Hours from the start in which a unit's cell has a row.
fn hours_of(scenario: &Scenario, unit: u32) -> BTreeSet<u64> {
    let cell = names::CellNo::unit(unit).key("001-01".parse().unwrap()).unwrap();
    let rows = Player::new(scenario, 1).unwrap().filter_map(|arrival| match arrival.input {
        Input::Row(Row::Access(access)) => (access.cell == cell).then_some(access.stamp.at),
        Input::Row(_) | Input::Ledger(_) | Input::Watermark { .. } => None,
    });
    rows.map(|at| at.since(scenario.begins()).as_secs() / 3600).collect()
}

#[test]
fn a_unit_is_off_for_as_long_as_steps_say() {
    let step = |at: &str, deed: &str, more: &str| {
        format!("[[step]]\nat = \"{at}\"\nactor = \"shop\"\ndo = \"{deed}\"\n{more}\n")
    };
    let shop = "[[actor]]\nname = \"shop\"\nkind = \"unit\"\nplace = \"shop\"\n";
    for (steps, dark) in [
        (step("1d 12:00", "lose", "") + &step("2d 12:00", "find", ""), 36..60),
        (step("1d 12:00", "lose", ""), 36..72),
        (step("1d 12:00", "retire", ""), 36..72),
        (step("1d 11:00", "off", "for_h = 3"), 35..38),
        (step("1d 11:00", "move", "for_h = 3"), 35..38),
    ] {
        let hours = hours_of(&small(&format!("{shop}{steps}")), 0);
        assert!(hours.iter().all(|hour| !dark.contains(hour)), "{steps} {hours:?}");
        let is_back = hours.iter().any(|hour| *hour >= dark.end);
        assert_eq!(is_back, dark.end < 72, "{steps} {hours:?}");
        assert!(hours.contains(&34), "{hours:?}");
    }
}

#[test]
fn a_network_that_is_renumbered_gives_each_line_another_address_or_all_one() {
    let sessions = |more: &str| {
        let text = format!(
            "outages_pct = 0\nregional_outages_pct = 0\n[[actor]]\nname = \"net\"\nkind = \"network\"\n[[step]]\nat = \"1d 03:00\"\nactor = \"net\"\ndo = \"renumber\"\n{more}"
        );
        let whole = format!(
            "format = 1\nabout = \"a test\"\nspan_d = 3\n[estate]\nunits = 20\nlost_pct_y = 0\n{text}"
        );
        let mut all: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for arrival in Player::new(&Scenario::parse(&whole).unwrap(), 1).unwrap() {
            if let Input::Ledger(detect::LedgerChange {
                change: detect::Change::Session { after, .. }, ..
            }) = arrival.input
                && let Some(session) = after
            {
                all.entry(session.device).or_default().push((session.outer, session.line));
            }
        }
        all
    };
    let apart = sessions("");
    assert!(
        apart.len() == 20
            && apart.values().all(|of| of.len() == 2 && of[0].1 == of[1].1 && of[1].1.is_some())
    );
    assert_eq!(apart.values().flatten().map(|(outer, _)| outer).collect::<BTreeSet<_>>().len(), 40);
    let one = sessions("cgnat = true");
    assert_eq!(one.values().map(|of| of[1].0).collect::<BTreeSet<_>>().len(), 1);
    assert!(one.values().all(|of| of[1].1.is_none()));
}

#[test]
fn a_box_that_gets_no_tunnel_serves_nobody() {
    let scenario = small(BOX);
    let player = Player::judged(
        &scenario,
        1,
        Box::new(|attempt: &Attempt| {
            assert_eq!((attempt.actor.as_str(), attempt.cells.len(), attempt.is_there), ("box", 2, false));
            assert_eq!((attempt.line.as_ref(), attempt.class), (None, ids::SourceClass::Mobile));
            false
        }),
    );
    let outcome = judge(&scenario, player.unwrap());
    let [attack] = &*outcome.truth.attacks else { panic!() };
    assert_eq!((attack.from, attack.refused, attack.handsets.len()), (None, 1, 0));
}

#[test]
fn a_unit_has_its_tunnel_back_when_the_box_that_took_it_is_off() {
    let scenario = small(
        r#"regional_outages_pct = 0
[[actor]]
name = "home"
kind = "unit"
[[actor]]
name = "box"
kind = "box"
identity = "home"
own_cell = true
network = "mobile"
[[step]]
at = "1d 22:00"
actor = "box"
do = "on"
for_min = 240
"#,
    );
    let begins = scenario.begins();
    let of = |arrival: Arrival| match arrival.input {
        Input::Ledger(detect::LedgerChange { stamp, change: detect::Change::Session { after, .. } }) => {
            let minute = stamp.at.since(begins).as_secs() / 60;
            after.filter(|session| session.device == names::device(0)).map(|session| (minute, session.class))
        }
        Input::Ledger(_) | Input::Row(_) | Input::Watermark { .. } => None,
    };
    let sessions: Vec<_> = Player::new(&scenario, 1).unwrap().filter_map(of).collect();
    assert!(sessions.contains(&(46 * 60, Some(ids::SourceClass::Mobile))), "{sessions:?}");
    assert!(sessions.contains(&(50 * 60, Some(ids::SourceClass::OwnFixed))), "{sessions:?}");
}
