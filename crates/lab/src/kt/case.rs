use super::published;
use crate::scenario::{BadScenario, Moment, Scenario};
use std::collections::BTreeSet;

/// How large the replay is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Femtocells.
    pub units: u32,
    /// Days: [`WHOLE_D`], or fewer, for which the calendar is compressed.
    pub days: u32,
    /// Of all draws.
    pub seed: u64,
}

/// From 5 August 2024 to 10 September 2025.
pub const WHOLE_D: u32 = 402;
const CASE: &str = include_str!("case.toml");
/// What the file is sized for.
const UNITS: u32 = 20_000;
/// Units of a town.
const TOWN: u32 = 1000;
/// Towns of the gang, and the most that there are.
const TOWNS: [u32; 2] = [5, 200];
/// Handsets an hour without which a drive is none.
const LEAST_CATCH: u32 = 24;

impl Size {
    /// The case in that size. More units: more handsets in each drive. Fewer days: nights come closer to each other, and each box is out
    /// once a day at most.
    ///
    /// # Errors
    /// [`BadScenario`] where the size is beyond what scenarios can be.
    pub fn scenario(&self) -> Result<Scenario, BadScenario> {
        let mut scenario = Scenario::parse(CASE)?;
        scenario.estate.units = Some(self.units);
        scenario.estate.towns = Some((self.units / TOWN).clamp(TOWNS[0], TOWNS[1]));
        scenario.span_d = Some(self.days);
        for gap in scenario.feeds.iter_mut().flat_map(|feed| &mut feed.gaps) {
            gap.from = self.moment(gap.from, 0);
        }
        let mut taken = BTreeSet::new();
        let mut steps = Vec::new();
        for step in std::mem::take(&mut scenario.steps) {
            for time in 0..step.times() {
                let mut once = step.clone();
                (once.every_d, once.times) = (None, None);
                once.at = self.moment(step.at, time * step.every_d());
                once.catch_per_h = step.catch_per_h.map(|catch| self.scaled(catch));
                if taken.insert((once.actor.clone(), once.deed.as_str(), day(once.at))) {
                    steps.push(once);
                }
            }
        }
        scenario.steps = steps;
        Ok(scenario)
    }

    /// How much smaller the estate is than that of the case, in round numbers.
    pub fn scale(&self) -> f64 {
        f64::from(self.units) / f64::from(published::ROUND_UNITS)
    }

    /// Something that was published of the whole estate, for this one.
    pub fn scaled_count(&self, published: u64) -> u64 {
        (published as f64 * self.scale()).round() as u64
    }

    /// Whether its dates are not those of the case.
    pub fn is_compressed(&self) -> bool {
        self.days < WHOLE_D
    }

    /// The day of the replay for a day of the case.
    pub fn day(&self, of_case: u32) -> u32 {
        (of_case * self.days.min(WHOLE_D) / WHOLE_D).min(self.days.saturating_sub(1))
    }

    fn moment(&self, at: Moment, later_d: u32) -> Moment {
        let rest = at.since_start().as_secs() % 86_400;
        let text = format!("{}d {:02}:{:02}", self.day(day(at) + later_d), rest / 3600, rest / 60 % 60);
        text.parse().unwrap_or(at)
    }

    fn scaled(&self, catch_per_h: u32) -> u32 {
        let scaled = u64::from(catch_per_h) * u64::from(self.units) / u64::from(UNITS);
        u32::try_from(scaled).unwrap_or(u32::MAX).clamp(LEAST_CATCH, 20_000)
    }
}

fn day(at: Moment) -> u32 {
    (at.since_start().as_secs() / 86_400) as u32
}
