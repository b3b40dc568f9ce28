//! A unit on a bench: its clocks, its way to the authority, and its folder, all in memory.

use crate::authority::Authority;
use agent::{Clock, Wire, WireError};
use ids::UnixTime;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::time::Duration;

/// The unit's clocks beside the true time, which the authority has.
pub(crate) struct Times {
    pub(crate) truth: Cell<UnixTime>,
    start: UnixTime,
    /// What the unit's clock said at the start.
    wall: UnixTime,
}

impl Times {
    /// A unit whose clock says this when it is that.
    pub(crate) fn new(wall: UnixTime, truth: UnixTime) -> Self {
        Self { truth: Cell::new(truth), start: truth, wall }
    }

    pub(crate) fn pass(&self, span: Duration) {
        self.truth.set(self.truth.get().after(span));
    }
}

impl Clock for Times {
    fn wall(&self) -> UnixTime {
        self.wall.after(self.monotonic())
    }

    fn monotonic(&self) -> Duration {
        self.truth.get().since(self.start)
    }
}

/// What is done to an answer on its way.
type Meddle = Box<dyn Fn(&[u8], Vec<u8>) -> Vec<u8>>;

/// The way to the authority, without HTTP.
pub(crate) struct Line<'a> {
    pub(crate) authority: &'a Authority,
    pub(crate) times: &'a Times,
    pub(crate) meddles: RefCell<Option<Meddle>>,
    pub(crate) sent: RefCell<Vec<Vec<u8>>>,
    /// Messages from this one on find the way down.
    pub(crate) up: Cell<u32>,
}

impl<'a> Line<'a> {
    pub(crate) fn new(authority: &'a Authority, times: &'a Times) -> Self {
        let (meddles, sent) = (RefCell::default(), RefCell::default());
        Self { authority, times, meddles, sent, up: Cell::new(u32::MAX) }
    }

    pub(crate) fn meddle(&self, meddle: impl Fn(&[u8], Vec<u8>) -> Vec<u8> + 'static) {
        *self.meddles.borrow_mut() = Some(Box::new(meddle));
    }
}

impl fmt::Debug for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Line")
    }
}

impl Wire for Line<'_> {
    fn post(&self, message: &[u8]) -> Result<Vec<u8>, WireError> {
        let Some(left) = self.up.get().checked_sub(1) else { return Err(WireError::Way("down".into())) };
        self.up.set(left);
        self.sent.borrow_mut().push(message.to_vec());
        let answer = self.authority.handle(message, self.times.truth.get());
        Ok(match &*self.meddles.borrow() {
            Some(meddle) => meddle(message, answer),
            None => answer,
        })
    }
}
