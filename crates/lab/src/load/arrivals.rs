//! Units that begin each at its own time, and go on until they stand: as charon does, with its retransmissions, and
//! anew when it has given up.

use super::{CHARONS, Load};
use crate::UnitIdentity;
use anyhow::ensure;
use std::time::{Duration, Instant};

/// One unit, in time since the first began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When it sent its first IKE_SA_INIT.
    pub began: Duration,
    /// When its tunnel stood, if it did in time.
    pub stood: Option<Duration>,
}

/// What became of units that arrived.
#[derive(Clone, Debug, Default)]
pub struct Arrivals {
    /// Each unit, in their order.
    pub units: Vec<Arrival>,
    /// Attempts to which the gateway said no.
    pub refused: usize,
    /// Attempts that heard nothing through all retransmissions.
    pub given_up: usize,
}

/// Units that begin before others are looked at again.
const AT_ONCE: usize = 64;

impl Load {
    /// Has a unit begin each `every`, at the place of its number; if that is zero, all as fast as this thread makes
    /// their keys. Ends when all stand, or when the last has had `patience`. `done` hears of each tunnel that stands.
    ///
    /// # Errors
    /// Fewer places than units, or what the system says.
    pub fn arrive(
        &mut self,
        units: &[UnitIdentity],
        every: Duration,
        patience: Duration,
        mut done: impl FnMut(),
    ) -> anyhow::Result<Arrivals> {
        ensure!(units.len() <= self.places.len(), "fewer places than units");
        let began = Instant::now();
        let mut arrivals = Arrivals::default();
        let mut standing = 0;
        while standing < units.len() {
            let next = self.begin_due(units, every, began, &mut arrivals)?;
            if next.is_none()
                && arrivals.units.last().is_some_and(|last| began.elapsed() > last.began + patience)
            {
                break;
            }
            for (place, tried) in self.turn(next.unwrap_or_else(|| Instant::now() + super::AT_MOST))? {
                match tried.failed {
                    None => {
                        arrivals.stands(place, began.elapsed());
                        standing += 1;
                        done();
                    }
                    Some(failed) => {
                        arrivals.refused += usize::from(failed.is_refusal);
                        arrivals.given_up += usize::from(!failed.is_refusal);
                        units.get(place).map_or(Ok(()), |unit| self.begin(place, unit, CHARONS))?;
                    }
                }
            }
        }
        self.places.iter_mut().for_each(|place| place.unit = None);
        Ok(arrivals)
    }

    /// Those whose time it is begin; when the next one does.
    fn begin_due(
        &mut self,
        units: &[UnitIdentity],
        every: Duration,
        began: Instant,
        arrivals: &mut Arrivals,
    ) -> anyhow::Result<Option<Instant>> {
        for _ in 0..AT_ONCE {
            let place = arrivals.units.len();
            let Some(unit) = units.get(place) else { return Ok(None) };
            let due = began + every * u32::try_from(place)?;
            if due > Instant::now() {
                return Ok(Some(due));
            }
            arrivals.units.push(Arrival { began: began.elapsed(), stood: None });
            self.begin(place, unit, CHARONS)?;
        }
        Ok(Some(Instant::now()))
    }
}

impl Arrivals {
    fn stands(&mut self, place: usize, at: Duration) {
        if let Some(arrival) = self.units.get_mut(place) {
            arrival.stood = Some(at);
        }
    }

    /// How many stood within so long after they began.
    pub fn within(&self, time: Duration) -> usize {
        self.took().filter(|took| *took <= time).count()
    }

    /// From the first beginning until `part` of all stood, in 0 to 1; `None` if that never was.
    pub fn until(&self, part: f64) -> Option<Duration> {
        let mut stood: Vec<_> = self.units.iter().filter_map(|unit| unit.stood).collect();
        stood.sort_unstable();
        let count = (self.units.len() as f64 * part).ceil() as usize;
        stood.get(count.checked_sub(1)?).copied()
    }

    fn took(&self) -> impl Iterator<Item = Duration> {
        self.units.iter().filter_map(|unit| Some(unit.stood? - unit.began))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrivals(times: &[(u64, Option<u64>)]) -> Arrivals {
        let seconds = Duration::from_secs;
        let unit = |(began, stood): &(u64, Option<u64>)| Arrival {
            began: seconds(*began),
            stood: stood.map(seconds),
        };
        Arrivals { units: times.iter().map(unit).collect(), ..Arrivals::default() }
    }

    #[test]
    fn each_unit_has_its_own_time_and_all_have_one() {
        let arrivals = arrivals(&[(0, Some(9)), (1, Some(3)), (2, None), (3, Some(5))]);
        assert_eq!(
            (arrivals.within(Duration::from_secs(2)), arrivals.within(Duration::from_secs(9))),
            (2, 3)
        );
        assert_eq!(arrivals.until(0.5), Some(Duration::from_secs(5)));
        assert_eq!(arrivals.until(0.75), Some(Duration::from_secs(9)));
        assert_eq!(arrivals.until(1.0), None);
    }
}
