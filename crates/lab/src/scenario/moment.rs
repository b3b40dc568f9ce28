use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr, time::Duration};

/// A time of a scenario, from its start: days, and the time of that day. Text: `3d 02:30`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Moment {
    minutes: u32,
}

/// The text is no such time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a time of a scenario is its day, from 0, and the time of that day, as `3d 02:30`")]
pub struct ParseMomentError;

const DAY: u32 = 24 * 60;
/// Ten years: no scenario lasts longer.
const DAYS: u32 = 3650;

impl Moment {
    /// Since the start.
    pub fn since_start(self) -> Duration {
        Duration::from_secs(self.secs())
    }

    /// Whole seconds since the start.
    pub(super) fn secs(self) -> u64 {
        60 * u64::from(self.minutes)
    }
}

impl FromStr for Moment {
    type Err = ParseMomentError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once("d ").and_then(|(day, time)| Some((day, time.split_once(':')?)));
        let (day, (hour, minute)) = parts.ok_or(ParseMomentError)?;
        let number = |text: &str, digits: std::ops::RangeInclusive<usize>, below: u32| {
            let is_one = digits.contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_digit());
            text.parse().ok().filter(|number: &u32| is_one && *number < below).ok_or(ParseMomentError)
        };
        let minutes =
            number(day, 1..=4, DAYS)? * DAY + number(hour, 2..=2, 24)? * 60 + number(minute, 2..=2, 60)?;
        Ok(Self { minutes })
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (day, rest) = (self.minutes / DAY, self.minutes % DAY);
        write!(f, "{day}d {:02}:{:02}", rest / 60, rest % 60)
    }
}

impl TryFrom<String> for Moment {
    type Error = ParseMomentError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Moment> for String {
    fn from(moment: Moment) -> Self {
        moment.to_string()
    }
}
