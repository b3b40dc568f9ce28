//! Places of those who have begun and have not proven who they are: who gets one, and who gives its own back.

use super::{IkeSaState, Responder};
use crate::{IkeSaId, Reason, quota::Prefix};
use std::time::{Duration, Instant};

/// So long a peer has its place for, whoever else comes: an honest one has sent its IKE_AUTH by then.
const GRACE: Duration = Duration::from_secs(2);

impl Responder {
    /// Sees that one more of a prefix may be half-open. Where its places or all are taken, whoever has waited longest
    /// for its IKE_AUTH gives its own back.
    ///
    /// # Errors
    /// [`Reason::HalfOpenFull`], [`Reason::PrefixQuota`]: nobody has waited long enough.
    pub(super) fn find_place(&mut self, prefix: Prefix, now: Instant) -> Result<(), Reason> {
        let is_known = self.lobby.knows(&prefix);
        while let Err(reason) = self.quota.has_place(&prefix, is_known, &self.config.half_open) {
            let oldest = if reason == Reason::PrefixQuota {
                self.quota.of_prefix(&prefix).find(|id| self.is_begun(*id))
            } else {
                self.oldest()
            };
            let oldest = oldest.filter(|oldest| self.has_had_time(*oldest, now)).ok_or(reason)?;
            self.step(oldest, now, |state, _, cx| {
                if let IkeSaState::HalfOpen(half_open) = &state {
                    half_open.handshake.release(cx);
                }
                None
            });
            self.stats.count(reason);
        }
        Ok(())
    }

    pub(super) fn count_begun(&mut self, prefix: Prefix, id: IkeSaId) {
        self.quota.enter(prefix, id);
        while self.begun.front().is_some_and(|oldest| !self.is_begun(*oldest)) {
            self.begun.pop_front();
        }
        self.begun.push_back(id);
    }

    pub(super) fn oldest(&self) -> Option<IkeSaId> {
        self.begun.iter().copied().find(|id| self.is_begun(*id))
    }

    /// Its IKE_AUTH has not come. One that could not be judged keeps its place.
    fn is_begun(&self, id: IkeSaId) -> bool {
        self.begun_at(id).is_some()
    }

    pub(super) fn has_had_time(&self, id: IkeSaId, now: Instant) -> bool {
        self.begun_at(id).is_some_and(|at| now.saturating_duration_since(at) >= GRACE)
    }

    fn begun_at(&self, id: IkeSaId) -> Option<Instant> {
        match &self.slots.get(&id)?.state {
            IkeSaState::HalfOpen(half_open) => {
                let handshake = &half_open.handshake;
                (handshake.questions == 0).then_some(handshake.answered_at)
            }
            IkeSaState::AwaitPeer(_)
            | IkeSaState::AwaitAdmission(_)
            | IkeSaState::Established(_)
            | IkeSaState::Deleting(_) => None,
        }
    }

    /// Forgets refused attempts, the oldest first, until they and the half-open IKE SAs together are no
    /// more than may be half-open.
    pub(super) fn make_room(&mut self, now: Instant) {
        while self.quota.total() + self.refused.len() > self.config.half_open.total {
            let Some(oldest) = self.refused.pop_front() else { return };
            self.step(oldest, now, |state, _, cx| match state {
                IkeSaState::Deleting(ending) => {
                    ending.release(cx);
                    None
                }
                other @ (IkeSaState::HalfOpen(_)
                | IkeSaState::AwaitPeer(_)
                | IkeSaState::AwaitAdmission(_)
                | IkeSaState::Established(_)) => Some(other),
            });
        }
    }
}
