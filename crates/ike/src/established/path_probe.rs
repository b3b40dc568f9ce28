use super::{Established, PROBE_REPEAT};
use crate::{Context, Event, ExchangeType, Path, exchange::Asked, retransmission::Schedule};
use std::time::{Duration, Instant};

/// Another path that a fresh packet of the peer came over. The packet alone proves nothing: whoever carries it can
/// say that it came from anywhere. So the peer is asked there, in a request that goes nowhere else, and the
/// tunnel follows once the answer comes from there.
pub(super) struct PathProbe {
    path: Path,
    /// Until the window is free there is none.
    asking: Option<Asking>,
}

struct Asking {
    tries_left: u8,
    next: Instant,
}

/// Sendings of a request to a path that is not proven: at 0, 2 and 4 s; at 6 s it is given up.
const TRIES: u8 = 3;
/// Whoever sends us packets in the name of others makes us send no more than one probe in this time.
const AT_MOST_EVERY: Duration = Duration::from_secs(1);

impl PathProbe {
    /// When something is due about it.
    pub(super) fn due(&self) -> Option<Instant> {
        self.asking.as_ref().map(|asking| asking.next)
    }
}

impl Established {
    /// A fresh authentic packet came over `path`: the peer may be there (RFC 7296 §2.23). What is on its way
    /// is repeated there, since the window is one; its answer frees the window and proves nothing. So it is with a
    /// request to yet another path, whence older packets came: the peer has moved on. An initiator
    /// stays with the address it chose, and ESP in UDP with its port.
    pub(crate) fn seen_at(&mut self, path: Path, cx: &mut Context<'_>) {
        let fits = self.standing.is_responder && (path.encapsulated || !self.path.encapsulated);
        let is_early = self.path_asked.is_some_and(|asked| cx.now < asked + AT_MOST_EVERY);
        let is_asked = |probe: &PathProbe| probe.asking.is_some() && probe.path == path;
        if path == self.path {
            self.path_probe.take_if(|probe| probe.asking.is_none());
        } else if fits && !is_early && !self.path_probe.as_deref().is_some_and(is_asked) {
            self.put_off_path_probe(cx);
            self.path_asked = Some(cx.now);
            self.path_probe = Some(Box::new(PathProbe { path, asking: None }));
            self.current.repeat(path, cx);
        }
    }

    /// Asks at another path as soon as the window is free.
    pub(crate) fn probe_path(&mut self, path: Path, cx: &mut Context<'_>) {
        self.seen_at(path, cx);
        self.pump(cx);
    }

    /// A path waits for the window.
    pub(super) fn path_waits(&self) -> bool {
        self.path_probe.as_ref().is_some_and(|probe| probe.asking.is_none())
    }

    pub(super) fn send_path_probe(&mut self, cx: &mut Context<'_>) {
        let Some(probe) = &mut self.path_probe else { return };
        probe.asking = Some(Asking { tries_left: TRIES - 1, next: cx.now + PROBE_REPEAT });
        self.current.request(ExchangeType::INFORMATIONAL, &[], Asked::Path, probe.path, cx);
        if let Some(pending) = self.current.pending_mut() {
            pending.schedule.hold_until(cx.now + PROBE_REPEAT * u32::from(TRIES));
        }
        cx.stats.paths_probed += 1;
    }

    /// The answer to a request that went to one path alone has come, over `came`. If that was another, it waits to be
    /// asked itself.
    pub(super) fn on_path_answer(&mut self, came: Path, cx: &mut Context<'_>) {
        let probe =
            self.path_probe.take_if(|probe| probe.asking.is_some()).filter(|probe| probe.path == came);
        if probe.is_some() {
            cx.stats.paths_changed += 1;
            cx.out.event(Event::PathChanged { sa: self.id, from: self.path, to: came });
            self.path = came;
        }
    }

    pub(super) fn on_path_probe_time(&mut self, cx: &mut Context<'_>) {
        let Some(probe) = &mut self.path_probe else { return };
        let Some(asking) = probe.asking.as_mut().filter(|asking| asking.next <= cx.now) else { return };
        if let Some(left) = asking.tries_left.checked_sub(1) {
            *asking = Asking { tries_left: left, next: cx.now + PROBE_REPEAT };
            self.current.repeat(probe.path, cx);
        } else {
            self.put_off_path_probe(cx);
            self.path_probe = None;
            self.current.repeat(self.path, cx);
        }
    }

    /// The request that was to prove a path goes elsewhere too from now on, so that it proves none; it asks whether
    /// the peer lives, with all its tries before it.
    pub(super) fn put_off_path_probe(&mut self, cx: &Context<'_>) {
        let Some(probe) = self.path_probe.as_mut().filter(|probe| probe.asking.is_some()) else { return };
        probe.asking = None;
        if let Some(pending) = self.current.pending_mut() {
            pending.asked = Asked::Liveness;
            pending.schedule = Schedule::start(&cx.times.retransmission, cx.now);
        }
    }

    /// Sends what is on its way once more out of turn, wherever the peer may be.
    pub(super) fn repeat(&self, cx: &mut Context<'_>) {
        self.current.repeat(self.path, cx);
        self.repeat_at_waiting_path(cx);
    }

    /// What is on its way goes to a path that waits for it, too.
    pub(super) fn repeat_at_waiting_path(&self, cx: &mut Context<'_>) {
        if let Some(probe) = self.path_probe.as_ref().filter(|probe| probe.asking.is_none()) {
            self.current.repeat(probe.path, cx);
        }
    }

    /// Sends our request again if that is due; false when it has been sent often enough.
    pub(super) fn retransmit(&mut self, cx: &mut Context<'_>) -> bool {
        let is_due = self.current.retransmit_at().is_some_and(|at| at <= cx.now);
        let goes_on = self.current.retransmit(self.path, cx);
        if is_due && goes_on {
            self.repeat_at_waiting_path(cx);
        }
        goes_on
    }
}
