mod document;

use super::*;
use detect::Input;
use ids::Sha256;
use proptest::prelude::*;
use records::row::Row;
use std::collections::{BTreeMap, BTreeSet};

/// A carrier of a few units, and what a test adds.
fn small(more: &str) -> Scenario {
    let text =
        format!("format = 1\nabout = \"a test\"\nspan_d = 3\n[estate]\nunits = 20\noutages_pct = 50\n{more}");
    Scenario::parse(&text).unwrap()
}

const BOX: &str = r#"
[[actor]]
name = "lost"
kind = "unit"
[[actor]]
name = "box"
kind = "box"
identity = "lost"
cells = 2
strips = ["ims"]
[[step]]
at = "0d 12:00"
actor = "lost"
do = "lose"
[[step]]
at = "1d 02:00"
actor = "box"
do = "on"
for_min = 60
hop_pct = 50
codes_pct = 50
"#;

fn refused(more: &str) -> String {
    let text = format!("format = 1\nabout = \"a test\"\nspan_d = 3\n{more}");
    Scenario::parse(&text).unwrap_err().to_string()
}

#[test]
fn shipped_scenarios_end_as_they_say() {
    for shipped in SHIPPED {
        let scenario = shipped.scenario().unwrap_or_else(|error| panic!("{}: {error}", shipped.name));
        let outcome = run(&scenario, scenario.seed().into()).unwrap();
        let missed: Vec<_> = outcome.expected.iter().filter(|expected| !expected.is_met).collect();
        assert!(outcome.is_as_expected(), "{}: {missed:#?} {:#?}", shipped.name, outcome.violated);
        assert_eq!(outcome.late, 0, "{}", shipped.name);
        assert_eq!(scenario.is_attack(), !outcome.expected.is_empty(), "{}", shipped.name);
        assert!(scenario.nevers.iter().any(|never| never.finding == "any"), "{}", shipped.name);
    }
    let attacks = SHIPPED.iter().filter(|shipped| shipped.scenario().unwrap().is_attack()).count();
    assert!(attacks >= 6 && SHIPPED.len() - attacks >= 6);
}

/// The rows of a scenario themselves, as lines: whoever draws, numbers, names or writes otherwise changes it.
#[test]
fn the_same_seed_gives_the_same_rows_on_every_machine() {
    let rows = |seed: u64| {
        let mut player = Player::new(&small(BOX), seed).unwrap();
        let text: String =
            (&mut player).map(|arrival| format!("{} {:?}\n", arrival.arrives, arrival.input)).collect();
        let lines: String = Player::new(&small(BOX), seed)
            .unwrap()
            .filter_map(|arrival| match arrival.input {
                Input::Row(row) => Some(row.to_line().unwrap() + "\n"),
                Input::Ledger(_) | Input::Watermark { .. } => None,
            })
            .collect();
        (text, Sha256::of(lines.as_bytes()).to_string(), player.digest().to_string())
    };
    let (first, again, other) = (rows(7), rows(7), rows(8));
    assert_eq!(first, again);
    assert_ne!((&first.1, &first.2), (&other.1, &other.2));
    assert_eq!(
        (first.1.as_str(), first.2.as_str()),
        (LINES, DIGEST),
        "what is drawn has changed: is that meant?"
    );
}

const LINES: &str = "626f66c570e9331ddd5322a49222353217d10b1dd960bed37504a83a2be8cd85";
const DIGEST: &str = "aec57dfbc4edfcd0ec05d7b19d3dadc373a0fedac37e57ee9a56b7ec89c4c863";

#[test]
fn what_one_does_changes_no_draw_of_another() {
    let of = |scenario: &Scenario, unit: u32| -> Vec<_> {
        let cell = names::CellNo::unit(unit).key("001-01".parse().unwrap()).unwrap();
        let rows = Player::new(scenario, 1).unwrap().filter_map(|arrival| match arrival.input {
            Input::Row(Row::Access(access)) => {
                (access.cell == cell).then_some((access.stamp.at, access.subscriber))
            }
            Input::Row(_) | Input::Ledger(_) | Input::Watermark { .. } => None,
        });
        rows.collect::<BTreeSet<_>>().into_iter().collect()
    };
    let (quiet, loud) = (small(""), small(BOX));
    assert!(!of(&quiet, 9).is_empty());
    assert_eq!(of(&quiet, 9), of(&loud, 9));
}

#[test]
fn an_honest_handset_is_never_at_a_cell_that_has_no_tunnel() {
    let mut up: BTreeMap<_, bool> = BTreeMap::new();
    let mut rows: Vec<_> = Player::new(&small(""), 3).unwrap().map(|arrival| arrival.input).collect();
    rows.sort_by_key(|input| match input {
        Input::Row(row) => row.stamp().at,
        Input::Ledger(change) => change.stamp.at,
        Input::Watermark { at, .. } => *at,
    });
    let (mut at_cells, mut downs) = (0, 0);
    for input in rows {
        match input {
            Input::Ledger(change) => {
                if let detect::Change::Session { after, before } = change.change {
                    let inner = after.as_ref().or(before.as_ref()).unwrap().inner;
                    downs += u32::from(after.is_none());
                    up.insert(inner, after.is_some());
                }
            }
            Input::Row(Row::Access(access)) => {
                if let Some(inner) = access.inner {
                    at_cells += 1;
                    assert_eq!(up.get(&inner), Some(&true), "{access:?}");
                }
            }
            Input::Row(_) | Input::Watermark { .. } => {}
        }
    }
    assert!(at_cells > 1000 && downs > 15, "{at_cells}, {downs}");
}

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
fn the_truth_knows_what_the_box_did() {
    let outcome = run(&small(BOX), 1).unwrap();
    let [attack] = &*outcome.truth.attacks else { panic!("{:?}", outcome.truth) };
    assert_eq!((attack.actor.as_str(), attack.cells.len(), attack.units.len()), ("box", 2, 1));
    assert!(attack.handsets.len() > 60 && attack.codes > 20 && attack.payments == attack.codes);
    assert_eq!(attack.amount_minor, 300_000 * attack.payments as i64);
    for cell in attack.cells.values() {
        assert!(cell.from < cell.first_code && cell.first_code < cell.first_payment, "{cell:?}");
    }
    assert_eq!(attack.from.map(|from| from.to_string()).as_deref(), Some("2026-01-06T02:00:00.000000Z"));
    let mut finding =
        outcome.findings.iter().find(|finding| finding.detector == "cell_unknown").unwrap().clone();
    assert_eq!(outcome.truth.blame(&finding).map(|attack| attack.actor.as_str()), Some("box"));
    finding.at = attack.from.unwrap().before(std::time::Duration::from_secs(1));
    assert_eq!(outcome.truth.blame(&finding), None, "it had not begun");
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

#[test]
fn a_feed_loses_delays_and_repeats_as_its_terms_say() {
    let feed = r#"
[[feed]]
name = "core"
lag_s = 20
lag_most_s = 300
lateness_s = 301
lost_pct = 5
unrecorded_pct = 5
twice_pct = 5
watermarks = true
gaps = [{ from = "1d 06:00", for_h = 3 }, { from = "2d 06:00", for_h = 1, late = true }]
"#;
    let (whole, broken) = (run(&small(""), 1).unwrap(), run(&small(feed), 1).unwrap());
    let all = whole.counts.femtocell + whole.counts.macro_cell;
    let way = broken.counts.on_the_way;
    for (count, what) in [(way.unrecorded, "unrecorded"), (way.lost, "lost"), (way.twice, "twice")] {
        assert!((all / 30..all / 15).contains(&count), "{what}: {count} of {all}");
    }
    assert!(way.in_gaps > way.after_gaps && way.after_gaps > 0, "{way:?}");
    let gaps = broken.findings.iter().filter(|finding| finding.detector == "feed_gap");
    assert!(gaps.count() > 10);
    assert_eq!(whole.late, 0);
    // What comes an hour late is past the lateness, but for its last five minutes.
    assert!(broken.late > 0 && broken.late <= way.after_gaps, "{} {way:?}", broken.late);
}

#[test]
fn arrivals_come_in_order_and_not_before_they_happen() {
    let mut last = ids::UnixTime::default();
    for arrival in Player::new(&small(BOX), 5).unwrap() {
        assert!(arrival.arrives >= last);
        last = arrival.arrives;
        if let Input::Row(row) = &arrival.input {
            assert!(row.stamp().at <= arrival.arrives);
            Row::parse(row.to_line().unwrap().as_bytes()).unwrap();
        }
    }
}

#[test]
fn what_does_not_go_together_is_named_with_what_to_do() {
    for (text, why) in [
        ("[estate]\ntents = 3", "line 5, column 1"),
        ("[estate]\ntents = 3", "unknown field `tents`"),
        ("[estate]\nunits = 0", "[estate]: `units` is 0, and may be 1 to 1000000"),
        ("[estate]\nunits = \"many\"", "line 5"),
        ("[estate]\ntown_km = 30\nmacro_spacing_m = 200", "more than 64 x 64 macro cells"),
        ("[estate]\ntowns = 2\ntowns_apart_km = 3", "towns would overlap"),
        ("[[actor]]\nname = \"any\"\nkind = \"box\"\ncells = 1", "an actor needs a name"),
        ("[[actor]]\nname = \"a\"\nkind = \"ghost\"", "unknown variant `ghost`"),
        ("[[actor]]\nname = \"a\"\nkind = \"box\"", "it has no cell"),
        (
            "[[actor]]\nname = \"a\"\nkind = \"unit\"\ncells = 1",
            "`cells` is nothing of `unit`, only of `box`: leave it out",
        ),
        ("[[actor]]\nname = \"a\"\nkind = \"unit\"\nstrips = [\"ims\"]", "`strips` is nothing of `unit`"),
        ("[[actor]]\nname = \"a\"\nkind = \"unit\"\ncount = 61", "actors are 61 units, and there are 60"),
        ("[[actor]]\nname = \"a\"\nkind = \"unit\"\nx_km = 3.5", "outside the town"),
        (
            "[[actor]]\nname = \"a\"\nkind = \"box\"\nidentity = \"b\"\ncells = 1",
            "no actor of kind `unit` has that name",
        ),
        (
            "[[step]]\nat = \"1d 00:00\"\nactor = \"a\"\ndo = \"on\"",
            "step 1, `a` at 1d 00:00: there is no actor `a`",
        ),
        (
            "[[actor]]\nname = \"a\"\nkind = \"unit\"\n[[step]]\nat = \"1d 00:00\"\nactor = \"a\"\ndo = \"on\"",
            "a `unit` does not `on`: `lose`",
        ),
        (
            "[[actor]]\nname = \"a\"\nkind = \"unit\"\n[[step]]\nat = \"3d 00:00\"\nactor = \"a\"\ndo = \"lose\"",
            "3d 00:00 is after the end: `span_d` is 3",
        ),
        (
            "[[actor]]\nname = \"a\"\nkind = \"unit\"\n[[step]]\nat = \"1d 24:00\"\nactor = \"a\"\ndo = \"lose\"",
            "as `3d 02:30`",
        ),
        ("[[expect]]\nfinding = \"magic\"\non = \"any\"", "there is no detector `magic`"),
        ("[[never]]\nfinding = \"any\"\non = \"b\"", "there is no actor `b`"),
        ("[[feed]]\nname = \"core\"\n[[feed]]\nname = \"core\"", "it is there twice"),
        ("[[feed]]\nname = \"core\"\nlag_s = 60", "`lag_s` is more than `lag_most_s`"),
    ] {
        let error = refused(text);
        assert!(error.contains(why), "{text}\n{error}");
    }
    let error = Scenario::parse("format = 2\nabout = \"\"").unwrap_err().to_string();
    assert!(error.contains("`format` is 2, and this Truecell reads 1"), "{error}");
}

proptest! {
    #[test]
    fn a_time_is_written_and_read_again(minutes in 0..3650_u32 * 1440) {
        let text = format!("{}d {:02}:{:02}", minutes / 1440, minutes / 60 % 24, minutes % 60);
        let moment: Moment = text.parse().unwrap();
        prop_assert_eq!(moment.to_string(), text);
        prop_assert_eq!(moment.since_start().as_secs(), u64::from(minutes) * 60);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in ".{0,200}") {
        let _ = Scenario::parse(&text);
        let _ = text.parse::<Moment>();
    }
}
