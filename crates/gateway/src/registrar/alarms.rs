//! Whether all that admission needs can be used: ledger, journal, clock, data threads and core; and the journal's
//! witness.

use super::Registrar;
use crate::health::Alarm;
use events::gateway::Alarm as AlarmEvent;
use ids::UnixTime;
use ledger::LedgerError;
use std::time::{Duration, Instant};

/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often it is counted whose certificate ends while nobody gets a new one.
const COUNT_EVERY: Duration = Duration::from_secs(60);

impl Registrar {
    /// Looks every now and then, so that an alarm stands before the first unit is left without an answer,
    /// and ends by itself.
    pub(super) fn look(&mut self) {
        if self.looked.is_some_and(|looked| looked.elapsed() < LOOK_EVERY) {
            return;
        }
        let now = Instant::now();
        self.looked = Some(now);
        let ledger = self.ledger.check().err().map(|error| error.to_string());
        self.reviews.extend(self.ledger.take_finished());
        let journal = self.ledger.journal().check().err().map(|error| error.to_string());
        let clock =
            "it has gone back behind the journal's last record, or since the start: no certificate is judged";
        let clock = self.clock.trusted().is_none().then(|| clock.to_owned());
        self.found(Alarm::LedgerUnreachable, ledger);
        self.found(Alarm::JournalUnwritable, journal);
        self.found(Alarm::DiskLow, self.disk_low());
        self.found(Alarm::ClockUntrusted, clock);
        self.found(Alarm::ClockJumped, self.clock_jumped());
        let (stuck, core) = (self.watch.stuck(now), (self.outside.core_check)());
        let ca_key = (self.outside.ca_key_check)();
        self.found(Alarm::ShardStuck, stuck);
        self.found(Alarm::CoreUnreachable, core);
        self.found(Alarm::WitnessUnreachable, self.delivery.trouble(now));
        self.found(Alarm::BreakerTripped, self.shadow.trouble());
        self.found(Alarm::CaKeyUnusable, ca_key);
        let wall = self.clock.trusted();
        self.found(Alarm::LineFeedStale, wall.and_then(|now| self.outside.origins.silence(now)));
        self.found(Alarm::FactsFeedStale, wall.and_then(|now| self.outside.origins.facts_silence(now)));
        self.found(Alarm::LinesHeld, self.outside.origins.held());
        self.look_for_away();
        self.look_for_calls();
        self.reviews.extend(self.ceiling.have_room(self.policy.ends_per_hour, now));
        let ca = self.ca_down(now);
        self.found(Alarm::CaDown, ca);
        self.found(
            Alarm::IssuerSilent,
            self.clock.trusted().and_then(|now| self.outside.issuers.trouble(now)),
        );
    }

    /// While nobody gets a certificate here: whose end draws near. Counted by the index, as it is.
    fn ca_down(&mut self, now: Instant) -> Option<String> {
        let wall = self.clock.now();
        let Some(why) = self.health.view().why_not_issuing().or_else(|| (self.outside.ca_check)(wall)) else {
            self.ca_down = None;
            return None;
        };
        if let Some((_, text)) = self.ca_down.as_ref().filter(|(at, _)| now < *at + COUNT_EVERY) {
            return Some(text.clone());
        }
        let text = match self.ending_within(wall) {
            Ok([_, _, 0]) => None,
            Ok([day, three, ten]) => Some(format!(
                "{why}; certificates of units that end within 10 days: {ten}, within 3 days: {three}, within a day: {day}"
            )),
            // What was found last is nearer to the truth than nothing.
            Err(_) => self.ca_down.take().map(|(_, text)| text),
        };
        self.ca_down = text.clone().map(|text| (now, text));
        text
    }

    /// How many certificates that our CA signed end within 1, 3 and 10 days.
    fn ending_within(&self, now: UnixTime) -> Result<[u64; 3], LedgerError> {
        let mut counts = [0; 3];
        for (count, days) in counts.iter_mut().zip([1, 3, 10]) {
            let until = now.after(Duration::from_secs(days * 24 * 3600));
            *count = self.ledger.counting_until(now, until)?.issued;
        }
        Ok(counts)
    }

    fn clock_jumped(&self) -> Option<String> {
        let by = self.clock.now().since(self.clock.before_jump()?).as_secs();
        Some(format!(
            "it has been set forward by {by} s since the start: a certificate or exception that is over only by the \
             later time is not refused, but left without an answer"
        ))
    }

    /// What is left then is for those who are attached, and for what operators do.
    fn disk_low(&self) -> Option<String> {
        let dir = self.ledger.journal().dir();
        // Whether it can be written to at all is the journal's own alarm.
        let disk = rustix::fs::statvfs(&dir).ok()?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        let mib = |octets: u64| octets >> 20;
        // An alarm that stands ends with some room to spare, so that it does not come and go.
        let enough = if self.health.has(Alarm::DiskLow) {
            self.disk_reserve.saturating_add(self.disk_reserve / 8)
        } else {
            self.disk_reserve
        };
        let text = || format!("{} MiB are free, and {} are kept back", mib(free), mib(self.disk_reserve));
        (free < enough).then(text)
    }

    pub(super) fn out_of_reach(&mut self, error: &LedgerError) {
        let alarm = if matches!(error, LedgerError::Journal(_)) {
            Alarm::JournalUnwritable
        } else {
            Alarm::LedgerUnreachable
        };
        self.found(alarm, Some(error.to_string()));
    }

    /// Raises or ends an alarm; says so only when that is news.
    fn found(&mut self, alarm: Alarm, wrong: Option<String>) {
        let raised = wrong.is_some();
        let changed =
            wrong.as_ref().map_or_else(|| self.health.end(alarm), |why| self.health.raise(alarm, why));
        if !changed {
            return;
        }
        let detail = wrong.unwrap_or_else(|| "it works again".into());
        if raised {
            let (code, next) = (alarm.code(), alarm.next());
            if alarm.stops_admission() {
                tracing::error!(alarm = code, why = detail, next, "nobody new is admitted; tunnels stay");
            } else {
                tracing::error!(alarm = code, why = detail, next, "admission goes on");
            }
        } else {
            tracing::info!(alarm = alarm.code(), "over");
        }
        // The journal itself may be what is out of reach.
        let expected = self.clock.before_jump().filter(|_| raised && alarm == Alarm::ClockJumped);
        let _ = self.append(&AlarmEvent { alarm: alarm.code().to_owned(), raised, detail, expected });
    }
}
