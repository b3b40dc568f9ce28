//! The IKE thread: owns the responder and all public-key work, receives IKE on its own sockets and
//! what the data thread passes on, asks `x509` about peers and the registrar about admission.

use crate::{
    clock::ClockGuard,
    command_link::CommandLink,
    contest::{Contests, Party},
    data::FromData,
    hand_off::{Admitted, Answer, Authenticated, Claim, Opening, Order, Refused, TRY_AGAIN, Why, Work},
    holds::Holds,
    identity::{self, PeerPolicy},
    refusals::Refusals,
    sessions::{Child, Session, Sessions, State},
    shard::{Command, Notice},
    shards::ShardCount,
    stats::Control,
    udp::{ReceiveBatch, Socket, socket_for},
    waker::Waker,
};
use crossbeam_channel::{Receiver, SendError, Sender, TrySendError};
use esp::udp_encap::NON_ESP_MARKER;
use ids::SessionId;
use ike::{
    Admission, AskPeer, AttachRequest, AuthVerified, ChildSa, DeletedBy, Event, Grant, IkeSaId, Output, Path,
    Peer, Reason, Refusal, Responder, Ticket, payload::NotifyType,
};
use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    os::fd::AsFd,
    sync::Arc,
    time::{Duration, Instant},
};
use x509::{Anchors, CertPathVerified};

/// Receives in a row on one socket before other inputs have their turn.
const ROUNDS: usize = 4;
/// Longest sleep: counters are published at least this often.
const AT_MOST: Duration = Duration::from_secs(1);

pub(crate) struct IkeThread {
    pub(crate) responder: Responder,
    /// Its own, and those of the first shard to send from.
    pub(crate) sockets: Vec<Arc<Socket>>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) contests: Contests,
    pub(crate) holds: Holds,
    pub(crate) anchors: Arc<Anchors>,
    pub(crate) peers: PeerPolicy,
    pub(crate) clock: Arc<ClockGuard>,
    pub(crate) control: Arc<Control>,
    pub(crate) links: Links,
    pub(crate) state: Passing,
}

/// The ends of channels that the thread holds.
pub(crate) struct Links {
    pub(crate) waker: Waker,
    pub(crate) from_data: Receiver<FromData>,
    pub(crate) answers: Receiver<Answer>,
    pub(crate) orders: Receiver<Order>,
    /// By shard.
    pub(crate) to_shards: Vec<CommandLink>,
    pub(crate) to_registrar: Sender<Work>,
}

/// What lives from one output to the next, or until a channel has room.
#[derive(Default)]
pub(crate) struct Passing {
    /// The path of the peer whose AUTH is verified next.
    path: Option<CertPathVerified>,
    /// Why the last peer was refused.
    refusal: Option<Refused>,
    /// Why we are deleting the session whose end comes next.
    why: Option<Why>,
    /// Keeps warnings about CHILD SAs from filling the log.
    children_refused: Refusals<&'static str>,
    /// The same for errors that last.
    warnings: Refusals<io::ErrorKind>,
    datagrams: Vec<(Path, Vec<u8>)>,
    /// Work that must not be lost and found no room. At most a few for each session.
    kept: VecDeque<Work>,
    stopping: bool,
}

impl IkeThread {
    pub(crate) fn run(mut self) {
        let mut batch = ReceiveBatch::default();
        while !self.state.stopping {
            self.wait();
            self.receive(&mut batch);
            self.take_from_data();
            self.take_answers();
            self.take_orders();
            self.do_what_is_due(Instant::now());
            self.hand_on();
            let own = self.sockets.iter().filter(|socket| !socket.is_encapsulated());
            self.control.overflowed(own.map(|socket| u64::from(socket.overflowed())).sum());
            self.control.publish(self.responder.stats(), self.contests.len());
        }
        hand_on_all(&mut self.state.kept, &self.links.to_registrar);
    }

    fn wait(&self) {
        let now = Instant::now();
        let due = self.responder.poll_timeout().map(|(at, _)| at).into_iter();
        let due = due.chain(self.contests.next_due()).chain(self.holds.next_due());
        let sleep = due.min().map_or(AT_MOST, |at| at.saturating_duration_since(now).min(AT_MOST));
        let keeps = !self.state.kept.is_empty() || self.links.to_shards.iter().any(CommandLink::keeps);
        let sleep = if keeps { sleep.min(TRY_AGAIN) } else { sleep };
        let own = self.sockets.iter().filter(|socket| !socket.is_encapsulated());
        self.links.waker.wait(own.map(|socket| socket.as_fd()), sleep);
    }

    fn receive(&mut self, batch: &mut ReceiveBatch) {
        let sockets = self.sockets.clone();
        for socket in sockets.iter().filter(|socket| !socket.is_encapsulated()) {
            for _ in 0..ROUNDS {
                match socket.receive(batch) {
                    Ok(0) => break,
                    Ok(_) => {
                        batch.datagrams().for_each(|(meta, octets)| self.datagram(socket.path(meta), octets))
                    }
                    Err(error) => {
                        if let Some(more) = self.state.warnings.admit(error.kind(), Instant::now()) {
                            tracing::warn!(%error, more, "receiving on the IKE port");
                        }
                        break;
                    }
                }
            }
        }
    }

    fn datagram(&mut self, path: Path, message: &[u8]) {
        let now = Instant::now();
        self.responder.handle_datagram(path, message, now);
        self.drain(now);
    }

    fn take_from_data(&mut self) {
        // Bounded by what is there now, so that a flood on one port leaves turns for the rest.
        for _ in 0..self.links.from_data.len() {
            match self.links.from_data.try_recv() {
                Ok(FromData::Messages(messages, _share)) => {
                    messages.into_iter().for_each(|(path, message)| self.datagram(path, &message));
                }
                Ok(FromData::Notice(notice)) => self.notice(notice, Instant::now()),
                Err(_) => return,
            }
            self.send_datagrams();
        }
    }

    fn notice(&mut self, notice: Notice, now: Instant) {
        match notice {
            Notice::Heard(sa) => self.responder.heard(sa, now),
            Notice::Worn { sa, spi_in } => self.responder.rekey_child_sa(sa, spi_in, now),
            Notice::Elsewhere { sa, to } => self.responder.probe_path(sa, to, now),
            Notice::Alternates { sa, seen } => {
                if let Some(session) = self.sessions.of_sa(sa) {
                    self.must(Work::Alternates { session, seen });
                }
            }
            Notice::EspNeverSeen(sa) => {
                if let Some(session) = self.sessions.of_sa(sa) {
                    self.must(Work::EspNeverSeen(session));
                }
            }
            Notice::Spoofed { sa, packets } => {
                if let Some(session) = self.sessions.of_sa(sa) {
                    self.must(Work::Spoofed { session, packets });
                }
            }
            Notice::Lateral { sa, packets, to } => {
                if let Some(session) = self.sessions.of_sa(sa) {
                    self.must(Work::Lateral { session, packets, to });
                }
            }
        }
        self.drain(now);
    }

    /// Everything that the responder has to say about one input.
    fn drain(&mut self, now: Instant) {
        while let Some(output) = self.responder.poll_output() {
            match output {
                Output::Transmit { path, datagram } => self.state.datagrams.push((path, datagram)),
                Output::Keepalive { .. } => {}
                Output::AskPeer { ticket, ask } => self.answer_peer(ticket, &ask, now),
                Output::AskAdmission { ticket, sa, auth, request } => {
                    self.ask_admission(ticket, sa, auth, request, now);
                }
                Output::InstallChildSa { sa, child } => self.install(sa, child),
                Output::RemoveChildSa { sa, spi_in } => {
                    if let Some(session) = self.sessions.of_sa(sa) {
                        session.child_removed(spi_in);
                    }
                    self.command(Command::RemoveChildSa { sa, spi_in });
                }
                Output::Event(event) => self.event(event, now),
            }
        }
    }

    /// Path validation, here and at once: pure, no ledger.
    fn answer_peer(&mut self, ticket: Ticket, ask: &AskPeer, now: Instant) {
        let peer = match self.clock.trusted() {
            None => Err(Refusal::Transient),
            Some(wall) => match identity::verify(&self.anchors, &self.peers, ask, wall) {
                Ok(verified) => {
                    let peer = Peer {
                        public_key_spki: verified.path.spki().to_vec(),
                        not_after: verified.path.remaining(wall),
                        allow_sha1_signature: verified.allow_sha1_signature,
                    };
                    self.state.path = Some(verified.path);
                    Ok(peer)
                }
                Err(error) => {
                    self.state.refusal =
                        Some(refused(error.code(), error.to_string(), &ask.path, Some(&ask.idi)));
                    Err(Refusal::Final)
                }
            },
        };
        self.responder.handle_peer(ticket, peer, now);
    }

    /// Drop policy: a claim that finds the registrar's channel full, or older work waiting for it, is
    /// answered with silence and counted. Units retransmit.
    fn ask_admission(
        &mut self,
        ticket: Ticket,
        sa: IkeSaId,
        auth: AuthVerified,
        request: AttachRequest,
        now: Instant,
    ) {
        let path = self.state.path.take();
        let authenticated = path.and_then(|path| Authenticated::new(path, auth));
        let claim = authenticated.map(|authenticated| Claim { ticket, sa, authenticated, request });
        let taken = claim.is_some_and(|claim| {
            self.state.kept.is_empty()
                && self.links.to_registrar.try_send(Work::Claim(Box::new(claim))).is_ok()
        });
        if !taken {
            self.control.claim_dropped();
            self.responder.handle_admission(ticket, Admission::Drop, now);
        }
    }

    fn install(&mut self, sa: IkeSaId, child: ChildSa) {
        if !child.path.encapsulated {
            tracing::debug!(?sa, "the peer means to send raw ESP, which is not served");
        }
        if let Some(session) = self.sessions.of_sa(sa) {
            let (cipher, esn) = (child.suite.cipher, child.suite.esn);
            session.child_installed(Child { spi_in: child.spi_in, spi_out: child.spi_out, cipher, esn });
        }
        self.command(Command::InstallChildSa { sa, child: Box::new(child) });
    }

    fn event(&mut self, event: Event, now: Instant) {
        match event {
            Event::SaEstablished { sa, .. } => {
                if let Some(session) = self.sessions.of_sa(sa) {
                    session.stands();
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
            Event::PathChanged { sa, from, to } => {
                self.command(Command::Move { sa, path: to });
                self.moved(sa, from.peer, to.peer);
            }
            Event::Refused { path, reason, idi, .. } => self.refused(&path, reason, idi.as_ref()),
            Event::ChildFailed { sa, notify } => self.child_failed(sa, notify, now),
            Event::ChildEstablished { .. }
            | Event::ChildRekeyed { .. }
            | Event::IkeRekeyed { .. }
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

    /// Refusals of the registrar have their event from there.
    fn refused(&mut self, path: &Path, reason: Reason, idi: Option<&ike::payload::Identification>) {
        let detail = self.state.refusal.take();
        let refused = match reason {
            Reason::AdmissionRefused | Reason::AdmissionUnavailable => return,
            Reason::PeerRefused => detail,
            Reason::Malformed
            | Reason::UnknownCritical
            | Reason::MajorVersion
            | Reason::NoProposalChosen
            | Reason::InvalidKe
            | Reason::PublicValue
            | Reason::EapOnly
            | Reason::NoIdentity
            | Reason::NoCertificate
            | Reason::CertificateEncoding
            | Reason::CertificateSize
            | Reason::AuthMethod
            | Reason::PeerUnavailable
            | Reason::AuthMismatch
            | Reason::HalfOpenFull
            | Reason::PrefixQuota
            | Reason::HalfOpenTimeout
            | Reason::UnknownSpi
            | Reason::NotAuthentic
            | Reason::MessageId
            | Reason::UnexpectedExchange
            | Reason::OurFault => None,
        };
        let refused = refused.unwrap_or_else(|| self::refused(reason.code(), reason.to_string(), path, idi));
        // Drop policy: what finds no room is in the counters of `ike` alone.
        if self.links.to_registrar.try_send(Work::Refused(refused)).is_err() {
            self.control.refusal_untold();
        }
    }

    fn moved(&mut self, sa: IkeSaId, from: SocketAddr, to: SocketAddr) {
        let Some(session) = self.sessions.of_sa(sa).filter(|session| session.outer() != to) else { return };
        session.moved_to(to);
        self.must(Work::Moved { session, from, to });
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
    fn close(&mut self, session: &Arc<Session>, why: Why) {
        self.sessions.remove(session.id);
        self.holds.end(session.id);
        self.command_all(|| Command::Forget(session.clone()));
        self.command(Command::Detach(session.sa));
        let over = self.contests.gone(session.device, session.sa, &why);
        self.must(Work::Closed { session: session.clone(), why });
        over.into_iter().for_each(|(contest, outcome)| self.must(Work::Resolve { contest, outcome }));
    }

    /// Deletes an IKE SA; its end follows at once.
    fn end(&mut self, session: &Session, why: Why, now: Instant) {
        self.state.why = Some(why);
        self.responder.delete(session.sa, now);
        self.drain(now);
        self.state.why = None;
    }

    fn end_session(&mut self, id: SessionId, why: Why, now: Instant) {
        if let Some(session) = self.sessions.get(id) {
            self.end(&session, why, now);
        }
    }

    fn take_answers(&mut self) {
        for _ in 0..self.links.answers.len() {
            let Ok(answer) = self.links.answers.try_recv() else { return };
            let now = Instant::now();
            self.answer(answer, now);
            self.drain(now);
            self.send_datagrams();
        }
    }

    fn answer(&mut self, answer: Answer, now: Instant) {
        match answer {
            // An attempt that is gone by now needs no answer.
            Answer::Refused(ticket) => _ = self.responder.handle_admission(ticket, Admission::Refuse, now),
            Answer::Dropped(ticket) => _ = self.responder.handle_admission(ticket, Admission::Drop, now),
            Answer::Admitted { ticket, admitted, session, path, grant } => {
                self.attach(&session, path);
                self.open(&admitted);
                self.stand(ticket, grant, &session, now);
            }
            Answer::Contested { ticket, session, path, grant, holder } => {
                self.attach(&session, path);
                if self.stand(ticket, grant, &session, now) {
                    self.contest(&session, holder, now);
                }
            }
            Answer::Moved(admitted) => self.open(&admitted),
            Answer::End { session, why } => self.end_session(session, why, now),
            Answer::Line { session, outside } => self.line(session, outside, now),
            Answer::Pairs(pairs) => self.command_all(|| Command::Pairs(pairs.clone())),
        }
    }

    fn attach(&mut self, session: &Arc<Session>, path: Path) {
        self.command(Command::Attach { session: session.clone(), path });
    }

    fn open(&mut self, admitted: &Admitted) {
        if let Some(session) = self.sessions.get(admitted.session()) {
            session.set_state(if self.holds.has(session.id) { State::Held } else { State::Open });
            self.command(Command::Open(Opening::of(admitted)));
            self.command_all(|| Command::Lead(session.clone()));
        }
    }

    /// Answers IKE_AUTH; `false` when the attempt is gone by now.
    fn stand(&mut self, ticket: Ticket, grant: Grant, session: &Arc<Session>, now: Instant) -> bool {
        self.responder.handle_admission(ticket, Admission::Grant(grant), now);
        self.drain(now);
        if !session.has_stood() {
            self.close(session, Why::NeverStood);
        }
        session.has_stood()
    }

    fn contest(&mut self, newcomer: &Session, holder: Party, now: Instant) {
        let party = Party { sa: newcomer.sa, session: newcomer.id };
        if !self.contests.begin(newcomer.device, party, holder, now) {
            return self.end_session(newcomer.id, Why::NeverStood, now);
        }
        if self.sessions.get(holder.session).is_some() {
            self.responder.probe(holder.sa, now);
        } else {
            // It ended while the registrar judged; its end is on its way there and says how.
            let over = self.contests.ended_before(newcomer.device);
            over.into_iter().for_each(|(contest, outcome)| self.must(Work::Resolve { contest, outcome }));
        }
    }

    /// Holds a session whose unit is outside its line's network, or lets it go on. One that contests is held
    /// too, so that it opens into a hold.
    fn line(&mut self, id: SessionId, outside: bool, now: Instant) {
        let Some(session) = self.sessions.get(id) else { return };
        let (state, command) = if outside {
            self.holds.begin(id, now);
            (State::Held, Command::Hold(session.sa))
        } else {
            self.holds.end(id);
            (State::Open, Command::Release(session.sa))
        };
        if matches!(session.state(), State::Open | State::Held) {
            session.set_state(state);
        }
        self.command(command);
    }

    fn take_orders(&mut self) {
        while let Ok(order) = self.links.orders.try_recv() {
            let now = Instant::now();
            match order {
                Order::Cut { session, by, why } => self.end_session(session, Why::Cut { by, why }, now),
                Order::DeviceChanged(device) => self.must(Work::Review(device)),
                Order::PairsChanged => self.must(Work::Pairs),
                Order::Shutdown => self.shut_down(now),
            }
        }
    }

    /// Tells every unit; their answers are not waited for.
    fn shut_down(&mut self, now: Instant) {
        for id in self.sessions.ids() {
            self.end_session(id, Why::Shutdown, now);
        }
        self.state.stopping = true;
    }

    fn do_what_is_due(&mut self, now: Instant) {
        if self.responder.poll_timeout().is_some_and(|(at, _)| at <= now) {
            self.responder.handle_timeout(now);
            self.drain(now);
        }
        for (contest, outcome) in self.contests.due(now) {
            self.must(Work::Resolve { contest, outcome });
        }
        for session in self.holds.due(now) {
            self.end_session(session, Why::LeftLine, now);
        }
    }

    /// To the shard that has the IKE SA.
    fn command(&mut self, command: Command) {
        let shards = ShardCount::new(self.links.to_shards.len());
        let shard = command.sa().map(|sa| shards.of_sa(sa));
        if let Some(link) = shard.and_then(|shard| self.links.to_shards.get_mut(shard)) {
            link.give(command);
        }
    }

    /// To every shard.
    fn command_all(&mut self, command: impl Fn() -> Command) {
        self.links.to_shards.iter_mut().for_each(|link| link.give(command()));
    }

    /// Work that must not be lost.
    fn must(&mut self, work: Work) {
        self.state.kept.push_back(work);
        self.hand_on_work();
    }

    fn hand_on_work(&mut self) {
        while let Some(work) = self.state.kept.pop_front() {
            match self.links.to_registrar.try_send(work) {
                Ok(()) => {}
                Err(TrySendError::Full(work)) => return self.state.kept.push_front(work),
                Err(TrySendError::Disconnected(_)) => return self.state.kept.clear(),
            }
        }
    }

    fn hand_on(&mut self) {
        self.send_datagrams();
        self.hand_on_work();
    }

    /// Commands first: whoever gets an answer may send ESP at once.
    fn send_datagrams(&mut self) {
        self.links.to_shards.iter_mut().for_each(CommandLink::wake);
        for (path, datagram) in std::mem::take(&mut self.state.datagrams) {
            self.send(&path, &datagram);
        }
    }

    fn send(&self, path: &Path, datagram: &[u8]) {
        let Some(socket) = socket_for(&self.sockets, path) else { return self.control.not_sent() };
        let sent = if path.encapsulated {
            socket.send(path, &[&NON_ESP_MARKER, datagram].concat())
        } else {
            socket.send(path, datagram)
        };
        if let Err(error) = sent {
            tracing::debug!(%error, "an IKE datagram was not sent");
            self.control.not_sent();
        }
    }
}

/// Waits for room, so that nothing that must not be lost is left when the thread ends.
fn hand_on_all(kept: &mut VecDeque<Work>, to_registrar: &Sender<Work>) {
    for work in kept.drain(..) {
        if let Err(SendError(work)) = to_registrar.send(work) {
            tracing::error!(%work, "there is no registrar to write it down");
        }
    }
}

fn refused(
    code: &'static str,
    text: String,
    path: &Path,
    idi: Option<&ike::payload::Identification>,
) -> Refused {
    Refused { code, text, outer: path.peer, idi: idi.and_then(identity::printable) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ids::DeviceId;

    #[test]
    fn what_must_not_be_lost_waits_for_room_when_the_thread_ends() {
        let (to_registrar, work) = crossbeam_channel::bounded(1);
        let devices = [1, 2, 3].map(|number| DeviceId::eui48([number; 6]));
        let mut kept = devices.map(Work::Review).into();
        let registrar = std::thread::spawn(move || work.iter().collect::<Vec<_>>());
        hand_on_all(&mut kept, &to_registrar);
        drop(to_registrar);
        let came = registrar.join().unwrap();
        let came = came.iter().map(|work| if let Work::Review(device) = work { Some(*device) } else { None });
        assert!(came.eq(devices.map(Some)));
    }
}
