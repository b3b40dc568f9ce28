use crate::clock::ClockGuard;
use serde::Serialize;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

/// What an alarm is about. While one stands, nobody new is admitted; tunnels stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Alarm {
    /// The ledger can't be read or written: locked, disk full, damaged.
    LedgerUnreachable,
    /// Events can't be written.
    JournalUnwritable,
    /// The clock is before what the journal has seen: certificates can't be judged.
    ClockUntrusted,
}

impl Alarm {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::LedgerUnreachable, Self::JournalUnwritable, Self::ClockUntrusted];

    /// Stable word, for events and metrics.
    pub fn code(self) -> &'static str {
        match self {
            Self::LedgerUnreachable => "ledger-unreachable",
            Self::JournalUnwritable => "journal-unwritable",
            Self::ClockUntrusted => "clock-untrusted",
        }
    }

    /// What it means and what to do.
    pub fn text(self) -> &'static str {
        match self {
            Self::LedgerUnreachable => {
                "the ledger can't be used: nobody is admitted, tunnels stay; check its disk and who holds its lock"
            }
            Self::JournalUnwritable => {
                "the journal can't be written: nobody is admitted, tunnels stay; check its disk"
            }
            Self::ClockUntrusted => {
                "the clock is earlier than the journal's last record: no certificate is judged; set the clock"
            }
        }
    }
}

/// Alarms that stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HealthView {
    /// In a fixed order; empty when all is well.
    pub alarms: Vec<Alarm>,
}

impl HealthView {
    /// Units can be admitted.
    pub fn can_admit(&self) -> bool {
        self.alarms.is_empty()
    }
}

pub(crate) struct Health {
    ledger_unreachable: AtomicBool,
    journal_unwritable: AtomicBool,
    clock: Arc<ClockGuard>,
}

impl Health {
    pub(crate) fn new(clock: Arc<ClockGuard>) -> Self {
        Self { ledger_unreachable: AtomicBool::new(false), journal_unwritable: AtomicBool::new(false), clock }
    }

    /// Says whether the alarm has changed.
    pub(crate) fn ledger_unreachable(&self, stands: bool) -> bool {
        self.ledger_unreachable.swap(stands, SeqCst) != stands
    }

    /// Says whether the alarm has changed.
    pub(crate) fn journal_unwritable(&self, stands: bool) -> bool {
        self.journal_unwritable.swap(stands, SeqCst) != stands
    }

    pub(crate) fn view(&self) -> HealthView {
        let stands = |alarm: &Alarm| match alarm {
            Alarm::LedgerUnreachable => self.ledger_unreachable.load(SeqCst),
            Alarm::JournalUnwritable => self.journal_unwritable.load(SeqCst),
            Alarm::ClockUntrusted => self.clock.trusted().is_none(),
        };
        HealthView { alarms: Alarm::ALL.into_iter().filter(stands).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SystemClock;

    #[test]
    fn an_alarm_is_told_when_it_begins_and_when_it_ends() {
        let health = Health::new(Arc::new(ClockGuard::new(Arc::new(SystemClock), None)));
        assert!(health.view().can_admit());
        assert!(health.ledger_unreachable(true));
        assert!(!health.ledger_unreachable(true));
        assert_eq!(health.view().alarms, [Alarm::LedgerUnreachable]);
        assert!(health.ledger_unreachable(false));
        assert!(health.view().can_admit());
    }
}
