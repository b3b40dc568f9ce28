use crate::scenario::{FeedKind, FeedTerms, GapTerms, Scenario};
use ids::Sha256;
use serde::Serialize;

/// What of the records is not there: of access records, registrations with IMS, codes and payments alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Missing {
    /// Nothing.
    Nothing,
    /// 5 % of rows, evenly, and their numbers show it.
    Lost,
    /// 5 % of rows, evenly, and nothing shows it: they were never written.
    Unwritten,
    /// 5 % of the time: on each day each feed says nothing for 72 minutes, at an hour of its own.
    Gaps,
}

const RECORDS: [FeedKind; 4] = [FeedKind::Core, FeedKind::Ims, FeedKind::Codes, FeedKind::Payments];
const PERCENT: f64 = 5.0;
/// A twentieth of a day.
const GAP_H: f64 = 1.2;

impl Missing {
    /// Each.
    pub const ALL: [Self; 4] = [Self::Nothing, Self::Lost, Self::Unwritten, Self::Gaps];

    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "all records",
            Self::Lost => "5 % lost, and it shows",
            Self::Unwritten => "5 % never written",
            Self::Gaps => "72 min a day missing",
        }
    }

    /// The scenario with its feeds like that.
    pub(super) fn of(self, scenario: &Scenario, seed: u64) -> Scenario {
        let mut scenario = scenario.clone();
        for kind in RECORDS.into_iter().filter(|_| self != Self::Nothing) {
            if !scenario.feeds.iter().any(|feed| feed.name == kind) {
                scenario.feeds.push(FeedTerms { name: kind, ..FeedTerms::default() });
            }
            let days = scenario.span_d();
            for feed in scenario.feeds.iter_mut().filter(|feed| feed.name == kind) {
                match self {
                    Self::Nothing => {}
                    Self::Lost => feed.lost_pct = Some(PERCENT),
                    Self::Unwritten => feed.unrecorded_pct = Some(PERCENT),
                    Self::Gaps => feed.gaps.extend((0..days).filter_map(|day| gap(seed, kind, day))),
                }
            }
        }
        scenario
    }
}

/// The gap of a day: from any minute on after which it still ends that day.
fn gap(seed: u64, kind: FeedKind, day: u32) -> Option<GapTerms> {
    let Sha256(hash) = Sha256::of(format!("{seed} {} {day}", kind.as_str()).as_bytes());
    let draw = u32::from_be_bytes(*hash.first_chunk()?);
    let minute = draw % (24 * 60 - 72);
    let from = format!("{day}d {:02}:{:02}", minute / 60, minute % 60).parse().ok()?;
    Some(GapTerms { from, for_h: GAP_H, late: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_twentieth_of_each_record_feed_is_missing_and_of_no_other() {
        let scenario = Scenario::parse("format = 1\nabout = \"a test\"\nspan_d = 300").unwrap();
        for missing in Missing::ALL {
            let of = missing.of(&scenario, 3);
            of.check().unwrap();
            assert_eq!(of.feeds.len(), if missing == Missing::Nothing { 0 } else { 4 }, "{missing:?}");
            for feed in &of.feeds {
                assert!(!matches!(feed.name, FeedKind::Ledger | FeedKind::Plan));
                let hours: f64 = feed.gaps.iter().map(|gap| gap.for_h).sum();
                let share = feed.lost_pct() + feed.unrecorded_pct() + 100.0 * hours / (24.0 * 300.0);
                assert!((share - 5.0).abs() < 1e-9, "{missing:?}: {share}");
            }
        }
        let gaps = |seed| Missing::Gaps.of(&scenario, seed).feeds;
        assert_eq!(gaps(1), gaps(1));
        assert_ne!(gaps(1), gaps(2));
    }
}
