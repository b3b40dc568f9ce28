//! What the registrar is to do, in the order of arrival, bounded.
//!
//! It sleeps as soon as nothing waits. A queue that looks again a few times first gives its turn away each time (sched_yield(2)): where the
//! processors are busy it has it back a tick later, and a claim that comes meanwhile waits for 4 ms.

use crate::hand_off::Work;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
        mpsc::{Receiver, RecvTimeoutError, SendError, SyncSender, TrySendError, sync_channel},
    },
    time::Duration,
};

/// Where work is put.
pub(crate) struct ToRegistrar {
    queue: SyncSender<Work>,
    waiting: Arc<AtomicUsize>,
}

/// Where the registrar takes it.
pub(crate) struct WorkQueue {
    queue: Receiver<Work>,
    waiting: Arc<AtomicUsize>,
}

/// For as many as that at once.
pub(crate) fn work_queue(most: usize) -> (ToRegistrar, WorkQueue) {
    let (put, take) = sync_channel(most);
    let waiting = Arc::<AtomicUsize>::default();
    (ToRegistrar { queue: put, waiting: waiting.clone() }, WorkQueue { queue: take, waiting })
}

impl ToRegistrar {
    /// How much waits, about.
    pub(crate) fn len(&self) -> usize {
        self.waiting.load(Relaxed)
    }

    /// Waits for room.
    #[expect(clippy::result_large_err, reason = "the work goes back to who has it")]
    pub(crate) fn send(&self, work: Work) -> Result<(), SendError<Work>> {
        self.waiting.fetch_add(1, Relaxed);
        self.queue.send(work).inspect_err(|_| self.gave_up())
    }

    /// Puts it there if there is room.
    #[expect(clippy::result_large_err, reason = "as above")]
    pub(crate) fn try_send(&self, work: Work) -> Result<(), TrySendError<Work>> {
        self.waiting.fetch_add(1, Relaxed);
        self.queue.try_send(work).inspect_err(|_| self.gave_up())
    }

    fn gave_up(&self) {
        self.waiting.fetch_sub(1, Relaxed);
    }
}

impl WorkQueue {
    /// The next, waited for so long at most.
    pub(crate) fn recv_timeout(&self, patience: Duration) -> Result<Work, RecvTimeoutError> {
        self.queue.recv_timeout(patience).inspect(|_| self.taken())
    }

    /// All that waits.
    pub(crate) fn try_iter(&self) -> impl Iterator<Item = Work> {
        self.queue.try_iter().inspect(|_| self.taken())
    }

    fn taken(&self) {
        self.waiting.fetch_sub(1, Relaxed);
    }
}
