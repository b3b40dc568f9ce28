//! Which epoch may come next: no start of a node has the number of an earlier one, whatever its database says.

use super::{Restored, Tail, TailError, segment};
use crate::{
    Record, Recorded, UnreadRecord,
    admission::Admitted,
    gateway::{NodeStarted, NodeStopped},
    ledger::Opened,
};
use ids::Epoch;
use std::path::Path;

/// Whether a record says in which epoch it was written. Epochs only go up, so the newest one has the highest.
pub(super) fn names_epoch(record: &Record) -> bool {
    [Opened::KIND, Restored::KIND, NodeStarted::KIND, NodeStopped::KIND, Admitted::KIND]
        .contains(&record.kind.as_str())
}

/// The first epoch that may come behind such a record; the one that a restore names has yet to begin.
pub(super) fn behind(record: &Record) -> Result<Option<Epoch>, UnreadRecord> {
    if let Some(restored) = record.read::<Restored>()? {
        return Ok(Some(Epoch(restored.epoch)));
    }
    let opened = record.read::<Opened>()?.map(|opened| opened.epoch);
    let started = record.read::<NodeStarted>()?.map(|started| started.epoch);
    let stopped = record.read::<NodeStopped>()?.map(|stopped| stopped.epoch);
    let admitted = record.read::<Admitted>()?.map(|admitted| admitted.session.epoch.0);
    let of = opened.or(started).or(stopped).or(admitted);
    Ok(of.map(|epoch| Epoch(epoch.saturating_add(1))))
}

/// The newest record before the last segment that names an epoch: a gateway writes one with each admission, so it is
/// seldom far.
pub(super) fn before_last_segment(dir: &Path) -> Result<Option<Record>, TailError> {
    let io = |source| TailError::Io { path: dir.to_owned(), source };
    let mut segments = segment::list(dir).map_err(io)?;
    let mut end = segments.pop().map_or(0, |(first, _)| first);
    for (first, _) in segments.into_iter().rev() {
        let (mut tail, mut newest) = (Tail::new(dir, first), None);
        while let Some(record) = tail.next_record()?.filter(|record| record.seq < end) {
            newest = Some(record).filter(names_epoch).or(newest);
        }
        if newest.is_some() {
            return Ok(newest);
        }
        end = first;
    }
    Ok(None)
}
