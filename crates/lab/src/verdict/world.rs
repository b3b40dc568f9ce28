//! One unit, perhaps a copy of it, and the gate: what happens is drawn, what is concluded is not.

use super::{
    Fed,
    draws::Draws,
    gate::{Gate, Held},
    party::{Home, Party, Place, Speaks, Who, claim},
    rates::{AGAIN, FACTS_EVERY, FACTS_GAP, LINE_LAG, TRAIL_AFTER},
    said::Said,
};
use admission::{Claim, Decision, Evidence, Management, Missing, Probe, Trail};
use ids::UnixTime;
use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

pub(super) const DAY: Duration = Duration::from_secs(86_400);
const MINUTE: Duration = Duration::from_secs(60);

/// The session that has the lease.
struct Session {
    number: u64,
    who: Who,
    /// Its end is there.
    lives: bool,
    facts_from: UnixTime,
    trail_from: Option<UnixTime>,
}

/// What one step was.
pub(super) enum Step<E> {
    Said(Said),
    Story(E),
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event<E> {
    /// It claims the identity, if the plan still holds.
    Attach(Who, u64),
    On(Who),
    Off(Who),
    /// Something more is known of a session.
    Learn(u64),
    /// Something of the story.
    Story(E),
}

pub(super) struct World<E> {
    pub(super) fed: Fed,
    pub(super) gate: Gate,
    pub(super) draws: Draws,
    pub(super) unit: Party,
    pub(super) copy: Option<Party>,
    pub(super) now: UnixTime,
    holder: Option<Session>,
    last_in: Option<Who>,
    sessions: u64,
    queue: BinaryHeap<Reverse<(UnixTime, u64, Event<E>)>>,
    planned: u64,
}

impl<E: Copy + Ord> World<E> {
    pub(super) fn new(fed: Fed, mut draws: Draws, home: &ids::AccessLine) -> Self {
        let now = UnixTime::from_secs(1_800_000_000);
        let place = Place::of_line(home, &mut draws, now);
        Self {
            fed,
            gate: Gate::new(home, now),
            unit: Party::new(place, 1, &mut draws),
            copy: None,
            draws,
            now,
            holder: None,
            last_in: None,
            sessions: 0,
            queue: BinaryHeap::new(),
            planned: 0,
        }
    }

    pub(super) fn plan(&mut self, after: Duration, event: Event<E>) {
        self.planned += 1;
        self.queue.push(Reverse((self.now.after(after), self.planned, event)));
    }

    /// What comes next, until then; what of it is of the story is left to whoever tells that.
    pub(super) fn step(&mut self, until: UnixTime) -> Option<Step<E>> {
        let Reverse((at, _, event)) = *self.queue.peek()?;
        if at >= until {
            return None;
        }
        self.queue.pop();
        self.now = at;
        Some(match event {
            Event::Story(story) => Step::Story(story),
            Event::Attach(who, plan) if self.party(who).on && self.party(who).plan == plan => {
                Step::Said(self.attach(who))
            }
            Event::Learn(number) => self.learn(number).map_or(Step::Nothing, Step::Said),
            Event::On(who) => self.switch_on(who),
            Event::Off(who) => self.switch_off(who),
            Event::Attach(..) => Step::Nothing,
        })
    }

    pub(super) fn party(&mut self, who: Who) -> &mut Party {
        match (who, &mut self.copy) {
            (Who::Copy, Some(copy)) => copy,
            _ => &mut self.unit,
        }
    }

    /// It claims the identity after that time, and not when it would have.
    pub(super) fn attach_after(&mut self, who: Who, after: Duration) {
        let party = self.party(who);
        party.plan += 1;
        let plan = party.plan;
        self.plan(after, Event::Attach(who, plan));
    }

    /// Its tunnel does not stand any more where it was.
    pub(super) fn lose_tunnel(&mut self, who: Who) {
        if let Some(holder) = self.holder.as_mut().filter(|holder| holder.who == who) {
            holder.lives = false;
        }
    }

    pub(super) fn is_attached(&self, who: Who) -> bool {
        self.holder.as_ref().is_some_and(|holder| holder.who == who && holder.lives)
    }

    /// One is not there any more before the other comes.
    pub(super) fn take_turn(&mut self, ends: Who, begins: Who) {
        self.party(ends).is_kept_off = true;
        self.party(begins).is_kept_off = false;
        self.plan(Duration::ZERO, Event::Off(ends));
        self.plan(MINUTE * 10, Event::On(begins));
    }

    fn switch_on(&mut self, who: Who) -> Step<E> {
        if self.party(who).is_kept_off {
            return Step::Nothing;
        }
        let (first, boots) = (self.until_report(), MINUTE.mul_f64(0.5 + self.draws.share()));
        let line_is_there = self.draws.minutes(LINE_LAG);
        let now = self.now;
        let party = self.party(who);
        party.on = true;
        party.reports_from = now.after(first);
        self.attach_after(who, boots);
        if let Some(number) = self.holder.as_ref().map(|holder| holder.number) {
            self.plan(first, Event::Learn(number));
            self.plan(line_is_there, Event::Learn(number));
        }
        Step::Nothing
    }

    fn switch_off(&mut self, who: Who) -> Step<E> {
        let party = self.party(who);
        (party.on, party.refused) = (false, 0);
        party.plan += 1;
        self.lose_tunnel(who);
        Step::Nothing
    }

    /// Until a report of now is there.
    fn until_report(&mut self) -> Duration {
        let every = MINUTE.mul_f64(FACTS_EVERY.value);
        let mut after = every.mul_f64(self.draws.share());
        while self.draws.happens(FACTS_GAP) {
            after += every;
        }
        after
    }

    pub(super) fn claim_of_holder(&self) -> Option<Claim> {
        self.holder.as_ref().map(|session| self.claim_now(session))
    }

    pub(super) fn bare_claim(&self, who: Who) -> Claim {
        let party = match (who, &self.copy) {
            (Who::Copy, Some(copy)) => copy,
            _ => &self.unit,
        };
        let home = Home {
            line: self.gate.device.access_line.as_ref(),
            is_off: !self.unit.on && !self.unit.is_kept_off,
        };
        claim(party, self.gate.device.id, self.gate.cert(), &home, self.fed, self.now)
    }

    /// The claim of a session, with what has come to be known of it.
    fn claim_now(&self, session: &Session) -> Claim {
        Claim { facts: self.management(session), place: self.trail(session), ..self.bare_claim(session.who) }
    }

    fn management(&self, session: &Session) -> Evidence<Management> {
        let of_unit = |of: Management| Evidence::seen(of, "management", self.now);
        let missing = Evidence::Missing(Missing::NotSent);
        if !self.fed.facts || self.now < session.facts_from {
            return missing;
        }
        let good = Management {
            serial: Some(true),
            software: Some(self.unit.firmware_is_known),
            tunnel: Some(true),
            neighbours: Some(true),
        };
        let unit_speaks = self.unit.on && self.now >= self.unit.reports_from;
        let speaks = self.copy.as_ref().filter(|_| session.who == Who::Copy).map(|copy| copy.speaks);
        match (speaks, unit_speaks) {
            (None, _) => of_unit(good),
            (Some(Speaks::FromElsewhere), _) => of_unit(Management { neighbours: Some(false), ..good }),
            (Some(Speaks::Nothing), true) => of_unit(Management { tunnel: Some(false), ..good }),
            // Two speak, and nothing says which of them is the unit.
            (Some(Speaks::AsTheUnit), true) | (Some(Speaks::Nothing), false) => missing,
            (Some(Speaks::AsTheUnit), false) => of_unit(good),
        }
    }

    fn trail(&self, session: &Session) -> Evidence<Trail> {
        if session.trail_from.is_none_or(|from| self.now < from) {
            return Evidence::Missing(Missing::NotGathered);
        }
        let copy = self.copy.as_ref().filter(|_| session.who == Who::Copy);
        let at_site = copy.unwrap_or(&self.unit).at_site;
        Evidence::seen(if at_site { Trail::AtSite } else { Trail::Elsewhere }, "handsets", self.now)
    }

    fn attach(&mut self, who: Who) -> Said {
        let claim = self.bare_claim(who);
        let held = self.holder.as_ref().map(|session| {
            let does = match session {
                Session { lives: false, .. } => Probe::Silent,
                Session { who: other, .. } if *other == who => Probe::MadeRoom,
                _ => Probe::Answered,
            };
            Held { claim: self.claim_now(session), does }
        });
        let does = held.as_ref().map(|held| held.does);
        let verdict = self.gate.attach(&claim, held, self.now);
        let other = match does {
            Some(Probe::Answered) => self.holder.as_ref().map(|holder| holder.who),
            Some(Probe::NotAsked | Probe::Silent | Probe::Unreachable | Probe::MadeRoom) | None => {
                self.last_in
            }
        };
        let said = Said::new(who, other.filter(|_| verdict.other.is_some()), false, verdict);
        match said.verdict.decision {
            Decision::Admit(_) => self.let_in(who, does == Some(Probe::MadeRoom)),
            Decision::Refuse(_) | Decision::Quarantine(_) | Decision::Contest | Decision::Drop(_) => {
                self.turn_away(who);
            }
        }
        if said.verdict.holder_goes && said.against.is_some() {
            self.end_holder();
        }
        said
    }

    fn let_in(&mut self, who: Who, goes_on: bool) {
        let before = self.holder.take();
        if let Some(other) = before.as_ref().filter(|before| before.who != who && before.lives) {
            let other = other.who;
            self.turn_away(other);
        }
        self.sessions += 1;
        let number = self.sessions;
        let kept = before.filter(|before| goes_on && before.who == who);
        let (facts_from, trail_from) = match kept {
            Some(kept) => (kept.facts_from, kept.trail_from),
            None => self.will_be_known(who),
        };
        let line = self.fed.line.then(|| self.party(who).place.feed_says());
        let said = [self.fed.facts.then_some(facts_from), trail_from].into_iter().flatten();
        for from in said.chain(line.into_iter().flatten()) {
            if from > self.now {
                self.plan(from.since(self.now), Event::Learn(number));
            }
        }
        self.holder = Some(Session { number, who, lives: true, facts_from, trail_from });
        self.last_in = Some(who);
        self.party(who).refused = 0;
        let early = DAY.mul_f64(0.02 * self.draws.share());
        self.attach_after(who, DAY - early);
    }

    fn will_be_known(&mut self, who: Who) -> (UnixTime, Option<UnixTime>) {
        let (report, trail) = (self.until_report(), self.draws.minutes(TRAIL_AFTER));
        let shows = self.fed.trail && !self.party(who).is_quiet;
        (self.now.after(report), shows.then_some(self.now.after(trail)))
    }

    /// It tries again: later each time, after a day at most.
    fn turn_away(&mut self, who: Who) {
        let party = self.party(who);
        let again = MINUTE.mul_f64(AGAIN.value * f64::from(1_u32 << party.refused.min(8)));
        party.refused += 1;
        let jitter = 0.9 + 0.2 * self.draws.share();
        self.attach_after(who, again.min(DAY).mul_f64(jitter));
    }

    fn end_holder(&mut self) {
        if let Some(holder) = self.holder.take().filter(|holder| holder.lives) {
            self.turn_away(holder.who);
        }
    }

    fn learn(&mut self, number: u64) -> Option<Said> {
        let session = self.holder.as_ref().filter(|session| session.number == number && session.lives)?;
        let (who, claim) = (session.who, self.claim_now(session));
        Some(self.look_again(who, &claim))
    }

    /// The holder has moved, or more is known of it.
    pub(super) fn review(&mut self) -> Option<Said> {
        let number = self.holder.as_ref()?.number;
        self.learn(number)
    }

    fn look_again(&mut self, who: Who, claim: &Claim) -> Said {
        let verdict = self.gate.review(claim, self.now);
        let said = Said::new(who, None, true, verdict);
        if said.against.is_some() {
            self.end_holder();
        }
        said
    }
}
