//! A data thread, one for each shard: owns the receiving side of the shard's NAT-T sockets, its tunnels
//! and its side of the core. It never waits for another thread.

use crate::{
    backlog::{Backlog, Share},
    cause::Cause,
    core::{Core, Packets},
    refusals::Refusals,
    shard::{Command, Downlink, Elsewhere, Notice, Passed, Shard},
    udp::{Outgoing, ReceiveBatch, Socket, path_mtu, send_all, send_whole},
    waker::Waker,
};
use crossbeam_channel::{Receiver, Sender, bounded};
use esp::udp_encap::{Datagram, classify};
use ike::{ExchangeType, Path};
use std::{
    io,
    os::fd::AsFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// From a data thread to the IKE thread.
pub(crate) enum FromData {
    /// IKE messages of one receive on the NAT-T port, marker removed, and their share of what may wait.
    Messages(Vec<(Path, Vec<u8>)>, Share),
    /// About a session.
    Notice(Notice),
}

/// The way to a shard's thread for packets that came in elsewhere.
#[derive(Clone)]
pub(crate) struct ToShard {
    packets: Sender<(Handed, Share)>,
    room: Arc<Backlog>,
    pub(crate) waker: Waker,
}

/// What came in on another shard.
pub(crate) enum Handed {
    /// Packets for units.
    Inner(Packets),
    /// ESP that the kernel had joined with something else of its sender (GRO), and steered by that.
    Esp(Path, Vec<u8>),
}

impl Handed {
    /// Packets and octets.
    fn size(&self) -> (usize, usize) {
        match self {
            Self::Inner(packets) => (packets.len(), packets.octets()),
            Self::Esp(_, octets) => (1, octets.len()),
        }
    }
}

impl ToShard {
    /// While a thread is not run its packets come one by one, so that octets count and not batches: 4 MiB are 30 ms
    /// at 1 Gbit/s.
    const MAX_OCTETS: usize = 4 << 20;
    /// Of one short packet each: 40 ms at 100,000 packets a second.
    const MAX_BATCHES: usize = 4096;

    /// With the other end.
    pub(crate) fn new(waker: Waker) -> (Self, Receiver<(Handed, Share)>) {
        let (packets, handed) = bounded(Self::MAX_BATCHES);
        (Self { packets, room: Arc::new(Backlog::new(Self::MAX_OCTETS)), waker }, handed)
    }

    /// Whether there was room.
    fn give(&self, handed: Handed) -> bool {
        let share = self.room.take(handed.size().1);
        let is_given = share.is_some_and(|share| self.packets.try_send((handed, share)).is_ok());
        if is_given {
            self.waker.wake();
        }
        is_given
    }
}

/// Receives in a row on one socket before the others have their turn.
const ROUNDS: usize = 4;
const SWEEP_EVERY: Duration = Duration::from_secs(2);

pub(crate) struct DataThread {
    pub(crate) shard: Shard,
    pub(crate) core: Box<dyn Core>,
    pub(crate) sockets: Vec<Arc<Socket>>,
    pub(crate) commands: Receiver<Command>,
    pub(crate) waker: Waker,
    /// By shard, this one included.
    pub(crate) shards: Vec<ToShard>,
    pub(crate) handed: Receiver<(Handed, Share)>,
    pub(crate) to_ike: Sender<FromData>,
    pub(crate) backlog: Arc<Backlog>,
    pub(crate) ike_waker: Waker,
    pub(crate) stop: Arc<AtomicBool>,
    /// Keeps an error that lasts from filling the log.
    pub(crate) warnings: Refusals<io::ErrorKind>,
}

/// Buffers that are filled and emptied again and again.
struct Room {
    batch: ReceiveBatch,
    passed: Passed,
    downlink: Packets,
    down: Downlink,
    probes: Outgoing,
}

impl DataThread {
    pub(crate) fn run(mut self) {
        let mut room = Room {
            batch: ReceiveBatch::default(),
            passed: Passed::default(),
            downlink: Packets::new(),
            down: Downlink {
                outgoing: Outgoing::default(),
                elsewhere: self.shards.iter().map(|_| Packets::new()).collect(),
                errors: self.core.heeds_errors().then(Packets::new),
                unit_errors: Packets::new(),
            },
            probes: Outgoing::default(),
        };
        let mut swept = Instant::now();
        while !self.stop.load(Relaxed) {
            self.wait(SWEEP_EVERY.saturating_sub(swept.elapsed()));
            let now = Instant::now();
            self.take_commands(now);
            self.receive_all(now, &mut room);
            self.take_down(now, &mut room);
            self.take_handed(now, &mut room);
            self.pass_back(now, &mut room);
            if now.duration_since(swept) >= SWEEP_EVERY {
                swept = now;
                self.shard.sweep(now);
                self.look_at_path_mtus(now, &mut room.probes);
                let overflowed: u32 = self.sockets.iter().map(|socket| socket.overflowed()).sum();
                self.shard.counters.drops.add(Cause::ReceiveBufferFull, overflowed as usize);
            }
            self.tell();
            self.shard.counters.pulse.beat();
        }
    }

    fn wait(&self, at_most: Duration) {
        let sockets = self.sockets.iter().map(|socket| socket.as_fd());
        self.waker.wait(sockets.chain(self.core.readable()), at_most);
    }

    fn take_commands(&mut self, now: Instant) {
        self.commands.try_iter().for_each(|command| self.shard.command(command, now));
    }

    /// Once all is read that was there, CHILD SAs that had been removed before have no packet left.
    fn receive_all(&mut self, now: Instant, room: &mut Room) {
        let leaving = self.shard.leaving();
        let mut is_all = true;
        for index in 0..self.sockets.len() {
            is_all &= self.receive(index, now, room);
        }
        if is_all {
            self.shard.end_leaving(leaving);
        }
    }

    /// Whether all is read that was there.
    fn receive(&mut self, socket: usize, now: Instant, room: &mut Room) -> bool {
        let Some(socket) = self.sockets.get(socket).cloned() else { return true };
        for _ in 0..ROUNDS {
            match socket.receive(&mut room.batch) {
                Ok(0) => return true,
                Ok(_) => self.take_batch(&socket, now, room),
                Err(error) => {
                    self.warn(&error, now);
                    return true;
                }
            }
        }
        false
    }

    fn warn(&mut self, error: &io::Error, now: Instant) {
        if let Some(more) = self.warnings.admit(error.kind(), now) {
            tracing::warn!(%error, more, "receiving on the NAT-T port");
        }
    }

    fn take_batch(&mut self, socket: &Socket, now: Instant, room: &mut Room) {
        let mut messages = Vec::new();
        for (meta, octets) in room.batch.datagrams() {
            let path = socket.path(meta);
            match classify(octets) {
                Datagram::Keepalive => self.shard.counters.keepalives.add(1),
                Datagram::Ike(message) => messages.push((path, message.to_vec())),
                Datagram::Runt => self.shard.counters.drops.count(Cause::Runt),
                Datagram::Esp(spi, _) => match self.shard.other_shard(spi) {
                    Some(other) => self.give(other, Handed::Esp(path, octets.to_vec())),
                    None => {
                        if !self.shard.knows(spi) {
                            // Its SA may stand in the channel: installed before the peer was answered.
                            self.commands.try_iter().for_each(|command| self.shard.command(command, now));
                        }
                        self.shard.uplink(spi, octets, &path, now, &mut room.passed);
                    }
                },
            }
        }
        self.pass_up(room);
        self.pass_to_units(now, room);
        self.pass_to_ike(messages);
    }

    fn pass_up(&mut self, room: &mut Room) {
        if !room.passed.core.is_empty() {
            let lost = self.core.uplink(&room.passed.core);
            self.shard.counters.drops.add(Cause::CoreFull, lost);
            room.passed.core.clear();
        }
    }

    /// What units send to each other goes straight down again.
    fn pass_to_units(&mut self, now: Instant, room: &mut Room) {
        if !room.passed.units.is_empty() {
            self.shard.between(&room.passed.units, now, &mut room.down);
            room.passed.units.clear();
            self.send(&mut room.down.outgoing);
            self.hand_over(&mut room.down.elsewhere);
        }
    }

    /// Drop policy: a batch that finds no room is dropped and counted, and IKE_SA_INIT once half of the room is taken,
    /// in octets or in batches, so that whoever has begun can go on. Units retransmit.
    fn pass_to_ike(&self, mut messages: Vec<(Path, Vec<u8>)>) {
        let many = self.to_ike.capacity().is_some_and(|most| self.to_ike.len() >= most / 2);
        if many || self.backlog.is_half_full() {
            let all = messages.len();
            messages.retain(|(_, message)| !begins(message));
            self.shard.counters.drops.add(Cause::InitQueueFull, all - messages.len());
        }
        if messages.is_empty() {
            return;
        }
        let count = messages.len();
        let share = self.backlog.take(messages.iter().map(|(_, message)| message.len()).sum());
        let passes = |share| self.to_ike.try_send(FromData::Messages(messages, share)).is_ok();
        if share.is_some_and(passes) {
            self.ike_waker.wake();
        } else {
            self.shard.counters.drops.add(Cause::IkeQueueFull, count);
        }
    }

    fn take_down(&mut self, now: Instant, room: &mut Room) {
        let unfit = self.core.downlink(&mut room.downlink);
        self.shard.counters.drops.add(Cause::CoreUnfit, unfit);
        if !room.downlink.is_empty() {
            self.shard.downlink(&room.downlink, now, &mut room.down);
            room.downlink.clear();
            self.send(&mut room.down.outgoing);
            self.hand_over(&mut room.down.elsewhere);
        }
    }

    fn take_handed(&mut self, now: Instant, room: &mut Room) {
        for _ in 0..self.handed.len() {
            match self.handed.try_recv() {
                Ok((Handed::Inner(packets), _)) => self.take_inner(&packets, now, room),
                Ok((Handed::Esp(path, mut octets), _)) => {
                    if let Datagram::Esp(spi, _) = classify(&octets) {
                        self.shard.uplink(spi, &mut octets, &path, now, &mut room.passed);
                    }
                }
                Err(_) => break,
            }
        }
        self.pass_up(room);
        self.pass_to_units(now, room);
    }

    /// Packets that another shard let through: from its side of the core, or from its units.
    fn take_inner(&mut self, packets: &Packets, now: Instant, room: &mut Room) {
        self.shard.between(packets, now, &mut room.down);
        self.send(&mut room.down.outgoing);
        // They came here because they are ours: what is another's by now has moved meanwhile.
        let moved = room.down.elsewhere.iter_mut().map(|packets| {
            let count = packets.len();
            packets.clear();
            count
        });
        self.shard.counters.drops.add(Cause::NoTunnel, moved.sum());
    }

    /// Errors for the senders of what did not fit, behind the core and among the units.
    fn pass_back(&mut self, now: Instant, room: &mut Room) {
        if let Some(errors) = room.down.errors.as_mut().filter(|errors| !errors.is_empty()) {
            let lost = self.core.uplink(errors);
            self.shard.counters.drops.add(Cause::CoreFull, lost);
            errors.clear();
        }
        std::mem::swap(&mut room.down.unit_errors, &mut room.passed.units);
        self.pass_to_units(now, room);
    }

    fn look_at_path_mtus(&mut self, now: Instant, probes: &mut Outgoing) {
        self.shard.look_at_path_mtus(now, |path| path_mtu(path).ok(), probes);
        send_whole(&self.sockets, probes);
    }

    fn hand_over(&self, elsewhere: &mut Elsewhere) {
        for (other, packets) in elsewhere.iter_mut().enumerate().filter(|(_, packets)| !packets.is_empty()) {
            self.give(other, Handed::Inner(std::mem::take(packets)));
        }
    }

    /// Drop policy: packets that find no room on their way to the other shard are dropped and counted.
    fn give(&self, other: usize, handed: Handed) {
        let (count, _) = handed.size();
        if !self.shards.get(other).is_some_and(|to| to.give(handed)) {
            self.shard.counters.drops.add(Cause::ShardFull, count);
        }
    }

    fn send(&self, outgoing: &mut Outgoing) {
        let lost = send_all(&self.sockets, outgoing);
        self.shard.counters.drops.add(Cause::NotSent, lost);
    }

    fn tell(&mut self) {
        let mut told = false;
        self.shard.tell(|notice| {
            let taken = self.to_ike.try_send(FromData::Notice(notice)).is_ok();
            told |= taken;
            taken
        });
        if told {
            self.ike_waker.wake();
        }
    }
}

/// An IKE_SA_INIT, as far as its header says (RFC 7296 §3.1).
fn begins(message: &[u8]) -> bool {
    message.get(18) == Some(&ExchangeType::IKE_SA_INIT.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::tests::{SERVICE, Unit, packet, shard};
    use ids::Spi;
    use rustix::event::{PollFd, PollFlags, poll};
    use std::{net::UdpSocket, sync::atomic::AtomicUsize, thread};

    /// Counts what left tunnels.
    struct Counting(Arc<AtomicUsize>);

    impl Core for Counting {
        fn uplink(&mut self, packets: &Packets) -> usize {
            self.0.fetch_add(packets.len(), Relaxed);
            0
        }

        fn downlink(&mut self, _: &mut Packets) -> usize {
            0
        }
    }

    fn data_thread(
        shard: Shard,
        socket: Arc<Socket>,
        commands: Receiver<Command>,
    ) -> (DataThread, Arc<AtomicUsize>) {
        let (waker, passed) = (Waker::new().unwrap(), Arc::new(AtomicUsize::new(0)));
        let (to_shard, handed) = ToShard::new(waker.clone());
        let thread = DataThread {
            shard,
            core: Box::new(Counting(passed.clone())),
            sockets: vec![socket],
            commands,
            waker: waker.clone(),
            shards: vec![to_shard],
            handed,
            to_ike: bounded(16).0,
            backlog: Arc::new(Backlog::new(0)),
            ike_waker: waker,
            stop: Arc::default(),
            warnings: Refusals::default(),
        };
        (thread, passed)
    }

    #[test]
    fn a_packet_that_came_in_before_its_child_sa_was_removed_passes_though_it_is_read_later() {
        let (mut shard, mut unit, now) = (shard(), Unit::new(1, 0x1000), Instant::now());
        unit.open(&mut shard, now);
        let socket = Arc::new(Socket::bind("127.0.0.1:0".parse().unwrap(), true).unwrap());
        let femtocell = UdpSocket::bind("127.0.0.1:0").unwrap();
        femtocell.send_to(&unit.seal(&packet(unit.address(), SERVICE)), socket.local()).unwrap();
        poll(&mut [PollFd::new(&*socket, PollFlags::IN)], None).unwrap();
        let (commands, taken) = bounded(1);
        commands.send(Command::RemoveChildSa { sa: unit.sa(), spi_in: Spi(0x1000) }).unwrap();
        let (data, passed) = data_thread(shard, socket.clone(), taken);
        let (counters, stop, waker) = (data.shard.counters.clone(), data.stop.clone(), data.waker.clone());
        let running = thread::spawn(|| data.run());
        let dropped = || counters.drops.of(Cause::UnknownSpi);
        while passed.load(Relaxed) == 0 && dropped() == 0 {
            thread::yield_now();
        }
        assert_eq!((passed.load(Relaxed), dropped()), (1, 0));
        // The next one finds it gone.
        femtocell.send_to(&unit.seal(&packet(unit.address(), SERVICE)), socket.local()).unwrap();
        while passed.load(Relaxed) == 1 && dropped() == 0 {
            thread::yield_now();
        }
        assert_eq!((passed.load(Relaxed), dropped()), (1, 1));
        stop.store(true, Relaxed);
        waker.wake();
        running.join().unwrap();
    }

    #[test]
    fn who_wants_to_begin_finds_no_room_once_half_is_taken_and_whoever_has_begun_does() {
        let socket = Arc::new(Socket::bind("127.0.0.1:0".parse().unwrap(), true).unwrap());
        let (mut data, _) = data_thread(shard(), socket.clone(), bounded(1).1);
        let (to_ike, waiting) = bounded(16);
        (data.to_ike, data.backlog) = (to_ike, Arc::new(Backlog::new(1000)));
        let peer = "127.0.0.2:4500".parse().unwrap();
        let path = Path { local: socket.local(), peer, encapsulated: true };
        let message = |exchange: ExchangeType| {
            let mut message = vec![0; 300];
            message[18] = exchange.0;
            (path, message)
        };
        let (begins, goes_on) = (message(ExchangeType::IKE_SA_INIT), message(ExchangeType::IKE_AUTH));
        data.pass_to_ike(vec![begins.clone(), begins.clone()]);
        data.pass_to_ike(vec![begins.clone(), goes_on]);
        data.pass_to_ike(vec![begins]);
        let passed = waiting.try_iter().map(|passed| match passed {
            FromData::Messages(messages, _) => messages.len(),
            FromData::Notice(_) => 0,
        });
        assert_eq!(passed.collect::<Vec<_>>(), [2, 1]);
        let drops = || {
            let drops = &data.shard.counters.drops;
            (drops.of(Cause::InitQueueFull), drops.of(Cause::IkeQueueFull))
        };
        assert_eq!(drops(), (2, 0));
        let (begins, goes_on) = (message(ExchangeType::IKE_SA_INIT), message(ExchangeType::IKE_AUTH));
        data.backlog = Arc::new(Backlog::new(1 << 20));
        (0..20).for_each(|_| data.pass_to_ike(vec![begins.clone()]));
        data.pass_to_ike(vec![goes_on]);
        assert_eq!((waiting.len(), drops()), (8 + 1, (14, 0)), "and few batches leave room in octets");
    }

    fn packets(count: usize, octets: usize) -> Handed {
        let mut packets = Packets::new();
        (0..count).for_each(|_| packets.push(&vec![0; octets]));
        Handed::Inner(packets)
    }

    #[test]
    fn a_thousand_short_packets_wait_for_a_slow_shard_and_no_more_octets_than_may() {
        let (to_shard, handed) = ToShard::new(Waker::new().unwrap());
        assert!((0..1000).all(|_| to_shard.give(packets(1, 200))));
        assert!(!to_shard.give(packets(2, ToShard::MAX_OCTETS / 2)));
        drop(handed.try_iter().collect::<Vec<_>>());
        assert!(to_shard.give(packets(2, ToShard::MAX_OCTETS / 2)));
        assert!(!to_shard.give(packets(1, 1)));
    }
}
