use super::Detector;
use crate::{
    about::{About, Benign, Memory},
    finding::Subject,
    seen::{Context, Draft, Seen, What},
};
use records::row::GapWhy;
use serde::{Deserialize, Serialize};

/// A feed said nothing, or rows of it are missing.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct FeedGap;

impl Detector for FeedGap {
    const ABOUT: About = About {
        id: "feed_gap",
        version: 1,
        sees: "a feed that says nothing for longer than its terms allow, rows whose numbers never came, and times that a source says it did not keep",
        benign: &[
            Benign {
                cause: "maintenance of the source or of the way from it",
                told: "not told: what is missing is missing",
            },
            Benign {
                cause: "a small feed without heartbeats",
                told: "give it heartbeats, or a longer silence in its terms",
            },
        ],
        clause: "in the case, some whose payments were fraud had no access record at all, though they must have been attached: a gap clears nobody",
        thresholds: &[],
        memory: Memory::NONE,
    };

    fn see(&mut self, seen: &Seen<'_>, cx: &mut Context<'_>) {
        let What::Gap(gap) = seen.what else { return };
        let what = match (gap.why, gap.rows) {
            (GapWhy::Silent, _) => format!("nothing since {}", gap.from),
            (GapWhy::Missing, Some(rows)) => {
                format!("{rows} rows are missing between {} and {}", gap.from, gap.to)
            }
            (GapWhy::Missing | GapWhy::NotKept, _) => format!("not kept from {} to {}", gap.from, gap.to),
        };
        cx.find(Draft {
            key: Subject::Feed(gap.stamp.feed.clone()),
            what,
            rows: vec![seen.row],
            cells: Vec::new(),
            units: Vec::new(),
            handsets: (0, Vec::new()),
            // That rows are missing is sure; who took them is not said.
            confidence: 100,
            partial: true,
        });
    }
}
