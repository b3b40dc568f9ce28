//! Sessions without a lease: how one begins, and what ends it.

use super::{
    Registrar,
    judging::{As, Case, Refusal},
};
use crate::{
    evidence::as_written,
    hand_off::{Answer, Quarantined, Why},
    quarantine::{Confinement, Quarantine, Translation},
    sessions::Session,
};
use admission::Reason;
use events::{
    JournalError,
    admission::{Quarantined as QuarantinedEvent, Weighed},
};
use ids::UnixTime;
use ledger::LedgerError;
use std::{sync::Arc, time::Instant};

/// What is said of a session in quarantine beside what it is.
#[derive(Clone)]
pub(super) struct Told {
    pub(super) reason: Reason,
    pub(super) incident: Option<u64>,
    pub(super) weighed: Weighed,
}

impl Registrar {
    /// Puts a session into quarantine, in the place of what its unit has there, and writes it down. `false` where there is
    /// no quarantine, or no place in it.
    ///
    /// # Errors
    /// The journal's. Tried again, it goes on where it was.
    pub(super) fn quarantine(
        &mut self,
        session: &Session,
        claim: &admission::Claim,
        told: &Told,
    ) -> Result<bool, JournalError> {
        let Some(confinement) = self.place(session, told.reason) else {
            self.tallies.quarantines.count("full");
            return Ok(false);
        };
        self.append(&QuarantinedEvent {
            device: session.device,
            session: session.id,
            cert_sha256: session.cert_sha256,
            outer: session.outer(),
            inner: session.inner().collect(),
            translated: confinement.translation.outside().iter().collect(),
            reason: told.reason.code().to_owned(),
            incident: told.incident,
            until: confinement.until,
            rules: admission::RULES.to_owned(),
            weighed: told.weighed.clone(),
            claim: as_written(claim),
        })?;
        self.tallies.quarantines.count("begun");
        session.confine(confinement);
        Ok(true)
    }

    /// A claim that gets in by way of quarantine alone, with no contest before.
    pub(super) fn say_quarantined(&mut self, case: Case, told: Told, now: UnixTime) {
        let (session, grant) = self.begin(&case, As::Quarantined, now);
        let Case { claim, evidence, own, two, .. } = case;
        let (ticket, path) = (claim.ticket, claim.authenticated.auth().path());
        match self.quarantine(&session, &evidence, &told) {
            Err(error) => {
                self.leave_quarantine(&session);
                return self.left_unsaid(ticket, &LedgerError::Journal(error));
            }
            Ok(false) => {
                let Told { reason, weighed, .. } = told;
                let more = self.refused.would_admit((evidence.device, reason), Instant::now());
                let detail = reason.to_string();
                let refusal = Refusal {
                    ticket,
                    evidence,
                    reason,
                    detail,
                    weighed,
                    own,
                    two,
                    conclusion: None,
                    device: None,
                    shown: None,
                    more,
                };
                return self.say_refused(refusal);
            }
            Ok(true) => {}
        }
        let Some(quarantined) = Quarantined::new(&claim.authenticated, &session) else {
            tracing::error!(device = %session.device, "a session that does not fit its evidence");
            self.leave_quarantine(&session);
            return self.answer(Answer::Dropped(ticket));
        };
        self.tallies.attaches.count("quarantined");
        self.claims.insert(session.id, evidence);
        self.sessions.insert(session.clone());
        self.answer(Answer::Quarantined { ticket, quarantined, session, path, grant });
    }

    /// The unit's session before this one gives its place away, and ends: the IKE thread hears of that before it hears of
    /// who has the place next.
    fn place(&mut self, session: &Session, reason: Reason) -> Option<Arc<Confinement>> {
        let class = self.terms.quarantine.clone()?;
        let before = self.quarantine.session_of(session.device).filter(|before| *before != session.id);
        if let Some(before) = before {
            self.answer(Answer::End { session: before, why: Why::Displaced });
        }
        let addresses = self.quarantine.take(session.device, session.id)?;
        self.tallies.in_quarantine(self.quarantine.len());
        let Some(translation) = Translation::new(session.inner_addresses(), addresses) else {
            self.leave_quarantine(session);
            return None;
        };
        let until = self.clock.now().after(Quarantine::LIFETIME).min(session.until());
        Some(Arc::new(Confinement { reason, class, translation, until }))
    }

    /// The session is over.
    pub(super) fn leave_quarantine(&mut self, session: &Session) {
        self.quarantine.give_back(session.device, session.id);
        self.tallies.in_quarantine(self.quarantine.len());
    }
}
