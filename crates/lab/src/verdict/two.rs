use super::{
    Fed,
    draws::Draws,
    gate::Held,
    party::{Party, Place, Who, line},
    world::{DAY, Event, World},
};
use admission::{Case, Probe};
use std::time::Duration;

/// A copy that comes beside the unit, all that the feeds say included, and the unit lives: a case as the gateway judges it.
pub fn two(seed: u64) -> Case {
    let fed = Fed { line: true, facts: true, trail: true };
    let mut world = World::<()>::new(fed, Draws::new(seed, 1 << 60), &line("home"));
    world.plan(Duration::ZERO, Event::On(Who::Unit));
    let until = world.now.after(DAY * 3);
    while world.step(until).is_some() {}
    world.now = until;
    let place = Place::elsewhere(&mut world.draws, until);
    world.copy = Some(Party::new(place, 2, &mut world.draws));
    let held = Held {
        claim: world.claim_of_holder().unwrap_or_else(|| world.bare_claim(Who::Unit)),
        does: Probe::Answered,
    };
    world.gate.case(&world.bare_claim(Who::Copy), held, until)
}
