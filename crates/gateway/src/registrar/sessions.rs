//! What becomes of sessions that stand: they end, move, and come under other terms.

use super::{Registrar, Terms, review::Anew};
use crate::{GatewayConfig, hand_off::Why, sessions::Session, sightings::Alternation};
use events::gateway::{PathAlternates, PathChanged, SessionClosed};
use ledger::LedgerError;
use std::{net::SocketAddr, sync::Arc};

impl Registrar {
    pub(super) fn closed(&mut self, session: &Session, why: &Why) -> Result<(), LedgerError> {
        match self.release(session) {
            Err(error) if error.is_transient() => return Err(error),
            Err(error) => self.tampered(session.device, &error),
            Ok(()) => {}
        }
        let bytes = (session.traffic.uplink.view().octets, session.traffic.downlink.view().octets);
        let why_text = why.code().to_owned();
        self.append(&SessionClosed { device: session.device, session: session.id, why: why_text, bytes })?;
        self.tallies.closed.count(why.code());
        self.forget(session, why);
        Ok(())
    }

    fn release(&self, session: &Session) -> Result<(), LedgerError> {
        let mut tx = self.ledger.begin()?;
        if let Some(lease) = tx.lease(session.device)?.filter(|lease| lease.session == session.id) {
            tx.release_lease(&lease)?;
        }
        tx.commit()
    }

    /// The newcomer of a contest is still spoken of when that is settled.
    fn forget(&mut self, session: &Session, why: &Why) {
        self.asked.remove(&session.id);
        drop(self.ceiling.let_go(session.id));
        self.leave_quarantine(session);
        self.away.remove(session.id);
        let is_newcomer = self.is_newcomer(session);
        if is_newcomer && *why == Why::NeverStood {
            self.newcomers.remove(&session.device);
        }
        if !is_newcomer || *why == Why::NeverStood {
            self.claims.remove(&session.id);
        }
    }

    pub(super) fn is_newcomer(&self, session: &Session) -> bool {
        self.newcomers.get(&session.device).is_some_and(|newcomer| newcomer.session() == session.id)
    }

    pub(super) fn moved(
        &mut self,
        session: &Session,
        from: SocketAddr,
        to: SocketAddr,
    ) -> Result<(), LedgerError> {
        let known = self.known(session)?;
        let on_line = known.as_ref().and_then(|known| self.is_on_line(known, to));
        // First, as the journal may be out of reach. Rows that can't be believed put nobody on a line.
        match &known {
            Some(known) => self.look_again(session, known, Anew::Moved(to))?,
            None => self.seen_at(session.id, true),
        }
        self.append(&PathChanged { device: session.device, session: session.id, from, to, on_line })?;
        Ok(())
    }

    /// Takes other terms, and looks again at those whose tunnels may reach something else by them.
    pub(super) fn configure(&mut self, config: &GatewayConfig) {
        self.policy = config.policy.clone();
        let old = std::mem::replace(&mut self.terms, Terms::new(config));
        let changed = old.classes.changed(&self.terms.classes);
        let is_of = |session: &Arc<Session>| changed.iter().any(|class| **class == *session.class);
        let sessions = self.sessions.ids().into_iter().filter_map(|id| self.sessions.get(id));
        self.reviews.extend(sessions.filter(is_of).map(|session| session.device));
        if old.quarantine != self.terms.quarantine {
            self.reviews.extend(self.quarantine.devices());
        }
        self.disk_reserve = config.disk_reserve;
    }
}

pub(super) fn alternation(session: &Session, seen: &Alternation) -> PathAlternates {
    PathAlternates {
        device: session.device,
        session: session.id,
        paths: seen.places.into_iter().flatten().collect(),
        changes: seen.changes,
        within_ms: u64::try_from(seen.within.as_millis()).unwrap_or(u64::MAX),
    }
}
