use super::{
    case::Size,
    note::Noted,
    published::DATES,
    report::{CellReport, WorldReport},
};
use ids::UnixTime;
use serde::Serialize;
use std::time::Duration;

/// Something that happened, or was noticed.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// When, where that lies within the replay.
    pub at: Option<UnixTime>,
    /// The same for people; of what was published, as it was.
    pub when: String,
    /// Whose.
    pub whose: Whose,
    /// What.
    pub what: String,
}

/// Whose an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Whose {
    /// Published of the case.
    Then,
    /// Of the gang, in the replay.
    Replay,
    /// What the detectors found in the replay, of which nobody took notice.
    Found,
    /// What our rules did.
    Ours,
}

impl Whose {
    /// For people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Then => "then",
            Self::Replay => "replay",
            Self::Found => "found",
            Self::Ours => "ours",
        }
    }
}

/// A time as people write it; hours are those of the scenario.
pub(super) fn moment(at: UnixTime) -> String {
    let text = at.to_string();
    let (day, time) = text.split_once('T').unwrap_or((&text, ""));
    [day, time.get(..5).unwrap_or("")].join(" ")
}

/// All that was noticed, in order.
pub(super) fn story(
    size: &Size,
    was: &Noted,
    ours: Option<&WorldReport>,
    cells: &[CellReport],
) -> Vec<Entry> {
    let begins = was.points.first().map_or(UnixTime::default(), |point| point.at);
    let mut entries: Vec<_> = DATES
        .iter()
        .map(|date| Entry {
            at: date.day.map(|day| begins.after(Duration::from_secs(86_400 * u64::from(size.day(day))))),
            when: date.when.to_owned(),
            whose: Whose::Then,
            what: date.what.to_owned(),
        })
        .collect();
    let mut add = |at: Option<UnixTime>, whose: Whose, what: String| {
        entries.extend(at.map(|at| Entry { at: Some(at), when: moment(at), whose, what }));
    };
    for (id, note) in &was.detectors {
        if let Some(first) = &note.first {
            add(Some(first.at), Whose::Found, [id, ": ", &first.what].concat());
        }
    }
    let found: Option<Vec<_>> = cells.iter().map(|cell| cell.found).collect();
    let count = cells.len();
    add(found.and_then(|found| found.into_iter().max()), Whose::Found, format!("the last of {count} cells"));
    let first = |at: fn(&CellReport) -> Option<UnixTime>| cells.iter().filter_map(at).min();
    add(first(|cell| cell.first_used), Whose::Replay, "The first handset at a cell of the gang.".into());
    add(first(|cell| cell.first_code), Whose::Replay, "The first code is read.".into());
    add(first(|cell| cell.first_payment), Whose::Replay, "The first payment.".into());
    if let Some(attempts) = ours.map(|ours| &ours.attempts) {
        let reason = attempts.layers.first().map_or("", |layer| &layer.text);
        add(attempts.first, Whose::Ours, ["The first tunnel is refused: ", reason, "."].concat());
        add(attempts.last, Whose::Ours, format!("The last of {} tunnels is refused.", attempts.refused));
    }
    entries.sort_by_key(|entry| (entry.at, entry.whose));
    entries
}
