//! The IKE thread: owns the responder and all public-key work, receives IKE on its own sockets and
//! what the data thread passes on, asks `x509` about peers and the registrar about admission.

mod answer;
mod event;
mod peer;

use crate::{
    cause::Cause,
    clock::ClockGuard,
    command_link::CommandLink,
    contest::Contests,
    data::FromData,
    hand_off::{Answer, Order, Refused, TRY_AGAIN, Why, Work},
    holds::Holds,
    identity::PeerPolicy,
    refusals::Refusals,
    sessions::Sessions,
    shard::{Command, ShardCounters},
    shards::ShardCount,
    stats::Control,
    udp::{ReceiveBatch, Socket, socket_for},
    waker::Waker,
    work_queue::ToRegistrar,
};
use crossbeam_channel::Receiver;
use esp::udp_encap::NON_ESP_MARKER;
use ike::{Output, Path, Responder};
use std::{
    collections::VecDeque,
    io,
    os::fd::AsFd,
    sync::{
        Arc,
        mpsc::{SendError, TrySendError},
    },
    time::{Duration, Instant},
};
use x509::{Anchors, CertPathVerified};

/// IKE_SA_INITs answered in a row before other inputs have their turn: some 2 ms.
const TURNS: usize = 16;
/// Work that waits for the registrar while others begin: four of its batches.
const CLAIMS: usize = 256;
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
    pub(crate) shards: Vec<Arc<ShardCounters>>,
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
    pub(crate) to_registrar: ToRegistrar,
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
    /// Messages of units that were lost here, as last seen.
    lost: u64,
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
            self.listen();
            self.do_what_is_due(Instant::now());
            self.take_turns();
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
        let sleep = if self.may_begin(now) { Duration::ZERO } else { sleep };
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

    /// Whoever waits to begin, once all that has come in is done.
    fn take_turns(&mut self) {
        let now = Instant::now();
        for _ in 0..TURNS {
            if !self.may_begin(now) {
                return;
            }
            self.responder.take_turn(now);
            self.drain(now);
        }
    }

    /// Somebody waits, and the registrar, which wakes this thread after each batch, keeps up: few claims will find its
    /// channel full.
    fn may_begin(&self, now: Instant) -> bool {
        self.state.kept.is_empty() && self.links.to_registrar.len() < CLAIMS && self.responder.has_turn(now)
    }

    /// While messages of units are lost here, nobody is gone for its silence. They come by the NAT-T port, as every unit
    /// is told that there is a NAT, and there to the first shard.
    fn listen(&mut self) {
        let first = self.shards.first().map_or(0, |shard| shard.drops.of(Cause::ReceiveBufferFull));
        let lost = first + self.shards.iter().map(|shard| shard.drops.of(Cause::IkeQueueFull)).sum::<u64>();
        if lost > self.state.lost {
            self.state.lost = lost;
            self.responder.deaf(Instant::now());
        }
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
fn hand_on_all(kept: &mut VecDeque<Work>, to_registrar: &ToRegistrar) {
    for work in kept.drain(..) {
        if let Err(SendError(work)) = to_registrar.send(work) {
            tracing::error!(%work, "there is no registrar to write it down");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::work_queue::work_queue;
    use ids::DeviceId;

    #[test]
    fn what_must_not_be_lost_waits_for_room_when_the_thread_ends() {
        let (to_registrar, work) = work_queue(1);
        let devices = [1, 2, 3].map(|number| DeviceId::eui48([number; 6]));
        let mut kept = devices.map(Work::Review).into();
        let registrar = std::thread::spawn(move || {
            std::iter::from_fn(|| work.recv_timeout(Duration::MAX).ok()).collect::<Vec<_>>()
        });
        hand_on_all(&mut kept, &to_registrar);
        drop(to_registrar);
        let came = registrar.join().unwrap();
        let came = came.iter().map(|work| if let Work::Review(device) = work { Some(*device) } else { None });
        assert!(came.eq(devices.map(Some)));
    }
}
