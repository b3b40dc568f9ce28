use ids::UnixTime;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A day, in which the same is said once: what goes on is said again, and nobody is buried.
pub(super) const DAY: Duration = Duration::from_secs(86_400);

/// When something was said last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pace(Option<UnixTime>);

impl Pace {
    /// Whether it may be said now; it was, then.
    pub(super) fn may(&mut self, now: UnixTime) -> bool {
        let may = self.0.is_none_or(|last| now.since(last) >= DAY);
        if may {
            self.0 = Some(now);
        }
        may
    }
}

/// A window that begins anew a fixed time after it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Window(Option<UnixTime>);

impl Window {
    /// Whether a new one begins now.
    pub(super) fn is_over(&mut self, now: UnixTime, length: Duration) -> bool {
        let is_over = self.0.is_none_or(|since| now.since(since) >= length);
        if is_over {
            self.0 = Some(now);
        }
        is_over
    }
}
