//! Copies of keys, presented at will: many attempts a second, each by a key that somebody else has, and from wherever
//! its holder has an address.

use super::Load;
use crate::UnitIdentity;
use ike::Retransmission;
use std::{
    collections::VecDeque,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::{Duration, Instant},
};

/// What copies of keys were told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pressed {
    /// Attempts.
    pub begun: usize,
    /// To which the gateway said no, once it had verified who asks.
    pub refused: usize,
    /// That were let in.
    pub let_in: usize,
}

/// An attempt that has heard nothing for so long makes room for another.
const PATIENCE: Duration = Duration::from_secs(2);
/// Nobody sends twice within [`PATIENCE`].
const ONCE: Retransmission = Retransmission { first: Duration::from_secs(60), tries: 1 };

impl Load {
    /// Makes `per_second` attempts with these keys in turn, as far as places are free, until `stop`; what is then
    /// underway is heard to its end.
    ///
    /// # Errors
    /// What the system says.
    pub fn press(
        &mut self,
        keys: &[UnitIdentity],
        per_second: u32,
        stop: &AtomicBool,
    ) -> anyhow::Result<Pressed> {
        let (began, mut pressed) = (Instant::now(), Pressed::default());
        let (mut keys, mut free) = (keys.iter().cycle(), (0..self.places.len()).collect::<VecDeque<_>>());
        let mut underway: VecDeque<(Instant, usize)> = VecDeque::new();
        loop {
            let (now, stopped) = (Instant::now(), stop.load(Relaxed));
            if stopped && underway.is_empty() {
                return Ok(pressed);
            }
            while let Some((_, place)) = underway.pop_front_if(|(since, _)| now >= *since + PATIENCE) {
                self.give_up(place);
                free.push_back(place);
            }
            let due = (now - began).as_secs_f64() * f64::from(per_second);
            while !stopped && (pressed.begun as f64) < due {
                let (Some(place), Some(key)) = (free.pop_front(), keys.next()) else { break };
                self.begin(place, key, ONCE)?;
                underway.push_back((now, place));
                pressed.begun += 1;
            }
            for (place, tried) in self.turn(now + Duration::from_millis(1))? {
                underway.retain(|(_, waiting)| *waiting != place);
                free.push_back(place);
                match tried.failed {
                    None => pressed.let_in += 1,
                    Some(failed) => pressed.refused += usize::from(failed.is_refusal),
                }
            }
        }
    }

    fn give_up(&mut self, place: usize) {
        if let Some(place) = self.places.get_mut(place) {
            place.unit = None;
        }
    }
}
