use super::look::{Look, Seen};
use api::stats::{Counters, StandingAlarm};
use gateway::{Amount, SessionBrief};
use ids::{Epoch, NodeId, SessionId, UnixTime};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

/// A node at one time, with the rates since the look before.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Picture {
    pub(crate) at: UnixTime,
    pub(crate) node: NodeId,
    pub(crate) version: String,
    pub(crate) epoch: Epoch,
    pub(crate) uptime_s: u64,
    pub(crate) ready: bool,
    pub(crate) alarms: Vec<StandingAlarm>,
    pub(crate) sessions: usize,
    pub(crate) contests: usize,
    pub(crate) quarantined: usize,
    pub(crate) half_open: usize,
    /// `None` at the first look at this start of the node.
    pub(crate) rates: Option<Rates>,
    /// Too many for a line: who prints chooses among them.
    #[serde(skip)]
    pub(crate) tunnels: Vec<Tunnel>,
}

/// What the whole node does in a second.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Rates {
    /// From units.
    pub(crate) up: Flow,
    /// To units.
    pub(crate) down: Flow,
    pub(crate) admissions_s: f64,
    /// By reason; reasons that did not occur are left out.
    pub(crate) refusals_s: BTreeMap<String, f64>,
    /// By direction and cause; causes that did not occur are left out.
    pub(crate) drops_s: BTreeMap<String, BTreeMap<String, f64>>,
}

/// Inner traffic in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Flow {
    pub(crate) packets_s: f64,
    pub(crate) bits_s: f64,
}

/// A tunnel, with the rates since the look before.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Tunnel {
    #[serde(flatten)]
    pub(crate) brief: SessionBrief,
    /// `None` at the first look at this start of the node.
    pub(crate) rates: Option<TunnelRates>,
}

/// What one tunnel does in a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct TunnelRates {
    pub(crate) up: Flow,
    pub(crate) down: Flow,
    pub(crate) drops_s: f64,
}

impl Picture {
    /// `before` counts only if it saw the same start of the node, and earlier.
    pub(crate) fn new(before: Option<&Look>, look: Look) -> Self {
        let before = before.filter(|before| before.stats.epoch == look.stats.epoch);
        let rates = before.and_then(|before| {
            let span = Span::between(before.stats.uptime_us, look.stats.uptime_us)?;
            Some(Rates::over(span, &before.stats.counters, &look.stats.counters))
        });
        let tunnels = tunnels(before, look.tunnels);
        let stats = look.stats;
        Self {
            at: look.at,
            node: stats.node,
            version: stats.version,
            epoch: stats.epoch,
            uptime_s: stats.uptime_us / 1_000_000,
            ready: !stats.alarms.iter().any(|alarm| alarm.stops_admission),
            alarms: stats.alarms,
            sessions: stats.counters.sessions,
            contests: stats.counters.contests,
            quarantined: stats.counters.quarantined,
            half_open: stats.counters.half_open,
            rates,
            tunnels,
        }
    }
}

fn tunnels(before: Option<&Look>, now: Vec<Seen>) -> Vec<Tunnel> {
    let known: HashMap<SessionId, &Seen> =
        before.iter().flat_map(|look| &look.tunnels).map(|seen| (seen.brief.id, seen)).collect();
    let rates = |seen: &Seen| {
        let before = before?;
        match known.get(&seen.brief.id) {
            Some(known) => TunnelRates::over(known.uptime_us, Some(&known.brief), seen),
            // It came since: its counters were at zero.
            None => TunnelRates::over(before.stats.uptime_us, None, seen),
        }
    };
    now.into_iter().map(|seen| Tunnel { rates: rates(&seen), brief: seen.brief }).collect()
}

/// The time between two looks, in seconds; never zero.
#[derive(Clone, Copy, Debug)]
struct Span(f64);

impl Span {
    fn between(before_us: u64, now_us: u64) -> Option<Self> {
        let micros = now_us.checked_sub(before_us).filter(|micros| *micros > 0)?;
        Some(Self(micros as f64 / 1e6))
    }

    /// How fast a counter grew. One that went back began again at zero.
    fn rate(self, before: u64, now: u64) -> f64 {
        now.checked_sub(before).unwrap_or(now) as f64 / self.0
    }

    fn flow(self, before: Amount, now: Amount) -> Flow {
        Flow {
            packets_s: self.rate(before.packets, now.packets),
            bits_s: 8.0 * self.rate(before.octets, now.octets),
        }
    }

    /// Of each word that has counted since.
    fn rates(self, before: &BTreeMap<String, u64>, now: &BTreeMap<String, u64>) -> BTreeMap<String, f64> {
        let rate = |word: &String, count: u64| self.rate(before.get(word).copied().unwrap_or(0), count);
        let rates = now.iter().map(|(word, count)| (word.clone(), rate(word, *count)));
        rates.filter(|(_, rate)| *rate > 0.0).collect()
    }
}

/// Outcomes of an attempt to attach that are no refusal.
const NOT_REFUSED: [&str; 3] = ["admitted", "contested", "quarantined"];
/// Refusals that came too fast for their reasons to be told.
const UNTOLD: &str = "untold";

impl Rates {
    fn over(span: Span, before: &Counters, now: &Counters) -> Self {
        let mut refusals_s = span.rates(&before.attaches, &now.attaches);
        let admissions_s = refusals_s.get("admitted").copied().unwrap_or(0.0);
        refusals_s.retain(|outcome, _| !NOT_REFUSED.contains(&outcome.as_str()));
        let untold = span.rate(before.refusals_untold, now.refusals_untold);
        if untold > 0.0 {
            refusals_s.insert(UNTOLD.to_owned(), untold);
        }
        let none = BTreeMap::new();
        let drops_s = now.drops.iter().map(|(direction, causes)| {
            (direction.clone(), span.rates(before.drops.get(direction).unwrap_or(&none), causes))
        });
        Self {
            up: span.flow(before.uplink, now.uplink),
            down: span.flow(before.downlink, now.downlink),
            admissions_s,
            refusals_s,
            drops_s: drops_s.filter(|(_, causes)| !causes.is_empty()).collect(),
        }
    }
}

impl TunnelRates {
    fn over(since_us: u64, before: Option<&SessionBrief>, now: &Seen) -> Option<Self> {
        let span = Span::between(since_us, now.uptime_us)?;
        let zero = Amount::default();
        let (up, down, drops) =
            before.map_or((zero, zero, 0), |before| (before.uplink, before.downlink, before.drops));
        Some(Self {
            up: span.flow(up, now.brief.uplink),
            down: span.flow(down, now.brief.downlink),
            drops_s: span.rate(drops, now.brief.drops),
        })
    }

    /// Both directions together.
    pub(crate) fn bits_s(self) -> f64 {
        self.up.bits_s + self.down.bits_s
    }
}

#[cfg(test)]
mod tests;
