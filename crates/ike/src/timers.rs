use crate::{IkeSaId, output::Timer};
use std::{collections::BTreeSet, time::Instant};

/// When each IKE SA is to be called: one entry for each, its earliest time. When an IKE SA's time moves
/// back, its entry stays, fires early and is set anew, so traffic costs no work here.
#[derive(Default)]
pub(crate) struct Timers(BTreeSet<Entry>);

/// When, whom, and why.
pub(crate) type Entry = (Instant, IkeSaId, Timer);

impl Timers {
    /// Sees to it that `id` is called by the time of `due`; `armed` is its entry. Returns the entry that
    /// it has from now on.
    pub(crate) fn arm(
        &mut self,
        id: IkeSaId,
        armed: Option<Entry>,
        due: Option<(Instant, Timer)>,
    ) -> Option<Entry> {
        let Some((at, timer)) = due else { return armed };
        if armed.is_some_and(|(armed, ..)| armed <= at) {
            return armed;
        }
        self.disarm(armed);
        self.0.insert((at, id, timer));
        Some((at, id, timer))
    }

    /// Drops the entry of an IKE SA that is gone.
    pub(crate) fn disarm(&mut self, armed: Option<Entry>) {
        armed.map(|entry| self.0.remove(&entry));
    }

    /// Takes an entry whose time has come.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<IkeSaId> {
        let (at, id, _) = self.0.first()?;
        (*at <= now).then_some(*id).inspect(|_| {
            self.0.pop_first();
        })
    }

    /// The earliest entry.
    pub(crate) fn next(&self) -> Option<(Instant, Timer)> {
        self.0.first().map(|(at, _, timer)| (*at, *timer))
    }
}
