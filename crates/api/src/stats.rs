//! What a node does, in numbers: for `truecell top`, and for programs that look at one node. Whoever
//! watches many takes `/metrics`.

use crate::{Problem, Services};
use axum::{Json, extract::State};
use gateway::{Amount, HealthView, Stats};
use ids::{Epoch, NodeId};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc};

/// A node that serves, at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStats {
    /// Its name.
    pub node: NodeId,
    /// Its version.
    pub version: String,
    /// Its start: in another epoch all counters began again.
    pub epoch: Epoch,
    /// The moment: microseconds since the start.
    pub uptime_us: u64,
    /// What does not work.
    pub alarms: Vec<StandingAlarm>,
    /// What it counts.
    pub counters: Counters,
}

/// An alarm, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandingAlarm {
    /// Its stable word.
    pub alarm: String,
    /// What was found.
    pub why: String,
    /// What a person does next.
    pub next: String,
    /// While it stands, nobody new is admitted; so it was of every alarm before there was this field.
    #[serde(default = "yes")]
    pub stops_admission: bool,
}

fn yes() -> bool {
    true
}

/// Counters since the start, and sizes as of now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Sessions, now.
    pub sessions: usize,
    /// Second claims that are being settled, now.
    pub contests: usize,
    /// Sessions in quarantine, now.
    #[serde(default)]
    pub quarantined: usize,
    /// IKE SAs that are not established yet, now.
    pub half_open: usize,
    /// Inner packets from units, passed on.
    pub uplink: Amount,
    /// Inner packets to units.
    pub downlink: Amount,
    /// Attempts to attach by outcome: `admitted`, `contested`, `quarantined`, or the reason of a refusal or silence.
    pub attaches: BTreeMap<String, u64>,
    /// Refusals that came too fast for `attaches`.
    pub refusals_untold: u64,
    /// Packets dropped, by direction and cause; causes without a drop are left out.
    pub drops: BTreeMap<String, BTreeMap<String, u64>>,
    /// Sessions that ended, by cause.
    pub closed: BTreeMap<String, u64>,
    /// Sessions that were to be quarantined: `begun`, or `full` where there was no place for one.
    #[serde(default)]
    pub quarantines: BTreeMap<String, u64>,
    /// Orders to management systems by what was concluded here: what was ordered, and what became of it.
    #[serde(default)]
    pub management_orders: BTreeMap<String, u64>,
    /// Second claims that were settled, by outcome.
    pub contests_settled: BTreeMap<String, u64>,
    /// Claims by the time until they were told what became of them: at most so many microseconds, and how many.
    #[serde(default)]
    pub claim_times: Vec<(u64, u64)>,
}

pub(crate) async fn show(State(services): State<Arc<Services>>) -> Result<Json<NodeStats>, Problem> {
    let gateway = services.gateway.as_ref().ok_or_else(|| {
        Problem::not_found("no gateway runs here: there is nothing to count").next("start `truecell serve`")
    })?;
    Ok(Json(NodeStats {
        node: services.ledger.node().clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        epoch: services.ledger.epoch(),
        uptime_us: services.uptime_us(),
        alarms: standing(gateway.health()),
        counters: gateway.stats().into(),
    }))
}

fn standing(health: HealthView) -> Vec<StandingAlarm> {
    let alarms = health.alarms.into_iter();
    alarms
        .map(|(alarm, why)| StandingAlarm {
            alarm: alarm.code().to_owned(),
            why,
            next: alarm.next().to_owned(),
            stops_admission: alarm.stops_admission(),
        })
        .collect()
}

impl From<Stats> for Counters {
    fn from(stats: Stats) -> Self {
        Self {
            sessions: stats.sessions,
            contests: stats.contests,
            quarantined: stats.quarantined,
            half_open: stats.ike.half_open_now,
            uplink: stats.uplink,
            downlink: stats.downlink,
            attaches: owned(stats.attaches),
            refusals_untold: stats.refusals_untold,
            drops: by_direction(stats.drops),
            closed: owned(stats.closed),
            quarantines: owned(stats.quarantines),
            management_orders: owned(stats.management_orders),
            contests_settled: owned(stats.contests_settled),
            claim_times: stats.claim_times,
        }
    }
}

fn owned(counts: BTreeMap<&'static str, u64>) -> BTreeMap<String, u64> {
    counts.into_iter().map(|(word, count)| (word.to_owned(), count)).collect()
}

fn by_direction(
    drops: BTreeMap<(&'static str, &'static str), u64>,
) -> BTreeMap<String, BTreeMap<String, u64>> {
    let mut by: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for ((direction, cause), count) in drops.into_iter().filter(|(_, count)| *count > 0) {
        by.entry(direction.to_owned()).or_default().insert(cause.to_owned(), count);
    }
    by
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateway::Alarm;

    #[test]
    fn drops_stand_under_their_direction_and_those_that_never_occurred_are_left_out() {
        let drops = BTreeMap::from([
            (("downlink", "no_tunnel"), 3),
            (("uplink", "blocked"), 5),
            (("uplink", "lateral"), 0),
        ]);
        let counters = Counters::from(Stats { drops, ..Stats::default() });
        let text = serde_json::to_string(&counters.drops).unwrap();
        assert_eq!(text, r#"{"downlink":{"no_tunnel":3},"uplink":{"blocked":5}}"#);
    }

    #[test]
    fn an_alarm_comes_with_what_was_found_and_what_to_do() {
        let health = HealthView { alarms: BTreeMap::from([(Alarm::LedgerUnreachable, "locked".into())]) };
        let alarms = standing(health);
        assert_eq!((alarms[0].alarm.as_str(), alarms[0].why.as_str()), ("ledger-unreachable", "locked"));
        assert!(!alarms[0].next.is_empty());
    }
}
