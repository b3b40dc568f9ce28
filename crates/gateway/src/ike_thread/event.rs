//! What happened: to an IKE SA, and on the packet path.

use super::IkeThread;
use crate::{
    hand_off::{Why, Work},
    sessions::{Child, Session},
    shard::{Command, Notice},
};
use ids::SessionId;
use ike::{ChildSa, DeletedBy, Event, IkeSaId, Path, payload::NotifyType};
use std::{net::SocketAddr, sync::Arc, time::Instant};

impl IkeThread {
    pub(super) fn notice(&mut self, notice: Notice, now: Instant) {
        match notice {
            Notice::Heard(sa) => self.responder.heard(sa, now),
            Notice::Worn { sa, spi_in } => self.responder.rekey_child_sa(sa, spi_in, now),
            Notice::Elsewhere { sa, to } => self.responder.probe_path(sa, to, now),
            Notice::Alternates { sa, seen } => self.must_of(sa, |session| Work::Alternates { session, seen }),
            Notice::EspNeverSeen(sa) => self.must_of(sa, Work::EspNeverSeen),
            Notice::Spoofed { sa, packets } => {
                self.must_of(sa, |session| Work::Spoofed { session, packets });
            }
            Notice::Unproven { sa, packets, from } => {
                self.must_of(sa, |session| Work::Unproven { session, packets, from });
            }
            Notice::Lateral { sa, packets, to } => {
                self.must_of(sa, |session| Work::Lateral { session, packets, to });
            }
            Notice::OutOfReach { sa, packets, to } => {
                self.must_of(sa, |session| Work::OutOfReach { session, packets, to });
            }
        }
        self.drain(now);
    }

    /// Work about the session of an IKE SA, if there still is one.
    pub(super) fn must_of(&mut self, sa: IkeSaId, work: impl FnOnce(Arc<Session>) -> Work) {
        if let Some(session) = self.sessions.of_sa(sa) {
            self.must(work(session));
        }
    }

    pub(super) fn install(&mut self, sa: IkeSaId, child: ChildSa) {
        if !child.path.encapsulated {
            tracing::debug!(?sa, "the peer means to send raw ESP, which is not served");
        }
        if let Some(session) = self.sessions.of_sa(sa) {
            let (cipher, esn) = (child.suite.cipher, child.suite.esn);
            session.child_installed(Child { spi_in: child.spi_in, spi_out: child.spi_out, cipher, esn });
        }
        self.command(Command::InstallChildSa { sa, child: Box::new(child) });
    }

    pub(super) fn event(&mut self, event: Event, now: Instant) {
        match event {
            Event::SaEstablished { sa, .. } => {
                if let Some(session) = self.sessions.of_sa(sa) {
                    session.stands();
                }
            }
            Event::IkeRekeyed { sa, spi_i, .. } => {
                if let Some(session) = self.sessions.of_sa(sa) {
                    session.ike_rekeyed(spi_i);
                }
            }
            Event::SaDeleted { sa, by } => self.ended(sa, by),
            Event::ProbeAnswered { sa, round_trip } => {
                if let Some(session) = self.sessions.of_sa(sa) {
                    self.contests.answered(session.device, sa, round_trip);
                }
            }
            Event::ProbeSilent { sa } => {
                let session = self.sessions.of_sa(sa);
                let over = session.and_then(|session| self.contests.silent(session.device, sa));
                over.into_iter().for_each(|(contest, outcome)| self.must(Work::Resolve { contest, outcome }));
            }
            Event::PathChanged { sa, from, to } => self.moved(sa, from.peer, to, now),
            Event::Refused { path, reason, idi, .. } => self.refused(&path, reason, idi.as_ref()),
            Event::ChildFailed { sa, notify } => self.child_failed(sa, notify, now),
            Event::ChildEstablished { .. }
            | Event::ChildRekeyed { .. }
            | Event::Connected { .. }
            | Event::ConnectFailed { .. } => {}
        }
    }

    /// A unit that is refused the CHILD SA it asks for passes nothing, or nothing for long.
    fn child_failed(&mut self, sa: IkeSaId, notify: NotifyType, now: Instant) {
        let comes_right =
            [NotifyType::TEMPORARY_FAILURE, NotifyType::CHILD_SA_NOT_FOUND, NotifyType::INVALID_KE_PAYLOAD];
        let Some(session) = self.sessions.of_sa(sa).filter(|_| !comes_right.contains(&notify)) else {
            return;
        };
        let notify = notify.name().unwrap_or("unknown");
        if let Some(more) = self.state.children_refused.admit(notify, now) {
            let (device, session) = (session.device, session.id);
            tracing::warn!(%device, %session, notify, more, "a unit was refused a CHILD SA: its proposals or selectors do not fit");
        }
    }

    /// Where the address is another one, no packet passes before the registrar has found the unit on its line.
    fn moved(&mut self, sa: IkeSaId, from: SocketAddr, to: Path, now: Instant) {
        let session = self.sessions.of_sa(sa).filter(|session| session.outer() != to.peer);
        let asked = session.as_ref().filter(|_| from.ip() != to.peer.ip());
        if let Some(session) = asked.filter(|session| self.holds.ask(session.id)) {
            self.hold(session, now);
        }
        self.command(Command::Move { sa, path: to });
        if let Some(session) = session {
            session.moved_to(to.peer);
            self.must(Work::Moved { session, from, to: to.peer });
        }
    }

    fn ended(&mut self, sa: IkeSaId, by: DeletedBy) {
        let Some(session) = self.sessions.of_sa(sa) else { return };
        let why = match by {
            DeletedBy::Peer | DeletedBy::Reauthenticated => Why::Peer,
            DeletedBy::Us => self.state.why.take().unwrap_or(Why::Shutdown),
            DeletedBy::Expired => Why::Expired,
            DeletedBy::DpdTimeout => Why::DpdTimeout,
            DeletedBy::PeerRefused => Why::PeerRefused,
        };
        self.close(&session, why);
    }

    /// Takes a session whose IKE SA is gone out of everything.
    pub(super) fn close(&mut self, session: &Arc<Session>, why: Why) {
        self.sessions.remove(session.id);
        self.holds.end(session.id);
        self.command_all(|| Command::Forget(session.clone()));
        self.command(Command::Detach(session.sa));
        let over = self.contests.gone(session.device, session.sa, &why);
        self.must(Work::Closed { session: session.clone(), why });
        over.into_iter().for_each(|(contest, outcome)| self.must(Work::Resolve { contest, outcome }));
    }

    /// Deletes an IKE SA; its end follows at once.
    pub(super) fn end(&mut self, session: &Session, why: Why, now: Instant) {
        self.state.why = Some(why);
        self.responder.delete(session.sa, now);
        self.drain(now);
        self.state.why = None;
    }

    pub(super) fn end_session(&mut self, id: SessionId, why: Why, now: Instant) {
        if let Some(session) = self.sessions.get(id) {
            self.end(&session, why, now);
        }
    }
}
