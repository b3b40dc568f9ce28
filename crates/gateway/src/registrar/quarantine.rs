//! Sessions without a lease: how one begins, and what ends it.

use super::Registrar;
use crate::{
    evidence::as_written,
    hand_off::{Answer, Why},
    quarantine::{Confinement, Quarantine, Translation},
    sessions::Session,
};
use admission::Reason;
use events::{
    JournalError,
    admission::{Quarantined as QuarantinedEvent, Weighed},
};
use std::sync::Arc;

/// What is said of a session in quarantine beside what it is.
#[derive(Clone)]
pub(super) struct Told {
    pub(super) reason: Reason,
    pub(super) incident: Option<u64>,
    pub(super) weighed: Weighed,
}

impl Registrar {
    /// Puts a session into quarantine, in the place of what its unit has there, and writes it down. `false` where there
    /// is no quarantine, or no place in it.
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

    /// The unit's session before this one gives its place away, and ends: the IKE thread hears of that before it hears
    /// of who has the place next.
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
