use super::*;

#[test]
fn shipped_scenarios_end_as_they_say() {
    let mut wrong = Vec::new();
    for shipped in SHIPPED {
        let began = std::time::Instant::now();
        let scenario = shipped.scenario().unwrap_or_else(|error| panic!("{}: {error}", shipped.name));
        let outcome = run(&scenario, scenario.seed().into()).unwrap();
        println!(
            "{} {} rows {:?} late {} in {:?}",
            shipped.name,
            outcome.counts.rows,
            outcome.counts,
            outcome.late,
            began.elapsed()
        );
        for expected in &outcome.expected {
            println!(
                "  {} on {}: {} {:?} {:?} {:?}",
                expected.expect.finding,
                expected.expect.on,
                expected.is_met,
                expected.at,
                expected.after,
                expected.missed
            );
        }
        for violated in &outcome.violated {
            println!(
                "  NEVER {} on {}: {} times, {:?}",
                violated.never.finding, violated.never.on, violated.count, violated.finding
            );
        }
        if !outcome.is_as_expected() {
            wrong.push(shipped.name);
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}
