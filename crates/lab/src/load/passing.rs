//! Units that come and go, of which some may be refused.

use super::{
    Load,
    place::{Place, Unit},
};
use crate::{KnownGateway, UnitIdentity};
use std::time::{Duration, Instant};

/// A unit whose attempt to attach is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// Its identity in IKE.
    pub name: String,
    /// It has a tunnel; otherwise the gateway refused it.
    pub stands: bool,
}

/// Longest wait while somebody may want it to end at any time.
const SOON: Duration = Duration::from_millis(20);

impl Load {
    /// As [`Load::attach`], with units of which some may be refused, for as long as `goes_on`. It hears of each whose
    /// attempt is over, and says of it whether it leaves again at once, in good order.
    ///
    /// # Errors
    /// A socket does not work.
    pub fn come_and_go(
        &mut self,
        units: &[UnitIdentity],
        goes_on: impl Fn() -> bool,
        mut leaves: impl FnMut(Tried) -> bool,
    ) -> anyhow::Result<()> {
        let (mut waiting, mut free) = (units.iter(), (0..self.places.len()).rev().collect::<Vec<_>>());
        while goes_on() {
            self.fill(&mut free, &mut waiting)?;
            if free.len() == self.places.len() {
                return Ok(());
            }
            free.extend(self.end_tried(Instant::now() + SOON, &mut leaves)?);
        }
        // What the gateway has sent by now counts.
        self.end_tried(Instant::now(), &mut leaves)?;
        self.places.iter_mut().for_each(|place| place.unit = None);
        Ok(())
    }

    /// The places of those whose attempt is over.
    fn end_tried(
        &mut self,
        until: Instant,
        leaves: &mut impl FnMut(Tried) -> bool,
    ) -> anyhow::Result<Vec<usize>> {
        let mut free = Vec::new();
        for (number, unit) in self.turn(until)? {
            free.push(number);
            let leaves = leaves(Tried { name: unit.name.clone(), stands: unit.failed.is_none() });
            if let Some(place) = self.places.get_mut(number).filter(|_| leaves) {
                place.leave(unit, &self.gateway)?;
            }
        }
        Ok(free)
    }
}

impl Place {
    /// Deletes the tunnel of a unit that was here, and waits for no answer.
    fn leave(&mut self, mut unit: Unit, gateway: &KnownGateway) -> anyhow::Result<()> {
        unit.initiator.close(Instant::now());
        self.unit = Some(unit);
        self.drain(gateway)?;
        self.unit = None;
        Ok(())
    }
}
