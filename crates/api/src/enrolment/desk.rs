use super::{
    Answer, Asked, BATCH, Enrolments, Request, Work, out_of_reach, refusal,
    waiting::{LOOK_EVERY, Waiting},
};
use crate::LedgerBooks;
use admission::Policy;
use cmp::{Protocol, Refusal, TransactionId};
use gateway::{Beyond, Pace, Refusals};
use ids::{CertSha256, DeviceId, UnixTime};
use ledger::{Ask, CONFIRM_WAIT, Leave, LedgerError, NoCertificate, Octets, Transaction, Tx};
use pki::{DeviceOrder, KeySource, PkiError};
use std::{
    iter, slice,
    sync::mpsc::{Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

/// Certificates of one unit: each is a row, and on the revocation list unless the unit confirms it. Who is beyond the room is
/// let through: better a ledger that grows than a unit without a certificate.
const PACE: Pace = Pace { burst: 5, every: EVERY, room: 1 << 18, beyond: Beyond::Through };
const EVERY: Duration = Duration::from_secs(600);
/// Work after which a transaction takes no more requests: while it goes on nobody is admitted.
const LONGEST: Duration = Duration::from_millis(200);
/// Time for whoever waits for the ledger to take it.
const PAUSE: Duration = Duration::from_millis(1);

pub(super) struct Desk {
    enrolments: Enrolments,
    issued: Refusals<DeviceId>,
    waiting: Waiting,
    began: (UnixTime, Instant),
}

/// What a transaction did that counts once it stands.
#[derive(Default)]
struct Did {
    /// Units whose certificates may count no more.
    changed: Vec<DeviceId>,
    issued: Vec<Issued>,
    confirmed: Vec<CertSha256>,
}

impl Did {
    fn has_issued(&self, device: DeviceId) -> bool {
        self.issued.iter().any(|issued| issued.device == device)
    }
}

/// A certificate that waits for its unit's word.
struct Issued {
    device: DeviceId,
    certificate: CertSha256,
    transaction: TransactionId,
    at: UnixTime,
}

/// Why one request comes to nothing.
enum Failed {
    /// By itself; what it wrote stands, and the others go on.
    Refused(Refusal),
    /// Maybe in the middle, as where a row was tampered with: nothing that it wrote may stand.
    Spoilt(Refusal),
    /// With all others: the transaction is lost, and why.
    Lost(String),
}

impl Desk {
    pub(super) fn new(enrolments: Enrolments) -> Self {
        let (wall, now) = (UnixTime::now(), Instant::now());
        Self { enrolments, issued: Refusals::new(PACE), waiting: Waiting::new(now), began: (wall, now) }
    }

    /// Serves until nobody can ask any more.
    pub(super) fn serve(&mut self, requests: &Receiver<Request>) {
        loop {
            if self.waiting.is_due(Instant::now()) {
                self.lapse();
            }
            let first = match requests.recv_timeout(LOOK_EVERY) {
                Ok(first) => first,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let batch: Vec<_> = iter::once(first).chain(requests.try_iter().take(BATCH - 1)).collect();
            self.answer(&batch);
        }
    }

    /// In as many transactions as it takes, between which whoever waits for the ledger has it.
    fn answer(&mut self, mut batch: &[Request]) {
        while !batch.is_empty() {
            let answers = self.answers(batch);
            let (done, rest) = batch.split_at(answers.len());
            for (request, answer) in done.iter().zip(answers) {
                // Who does not wait any more asks again.
                let _ = request.done.send(answer);
            }
            batch = rest;
            if !batch.is_empty() {
                thread::sleep(PAUSE);
            }
        }
    }

    /// What was not confirmed in time comes to nothing; some at once, so that nobody waits for long.
    fn lapse(&mut self) {
        let clock = self.enrolments.gateway.as_ref();
        let Some(now) = clock.map_or_else(|| Some(UnixTime::now()), |gateway| gateway.trusted_time()) else {
            return;
        };
        let late = self.waiting.late(now, BATCH);
        if self.waiting.lapse(&self.enrolments.ledger, &late, now) {
            self.enrolments.revocations.tell();
        }
    }

    /// The first of them, at least one: together, and each by itself where one would spoil it for the others.
    fn answers(&mut self, batch: &[Request]) -> Vec<Answer> {
        match self.transact(batch) {
            Ok(answers) => answers,
            Err(Failed::Spoilt(_)) if batch.len() > 1 => {
                batch.iter().flat_map(|request| self.answers(slice::from_ref(request))).collect()
            }
            Err(Failed::Spoilt(refusal) | Failed::Refused(refusal)) => vec![Err(refusal)],
            Err(Failed::Lost(error)) => {
                tracing::error!(%error, requests = batch.len(), "nobody enrols for now");
                batch.iter().map(|_| Err(Refusal::Unavailable)).collect()
            }
        }
    }

    fn transact(&mut self, batch: &[Request]) -> Result<Vec<Answer>, Failed> {
        let policy = self.enrolments.configured.rules().admission;
        let lost = |error: LedgerError| Failed::Lost(error.to_string());
        let (ledger, began) = (self.enrolments.ledger.clone(), Instant::now());
        let mut tx = ledger.begin_issuing().map_err(lost)?;
        let (mut answers, mut did) = (Vec::with_capacity(batch.len()), Did::default());
        for Request { work, now, .. } in batch {
            match self.done(&mut tx, &policy, work, &mut did, *now) {
                Ok(chain) => answers.push(Ok(chain)),
                Err(Failed::Refused(refusal)) => answers.push(Err(refusal)),
                Err(failed) => return Err(failed),
            }
            if began.elapsed() >= LONGEST {
                break;
            }
        }
        let revokes = tx.revokes();
        tx.commit().map_err(lost)?;
        if revokes {
            self.enrolments.revocations.tell();
        }
        self.stands(did);
        Ok(answers)
    }

    fn stands(&mut self, did: Did) {
        for Issued { device, certificate, transaction, at } in did.issued {
            let instant = self.instant(at);
            let _ = self.issued.admit(device, instant);
            self.waiting.add(certificate, transaction, at.after(CONFIRM_WAIT));
        }
        did.confirmed.iter().for_each(|certificate| self.waiting.remove(*certificate));
        if let Some(gateway) = &self.enrolments.gateway {
            did.changed.iter().for_each(|device| gateway.device_changed(*device));
        }
    }

    fn done(
        &mut self,
        tx: &mut Tx<'_>,
        policy: &Policy,
        work: &Work,
        did: &mut Did,
        now: UnixTime,
    ) -> Result<Vec<Vec<u8>>, Failed> {
        match work {
            Work::Enrol(_) | Work::Renew(_) if !(self.enrolments.has_room)() => {
                Err(Failed::Refused(Refusal::Unavailable))
            }
            // The pace counts what stands, so the next one waits for that.
            Work::Enrol(asked) | Work::Renew(asked) if did.has_issued(asked.device) => {
                Err(Failed::Refused(Refusal::Unavailable))
            }
            Work::Enrol(asked) | Work::Renew(asked) if !self.is_in_pace(tx, asked, now)? => {
                tx.out_of_pace(&ask(asked), now).map_err(NoCertificate::from)?;
                Err(Failed::Refused(Refusal::TooOften))
            }
            Work::Enrol(asked) => {
                let leave = tx.leave_to_enrol(&ask(asked), now);
                let chain = self.issue(tx, policy, (asked, leave?), did, now)?;
                self.confirm_at_once(tx, asked, did, now).map(|()| chain)
            }
            Work::Renew(asked) => {
                let leave = tx.leave_to_renew(&ask(asked), now);
                did.changed.push(asked.device);
                let chain = self.issue(tx, policy, (asked, leave?), did, now)?;
                self.confirm_at_once(tx, asked, did, now).map(|()| chain)
            }
            Work::Confirm(id) => self.confirm(tx, id, did, now).map(|()| Vec::new()),
            Work::Reject(id) => Ok(tx.reject(id.octets(), now).map(|()| Vec::new())?),
        }
    }

    /// Whoever has a vendor's CA can name any number of units: only ours are counted. Nobody gets another certificate by
    /// saying again what was said.
    fn is_in_pace(&mut self, tx: &mut Tx<'_>, asked: &Asked, now: UnixTime) -> Result<bool, Failed> {
        let is_ours = tx.device(asked.device).map_err(NoCertificate::from)?.is_some();
        let id = asked.transaction.id.octets();
        let is_said_again = tx.enrolment(id, now).map_err(NoCertificate::from)?.is_some();
        if !is_ours || is_said_again {
            return Ok(true);
        }
        let at = self.instant(now);
        Ok(self.issued.would_admit(asked.device, at).is_some())
    }

    /// The time of a request, as paces count it: from anew where the clock was set back.
    fn instant(&mut self, now: UnixTime) -> Instant {
        let (at, began) = self.began;
        self.began = (at.min(now), began);
        began + now.since(self.began.0)
    }

    fn confirm(
        &mut self,
        tx: &mut Tx<'_>,
        id: &TransactionId,
        did: &mut Did,
        now: UnixTime,
    ) -> Result<(), Failed> {
        let credential = tx.confirm(id.octets(), self.enrolments.ca.realm(), now)?;
        did.confirmed.push(credential.cert_sha256);
        did.changed.push(credential.device);
        Ok(())
    }

    /// Where the protocol has no confirmation. What cannot be confirmed was never issued.
    fn confirm_at_once(
        &mut self,
        tx: &mut Tx<'_>,
        asked: &Asked,
        did: &mut Did,
        now: UnixTime,
    ) -> Result<(), Failed> {
        match asked.protocol {
            Protocol::Cmp => Ok(()),
            Protocol::Est => self.confirm(tx, &asked.transaction.id, did, now).map_err(Failed::whole),
        }
    }

    fn issue(
        &mut self,
        tx: &mut Tx<'_>,
        policy: &Policy,
        (asked, leave): (&Asked, Leave),
        did: &mut Did,
        now: UnixTime,
    ) -> Result<Vec<Vec<u8>>, Failed> {
        let cmp::Transaction { id, signer, nonce } = &asked.transaction;
        let transaction = Transaction {
            id: Octets(id.octets().to_vec()),
            signer: Octets(signer.clone()),
            nonce: Octets(nonce.to_vec()),
            from: asked.from,
            until: now.after(CONFIRM_WAIT),
        };
        let order = DeviceOrder {
            device: asked.device,
            key: KeySource::Proven(asked.possession.clone()),
            validity: None,
            by: asked.protocol.name().into(),
        };
        let mut books = LedgerBooks::new(tx, policy, leave, Some(transaction));
        let issued = self.enrolments.ca.issue(&order, &mut books, now);
        match issued {
            Ok(issued) => {
                let (certificate, transaction) = (issued.info.sha256, id.clone());
                did.issued.push(Issued { device: asked.device, certificate, transaction, at: now });
                Ok(issued.chain)
            }
            Err(PkiError::Books(error)) => Err(Failed::Lost(error)),
            Err(error @ PkiError::Key(_)) => {
                tracing::error!(device = %asked.device, %error, "a certificate was not issued");
                Err(Failed::Refused(Refusal::Unavailable))
            }
            Err(error) => {
                tracing::error!(device = %asked.device, %error, "a certificate was not issued");
                Err(Failed::Refused(Refusal::Failed))
            }
        }
    }
}

fn ask(asked: &Asked) -> Ask<'_> {
    Ask {
        device: asked.device,
        realm: &asked.realm,
        by_cert: asked.by_cert,
        by_spki: asked.by_spki,
        spki: ids::Sha256::of(asked.possession.spki()),
        from: asked.from,
        said_at: asked.said_at,
        protocol: asked.protocol.name(),
        transaction: asked.transaction.id.octets(),
    }
}

impl Failed {
    /// Nothing that was written stands.
    fn whole(self) -> Self {
        match self {
            Self::Refused(refusal) => Self::Spoilt(refusal),
            Self::Spoilt(_) | Self::Lost(_) => self,
        }
    }
}

impl From<NoCertificate> for Failed {
    fn from(error: NoCertificate) -> Self {
        match error {
            NoCertificate::Denied(denied) => Self::Refused(refusal(denied)),
            NoCertificate::Ledger(error) if error.is_transient() => Self::Lost(error.to_string()),
            NoCertificate::Ledger(error) => {
                tracing::error!(%error, "a unit is not judged");
                Self::Spoilt(out_of_reach(error))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_has_five_certificates_at_once_and_then_one_in_ten_minutes() {
        let (mut issued, now) = (Refusals::new(PACE), Instant::now());
        let units = [1, 2].map(|number| DeviceId::eui48([number; 6]));
        let mut count = |unit, at| (0..100).filter(|_| issued.admit(unit, at).is_some()).count();
        assert_eq!(count(units[0], now), 5);
        assert_eq!(count(units[1], now), 5, "another has its own");
        assert_eq!(count(units[0], now + EVERY - Duration::from_secs(1)), 0);
        assert_eq!(count(units[0], now + EVERY), 1);
        assert_eq!(count(units[0], now + EVERY * 100), 5);
    }
}
