use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tokio::sync::Notify;

/// The word that a certificate was revoked, from whoever revokes to whoever makes revocation lists. Clones share
/// it. OCSP needs none: it looks into the books each time.
#[derive(Clone, Debug, Default)]
pub struct Revocations(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    is_told: AtomicBool,
    waiting: Notify,
}

impl Revocations {
    /// A certificate was revoked, and the books say so by now.
    pub fn tell(&self) {
        self.keep();
        self.0.waiting.notify_one();
    }

    /// Waits until there is something to do about it.
    pub(crate) async fn told(&self) {
        self.0.waiting.notified().await;
    }

    /// Whether there was one since the last look.
    pub(crate) fn take(&self) -> bool {
        self.0.is_told.swap(false, Ordering::SeqCst)
    }

    /// Nothing came of the last look; it is tried again at the next turn.
    pub(crate) fn keep(&self) {
        self.0.is_told.store(true, Ordering::SeqCst);
    }
}
