use rustix::event::{EventfdFlags, eventfd};
use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

/// Wakes a thread that polls sockets because something stands in one of its channels. While the
/// thread has not looked yet, waking it again costs one atomic operation.
#[derive(Clone)]
pub(crate) struct Waker(Arc<Shared>);

struct Shared {
    event: OwnedFd,
    pending: AtomicBool,
}

impl Waker {
    pub(crate) fn new() -> io::Result<Self> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self(Arc::new(Shared { event, pending: AtomicBool::new(false) })))
    }

    /// Call after the channel has got something.
    pub(crate) fn wake(&self) {
        if !self.0.pending.swap(true, SeqCst) {
            // Fails only when the counter is full: then it wakes anyway.
            let _ = rustix::io::write(&self.0.event, &1_u64.to_ne_bytes());
        }
    }

    /// Call after polling, before looking into the channels.
    pub(crate) fn reset(&self) {
        if self.0.pending.load(SeqCst) {
            let _ = rustix::io::read(&self.0.event, &mut [0; 8]);
            self.0.pending.store(false, SeqCst);
        }
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.event.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    fn is_awake(waker: &Waker) -> bool {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut [PollFd::new(waker, PollFlags::IN)], Some(&now)).unwrap() == 1
    }

    #[test]
    fn many_wakes_are_one_and_reset_ends_them() {
        let waker = Waker::new().unwrap();
        assert!(!is_awake(&waker));
        waker.wake();
        waker.clone().wake();
        assert!(is_awake(&waker));
        waker.reset();
        assert!(!is_awake(&waker));
        waker.wake();
        assert!(is_awake(&waker));
    }
}
