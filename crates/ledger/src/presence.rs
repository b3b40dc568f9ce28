//! Who is seen, and for how long others were not: units become live when they attach, and silent by themselves.

use crate::{Device, Ledger, LedgerError, LifeCycle, Page, Row, transaction::Because};
use ids::{DeviceId, UnixTime};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

/// When each live unit was last seen, in time that this node has served: while it does not, nobody can be seen, and
/// nobody falls silent. What is lost of it is counted anew.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Presence {
    /// For how long this node has served, seconds.
    served_s: u64,
    /// Of a unit: how long it was by then.
    seen_at_s: HashMap<DeviceId, u64>,
    /// Units that are seen and known to be live.
    #[serde(skip)]
    live: HashSet<DeviceId>,
    /// The unit up to which all were looked at in this turn.
    #[serde(skip)]
    after: String,
}

/// Units looked at in one round: all of 250,000 in 50 minutes, with a round a minute.
const LOOKED_AT: usize = 5_000;
const PAGE: usize = 1_000;
/// Units moved in one round at most.
const MOVES: usize = 5_000;
/// Units moved in one transaction: claims wait for it.
const CHUNK: usize = 200;
/// Who says so in records.
const BY: &str = "truecell";

impl Presence {
    fn served(&mut self, served: Duration, seen: &HashSet<DeviceId>) {
        self.served_s += served.as_secs();
        self.seen_at_s.extend(seen.iter().map(|device| (*device, self.served_s)));
        self.live.retain(|device| seen.contains(device));
    }

    /// What becomes of a unit by itself.
    fn due(&mut self, device: &Device, seen: &HashSet<DeviceId>, limit: Duration) -> Option<LifeCycle> {
        let (id, is_seen) = (device.id, seen.contains(&device.id));
        match device.state {
            LifeCycle::Installed | LifeCycle::Silent if is_seen => Some(LifeCycle::Live),
            LifeCycle::Live => {
                let last = *self.seen_at_s.entry(id).or_insert(self.served_s);
                (self.served_s - last > limit.as_secs()).then_some(LifeCycle::Silent)
            }
            LifeCycle::Made
            | LifeCycle::Shipped
            | LifeCycle::Installed
            | LifeCycle::Silent
            | LifeCycle::Suspended
            | LifeCycle::Lost
            | LifeCycle::Stolen
            | LifeCycle::Retired => {
                self.seen_at_s.remove(&id);
                None
            }
        }
    }
}

impl Ledger {
    /// One round. `served`: for how long units could be seen since the last one; `seen`: those that had a session since
    /// then. An installed or silent unit that is seen is live; a live one that was not for longer than `limit` of service is
    /// silent, unless some node holds a lease for it. The states that units have now.
    ///
    /// # Errors
    /// The transient ones: what was moved stays, and the next round goes on.
    pub fn tend_presence(
        &self,
        presence: &mut Presence,
        seen: &HashSet<DeviceId>,
        served: Duration,
        limit: Duration,
        now: UnixTime,
    ) -> Result<BTreeMap<DeviceId, LifeCycle>, LedgerError> {
        presence.served(served, seen);
        let mut due = BTreeMap::new();
        let news: Vec<_> = seen.iter().filter(|device| !presence.live.contains(device)).take(MOVES).collect();
        for device in news {
            match self.device(*device) {
                Ok(Some(unit)) => {
                    presence.live.insert(*device);
                    due.extend(presence.due(&unit, seen, limit).map(|to| (*device, to)));
                }
                Err(error) if error.is_transient() => return Err(error),
                Ok(None) | Err(_) => {}
            }
        }
        for _ in 0..LOOKED_AT / PAGE {
            let Page { rows, next, .. } = self.devices(&presence.after, None, PAGE)?;
            let found = rows.iter().filter_map(|unit| Some((unit.id, presence.due(unit, seen, limit)?)));
            due.extend(found);
            presence.after = next.unwrap_or_default();
            if presence.after.is_empty() {
                break;
            }
        }
        self.move_by_themselves(due.into_iter().take(MOVES).collect(), limit, now)
    }

    fn move_by_themselves(
        &self,
        due: Vec<(DeviceId, LifeCycle)>,
        limit: Duration,
        now: UnixTime,
    ) -> Result<BTreeMap<DeviceId, LifeCycle>, LedgerError> {
        let unseen = format!("not seen for {}", days(limit));
        let mut moved = BTreeMap::new();
        for chunk in due.chunks(CHUNK) {
            let mut tx = self.begin()?;
            let mut of_chunk = Vec::new();
            for (device, to) in chunk {
                let is_silent = *to == LifeCycle::Silent;
                // Also of another node.
                if is_silent && tx.lease(*device)?.is_some() {
                    continue;
                }
                let because = Because::new(BY, if is_silent { &unseen } else { "it attached" });
                match tx.move_device(*device, *to, &because, now) {
                    Ok(unit) => of_chunk.push((unit.id, unit.state)),
                    Err(error) if error.is_transient() => return Err(error),
                    Err(error) => {
                        tracing::warn!(table = Device::TABLE, %device, %error, "a unit is not moved")
                    }
                }
            }
            tx.commit()?;
            moved.extend(of_chunk);
        }
        Ok(moved)
    }
}

fn days(span: Duration) -> String {
    let days = span.as_secs() / 86_400;
    format!("{days} day{}", if days == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests;
