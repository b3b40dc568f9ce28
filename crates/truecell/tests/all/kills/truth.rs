//! What the journal says happened, record by record, and what must never be in it.

use crate::{bench::Bench, wreck::Wreck};
use events::{
    Record, Recorded,
    admission::{Admitted, ContestResolved, Voided},
    gateway::SessionClosed,
    journal::Tail,
    ledger::{Changes, Opened, RowChanged},
};
use ids::{DeviceId, Epoch, SessionId};
use ledger::{Enrolment, allows};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// One field of one row: table, key, name.
pub(crate) type Field = (String, String, String);

/// Begins every word that a test puts into an order, to find it again.
const WORD: &str = "word-";

/// The journal, read up to the end of its last whole record.
pub(crate) struct Truth {
    read: u64,
    changes: Changes,
    /// Revision and last value of every row.
    rows: BTreeMap<(String, String), (u64, Value)>,
    words: BTreeSet<String>,
    epoch: Epoch,
    last_session: Option<SessionId>,
    /// Who is let in now.
    open: BTreeMap<DeviceId, SessionId>,
    /// Units that were let in, by start of the node.
    admitted: BTreeSet<(Epoch, DeviceId)>,
}

impl Truth {
    pub(crate) fn new() -> Self {
        Self {
            read: 0,
            changes: Changes::default(),
            rows: BTreeMap::new(),
            words: BTreeSet::new(),
            epoch: Epoch(0),
            last_session: None,
            open: BTreeMap::new(),
            admitted: BTreeSet::new(),
        }
    }

    /// Reads on: everything that stands there now obeys the rules.
    pub(crate) fn read_on(&mut self, bench: &Bench) {
        let mut tail = Tail::new(&bench.path("state/journal/segw-1"), self.read + 1);
        while let Some(record) = tail.next_record().unwrap() {
            assert_eq!(record.seq, self.read + 1, "a record is missing");
            self.read = record.seq;
            self.take(&record);
        }
    }

    fn take(&mut self, record: &Record) {
        let seq = record.seq;
        for (event, changed) in self.changes.take(record).unwrap() {
            self.changed(event.seq, changed);
        }
        if record.kind != <RowChanged>::KIND {
            self.words.extend(words(record.body.get()));
        }
        if let Some(opened) = record.read::<Opened>().unwrap() {
            assert!(Epoch(opened.epoch) > self.epoch, "record {seq}: epoch {} is not new", opened.epoch);
            self.epoch = Epoch(opened.epoch);
            self.open.clear();
        } else if let Some(admitted) = record.read::<Admitted>().unwrap() {
            self.admitted(seq, &admitted);
        } else if let Some(closed) = record.read::<SessionClosed>().unwrap() {
            self.over(closed.device, closed.session);
        } else if let Some(voided) = record.read::<Voided>().unwrap() {
            self.over(voided.device, voided.session);
        } else if let Some(resolved) = record.read::<ContestResolved>().unwrap() {
            self.over(resolved.device, resolved.goes);
            if let Some(stays) = resolved.stays {
                self.open.insert(resolved.device, stays);
            }
        }
    }

    fn over(&mut self, device: DeviceId, session: SessionId) {
        if self.open.get(&device) == Some(&session) {
            self.open.remove(&device);
        }
    }

    fn changed(&mut self, seq: u64, changed: RowChanged) {
        self.words.extend(words(&serde_json::to_string(&changed).unwrap()));
        let RowChanged { table, key, revision, before, after, .. } = changed;
        let (last, value) = self.rows.entry((table, key)).or_default();
        assert_eq!(revision, *last + 1, "record {seq}: a revision is left out, or there twice");
        assert_eq!(before.unwrap_or_default(), *value, "record {seq}: it was another value before");
        (*last, *value) = (revision, after.unwrap_or_default());
    }

    fn admitted(&mut self, seq: u64, event: &Admitted) {
        let (device, session) = (event.device, event.session);
        assert_eq!(session.epoch, self.epoch, "record {seq}: a session of another start");
        assert!(Some(session) > self.last_session, "record {seq}: {session} comes late, or twice");
        self.last_session = Some(session);
        let other = self.open.insert(device, session);
        assert_eq!(other, None, "record {seq}: {device} is let in twice at once");
        assert!(self.may_attach(&device.to_string()), "record {seq}: {device} may not attach");
        let certificate = event.cert_sha256.to_string();
        let field = |name: &str| self.field(&("credential".into(), certificate.clone(), name.into()));
        let (owner, revoked) = (field("device"), field("revoked"));
        assert_eq!((owner, revoked), (device.to_string(), "-".into()), "record {seq}: {certificate}");
        self.admitted.insert((self.epoch, device));
    }

    /// Each credential that was issued here is that of a certificate's row, and no file is kept of it.
    pub(crate) fn assert_certificates_fit(&self, bench: &Bench) {
        let of = |name: &'static str| {
            let rows = self.rows.iter().filter(move |((table, _), _)| table == name);
            rows.map(|(_, (_, row))| (row["cert_sha256"].to_string(), row["device"].to_string()))
        };
        let signed: BTreeSet<_> = of("certificate").collect();
        let lost: Vec<_> = of("credential").filter(|credential| !signed.contains(credential)).collect();
        assert!(lost.is_empty(), "credentials without their certificates: {lost:?}");
        for folder in ["state/ca/issued", "state/ca/pending"] {
            assert!(!bench.path(folder).exists(), "{folder}");
        }
    }

    /// By its state, as the ledger's own table has it.
    pub(crate) fn may_attach(&self, device: &str) -> bool {
        let state = self.field(&("device".into(), device.into(), "state".into()));
        state.parse().is_ok_and(|state| allows(state, Enrolment::Enrolled).attach)
    }

    /// What a field is now; `-` where there is none, `+` where it is no text.
    pub(crate) fn field(&self, (table, key, name): &Field) -> String {
        match self.rows.get(&(table.clone(), key.clone())).and_then(|(_, row)| row.get(name)) {
            None | Some(Value::Null) => "-".into(),
            Some(Value::String(text)) if text.is_empty() => "-".into(),
            Some(Value::String(text)) => text.clone(),
            Some(_) => "+".into(),
        }
    }

    pub(crate) fn has(&self, word: &str) -> bool {
        self.words.contains(word)
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    pub(crate) fn has_admitted(&self, epoch: Epoch, device: DeviceId) -> bool {
        self.admitted.contains(&(epoch, device))
    }

    /// No lease is without the admission that explains it, and no unit has two.
    pub(crate) fn assert_leases_fit(&self, wreck: &Wreck) {
        let mut holders = BTreeSet::new();
        for (lease, record) in wreck.leases() {
            assert!(lease.epoch <= self.epoch && lease.session.epoch == lease.epoch, "{lease:?}");
            assert!(holders.insert(lease.device), "{} has two leases", lease.device);
            assert!(self.has_admitted(lease.epoch, lease.device), "{lease:?} by {record:?}");
        }
    }
}

fn words(text: &str) -> impl Iterator<Item = String> {
    let inner = |octet: char| octet.is_ascii_alphanumeric() || octet == '-';
    text.match_indices(WORD).map(move |(at, _)| {
        let word = &text[at..];
        word[..word.find(|octet| !inner(octet)).unwrap_or(word.len())].to_owned()
    })
}
