//! Sends the journal's checkpoints to a witness, on a thread of its own: a folder on another host may hang
//! for as long as it likes, and holds up nothing but this.
//!
//! A later checkpoint vouches for everything before it, so nothing is queued: the first one that the
//! witness takes again makes up for all that it missed.

use crate::clock::ClockGuard;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use events::{
    Journal,
    witness::{CheckpointLine, DropFolder},
};
use std::{
    io,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::Builder,
    time::{Duration, Instant},
};

/// From one checkpoint to the next: of the 60 s for which a cut may go unseen, the witness has 30 to take it in,
/// and 5 are for slow disks. Also when nothing happens: silence would look like a cut.
const EVERY: Duration = Duration::from_secs(25);
/// How often a witness out of reach is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(2);
/// The witness hangs when it has taken nothing for so long.
const OVERDUE: Duration = Duration::from_secs(60);
/// How long a stop waits for the last checkpoint to be taken.
const LAST: Duration = Duration::from_secs(5);

/// Whether the witness takes what is sent; `None` inside where there is no witness.
#[derive(Default)]
pub(crate) struct Delivery(Mutex<Option<Standing>>);

struct Standing {
    /// The last checkpoint that was taken, or the start.
    taken: Instant,
    wrong: Option<String>,
}

impl Delivery {
    fn set(&self, standing: Standing) {
        *self.lock() = Some(standing);
    }

    fn failed(&self, why: String) {
        if let Some(standing) = &mut *self.lock() {
            standing.wrong = Some(why);
        }
    }

    /// Why the witness is out of reach.
    pub(crate) fn trouble(&self, now: Instant) -> Option<String> {
        let standing = self.lock();
        let standing = standing.as_ref()?;
        let silence = now.saturating_duration_since(standing.taken);
        let overdue = || format!("it has taken nothing for {} s", silence.as_secs());
        standing.wrong.clone().or_else(|| (silence > OVERDUE).then(overdue))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Standing>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread that sends.
pub(crate) struct Witness {
    stop: Sender<()>,
    ended: Receiver<()>,
}

impl Witness {
    /// Starts it; the first checkpoint goes at once.
    pub(crate) fn start(
        folder: &Path,
        journal: Journal,
        clock: Arc<ClockGuard>,
        delivery: Arc<Delivery>,
    ) -> io::Result<Self> {
        delivery.set(Standing { taken: Instant::now(), wrong: None });
        let (stop, stopped) = bounded(0);
        let (ends, ended) = bounded::<()>(0);
        let folder = DropFolder::new(folder.to_owned());
        let sender = Sending { folder, journal, clock, delivery, waits: None };
        Builder::new().name("witness".into()).spawn(move || {
            sender.run(&stopped);
            drop(ends);
        })?;
        Ok(Self { stop, ended })
    }

    /// Sends a last checkpoint, and waits for that, though not for ever.
    pub(crate) fn stop(self) {
        drop(self.stop);
        if self.ended.recv_timeout(LAST) == Err(RecvTimeoutError::Timeout) {
            tracing::error!("the witness does not answer: the journal's end is not witnessed");
        }
    }
}

struct Sending {
    folder: DropFolder,
    journal: Journal,
    clock: Arc<ClockGuard>,
    delivery: Arc<Delivery>,
    /// Signed, when, and not taken yet.
    waits: Option<(Instant, CheckpointLine)>,
}

impl Sending {
    fn run(mut self, stop: &Receiver<()>) {
        loop {
            let pause = if self.send() { EVERY } else { TRY_AGAIN };
            if stop.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
                break;
            }
        }
        self.waits = None;
        self.send();
    }

    fn send(&mut self) -> bool {
        let sent = self.try_send();
        match &sent {
            Ok(()) => self.delivery.set(Standing { taken: Instant::now(), wrong: None }),
            Err(why) => self.delivery.failed(why.clone()),
        }
        sent.is_ok()
    }

    fn try_send(&mut self) -> Result<(), String> {
        let (signed, checkpoint) = match self.waits.take().filter(|(signed, _)| signed.elapsed() < EVERY) {
            Some(waits) => waits,
            None => (
                Instant::now(),
                self.journal.checkpoint(self.clock.now()).map_err(|error| error.to_string())?,
            ),
        };
        let put = self.folder.put(&checkpoint).map_err(|error| error.to_string());
        if put.is_err() {
            self.waits = Some((signed, checkpoint));
        }
        put
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_witness_is_in_trouble_when_it_refuses_or_hangs_and_none_is_never() {
        let (delivery, now) = (Delivery::default(), Instant::now());
        delivery.failed("too late".into());
        assert_eq!(delivery.trouble(now + OVERDUE * 9), None, "there is none");
        delivery.set(Standing { taken: now, wrong: None });
        assert_eq!(delivery.trouble(now + OVERDUE), None);
        let hangs = delivery.trouble(now + OVERDUE + Duration::from_secs(1));
        assert_eq!(hangs.unwrap(), "it has taken nothing for 61 s");
        delivery.failed("read-only".into());
        assert_eq!(delivery.trouble(now).unwrap(), "read-only");
    }
}
