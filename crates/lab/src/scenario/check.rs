//! What can be wrong with a scenario before it is played, in words.

use super::{
    file::{Actor, FORMAT, Scenario},
    keys::{Wrong, list},
    moment::Moment,
    word::{ActorKind, By, Deed},
};

/// Why a scenario cannot be played: where, what, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum BadScenario {
    /// It is no TOML, or has a key or a word that there is none of; with the line.
    #[error("{0}")]
    Unread(#[from] toml::de::Error),
    /// Its parts do not go together.
    #[error("{place}: {what}")]
    Wrong {
        /// Which part: `step 3, gang at 2d 03:00`.
        place: String,
        /// What is wrong, and what to do.
        what: String,
    },
}

/// Names that expectations have for themselves.
const TAKEN: [&str; 3] = ["any", "honest", "attack"];

fn wrong(place: impl Into<String>, what: impl Into<String>) -> BadScenario {
    BadScenario::Wrong { place: place.into(), what: what.into() }
}

fn all_right(place: impl Into<String>, found: Option<Wrong>) -> Result<(), BadScenario> {
    found.map_or(Ok(()), |Wrong(what)| Err(wrong(place, what)))
}

impl Scenario {
    /// Whether its parts go together.
    ///
    /// # Errors
    /// The first thing that does not.
    pub(crate) fn check(&self) -> Result<(), BadScenario> {
        if self.format != FORMAT {
            let what = format!("`format` is {}, and this Truecell reads {FORMAT}", self.format);
            return Err(wrong("the scenario", what));
        }
        all_right("the scenario", self.wrong_values(""))?;
        self.check_estate()?;
        self.check_feeds()?;
        self.actors.iter().enumerate().try_for_each(|(at, actor)| self.check_actor(at, actor))?;
        self.steps.iter().enumerate().try_for_each(|(at, _)| self.check_step(at))?;
        self.check_expectations()
    }

    fn check_estate(&self) -> Result<(), BadScenario> {
        let estate = &self.estate;
        all_right("[estate]", estate.wrong_values(""))?;
        let kinds = estate.offices_pct() + estate.shops_pct() + estate.hotels_pct();
        if kinds > 100.0 {
            let what = format!("offices, shops and hotels are {kinds} % of units: at most 100");
            return Err(wrong("[estate]", what));
        }
        if estate.towns() > 1 && estate.towns_apart_km() < estate.town_km() {
            return Err(wrong("[estate]", "towns would overlap: `towns_apart_km` is at least `town_km`"));
        }
        let masts = (estate.town_km() * 1000.0 / f64::from(estate.macro_spacing_m())).ceil();
        if masts > 64.0 {
            let what = "a town has more than 64 x 64 macro cells: smaller towns, or more between macro cells";
            return Err(wrong("[estate]", what));
        }
        let asked: u32 =
            self.actors.iter().filter(|actor| actor.kind == ActorKind::Unit).map(Actor::count).sum();
        if asked > estate.units() {
            let what = format!("actors are {asked} units, and there are {}: more `units`", estate.units());
            return Err(wrong("[estate]", what));
        }
        Ok(())
    }

    fn check_feeds(&self) -> Result<(), BadScenario> {
        for (at, feed) in self.feeds.iter().enumerate() {
            let place = format!("feed `{}`", feed.name.as_str());
            all_right(&*place, feed.wrong_values(""))?;
            if self.feeds.iter().take(at).any(|other| other.name == feed.name) {
                return Err(wrong(place, "it is there twice: keep one"));
            }
            if feed.lag_s() > feed.lag_most_s() {
                return Err(wrong(place, "`lag_s` is more than `lag_most_s`"));
            }
            if let Some(gap) = feed.gaps.iter().find(|gap| !(0.1..=1000.0).contains(&gap.for_h)) {
                return Err(wrong(place, format!("a gap of {} h: 0.1 to 1000", gap.for_h)));
            }
            feed.gaps.iter().try_for_each(|gap| self.within(&place, gap.from))?;
        }
        Ok(())
    }

    fn within(&self, place: &str, at: Moment) -> Result<(), BadScenario> {
        if at.secs() < 86_400 * u64::from(self.span_d()) {
            return Ok(());
        }
        let what = format!("{at} is after the end: `span_d` is {}", self.span_d());
        Err(wrong(place, what))
    }

    fn check_town(&self, place: &str, town: u32, km: [f64; 2]) -> Result<(), BadScenario> {
        let (towns, half) = (self.estate.towns(), self.estate.town_km() / 2.0);
        if town >= towns {
            let what = format!("there is no town {town}: they are numbered from 0, and there are {towns}");
            return Err(wrong(place, what));
        }
        if km.iter().any(|km| km.abs() > half) {
            let what = format!(
                "{}, {} km is outside the town, which reaches {half} km from its middle",
                km[0], km[1]
            );
            return Err(wrong(place, what));
        }
        Ok(())
    }

    fn check_actor(&self, at: usize, actor: &Actor) -> Result<(), BadScenario> {
        let place = format!("actor `{}`", actor.name);
        if actor.name.is_empty() || TAKEN.contains(&&*actor.name) {
            return Err(wrong(place, format!("an actor needs a name, and none of {}", list(&TAKEN))));
        }
        if self.actors.iter().take(at).any(|other| other.name == actor.name) {
            return Err(wrong(place, "two actors have that name: give each its own"));
        }
        all_right(&*place, actor.wrong_values(actor.kind.as_str()))?;
        self.check_town(&place, actor.town(), [actor.x_km(), actor.y_km()])?;
        if actor.kind == ActorKind::Box {
            self.check_box(&place, actor)?;
        }
        Ok(())
    }

    fn check_box(&self, place: &str, actor: &Actor) -> Result<(), BadScenario> {
        if let Some(identity) = &actor.identity {
            let of = self.actor(identity).and_then(|at| self.actors.get(at));
            if of.is_none_or(|of| of.kind != ActorKind::Unit) {
                let what =
                    format!("`identity` is `{identity}`, and no actor of kind `unit` has that name: add one");
                return Err(wrong(place, what));
            }
        }
        let has_identity = actor.identity.is_some();
        match (actor.cells(), actor.own_cell()) {
            (0, false) => Err(wrong(place, "it has no cell: give it `cells`, or `own_cell = true`")),
            (_, true) if !has_identity => Err(wrong(place, "`own_cell` is that of `identity`: name a unit")),
            _ if actor.network == Some(super::word::Via::OwnLine) && !has_identity => {
                Err(wrong(place, "`own-line` is that of `identity`: name a unit"))
            }
            _ => Ok(()),
        }
    }

    fn check_step(&self, at: usize) -> Result<(), BadScenario> {
        let Some(step) = self.steps.get(at) else { return Ok(()) };
        let place = format!("step {}, `{}` at {}", at + 1, step.actor, step.at);
        let Some(actor) = self.actor(&step.actor).and_then(|at| self.actors.get(at)) else {
            let names: Vec<_> = self.actors.iter().map(|actor| &*actor.name).collect();
            let what = format!("there is no actor `{}`: one of {}, or add it", step.actor, list(&names));
            return Err(wrong(place, what));
        };
        if step.deed.kind() != actor.kind {
            let can = Deed::ALL.iter().filter(|deed| deed.kind() == actor.kind).map(|deed| deed.as_str());
            let what = format!(
                "a `{}` does not `{}`: {}",
                actor.kind.as_str(),
                step.deed.as_str(),
                list(&can.collect::<Vec<_>>())
            );
            return Err(wrong(place, what));
        }
        all_right(&*place, step.wrong_values(step.deed.as_str()))?;
        self.check_town(&place, step.town(), [step.x_km(), step.y_km()])?;
        self.within(&place, step.at)
    }

    fn check_expectations(&self) -> Result<(), BadScenario> {
        for (at, expect) in self.expects.iter().enumerate() {
            let place = format!("expect {}, `{}` on `{}`", at + 1, expect.finding, expect.on);
            all_right(&*place, expect.wrong_values(""))?;
            self.check_finding(&place, &expect.finding, &expect.on)?;
            if let Some(By::At(moment)) = expect.by {
                self.within(&place, moment)?;
            }
        }
        for (at, never) in self.nevers.iter().enumerate() {
            let place = format!("never {}, `{}` on `{}`", at + 1, never.finding, never.on);
            all_right(&*place, never.wrong_values(""))?;
            self.check_finding(&place, &never.finding, &never.on)?;
        }
        Ok(())
    }

    fn check_finding(&self, place: &str, finding: &str, on: &str) -> Result<(), BadScenario> {
        let detectors: Vec<_> = detect::ABOUT.iter().map(|about| about.id).collect();
        if finding != "any" && !detectors.contains(&finding) {
            return Err(wrong(
                place,
                format!("there is no detector `{finding}`: `any`, or one of {}", list(&detectors)),
            ));
        }
        if !TAKEN.contains(&on) && self.actor(on).is_none() {
            return Err(wrong(
                place,
                format!("there is no actor `{on}`: {}, or an actor's name", list(&TAKEN)),
            ));
        }
        Ok(())
    }
}
