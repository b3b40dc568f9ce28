//! Somebody has a unit's key: what is called, how soon, and how often wrongly.

use super::{
    Attack, Given,
    draws::Draws,
    exact::{at_least, at_most},
    party::{Party, Place, Who, line},
    rates::{POWER, POWER_OFF, TURN},
    world::{DAY, Event, Step, World},
};
use ledger::LifeCycle;
use std::time::Duration;

/// What came of many trials of one attack.
#[derive(Clone, Debug, Default)]
pub struct Called {
    /// All of them.
    pub trials: u64,
    /// The right side was named before the unit itself had attached a third time.
    pub right: u64,
    /// The unit was named as the copy, or refused, before that.
    pub wrong: u64,
    /// The copy had the lease at some time before it was named, if it was.
    pub served: u64,
    /// Until the right side was named, days, in whatever time; ascending.
    pub days: Vec<f64>,
}

impl Called {
    /// The share that was called right, and what it is at least.
    pub fn share(&self) -> (f64, f64) {
        (self.right as f64 / self.trials as f64, at_least(self.right, self.trials))
    }

    /// The share that was called wrong, and what it is at most.
    pub fn share_wrong(&self) -> (f64, f64) {
        (self.wrong as f64 / self.trials as f64, at_most(self.wrong, self.trials))
    }

    /// Days until so many of 100 of those that were called right were, nearest rank.
    pub fn days(&self, percent: usize) -> Option<f64> {
        let rank = (self.days.len() * percent).div_ceil(100);
        self.days.get(rank.saturating_sub(1)).copied()
    }
}

/// How long a trial lasts after the copy has come.
const HORIZON: Duration = Duration::from_secs(30 * 86_400);
/// How long the unit has been there before.
const BEFORE: Duration = Duration::from_secs(5 * 86_400);
/// Between two who take turns; nobody stays for less.
const CHANGE: Duration = Duration::from_secs(600);
/// The unit's own attaches within which a copy is to be found.
const ATTACHES: u32 = 2;

/// Runs the trials of one attack with what evidence there is.
pub fn attack(attack: Attack, given: Given, trials: u64, seed: u64) -> Called {
    let mut called = Called { trials, ..Called::default() };
    for trial in 0..trials {
        let actor = (attack as u64) << 40 | given.bits() << 36 | trial;
        let (outcome, served) = Trial::new(attack, given, Draws::new(seed, actor)).run();
        called.served += u64::from(served);
        match outcome {
            Outcome::Right { days, attaches } => {
                called.right += u64::from(attaches <= ATTACHES);
                called.days.push(days);
            }
            Outcome::Wrong => called.wrong += 1,
            Outcome::Nothing => {}
        }
    }
    called.days.sort_by(f64::total_cmp);
    called
}

enum Outcome {
    Right { days: f64, attaches: u32 },
    Wrong,
    Nothing,
}

/// What happens in a trial by itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Story {
    PowerLost,
    /// It is the other's turn.
    Turn(Who),
}

struct Trial {
    attack: Attack,
    given: Given,
    world: World<Story>,
    served: bool,
}

impl Trial {
    fn new(attack: Attack, given: Given, draws: Draws) -> Self {
        let mut world = World::new(given.fed(), draws, &line("home"));
        world.unit.place = world.unit.place.clone().had_for_long();
        Self { attack, given, world, served: false }
    }

    fn run(mut self) -> (Outcome, bool) {
        let world = &mut self.world;
        if self.attack != Attack::FirstComer {
            let first = world.draws.until(POWER);
            world.plan(Duration::ZERO, Event::On(Who::Unit));
            world.plan(first, Event::Story(Story::PowerLost));
            let until = world.now.after(BEFORE + DAY.mul_f64(world.draws.share()));
            while let Some(step) = self.world.step(until) {
                self.tell(&step);
            }
            self.world.now = until;
        }
        self.begin();
        let outcome = self.judge();
        (outcome, self.served)
    }

    fn begin(&mut self) {
        let Self { attack, given, world, served: _ } = self;
        let place = if attack.is_at_home() {
            world.unit.place.clone().beside(&mut world.draws)
        } else {
            Place::elsewhere(&mut world.draws, world.now)
        };
        let make = if attack.is_alike() { 1 } else { 2 };
        world.copy = Some(Party {
            at_site: attack.is_at_home() && *attack != Attack::Relay,
            speaks: attack.speaks(),
            ..Party::new(place, make, &mut world.draws)
        });
        if *attack == Attack::Lost {
            world.gate.device.state = LifeCycle::Lost;
        }
        if *attack == Attack::InsiderBooked {
            world.gate.device.access_line = Some(line("elsewhere"));
        }
        let stays = matches!(attack, Attack::HouseholdRouter | Attack::Carried | Attack::Lost);
        if given.overlap {
            world.plan(Duration::ZERO, Event::On(Who::Copy));
            if *attack == Attack::FirstComer {
                let later = DAY.mul_f64(3.0 * world.draws.share());
                world.plan(CHANGE + later, Event::On(Who::Unit));
            }
        } else {
            world.take_turn(Who::Unit, Who::Copy);
            if !stays {
                let turn = CHANGE * 2 + world.draws.minutes(TURN);
                world.plan(turn, Event::Story(Story::Turn(Who::Unit)));
            }
        }
    }

    /// The first who is named decides.
    fn judge(&mut self) -> Outcome {
        let until = self.world.now.after(HORIZON);
        let (mut came, mut attaches) = (None, 0);
        while let Some(step) = self.world.step(until) {
            self.tell(&step);
            let Step::Said(said) = step else { continue };
            self.served |= self.world.is_attached(Who::Copy);
            if said.of == Who::Copy {
                came.get_or_insert(self.world.now);
            }
            let Some(came) = came else { continue };
            attaches += u32::from(said.of == Who::Unit && !said.is_review);
            if said.accused.contains(&Who::Unit) {
                return if attaches <= ATTACHES { Outcome::Wrong } else { Outcome::Nothing };
            }
            if !said.accused.is_empty() {
                let days = self.world.now.since(came).as_secs_f64() / DAY.as_secs_f64();
                return Outcome::Right { days, attaches };
            }
        }
        Outcome::Nothing
    }

    fn tell(&mut self, step: &Step<Story>) {
        let Step::Story(story) = step else { return };
        let world = &mut self.world;
        match story {
            Story::PowerLost => {
                let (off, next) = (world.draws.minutes(POWER_OFF), world.draws.until(POWER));
                if world.unit.on {
                    world.plan(Duration::ZERO, Event::Off(Who::Unit));
                    world.plan(off, Event::On(Who::Unit));
                }
                world.plan(next + off, Event::Story(Story::PowerLost));
            }
            Story::Turn(who) => {
                let (ends, other) = match who {
                    Who::Unit => (Who::Copy, Who::Unit),
                    Who::Copy => (Who::Unit, Who::Copy),
                };
                world.take_turn(ends, other);
                if self.attack == Attack::Alternating {
                    let turn = world.draws.minutes(TURN);
                    world.plan(CHANGE * 2 + turn, Event::Story(Story::Turn(ends)));
                }
            }
        }
    }
}
