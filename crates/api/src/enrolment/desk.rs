use super::{Answer, Asked, BATCH, Enrolments, Request, Work, out_of_reach, refusal};
use crate::LedgerBooks;
use admission::Policy;
use cmp::{Protocol, Refusal, TransactionId};
use ids::{DeviceId, UnixTime};
use ledger::{Ask, CONFIRM_WAIT, Leave, NoCertificate, Octets, Transaction, Tx};
use pki::{DeviceOrder, KeySource, PkiError};
use std::{iter, sync::mpsc::Receiver};

pub(super) struct Desk(pub(super) Enrolments);

/// Why one request comes to nothing.
enum Failed {
    /// By itself; the others go on.
    Refused(Refusal),
    /// With all others: the transaction is lost, and why.
    Lost(String),
}

impl Desk {
    /// Serves until nobody can ask any more.
    pub(super) fn serve(&self, requests: &Receiver<Request>) {
        while let Ok(first) = requests.recv() {
            let batch: Vec<_> = iter::once(first).chain(requests.try_iter().take(BATCH - 1)).collect();
            let answers = self.transact(&batch).unwrap_or_else(|error| {
                tracing::error!(%error, requests = batch.len(), "nobody enrols for now");
                batch.iter().map(|_| Err(Refusal::Unavailable)).collect()
            });
            for (request, answer) in batch.iter().zip(answers) {
                // Who does not wait any more asks again.
                let _ = request.done.send(answer);
            }
        }
    }

    fn transact(&self, batch: &[Request]) -> Result<Vec<Answer>, String> {
        let policy = self.0.configured.rules().admission;
        let mut tx = self.0.ledger.begin_issuing().map_err(|error| error.to_string())?;
        let (mut answers, mut changed) = (Vec::with_capacity(batch.len()), Vec::new());
        for Request { work, now, .. } in batch {
            match self.done(&mut tx, &policy, work, &mut changed, *now) {
                Ok(chain) => answers.push(Ok(chain)),
                Err(Failed::Refused(refusal)) => answers.push(Err(refusal)),
                Err(Failed::Lost(error)) => return Err(error),
            }
        }
        tx.commit().map_err(|error| error.to_string())?;
        if let Some(gateway) = &self.0.gateway {
            changed.iter().for_each(|device| gateway.device_changed(*device));
        }
        Ok(answers)
    }

    /// `changed`: units whose certificates may count no more.
    fn done(
        &self,
        tx: &mut Tx<'_>,
        policy: &Policy,
        work: &Work,
        changed: &mut Vec<DeviceId>,
        now: UnixTime,
    ) -> Result<Vec<Vec<u8>>, Failed> {
        match work {
            Work::Enrol(_) | Work::Renew(_) if !(self.0.has_room)() => {
                Err(Failed::Refused(Refusal::Unavailable))
            }
            Work::Enrol(asked) => {
                let leave = tx.leave_to_enrol(&ask(asked), now);
                let chain = self.issue(tx, policy, asked, leave?, now)?;
                self.confirm_at_once(tx, asked, changed, now).map(|()| chain)
            }
            Work::Renew(asked) => {
                let leave = tx.leave_to_renew(&ask(asked), now);
                changed.push(asked.device);
                let chain = self.issue(tx, policy, asked, leave?, now)?;
                self.confirm_at_once(tx, asked, changed, now).map(|()| chain)
            }
            Work::Confirm(id) => self.confirm(tx, id, changed, now).map(|()| Vec::new()),
            Work::Reject(id) => Ok(tx.reject(id.octets(), now).map(|()| Vec::new())?),
        }
    }

    fn confirm(
        &self,
        tx: &mut Tx<'_>,
        id: &TransactionId,
        changed: &mut Vec<DeviceId>,
        now: UnixTime,
    ) -> Result<(), Failed> {
        let credential = tx.confirm(id.octets(), self.0.ca.realm(), now)?;
        changed.push(credential.device);
        Ok(())
    }

    /// Where the protocol has no confirmation. What cannot be confirmed was given to nobody, and counts for nothing.
    fn confirm_at_once(
        &self,
        tx: &mut Tx<'_>,
        asked: &Asked,
        changed: &mut Vec<DeviceId>,
        now: UnixTime,
    ) -> Result<(), Failed> {
        match asked.protocol {
            Protocol::Cmp => Ok(()),
            Protocol::Est => self.confirm(tx, &asked.transaction.id, changed, now),
        }
    }

    fn issue(
        &self,
        tx: &mut Tx<'_>,
        policy: &Policy,
        asked: &Asked,
        leave: Leave,
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
        let issued = self.0.ca.issue(&order, &mut books, now);
        match issued {
            Ok(issued) => Ok(issued.chain),
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

impl From<NoCertificate> for Failed {
    fn from(error: NoCertificate) -> Self {
        match error {
            NoCertificate::Denied(denied) => Self::Refused(refusal(denied)),
            NoCertificate::Ledger(error) if error.is_transient() => Self::Lost(error.to_string()),
            NoCertificate::Ledger(error) => {
                tracing::error!(%error, "a unit is not judged");
                Self::Refused(out_of_reach(error))
            }
        }
    }
}
