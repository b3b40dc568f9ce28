//! Honest units, and all that happens to them: whom the rules turn away though nobody has copied anything.

use super::{
    Fed,
    draws::Draws,
    party::{Place, Who, line},
    rates::{
        ADDRESS, BOOKED_MOVE, DUAL_STACK, FLAP, LINE_CHANGE, OUTAGE, OUTAGE_OFF, POWER, POWER_OFF, REBINDING,
        RESET, ROLL_BACK, Rate, UNBOOKED_MOVE, UPGRADE, UPGRADE_LOOKS, UPGRADE_UNKNOWN,
    },
    said::Said,
    world::{DAY, Event, Step, World},
};
use admission::Reason;
use ids::Sha256;
use ledger::Grade;
use std::{collections::BTreeMap, time::Duration};

/// What honest units met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Churned {
    /// Days, each of one unit.
    pub unit_days: u64,
    /// Claims, and sessions that were looked at again.
    pub judged: u64,
    /// Times that a unit was turned away that was where the ledger has it, while a list had it wrong; each once until it was
    /// in again, by reason.
    pub by_lists: BTreeMap<&'static str, u64>,
    /// The same while all lists had it right, by reason and what spoke against it.
    pub by_rules: BTreeMap<String, u64>,
    /// Times that one was turned away that had moved, while that was not booked.
    pub unbooked: u64,
    /// Times that one was let in and told as two who take turns, by the conclusion.
    pub told_as_two: BTreeMap<&'static str, u64>,
}

impl Churned {
    /// All that were turned away though they were where they belong.
    pub fn wrong(&self) -> u64 {
        self.by_lists.values().chain(self.by_rules.values()).sum()
    }

    fn add(&mut self, other: Self) {
        self.unit_days += other.unit_days;
        self.judged += other.judged;
        self.unbooked += other.unbooked;
        add(&mut self.told_as_two, other.told_as_two);
        add(&mut self.by_lists, other.by_lists);
        add(&mut self.by_rules, other.by_rules);
    }
}

fn add<K: Ord>(all: &mut BTreeMap<K, u64>, more: BTreeMap<K, u64>) {
    for (key, times) in more {
        *all.entry(key).or_default() += times;
    }
}

/// Days that each unit is looked at.
const DAYS: u64 = 100;
/// Units that an outage hits together.
const REGION: u64 = 500;
const MINUTE: Duration = Duration::from_secs(60);

/// Lives of honest units, of so many days in all. `done`: hears after each unit how many days are done.
pub fn churn(fed: Fed, unit_days: u64, seed: u64, mut done: impl FnMut(u64)) -> Churned {
    let mut all = Churned::default();
    for unit in 0..unit_days.div_ceil(DAYS) {
        let regions = Draws::new(seed, 1 << 62 | unit / REGION);
        all.add(Life::new(fed, Draws::new(seed, 1 << 61 | unit), regions).run());
        done(all.unit_days);
    }
    all
}

/// What happens in the life of a unit by itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Story {
    Power,
    Outage(Duration),
    Address,
    Rebinding,
    Flap,
    BookedMove,
    UnbookedMove,
    Booked,
    LineChange,
    Reset,
    Upgrade,
    SetBack(u32),
}

/// What happens again and again.
const REPEATED: [(Story, Rate); 9] = [
    (Story::Power, POWER),
    (Story::Address, ADDRESS),
    (Story::Rebinding, REBINDING),
    (Story::Flap, FLAP),
    (Story::BookedMove, BOOKED_MOVE),
    (Story::UnbookedMove, UNBOOKED_MOVE),
    (Story::LineChange, LINE_CHANGE),
    (Story::Reset, RESET),
    (Story::Upgrade, UPGRADE),
];

struct Life {
    world: World<Story>,
    found: Churned,
    is_away: bool,
    is_booked: bool,
    has_two_stacks: bool,
    other_stack: Option<Place>,
    lines: u32,
    makes: u32,
    versions: u32,
    certs: u8,
}

impl Life {
    fn new(fed: Fed, draws: Draws, mut region: Draws) -> Self {
        let mut world = World::new(fed, draws, &line("line-0"));
        world.plan(Duration::ZERO, Event::On(Who::Unit));
        for (story, rate) in REPEATED {
            let first = world.draws.until(rate);
            world.plan(first, Event::Story(story));
        }
        let mut at = region.until(OUTAGE);
        while at < DAY * DAYS as u32 {
            world.plan(at, Event::Story(Story::Outage(region.minutes(OUTAGE_OFF))));
            at += region.until(OUTAGE);
        }
        Self {
            has_two_stacks: world.draws.happens(DUAL_STACK),
            world,
            found: Churned { unit_days: DAYS, ..Churned::default() },
            is_away: false,
            is_booked: true,
            other_stack: None,
            lines: 0,
            makes: 1,
            versions: 0,
            certs: 7,
        }
    }

    fn run(mut self) -> Churned {
        let until = self.world.now.after(DAY * DAYS as u32);
        while let Some(step) = self.world.step(until) {
            match step {
                Step::Said(said) => self.hear(&said),
                Step::Story(story) => self.tell(story),
                Step::Nothing => {}
            }
        }
        self.found
    }

    fn hear(&mut self, said: &Said) {
        self.found.judged += 1;
        let Some(reason) = said.against else {
            self.is_away = false;
            let told = said.verdict.conclusion.filter(|_| said.verdict.other.is_some() && !said.is_review);
            if let Some(conclusion) = told {
                *self.found.told_as_two.entry(conclusion.code()).or_default() += 1;
            }
            return;
        };
        if !self.is_booked {
            self.found.unbooked += u64::from(!self.is_away);
        } else if !self.is_away {
            self.turned_away(said, reason);
        }
        self.is_away = true;
    }

    fn turned_away(&mut self, said: &Said, reason: Reason) {
        if self.world.unit.place.is_misread(self.world.now) {
            *self.found.by_lists.entry(reason.code()).or_default() += 1;
            return;
        }
        let bad = said.verdict.own.marks().iter().filter(|mark| mark.grade == Grade::Bad);
        let bad: Vec<_> = bad.map(|mark| mark.item.as_str()).collect();
        *self.found.by_rules.entry(format!("{}: {}", reason.code(), bad.join(", "))).or_default() += 1;
    }

    fn tell(&mut self, story: Story) {
        if let Some((_, rate)) = REPEATED.iter().find(|(repeated, _)| *repeated == story) {
            let next = self.world.draws.until(*rate);
            self.world.plan(next, Event::Story(story));
        }
        match story {
            Story::Power => {
                let off = self.world.draws.minutes(POWER_OFF);
                self.off_for(off);
            }
            Story::Outage(off) => self.off_for(off),
            Story::Address => {
                self.other_stack = None;
                self.gets_place();
            }
            Story::Rebinding => {
                self.world.unit.place.rebind(&mut self.world.draws);
                self.look_again();
            }
            Story::Flap => self.flap(),
            Story::BookedMove => self.moves(true),
            Story::UnbookedMove => self.moves(false),
            Story::Booked => self.book(),
            Story::LineChange => {
                self.lines += 1;
                self.other_stack = None;
                self.book();
                self.gets_place();
            }
            Story::Reset => self.reset(),
            Story::Upgrade => self.upgrade(),
            Story::SetBack(make) => {
                (self.world.unit.make, self.world.unit.firmware_is_known) = (make, false);
                self.off_for(MINUTE * 2);
            }
        }
    }

    fn off_for(&mut self, off: Duration) {
        if self.world.unit.on {
            self.world.plan(Duration::ZERO, Event::Off(Who::Unit));
            self.world.plan(off, Event::On(Who::Unit));
        }
    }

    /// It has another address, and so no tunnel until it has noticed.
    fn gets_place(&mut self) {
        let line = self.line();
        let place = Place::of_line(&line, &mut self.world.draws, self.world.now);
        self.goes_to(place);
    }

    fn goes_to(&mut self, place: Place) -> Place {
        let before = std::mem::replace(&mut self.world.unit.place, place);
        self.world.lose_tunnel(Who::Unit);
        self.world.attach_after(Who::Unit, MINUTE);
        before
    }

    /// Its two stacks keep their addresses.
    fn flap(&mut self) {
        if !self.has_two_stacks {
            return;
        }
        let line = self.line();
        let other = self.other_stack.take();
        let other =
            other.unwrap_or_else(|| Place::of_other_stack(&line, &mut self.world.draws, self.world.now));
        self.other_stack = Some(self.goes_to(other));
    }

    fn moves(&mut self, is_booked: bool) {
        self.lines += 1;
        self.other_stack = None;
        let line = self.line();
        self.world.unit.place = Place::of_line(&line, &mut self.world.draws, self.world.now);
        if is_booked {
            self.book();
        } else {
            self.is_booked = false;
            self.world.plan(DAY, Event::Story(Story::Booked));
        }
        self.off_for(MINUTE * 120);
    }

    fn book(&mut self) {
        self.is_booked = true;
        self.world.gate.device.access_line = Some(self.line());
    }

    fn line(&self) -> ids::AccessLine {
        line(&format!("line-{}", self.lines))
    }

    fn reset(&mut self) {
        self.certs = self.certs.wrapping_add(1);
        self.world.gate.enrol_anew(Sha256([self.certs; 32]), self.world.now);
        (self.world.unit.make, self.world.unit.firmware_is_known) = (1, true);
        self.world.gate.device.firmware = String::new();
        self.off_for(MINUTE * 10);
    }

    fn upgrade(&mut self) {
        let (draws, unit) = (&mut self.world.draws, &mut self.world.unit);
        let before = unit.make;
        if draws.happens(UPGRADE_LOOKS) {
            self.makes += 1;
            unit.make = self.makes;
        }
        self.versions += 1;
        unit.firmware_is_known = !draws.happens(UPGRADE_UNKNOWN);
        if unit.firmware_is_known {
            self.world.gate.device.firmware = self.versions.to_string();
        }
        if draws.happens(ROLL_BACK) {
            self.world.plan(DAY, Event::Story(Story::SetBack(before)));
        }
        self.off_for(MINUTE * 5);
    }

    fn look_again(&mut self) {
        if self.world.is_attached(Who::Unit)
            && let Some(said) = self.world.review()
        {
            self.hear(&said);
        }
    }
}
