//! What each of many requests cost a server.

use super::{Row, Runs, process::Process};
use std::{collections::BTreeMap, time::Duration};

/// What was measured.
pub(super) struct Costs<'a> {
    pub(super) serving: &'a Process,
    /// How long each request took.
    pub(super) took: &'a [Duration],
    /// How long all took, side by side.
    pub(super) lasted: Duration,
    /// What the server's threads spent meanwhile.
    pub(super) cpu: BTreeMap<String, Duration>,
    /// Requests a second, if signatures were all of it.
    pub(super) limit: Runs,
}

/// What the rows are called.
pub(super) struct Words {
    pub(super) bench: &'static str,
    pub(super) by_one_processor: &'static str,
    pub(super) beside_clients: &'static str,
    pub(super) median: &'static str,
    /// Unit of what each costs, and how many of them a second has.
    pub(super) each: (&'static str, f64),
}

impl Costs<'_> {
    /// # Errors
    /// The server has ended.
    pub(super) fn rows(self, words: &Words) -> anyhow::Result<Vec<Row>> {
        let Self { serving, took, lasted, cpu, limit } = self;
        let (count, (unit, a_second)) = (took.len() as f64, words.each);
        let row = |case: &str, unit, value| Row::new(words.bench, case, unit, Runs::from_iter([value]));
        let each = |spent: &Duration| spent.as_secs_f64() * a_second / count;
        let all: Duration = cpu.values().sum();
        let mut rows = vec![
            row(words.by_one_processor, "a second", count / all.as_secs_f64())
                .beside("signatures alone".into(), limit),
            row(words.beside_clients, "a second", count / lasted.as_secs_f64()),
            row("CPU for each", unit, each(&all)),
        ];
        let threads = cpu.iter().filter(|(_, spent)| **spent > all / 100);
        rows.extend(
            threads.map(|(name, spent)| row(&format!("CPU for each, thread {name}"), unit, each(spent))),
        );
        let median = Runs::from_iter(took.iter().map(|took| took.as_secs_f64() * 1000.0)).median();
        rows.push(Row::new(words.bench, words.median, "ms", median.into_iter().collect()));
        rows.push(row("resident at the end", "MiB", serving.resident()? / 1024.0));
        Ok(rows)
    }
}
