//! Looks each second whether ledger and journal can be used, and tells of every change.

use crate::node::Node;
use api::{Change, Health};
use events::{Durability, Journal, gateway::Alarm};
use ids::UnixTime;
use ledger::Ledger;
use std::{sync::Arc, time::Duration};

/// What is looked at.
#[derive(Clone)]
pub(crate) struct Watched {
    pub(crate) ledger: Ledger,
    pub(crate) journal: Journal,
}

/// How often. A ledger that is merely slow is not out of reach: each look waits for it.
const EVERY: Duration = Duration::from_secs(1);

/// Looks for as long as the process serves.
pub(crate) async fn forever(watched: Watched, health: Arc<Health>) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        look_at(&watched, &health).await;
    }
}

/// Looks once.
pub(crate) async fn look(node: &Node, health: &Health) {
    look_at(&node.watched(), health).await;
}

async fn look_at(watched: &Watched, health: &Health) {
    let looking = watched.clone();
    let looked = tokio::task::spawn_blocking(move || {
        let ledger = looking.ledger.check().err().map(|error| error.to_string());
        let journal = looking.journal.sync().err().map(|error| error.to_string());
        (ledger, journal)
    });
    let Ok((ledger, journal)) = looked.await else { return };
    if let Some(change) = health.record("ledger", ledger.clone()) {
        tell(watched, "ledger-unreachable", change, ledger.as_deref());
    }
    if let Some(change) = health.record("journal", journal.clone()) {
        tell(watched, "journal-unwritable", change, journal.as_deref());
    }
}

fn tell(watched: &Watched, alarm: &str, change: Change, why: Option<&str>) {
    let raised = change == Change::Failed;
    let detail = why.unwrap_or("it works again").to_owned();
    if raised {
        tracing::error!(alarm, why = detail, "nobody new is admitted; tunnels stay");
    } else {
        tracing::info!(alarm, "over");
    }
    let event = Alarm { alarm: alarm.into(), raised, detail };
    if let Err(error) = watched.journal.append(&event, UnixTime::now(), Durability::Grouped) {
        tracing::error!(%error, "the alarm is not in the journal");
    }
}
