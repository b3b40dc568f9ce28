//! Certificates that wait for their units' word. One that is not confirmed in time comes to nothing by itself, so that revocation lists
//! have it. Those that waited when the process ended come to nothing when their unit begins anew.

use cmp::TransactionId;
use ids::{CertSha256, UnixTime};
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// How often it is looked for those whose time is over.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(30);

pub(super) struct Waiting {
    /// Its transaction, and until when. As many as there are issued in the time of a confirmation, at most.
    certificates: HashMap<CertSha256, (TransactionId, UnixTime)>,
    looked: Instant,
}

impl Waiting {
    pub(super) fn new(now: Instant) -> Self {
        Self { certificates: HashMap::new(), looked: now }
    }

    pub(super) fn add(&mut self, certificate: CertSha256, id: TransactionId, until: UnixTime) {
        self.certificates.insert(certificate, (id, until));
    }

    /// Its unit has confirmed it.
    pub(super) fn remove(&mut self, certificate: CertSha256) {
        self.certificates.remove(&certificate);
    }

    /// Whether it is time to look.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let is_due = now.duration_since(self.looked) >= LOOK_EVERY;
        if is_due {
            self.looked = now;
        }
        is_due
    }

    /// Up to `limit` whose time is over.
    pub(super) fn late(&self, now: UnixTime, limit: usize) -> Vec<(CertSha256, TransactionId)> {
        let late = self.certificates.iter().filter(|(_, (_, until))| *until < now);
        late.take(limit).map(|(certificate, (id, _))| (*certificate, id.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_confirmed_in_its_last_second_is_late_and_what_is_confirmed_never() {
        let (now, at) = (Instant::now(), |seconds: i64| UnixTime::from_secs(1_790_000_000 + seconds));
        let mut waiting = Waiting::new(now);
        let [first, second] = [1, 2].map(|number| ids::Sha256([number; 32]));
        let ids = [1, 2].map(|number| TransactionId::new(&[number; 16]).unwrap());
        waiting.add(first, ids[0].clone(), at(300));
        waiting.add(second, ids[1].clone(), at(300));
        waiting.remove(second);
        assert_eq!(waiting.late(at(300), 9), []);
        assert_eq!(waiting.late(at(301), 9), [(first, ids[0].clone())]);
        assert_eq!(waiting.late(at(301), 0), []);
        assert!(!waiting.is_due(now + LOOK_EVERY / 2));
        assert!(waiting.is_due(now + LOOK_EVERY) && !waiting.is_due(now + LOOK_EVERY));
    }
}
