//! The data thread: owns the NAT-T sockets' receiving side, the shard and the core. It never waits
//! for another thread.

use crate::{
    cause::Cause,
    core::{Core, Packets},
    shard::{Command, Notice, Outgoing, Shard},
    udp::{ReceiveBatch, Socket},
    waker::Waker,
};
use crossbeam_channel::{Receiver, Sender};
use esp::udp_encap::{Datagram, classify};
use ike::Path;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// From the data thread to the IKE thread.
pub(crate) enum FromData {
    /// IKE messages of one receive on the NAT-T port, marker removed.
    Messages(Vec<(Path, Vec<u8>)>),
    /// About a session.
    Notice(Notice),
}

/// Receives in a row on one socket before the others have their turn.
const ROUNDS: usize = 4;
const SWEEP_EVERY: Duration = Duration::from_secs(2);

pub(crate) struct DataThread {
    pub(crate) shard: Shard,
    pub(crate) core: Box<dyn Core>,
    pub(crate) sockets: Arc<[Socket]>,
    pub(crate) commands: Receiver<Command>,
    pub(crate) waker: Waker,
    pub(crate) to_ike: Sender<FromData>,
    pub(crate) ike_waker: Waker,
    pub(crate) stop: Arc<AtomicBool>,
}

/// Buffers that are filled and emptied again and again.
struct Room {
    batch: ReceiveBatch,
    uplink: Packets,
    downlink: Packets,
    outgoing: Outgoing,
}

impl DataThread {
    pub(crate) fn run(mut self) {
        let mut room = Room {
            batch: ReceiveBatch::new(),
            uplink: Packets::new(),
            downlink: Packets::new(),
            outgoing: Outgoing::default(),
        };
        let mut swept = Instant::now();
        while !self.stop.load(Relaxed) {
            self.wait(SWEEP_EVERY.saturating_sub(swept.elapsed()));
            let now = Instant::now();
            self.take_commands(now);
            for index in 0..self.sockets.len() {
                self.receive(index, now, &mut room);
            }
            self.pass_on(&mut room);
            if now.duration_since(swept) >= SWEEP_EVERY {
                swept = now;
                self.shard.sweep(now);
            }
            self.tell();
        }
    }

    fn wait(&self, at_most: Duration) {
        let mut fds: Vec<_> = self
            .sockets
            .iter()
            .filter(|socket| socket.is_encapsulated())
            .map(|socket| PollFd::new(socket, PollFlags::IN))
            .collect();
        fds.push(PollFd::new(&self.waker, PollFlags::IN));
        let timeout = Timespec { tv_sec: at_most.as_secs() as i64, tv_nsec: at_most.subsec_nanos().into() };
        // Interrupted by a signal: the loop comes round.
        let _ = poll(&mut fds, Some(&timeout));
        self.waker.reset();
    }

    fn take_commands(&mut self, now: Instant) {
        self.commands.try_iter().for_each(|command| self.shard.command(command, now));
    }

    fn receive(&mut self, index: usize, now: Instant, room: &mut Room) {
        let sockets = self.sockets.clone();
        let Some(socket) = sockets.get(index).filter(|socket| socket.is_encapsulated()) else { return };
        for _ in 0..ROUNDS {
            match socket.receive(&mut room.batch) {
                Ok(0) => return,
                Ok(_) => self.take_batch(socket, now, room),
                Err(error) => return tracing::warn!(%error, "receiving on the NAT-T port"),
            }
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
                Datagram::Esp(spi, _) => {
                    if !self.shard.knows(spi) {
                        // Its SA may stand in the channel: installed before the peer was answered.
                        self.commands.try_iter().for_each(|command| self.shard.command(command, now));
                    }
                    self.shard.uplink(spi, octets, &path, now, &mut room.uplink);
                }
            }
        }
        self.pass_to_ike(messages);
    }

    /// Drop policy: a batch that finds the channel full is dropped and counted. Units retransmit.
    fn pass_to_ike(&self, messages: Vec<(Path, Vec<u8>)>) {
        if messages.is_empty() {
            return;
        }
        let count = messages.len();
        match self.to_ike.try_send(FromData::Messages(messages)) {
            Ok(()) => self.ike_waker.wake(),
            Err(_) => (0..count).for_each(|_| self.shard.counters.drops.count(Cause::IkeQueueFull)),
        }
    }

    fn pass_on(&mut self, room: &mut Room) {
        self.core.uplink(&room.uplink);
        room.uplink.clear();
        self.core.downlink(&mut room.downlink);
        self.shard.downlink(&room.downlink, &mut room.outgoing);
        room.downlink.clear();
        for (path, datagram) in room.outgoing.iter() {
            self.send(path, datagram);
        }
        room.outgoing.clear();
    }

    fn send(&self, path: &Path, datagram: &[u8]) {
        let sent = socket_for(&self.sockets, path).map(|socket| socket.send(path, datagram));
        if !matches!(sent, Some(Ok(()))) {
            self.shard.counters.drops.count(Cause::NotSent);
        }
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

/// The socket that owns `path.local`.
pub(crate) fn socket_for<'a>(sockets: &'a [Socket], path: &Path) -> Option<&'a Socket> {
    let fits = |socket: &&Socket| {
        let local = socket.local();
        local.port() == path.local.port()
            && local.is_ipv4() == path.local.is_ipv4()
            && (local.ip().is_unspecified() || local.ip() == path.local.ip())
    };
    sockets.iter().find(fits)
}
