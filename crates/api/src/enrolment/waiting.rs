//! Certificates that wait for their units' word. One that is not confirmed in time comes to nothing by itself, so that revocation lists
//! have it. Those that waited when the process ended come to nothing when their unit begins anew.

use cmp::TransactionId;
use ids::{CertSha256, UnixTime};
use ledger::Ledger;
use std::{
    collections::HashMap,
    slice,
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

    /// These come to nothing, together, and each by itself where one would spoil it for the others. What can be written down
    /// later stays watched. Whether any was revoked by that.
    pub(super) fn lapse(
        &mut self,
        ledger: &Ledger,
        late: &[(CertSha256, TransactionId)],
        now: UnixTime,
    ) -> bool {
        if late.is_empty() {
            return false;
        }
        let lapsed = ledger.begin().and_then(|mut tx| {
            late.iter().try_for_each(|(_, id)| tx.lapse(id.octets(), now))?;
            let revokes = tx.revokes();
            tx.commit().map(|()| revokes)
        });
        let revokes = match lapsed {
            Err(error) if error.is_transient() => return false,
            Err(_) if late.len() > 1 => {
                return late
                    .iter()
                    .fold(false, |any, one| self.lapse(ledger, slice::from_ref(one), now) | any);
            }
            Err(error) => {
                tracing::error!(%error, "what was not confirmed in time is not written down");
                false
            }
            Ok(revokes) => revokes,
        };
        late.iter().for_each(|(certificate, _)| self.remove(*certificate));
        revokes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use events::{Journal, JournalKey};
    use ledger::{CertificateRecord, Leave, Octets, Pools, Row, RowKey, Transaction, store::Sqlite};

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

    #[test]
    fn one_row_that_was_tampered_with_keeps_no_other_certificate_from_coming_to_nothing() {
        let (folder, at) =
            (tempfile::tempdir().unwrap(), |seconds: i64| UnixTime::from_secs(1_790_000_000 + seconds));
        let key = JournalKey::create(&folder.path().join("journal.key")).unwrap();
        let journal = folder.path().join("journal");
        let (journal, _) = Journal::open(&journal, "gw1".parse().unwrap(), key, at(0)).unwrap();
        let file = folder.path().join("ledger.sqlite");
        let store = Box::new(Sqlite::open(&file).unwrap());
        let (ledger, _) =
            Ledger::open(store, journal, RowKey::new(&[7; 32]), Pools::default(), at(0)).unwrap();
        let mut waiting = Waiting::new(Instant::now());
        let mut tx = ledger.begin_issuing().unwrap();
        for number in 1..=3 {
            let record = certificate(number, at(0), at(300));
            tx.record_certificate(&record, at(0)).unwrap();
            waiting.add(record.cert_sha256, TransactionId::new(&[number; 16]).unwrap(), at(300));
        }
        tx.commit().unwrap();
        let serial = certificate(2, at(0), at(300)).key();
        let changed = rusqlite::Connection::open(&file)
            .unwrap()
            .execute("UPDATE row SET hmac = zeroblob(32) WHERE tbl = 'certificate' AND key = ?1", [serial]);
        assert_eq!(changed.unwrap(), 1);
        let late = waiting.late(at(301), 9);
        assert_eq!(late.len(), 3);
        assert!(waiting.lapse(&ledger, &late, at(301)));
        assert_eq!(waiting.late(at(301), 9), []);
        let mut tx = ledger.begin().unwrap();
        for number in [1, 3] {
            let (record, _) = tx.enrolment(&[number; 16], at(301)).unwrap().unwrap();
            assert!(record.revoked.is_some(), "{number}");
        }
    }

    fn certificate(number: u8, issued_at: UnixTime, until: UnixTime) -> CertificateRecord {
        let octets = |octets: &[u8]| Octets(octets.to_vec());
        CertificateRecord {
            issuer: "devices".into(),
            serial: format!("{number:02x}"),
            cert_sha256: ids::Sha256([number; 32]),
            spki_sha256: ids::Sha256([number; 32]),
            kind: "device".into(),
            device: Some(ids::DeviceId::eui48([number; 6])),
            name: "unit".into(),
            not_before: issued_at,
            not_after: until.after(Duration::from_secs(86_400)),
            possession: "cmp".into(),
            exception: None,
            by: "cmp".into(),
            issued_at,
            leave: Leave::Order(format!("W-{number}").parse().unwrap()),
            transaction: Some(Transaction {
                id: octets(&[number; 16]),
                signer: octets(&[1]),
                nonce: octets(&[2]),
                from: [192, 0, 2, 7].into(),
                until,
            }),
            revoked: None,
            der: octets(&[number]),
        }
    }
}
