//! What becomes of sessions that stand: they end, move, and are judged anew.

use super::{
    Registrar, Terms,
    away::Place,
    judging::{alone, incident, open_incident, unless_tampered},
    trust::{Attach, End},
};
use crate::{
    GatewayConfig, OffLine,
    evidence::{self, Known, revocation},
    hand_off::{Answer, Why},
    sessions::{Session, State},
    sightings::Alternation,
};
use admission::{Decision, Evidence, Missing, Reason, Revocation, Verdict, judge};
use events::gateway::{PathAlternates, PathChanged, SessionClosed};
use ids::{AccessLine, CertSha256, DeviceId, SessionId, UnixTime};
use ledger::{Device, LedgerError, trust::TrustEvidence};
use std::{net::SocketAddr, sync::Arc, time::Instant};
use x509::Standing;

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

    fn is_newcomer(&self, session: &Session) -> bool {
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

    /// Whether an address is on the unit's line; `None` when nobody knows.
    fn is_on_line(&self, known: &Known, to: SocketAddr) -> Option<bool> {
        let line = known.device.as_ref()?.access_line.as_ref()?;
        let here = evidence::outer(to, known, &*self.outside.origins, self.clock.for_attached());
        here.is_behind(line).or_else(|| known.line.as_ref()?.covers(to.ip()))
    }

    /// The feed of lines is behind the units that move: whoever is away is judged anew once it says something else.
    pub(super) fn look_for_away(&mut self) {
        let (now, origins, sessions) = (self.clock.for_attached(), &self.outside.origins, &self.sessions);
        let away = self.away.take_turn().filter_map(|(id, place)| Some((sessions.get(id)?, place)));
        let other = away.filter(|(session, Place { own, seen })| {
            origins.line(session.outer(), own.as_ref(), now).value() != seen.as_ref()
        });
        self.reviews.extend(other.map(|(session, _)| session.device));
    }

    /// Who is let in while the feed does not know whose line its address is, is judged anew once it does.
    pub(super) fn watch_line(
        &mut self,
        session: SessionId,
        line: &Evidence<AccessLine>,
        unit: Option<&Device>,
    ) {
        match line {
            Evidence::Missing(Missing::NoRecord | Missing::Stale | Missing::Doubtful) => {
                self.watch(session, None, unit);
            }
            Evidence::Missing(Missing::NotGathered | Missing::NotSent) | Evidence::Known(_) => {
                self.away.remove(session);
            }
        }
    }

    fn watch(&mut self, session: SessionId, seen: Option<AccessLine>, unit: Option<&Device>) {
        let own = unit.and_then(|unit| unit.access_line.clone());
        self.away.insert(session, Place { own, seen });
    }

    /// A unit is outside the network of its line, or is not known to be.
    fn seen_at(&self, session: SessionId, outside: bool) {
        match (self.terms.off_line, outside) {
            (OffLine::Hold, outside) => self.answer(Answer::Line { session, outside }),
            (OffLine::Close, true) => self.answer(Answer::End { session, why: Why::LeftLine }),
            (OffLine::Close, false) => self.answer(Answer::Line { session, outside: false }),
            (OffLine::Keep, _) => {}
        }
    }

    /// Judges those who are attached anew, after something about their unit has changed.
    pub(super) fn review(&mut self, device: DeviceId) -> Result<(), LedgerError> {
        match self.orders_by_facts(device) {
            Err(error) if error.is_transient() => return Err(error),
            Err(error) => self.tampered(device, &error),
            Ok(()) => {}
        }
        for session in self.sessions.of_device(device) {
            if let Some(known) = self.known(&session)? {
                self.look_again(&session, &known, Anew::Stays)?;
            }
        }
        Ok(())
    }

    /// Judges a session by what is known now: it goes on, is held off its line, or ends.
    ///
    /// # Errors
    /// The transient ones, before anything is done.
    fn look_again(&mut self, session: &Session, known: &Known, anew: Anew) -> Result<(), LedgerError> {
        let Some(claim) = self.claims.get(&session.id).map(|claim| (**claim).clone()) else {
            return Ok(());
        };
        let now = self.clock.for_attached();
        let outer = evidence::outer(anew.outer(session), known, &*self.outside.origins, now);
        let revocation = self.revocation_now(&claim, known, now);
        let facts = self.facts_now(session, known, now);
        let claim = admission::Claim { outer, revocation, facts, ..claim };
        self.note_home(session, &claim, known);
        let verdict = judge(&claim, &self.facts(known), None, &self.policy, &self.shadow.modes, now);
        if session.confinement().is_some() {
            self.look_again_at_quarantined(session, verdict.decision);
            return Ok(());
        }
        if let Decision::Refuse(reason) | Decision::Quarantine(reason) = verdict.decision {
            self.hit(reason, session.device, claim.outer.address.ip(), now);
        } else {
            self.shadow.note(session.device, &verdict.observed);
        }
        self.watch_line(session.id, &claim.outer.line, known.device.as_ref());
        // The newcomer of a contest serves nothing: by its end nobody loses service, and its cells hear nothing of it.
        let is_newcomer = self.is_newcomer(session);
        if let Some(reason) = verdict.told.filter(|_| !is_newcomer) {
            self.tell_found_out(&claim, reason, &verdict, known, now)?;
        }
        if self.ends_beside(session, &claim, now)? {
            return Ok(());
        }
        match verdict.decision {
            Decision::Refuse(Reason::ForeignNetwork | Reason::LineUnknown) => {
                self.watch(session.id, claim.outer.line.value().cloned(), known.device.as_ref());
                if self.may_be_held(session, known, anew) {
                    self.seen_at(session.id, true);
                }
            }
            Decision::Refuse(reason) | Decision::Quarantine(reason) => {
                if matches!(reason, Reason::WrongHands | Reason::Clone)
                    && !is_newcomer
                    && !self.may_go(session, (&claim, reason, &verdict), known, now)?
                {
                    return Ok(());
                }
                let why = Why::Device(reason.code().to_owned());
                self.answer(Answer::End { session: session.id, why });
            }
            _ if !self.is_still_of(session, known) => {
                self.answer(Answer::End { session: session.id, why: Why::ClassChanged });
            }
            Decision::Admit(_) | Decision::Contest | Decision::Drop(_) => self.seen_at(session.id, false),
        }
        Ok(())
    }

    /// On its line, and not known to be another's tunnel: what the unit hears now is what is heard there.
    fn note_home(&self, session: &Session, claim: &admission::Claim, known: &Known) {
        let line = known.device.as_ref().and_then(|device| device.access_line.as_ref());
        let here =
            line.filter(|line| claim.outer.is_behind(line) == Some(true) && session.state() == State::Open);
        let is_anothers = claim.facts.value().is_some_and(|facts| facts.tunnel == Some(false));
        if let Some(line) = here.filter(|_| !is_anothers) {
            self.outside.origins.is_at_home(session.device, line, session.since);
        }
    }

    /// One who was let in is found out without another: that is an incident, and its cells hear of it.
    pub(super) fn tell_found_out(
        &mut self,
        claim: &admission::Claim,
        reason: Reason,
        verdict: &Verdict,
        known: &Known,
        now: UnixTime,
    ) -> Result<(), LedgerError> {
        let (own, kind) = (&verdict.own, (claim.device, reason));
        let Some(more) = self.refused.would_admit(kind, Instant::now()) else {
            self.refused.leave_out(kind, Instant::now());
            return Ok(());
        };
        let ledger = self.ledger.clone();
        let mut tx = ledger.begin()?;
        let sides = alone(claim, known, own, now);
        let new = incident(claim, own, reason, &reason.to_string(), more, (verdict.conclusion, sides));
        let number = open_incident(&mut tx, new, now)?;
        if let Some((number, device)) = number.zip(known.device.as_ref()) {
            let (end, conclusion, other, is_observed) = (End::In, verdict.conclusion, None, true);
            let evidence = TrustEvidence::Incident(number);
            let attach = Attach { end, conclusion, own, other, is_observed, evidence };
            unless_tampered(self.tell_cells(&mut tx, device, attach, now))?;
        }
        tx.commit()?;
        self.refused.admit(kind, Instant::now());
        Ok(())
    }

    /// One in quarantine gets nothing more by whatever has changed, and ends where it would be refused.
    fn look_again_at_quarantined(&self, session: &Session, decision: Decision) {
        match decision {
            Decision::Refuse(reason) => {
                let why = Why::Device(reason.code().to_owned());
                self.answer(Answer::End { session: session.id, why });
            }
            _ if !self.is_quarantine_of(session) => {
                self.answer(Answer::End { session: session.id, why: Why::ClassChanged });
            }
            Decision::Admit(_) | Decision::Contest | Decision::Quarantine(_) | Decision::Drop(_) => {
                self.answer(Answer::Line { session: session.id, outside: false });
            }
        }
    }

    /// It may reach what others may in quarantine now.
    fn is_quarantine_of(&self, session: &Session) -> bool {
        let own = session.confinement().map(|confinement| &confinement.class);
        own.is_none_or(|own| self.terms.quarantine.as_ref() == Some(own))
    }

    /// What its CA says by now. While that says nothing, what it said when the tunnel began counts until the unit
    /// authenticates anew.
    fn revocation_now(&self, claim: &admission::Claim, known: &Known, now: UnixTime) -> Evidence<Revocation> {
        match self.outside.issuers.standing(&claim.path, &claim.serial, None, now) {
            Some(Standing::Asking | Standing::Unknown { .. }) => claim.revocation.clone(),
            standing => revocation(known.credential.as_ref(), standing, now),
        }
    }

    /// What a tunnel may reach is agreed when it begins: under another class it has to begin anew.
    fn is_still_of(&self, session: &Session, known: &Known) -> bool {
        session.class == *self.terms.classes.of(known.device.as_ref())
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

    /// What the ledger says about a session's unit; `None` where that can't be believed.
    fn known(&mut self, session: &Session) -> Result<Option<Known>, LedgerError> {
        self.known_of(session.device, session.cert_sha256, session.outer())
    }

    /// The same of whoever is there with a certificate of the unit's.
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
}

/// Why a session is judged anew.
#[derive(Clone, Copy)]
pub(super) enum Anew {
    /// Its unit is at another address, where nothing has passed yet.
    Moved(SocketAddr),
    /// Something else is known of it where it is.
    Stays,
}

impl Anew {
    fn outer(self, session: &Session) -> SocketAddr {
        match self {
            Self::Moved(to) => to,
            Self::Stays => session.outer(),
        }
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
