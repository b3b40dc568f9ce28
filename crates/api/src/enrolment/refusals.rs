use cmp::Refused;
use events::{Durability, Journal, pki::EnrolmentRefused};
use gateway::{Beyond, Pace, Refusals};
use ids::{DeviceId, UnixTime};
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Records of one unit refused for one reason; each counts what was left out.
const PACE: Pace = Pace { burst: 3, every: Duration::from_secs(3600), room: 1 << 16, beyond: Beyond::One };

/// Writes down which units were refused a certificate, and why: for [`cmp::Register::refused`]. Who has not
/// proven to hold a certificate's key is in no event: only counted, by the listener.
pub struct EnrolmentRefusals {
    journal: Journal,
    /// Whether there is room on the disk for what others can cause.
    has_room: Arc<dyn Fn() -> bool + Send + Sync>,
    paced: Mutex<Refusals<(DeviceId, &'static str)>>,
}

impl EnrolmentRefusals {
    /// `has_room`: whether the journal's disk has more than is kept back; while it has not, refusals are counted
    /// for the next event.
    pub fn new(journal: Journal, has_room: Arc<dyn Fn() -> bool + Send + Sync>) -> Self {
        Self { journal, has_room, paced: Mutex::new(Refusals::new(PACE)) }
    }

    /// Records one refusal, unless there were too many of its kind. A journal that cannot be written is an alarm
    /// already, and the unit is refused all the same.
    pub fn refused(&self, refused: &Refused, now: UnixTime) {
        let Some((name, cert_sha256)) = &refused.who else { return };
        let (device, code) = (name.device, refused.refusal.code());
        let Some(more) = self.admit((device, code)) else { return };
        let reason = code.to_owned();
        let event = EnrolmentRefused { reason, device, cert_sha256: *cert_sha256, from: refused.from, more };
        if let Err(error) = self.journal.append(&event, now, Durability::Grouped) {
            tracing::error!(%device, code, %error, "a refusal is not in the journal");
        }
    }

    fn admit(&self, kind: (DeviceId, &'static str)) -> Option<u64> {
        let mut paced = self.paced.lock().unwrap_or_else(PoisonError::into_inner);
        if (self.has_room)() {
            return paced.admit(kind, Instant::now());
        }
        paced.leave_out(kind, Instant::now());
        None
    }
}

impl fmt::Debug for EnrolmentRefusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EnrolmentRefusals")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cmp::Refusal;
    use events::{JournalKey, journal::Tail};
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn a_unit_that_is_refused_without_end_is_three_events_and_a_stranger_none() {
        let folder = tempfile::tempdir().unwrap();
        let key = JournalKey::create(&folder.path().join("journal.key")).unwrap();
        let (dir, now) = (folder.path().join("journal"), UnixTime::now());
        let (journal, _) = Journal::open(&dir, "test".parse().unwrap(), key, now).unwrap();
        let room = Arc::new(AtomicBool::new(false));
        let has_room = room.clone();
        let refusals =
            EnrolmentRefusals::new(journal.clone(), Arc::new(move || has_room.load(Ordering::SeqCst)));
        let who = Some(("00aabbccddee.vendor.example".parse().unwrap(), ids::Sha256::of(b"certificate")));
        let from = "2001:db8::7".parse().unwrap();
        let refused = Refused { refusal: Refusal::NoOrder, who, transaction: None, from };
        refusals.refused(&refused, now);
        room.store(true, Ordering::SeqCst);
        for _ in 0..10 {
            refusals.refused(&refused, now);
            refusals.refused(&Refused { who: None, ..refused.clone() }, now);
        }
        refusals.refused(&Refused { refusal: Refusal::OtherLine, ..refused.clone() }, now);
        let mut tail = Tail::new(&journal.dir(), 1);
        let records = std::iter::from_fn(|| tail.next_record().unwrap());
        let told: Vec<EnrolmentRefused> = records.filter_map(|record| record.read().unwrap()).collect();
        let seen: Vec<_> = told.iter().map(|event| (event.reason.as_str(), event.more)).collect();
        assert_eq!(seen, [("no-order", 1), ("no-order", 0), ("no-order", 0), ("enrol-other-line", 0)]);
        assert!(told.iter().all(|event| event.from == refused.from));
    }
}
