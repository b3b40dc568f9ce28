use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
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

    /// Waits until it is woken or one of `others` can be read, at most for so long. A signal ends it too. Look
    /// into the channels afterwards.
    pub(crate) fn wait<'a>(&'a self, others: impl Iterator<Item = BorrowedFd<'a>>, at_most: Duration) {
        let timeout = Timespec { tv_sec: at_most.as_secs() as i64, tv_nsec: at_most.subsec_nanos().into() };
        let readable = std::iter::once(self.0.event.as_fd()).chain(others);
        let mut fds: Vec<_> = readable.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        let polled = poll(&mut fds, Some(&timeout));
        if polled.is_ok() && fds.first().is_some_and(|own| !own.revents().is_empty()) {
            self.reset();
        }
    }

    /// Only once it can be read. Read before it is cleared: whoever wakes after that writes anew.
    fn reset(&self) {
        let _ = rustix::io::read(&self.0.event, &mut [0; 8]);
        self.0.pending.store(false, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_awake(waker: &Waker) -> bool {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut [PollFd::new(&waker.0.event, PollFlags::IN)], Some(&now)).unwrap() == 1
    }

    fn come_round(waker: &Waker) {
        waker.wait(std::iter::empty(), Duration::ZERO);
    }

    #[test]
    fn many_wakes_are_one_and_a_wait_ends_them() {
        let waker = Waker::new().unwrap();
        assert!(!is_awake(&waker));
        waker.wake();
        waker.clone().wake();
        assert!(is_awake(&waker));
        come_round(&waker);
        assert!(!is_awake(&waker));
        waker.wake();
        assert!(is_awake(&waker));
    }

    #[test]
    fn a_loop_that_comes_round_amid_a_wake_waits_again_afterwards() {
        let waker = Waker::new().unwrap();
        let is_first = !waker.0.pending.swap(true, SeqCst);
        come_round(&waker);
        rustix::io::write(&waker.0.event, &1_u64.to_ne_bytes()).unwrap();
        assert!(is_first && is_awake(&waker));
        come_round(&waker);
        assert!(!is_awake(&waker));
        waker.wake();
        assert!(is_awake(&waker));
    }
}
