use super::{
    Fed,
    draws::Draws,
    gate::Held,
    party::{Party, Who, line},
    world::{DAY, Event, World},
};
use admission::{Case, Probe};
use std::time::Duration;

/// A copy that comes from the unit's own line while the unit lives, with all that is fed: both are weighed.
pub fn two(seed: u64) -> Case {
    let fed = Fed { line: true, facts: true, trail: true };
    let mut world = World::<()>::new(fed, Draws::new(seed, 1 << 60), &line("home"));
    world.plan(Duration::ZERO, Event::On(Who::Unit));
    let until = world.now.after(DAY * 3);
    while world.step(until).is_some() {}
    world.now = until;
    let place = world.unit.place.beside(&mut world.draws);
    world.copy = Some(Party::new(place, 2, &mut world.draws));
    let held = Held {
        claim: world.claim_of_holder().unwrap_or_else(|| world.bare_claim(Who::Unit)),
        does: Probe::Answered,
    };
    world.gate.case(&world.bare_claim(Who::Copy), held, until)
}

#[cfg(test)]
mod tests {
    use super::two;
    use admission::Conclusion;

    #[test]
    fn both_are_weighed_and_the_copy_is_named() {
        let verdict = two(1).judge();
        assert_eq!(verdict.conclusion, Some(Conclusion::NewcomerIsClone));
        assert!(verdict.other.is_some_and(|unit| unit.total() > verdict.own.total()));
    }
}
