//! What of a claim belongs into the transaction, and the session that it begins.

use super::{Candidate, Looked, Written};
use crate::{
    evidence::as_written,
    registrar::{
        Registrar,
        incidents::unless_tampered,
        trust::{Attach, AttachEnd, record},
    },
    sessions::{Beginning, Session},
};
use admission::{Admit, appearance};
use events::{
    Durability,
    admission::{Admitted as AdmittedEvent, Voided, Weighed},
};
use ids::{DeviceId, EventRef, SessionId, UnixTime};
use ike::Grant;
use ledger::{Appearance, Lease, LedgerError, Profile, Tx};
use std::sync::Arc;

/// As what a session begins.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum As {
    Admitted,
    Contesting,
}

impl Registrar {
    /// Writes what belongs into the transaction. `told`: the admissions that the journal has by now.
    pub(super) fn write(
        &mut self,
        tx: &mut Tx<'_>,
        looked: Looked,
        told: &mut Vec<Voided>,
        now: UnixTime,
    ) -> Result<Written, LedgerError> {
        match looked {
            Looked::Admit { candidate, how, weighed, exception } => {
                let (session, grant) = self.begin(&candidate, As::Admitted, now);
                let event = admitted(&candidate, &session, how, weighed, exception);
                let event = self.ledger.journal().append(&event, now, Durability::Grouped)?;
                told.push(Voided { device: session.device, session: session.id });
                self.write_admitted(tx, candidate, (session, grant), event, now)
            }
            Looked::Contest { candidate, holder, weighed } => {
                Ok(Written::Contested { candidate, holder, weighed })
            }
            Looked::Refuse(refusal) => self.write_refused(tx, refusal, now).map(Written::Refused),
            Looked::TooOften(ticket, refused) => Ok(Written::TooOften(ticket, refused)),
            Looked::Drop(ticket, transient) => Ok(Written::Dropped(ticket, transient.code())),
        }
    }

    /// The journal has the admission before its lease is taken, and what else is written of it.
    fn write_admitted(
        &mut self,
        tx: &mut Tx<'_>,
        candidate: Candidate,
        (session, grant): (Arc<Session>, Grant),
        event: EventRef,
        now: UnixTime,
    ) -> Result<Written, LedgerError> {
        let (known, own) = (&candidate.known, &candidate.own);
        let lease = Box::new(self.lease(&session, now));
        if let Some(device) = &known.device {
            let attach = Attach {
                end: AttachEnd::In,
                conclusion: candidate.two.as_ref().and_then(|two| two.conclusion()),
                own,
                other: None,
                is_observed: !candidate.let_in.observed.is_empty(),
                evidence: record(&event),
            };
            unless_tampered(self.tell_cells(tx, device, attach, now))?;
        }
        tx.take_lease(&lease, known.lease.as_ref().map(|held| held.session), event)?;
        let seen = appearance(&candidate.evidence, &known.facts(), own.marks(), now);
        let profile = known.profile.clone();
        seen.map_or(Ok(()), |seen| note(tx, (session.device, profile), seen, now))?;
        candidate.two.as_ref().map_or(Ok(()), |two| self.tell_let_in(tx, two, now))?;
        self.take_back_radio_off(tx, session.device, now)?;
        Ok(Written::Admitted { candidate, session, lease, grant })
    }

    /// A session that is not told to anyone yet, and what its unit gets.
    pub(super) fn begin(
        &mut self,
        candidate: &Candidate,
        begins_as: As,
        now: UnixTime,
    ) -> (Arc<Session>, Grant) {
        let id = SessionId { epoch: self.ledger.epoch(), number: self.next_session };
        self.next_session += 1;
        let authenticated = &candidate.claim.authenticated;
        let path = authenticated.path();
        let auth_lifetime = self.terms.auth_lifetime;
        let lifetime = path.remaining(now).min(auth_lifetime);
        let device = candidate.known.device.as_ref();
        let class = self.terms.classes.of(device);
        let ts_r = match (begins_as, &self.terms.quarantine) {
            (As::Admitted, _) | (_, None) => class.ts_r.clone(),
            // In case that it ends there.
            (As::Contesting, Some(quarantine)) => class.ts_r_beside(quarantine),
        };
        let (inner_v4, inner_v6) = (device.and_then(|d| d.inner_v4), device.and_then(|d| d.inner_v6));
        let session = Session::begin(Beginning {
            id,
            sa: candidate.claim.sa,
            ike_spi: authenticated.auth().spi_i(),
            device: authenticated.device(),
            cert_sha256: path.cert_sha256(),
            inner_v4,
            inner_v6,
            outer: authenticated.auth().path().peer,
            since: now,
            until: now.after(lifetime),
            class: class.clone(),
            class_name: device.map_or("", |device| &device.class).into(),
        });
        let grant = Grant {
            inner_v4,
            inner_v6: inner_v6.map(|v6| (v6, 128)),
            dns: self.terms.dns.clone(),
            ts_r,
            auth_lifetime,
            expires_in: lifetime,
        };
        (Arc::new(session), grant)
    }

    /// As its unit holds it from now on.
    pub(in crate::registrar) fn lease(&self, session: &Session, now: UnixTime) -> Lease {
        Lease {
            device: session.device,
            node: self.ledger.node().clone(),
            epoch: self.ledger.epoch(),
            session: session.id,
            cert_sha256: session.cert_sha256,
            outer: session.outer(),
            since: now,
        }
    }
}

/// Among the exceptions by which a unit was admitted: its certificate has ended, and is extended.
const EXTENDED: &str = "extension";

fn admitted(
    candidate: &Candidate,
    session: &Session,
    how: Admit,
    weighed: Weighed,
    exception: Option<String>,
) -> AdmittedEvent {
    AdmittedEvent {
        device: session.device,
        session: session.id,
        cert_sha256: session.cert_sha256,
        outer: session.outer(),
        inner: session.inner().collect(),
        line: candidate.known.line.as_ref().map(|line| line.line.clone()),
        how: how.code().to_owned(),
        rules: admission::RULES.to_owned(),
        reasons: exception
            .into_iter()
            .chain(candidate.evidence.extended.then(|| EXTENDED.to_owned()))
            .collect(),
        weighed,
        claim: as_written(&candidate.evidence),
    }
}

/// Writes down as what a unit was seen that is let in, beside what it was seen as before.
///
/// # Errors
/// As [`Tx::put_profile`].
pub(in crate::registrar) fn note(
    tx: &mut Tx<'_>,
    (device, profile): (DeviceId, Option<Profile>),
    seen: Appearance,
    now: UnixTime,
) -> Result<(), LedgerError> {
    let mut profile = profile.unwrap_or_else(|| Profile::new(device));
    if profile.note(seen) {
        tx.put_profile(&profile, ("admission", "as what it was seen"), now)
    } else {
        Ok(())
    }
}
