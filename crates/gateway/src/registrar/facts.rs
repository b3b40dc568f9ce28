//! What is known of a unit, and of its holder, when a claim is judged or a session is judged anew.

use super::Registrar;
use crate::{
    evidence::{Known, outer},
    hand_off::Claim,
    management::{Ours, management},
    sessions::Session,
};
use admission::{Evidence, Facts, Holder, Management, Probe};
use ids::{CertSha256, DeviceId, Network, SessionId, UnixTime};
use ledger::{Lease, LedgerError};
use std::{net::SocketAddr, time::Instant};
use x509::Standing;

impl Registrar {
    /// What the ledger says about a session's unit; `None` where that can't be believed.
    ///
    /// # Errors
    /// The transient ones.
    pub(super) fn known(&mut self, session: &Session) -> Result<Option<Known>, LedgerError> {
        self.known_of(session.device, session.cert_sha256, session.outer())
    }

    /// The same of whoever is there with a certificate of the unit's.
    ///
    /// # Errors
    /// The transient ones.
    pub(super) fn known_of(
        &mut self,
        device: DeviceId,
        cert: CertSha256,
        outer: SocketAddr,
    ) -> Result<Option<Known>, LedgerError> {
        let read = || {
            let mut tx = self.ledger.begin()?;
            let here = (outer, &*self.outside.origins);
            let now = self.clock.for_attached();
            let known = Known::read(&mut tx, device, cert, here, now)?;
            tx.commit().map(|()| known)
        };
        match read() {
            Ok(known) => Ok(Some(known)),
            Err(error) if error.is_transient() => Err(error),
            Err(error) => {
                self.tampered(device, &error);
                Ok(None)
            }
        }
    }

    /// Only what the ledger has is asked about from now on: the others are refused whatever their CA says.
    pub(super) fn issuer_says(&self, claim: &Claim, known: &Known, now: UnixTime) -> Option<Standing> {
        let path = claim.authenticated.path();
        let device = known.credential.as_ref().map(|credential| credential.device);
        self.outside.issuers.standing(path.path(), &path.serial(), device, now)
    }

    /// What is known about a unit, with where it was good lately.
    pub(super) fn facts<'a>(&self, known: &'a Known) -> Facts<'a> {
        let device = known.device.as_ref();
        let good_at = device.and_then(|device| self.shadow.home(device.id)).map(Network::of);
        let (credential, limit) = (known.credential.as_ref(), self.policy.ends_per_hour);
        let holder_may_go = self.ceiling.has_room(device, credential, limit, Instant::now());
        Facts { good_at, holder_may_go, holder_has_call: self.holder_has_call(known), ..known.facts() }
    }

    fn holder_has_call(&self, known: &Known) -> bool {
        let holder = known.lease.as_ref().and_then(|lease| self.sessions.get(lease.session));
        holder.is_some_and(|holder| self.would_wait(&holder))
    }

    /// A claim that has been let in, from where its session is now.
    pub(super) fn claim_now(
        &self,
        session: SessionId,
        known: &Known,
        now: UnixTime,
    ) -> Option<admission::Claim> {
        let claim = self.claims.get(&session)?;
        let session = self.sessions.get(session);
        let address = session.as_ref().map_or(claim.outer.address, |session| session.outer());
        let outer = outer(address, known, &*self.outside.origins, now);
        let facts = session.map_or_else(|| claim.facts.clone(), |one| self.facts_now(&one, known, now));
        Some(admission::Claim { outer, facts, ..(**claim).clone() })
    }

    /// What the management system says of the unit by now, against one of its sessions.
    pub(super) fn facts_now(&self, session: &Session, known: &Known, now: UnixTime) -> Evidence<Management> {
        management(session.device, known, &Ours::of(session), &*self.outside.origins, now)
    }

    /// Who has the lease, as far as this process has seen it.
    pub(super) fn holder(&self, lease: &Lease, known: &Known, now: UnixTime) -> Holder {
        let session = self.sessions.get(lease.session);
        let heard_ago = session.as_ref().and_then(|session| session.traffic.heard.ago(Instant::now()));
        Holder {
            session: lease.session,
            claim: self.claim_now(lease.session, known, now),
            // A lease of ours without a session is what an end left that could not be written yet.
            probe: if session.is_some() { Probe::NotAsked } else { Probe::Unreachable },
            outer: session.map(|session| session.outer()),
            asked_ago: self.asked.get(&lease.session).map(Instant::elapsed),
            heard_ago,
        }
    }
}
