use super::{
    case::Size,
    door::Door,
    note::{Noted, Notes},
};
use crate::scenario::{Arrival, BadScenario, Player};
use detect::{Engine, Input, Taken};
use ids::UnixTime;
use std::time::Duration;

/// By which policies the carrier works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policies {
    /// As it was: whoever has the maker's key gets a certificate for 10 years, from any network, for a unit that was lost. What the
    /// detectors find nobody reads.
    AsItWas,
    /// A tunnel only by the rules of admission.
    Ours,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Which run.
    pub policies: Policies,
    /// Days that are over.
    pub days: u32,
}

/// Plays the case and has all detectors judge it. `progress` is called after each day.
///
/// # Errors
/// [`BadScenario`] where the size is beyond what scenarios can be.
pub fn play(
    size: &Size,
    policies: Policies,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Noted, BadScenario> {
    let scenario = size.scenario()?;
    let door = Door::default();
    let mut player = match policies {
        Policies::AsItWas => Player::new(&scenario, size.seed)?,
        Policies::Ours => Player::judged(&scenario, size.seed, door.admit())?,
    };
    let mut engine = Engine::new(player.setup());
    let mut notes = Notes::new(scenario.begins());
    let mut found = Vec::new();
    let mut hour = scenario.begins().secs().div_euclid(3600);
    let mut first = first_minute(&mut player, scenario.begins());
    while let Some(arrival) = first.next().or_else(|| player.next()) {
        let now = arrival.arrives.secs().div_euclid(3600);
        if now != hour {
            hour = now;
            notes.hour(arrival.arrives, player.truth());
            // Gaps are told as findings as well.
            drop(engine.take_gaps());
            let days = arrival.arrives.since(scenario.begins()).as_secs() / 86_400;
            progress(Progress { policies, days: days as u32 });
        }
        notes.arrival(&arrival.input);
        let taken = engine.take(arrival.input, &mut found);
        notes.late += u64::from(taken == Taken::Late);
        found.drain(..).for_each(|finding| notes.finding(&finding, player.truth()));
    }
    engine.finish(player.ends(), &mut found);
    found.drain(..).for_each(|finding| notes.finding(&finding, player.truth()));
    notes.hour(player.ends(), player.truth());
    Ok(notes.finish(&player, &engine, door.attempts()))
}

/// What arrives in the first minute, feed by feed in the order of its numbers: the whole ledger and plan, which an engine is given as a file.
/// On its way as single rows, each with its own delay, there would be more holes in their numbers than an engine remembers.
fn first_minute(player: &mut Player, begins: UnixTime) -> std::vec::IntoIter<Arrival> {
    let mut first = Vec::new();
    let mut rest = None;
    for arrival in player {
        if arrival.arrives.since(begins) >= Duration::from_secs(60) {
            rest = Some(arrival);
            break;
        }
        first.push(arrival);
    }
    first.sort_by_cached_key(|arrival| match &arrival.input {
        Input::Row(row) => (row.stamp().feed.to_string(), row.stamp().seq),
        Input::Ledger(change) => (change.stamp.feed.to_string(), change.stamp.seq),
        Input::Watermark { feed, .. } => (feed.to_string(), u64::MAX),
    });
    first.extend(rest);
    first.into_iter()
}
