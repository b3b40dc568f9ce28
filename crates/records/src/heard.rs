use ids::UnixTime;
use std::time::Duration;

/// A feed's clock may be ahead of ours by so much.
pub const AHEAD: Duration = Duration::from_secs(60);

/// When a feed wrote last, by its own word: a feed that is silent says nothing that counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Heard(Option<UnixTime>);

/// The feed says that it wrote a line later than now: it would never be silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`at` is later than now")]
pub struct Future;

/// Why a feed says nothing about something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// It has said nothing at all for too long, or what it said of this is too old.
    Stale,
    /// It has no record of this.
    NoRecord,
}

impl Heard {
    /// The feed wrote something at that time, whatever it is.
    ///
    /// # Errors
    /// [`Future`]
    pub fn hear(&mut self, at: UnixTime, now: UnixTime) -> Result<(), Future> {
        if at > now.after(AHEAD) {
            return Err(Future);
        }
        self.0 = self.0.max(Some(at));
        Ok(())
    }

    /// The latest time at which it wrote something.
    pub fn last(self) -> Option<UnixTime> {
        self.0
    }

    /// Whether it has said nothing for longer than `stale`.
    pub fn is_stale(self, now: UnixTime, stale: Duration) -> bool {
        self.0.is_none_or(|last| now.since(last) > stale)
    }
}
