use serde::Serialize;
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// What an alarm is about. While one stands that [stops admission](Self::stops_admission), nobody new is
/// admitted; tunnels stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Alarm {
    /// The ledger can't be read or written: locked, disk full, damaged.
    LedgerUnreachable,
    /// Events can't be written.
    JournalUnwritable,
    /// The disk of the journal has less room than is kept back for operators and those who are attached.
    DiskLow,
    /// The clock has gone back behind what was seen: certificates can't be judged.
    ClockUntrusted,
    /// The clock has been set forward while we run: one of the two times is wrong.
    ClockJumped,
    /// A thread of the gateway has panicked. It does not come back; the process has to be started anew.
    ThreadEnded,
    /// A data thread does not come round: its tunnels pass nothing.
    ShardStuck,
    /// Packets don't get to the core or back: its device is down or gone, or has lost its routes.
    CoreUnreachable,
    /// The journal's witness does not take its checkpoints: a cut would not be seen.
    WitnessUnreachable,
    /// A soft reason to refuse hit too many good units at once: it refuses none of them at its home now.
    BreakerTripped,
    /// A foreign CA does not say which of its certificates still count.
    IssuerSilent,
    /// The embedded CA cannot sign: the passphrase of its key, or its token, is not to be had.
    CaKeyUnusable,
    /// Nobody gets a certificate here, and certificates of units end soon.
    CaDown,
    /// The feed of access lines says nothing, or cannot be read: whose an address is, is not known.
    LineFeedStale,
    /// The feed of device facts says nothing, or cannot be read: what management systems have is not known.
    FactsFeedStale,
    /// The feed of access lines ended more of them than is believed without a person.
    LinesHeld,
}

impl Alarm {
    /// Every one.
    pub const ALL: [Self; 16] = [
        Self::LedgerUnreachable,
        Self::JournalUnwritable,
        Self::DiskLow,
        Self::ClockUntrusted,
        Self::ClockJumped,
        Self::ThreadEnded,
        Self::ShardStuck,
        Self::CoreUnreachable,
        Self::WitnessUnreachable,
        Self::BreakerTripped,
        Self::IssuerSilent,
        Self::CaKeyUnusable,
        Self::CaDown,
        Self::LineFeedStale,
        Self::FactsFeedStale,
        Self::LinesHeld,
    ];

    /// Whether admission needs what does not work.
    pub fn stops_admission(self) -> bool {
        !matches!(
            self,
            Self::ClockJumped
                | Self::WitnessUnreachable
                | Self::BreakerTripped
                | Self::IssuerSilent
                | Self::CaKeyUnusable
                | Self::CaDown
                | Self::LineFeedStale
                | Self::FactsFeedStale
                | Self::LinesHeld
        )
    }

    /// Stable word, for events.
    pub fn code(self) -> &'static str {
        match self {
            Self::LedgerUnreachable => "ledger-unreachable",
            Self::JournalUnwritable => "journal-unwritable",
            Self::DiskLow => "disk-low",
            Self::ClockUntrusted => "clock-untrusted",
            Self::ClockJumped => events::gateway::Alarm::CLOCK_JUMPED,
            Self::ThreadEnded => "thread-ended",
            Self::ShardStuck => "shard-stuck",
            Self::CoreUnreachable => "core-unreachable",
            Self::WitnessUnreachable => "witness-unreachable",
            Self::BreakerTripped => "breaker-tripped",
            Self::IssuerSilent => "issuer-silent",
            Self::CaKeyUnusable => "ca-key-unusable",
            Self::CaDown => "ca-down",
            Self::LineFeedStale => "line-feed-stale",
            Self::FactsFeedStale => "facts-feed-stale",
            Self::LinesHeld => "lines-held",
        }
    }

    /// What is out of reach: stable word, for health pages and metrics.
    pub fn needs(self) -> &'static str {
        match self {
            Self::LedgerUnreachable => "ledger",
            Self::JournalUnwritable => "journal",
            Self::DiskLow => "disk",
            Self::ClockUntrusted => "clock",
            Self::ClockJumped => "clock-step",
            Self::ThreadEnded => "threads",
            Self::ShardStuck => "shards",
            Self::CoreUnreachable => "core",
            Self::WitnessUnreachable => "witness",
            Self::BreakerTripped => "policy",
            Self::IssuerSilent => "issuers",
            Self::CaKeyUnusable => "ca-key",
            Self::CaDown => "ca",
            Self::LineFeedStale => "line-feed",
            Self::FactsFeedStale => "facts-feed",
            Self::LinesHeld => "line-ends",
        }
    }

    /// What to do about it.
    pub fn next(self) -> &'static str {
        match self {
            Self::LedgerUnreachable => {
                "see that its disk has room and who holds its lock; if it is damaged, stop, move `ledger.sqlite*` away \
                 and start: it is made anew from the journal"
            }
            Self::JournalUnwritable => {
                "see that its disk has room and works, and do not restart before it does"
            }
            Self::DiskLow => "make room, or move the data directory to a larger disk",
            Self::ClockUntrusted => "set the clock",
            Self::ClockJumped => {
                "if the clock is wrong now, set it and do not restart before; if it is right, restart at a quiet hour"
            }
            Self::ThreadEnded => "start it anew, and report the panic that its log has",
            Self::ShardStuck => "keep a stack of every thread (gdb -p), then restart",
            Self::CoreUnreachable => {
                "bring the TUN device up and add its routes again (docs/deployment.md, Health), or restart"
            }
            Self::WitnessUnreachable => {
                "see that the witness's folder is mounted, has room and may be written to; it catches up by itself"
            }
            Self::BreakerTripped => {
                "see `truecell policy show` and `policy readiness`; mend the list that is wrong, then `truecell policy resume`"
            }
            Self::IssuerSilent => {
                "see whether its revocation list or OCSP responder can be reached from here; its new units stay out until then"
            }
            Self::CaKeyUnusable => {
                "bring back what it names; nobody enrols or renews until then (docs/deployment.md, The CA's keys)"
            }
            Self::LineFeedStale => {
                "see whether whatever writes the feed of lines still does; until then the prefixes of lines are all that is known"
            }
            Self::FactsFeedStale => {
                "see whether whatever writes the feed of device facts still does; until then nothing of it counts"
            }
            Self::LinesHeld => {
                "see in the feed whether these lines did end; then suspend their units: no more than one in a hundred of those in service, or `suspend_per_hour`, is done without a person (docs/configuration.md)"
            }
            Self::CaDown => {
                "mend what it names; where that takes too long, two people let the certificates count for longer: `truecell cert extend`"
            }
        }
    }
}

/// Alarms that stand, each with its reason; empty when all is well.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct HealthView {
    /// In a fixed order.
    pub alarms: BTreeMap<Alarm, String>,
}

impl HealthView {
    /// Units can be admitted.
    pub fn can_admit(&self) -> bool {
        !self.alarms.keys().any(|alarm| alarm.stops_admission())
    }

    /// Why nobody is given a certificate here, whatever the CA can do.
    pub fn why_not_issuing(&self) -> Option<String> {
        let stops =
            [Alarm::LedgerUnreachable, Alarm::JournalUnwritable, Alarm::DiskLow, Alarm::ClockUntrusted];
        stops.iter().find_map(|alarm| Some(format!("{}: {}", alarm.code(), self.alarms.get(alarm)?)))
    }
}

/// What stands now. Written by the registrar, read by anyone.
#[derive(Default)]
pub(crate) struct Health(Mutex<HealthView>);

impl Health {
    /// Says whether that is news.
    pub(crate) fn raise(&self, alarm: Alarm, why: &str) -> bool {
        self.standing().alarms.insert(alarm, why.to_owned()).is_none()
    }

    /// Says whether that is news.
    pub(crate) fn end(&self, alarm: Alarm) -> bool {
        self.standing().alarms.remove(&alarm).is_some()
    }

    pub(crate) fn has(&self, alarm: Alarm) -> bool {
        self.standing().alarms.contains_key(&alarm)
    }

    pub(crate) fn view(&self) -> HealthView {
        self.standing().clone()
    }

    fn standing(&self) -> MutexGuard<'_, HealthView> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_is_told_when_it_begins_and_when_it_ends() {
        let health = Health::default();
        assert!(health.view().can_admit());
        assert!(health.raise(Alarm::LedgerUnreachable, "locked"));
        assert!(!health.raise(Alarm::LedgerUnreachable, "still locked"));
        assert_eq!(health.view().alarms[&Alarm::LedgerUnreachable], "still locked");
        assert!(!health.end(Alarm::JournalUnwritable));
        assert!(health.end(Alarm::LedgerUnreachable));
        assert!(health.view().can_admit());
        assert!(health.raise(Alarm::WitnessUnreachable, "unmounted"));
        assert!(health.view().can_admit(), "evidence is at risk, not admission");
    }
}
