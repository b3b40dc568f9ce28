//! Has units become live and silent by themselves, each minute for as long as the node serves.

use crate::{
    data_dir::DataDir,
    node::{Node, keep},
};
use ::gateway::Gateway;
use api::Configured;
use ledger::{Ledger, LifeCycle, Presence};
use std::{
    fs,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

const EVERY: Duration = Duration::from_secs(60);
/// Rounds between two times that it is written down who was seen: after a crash as much is counted anew.
const KEPT_EVERY: u32 = 10;

/// One who keeps track of who is there.
pub(crate) struct Attendance {
    ledger: Ledger,
    configured: Configured,
    gateway: Arc<Gateway>,
    file: PathBuf,
    presence: Presence,
    /// Since when units could be seen that are not counted yet; none while nobody is admitted.
    since: Option<Instant>,
}

impl Attendance {
    /// Goes on where the last start was. Without its file everyone counts as seen now.
    pub(crate) fn open(data: &DataDir, node: &Node, gateway: Arc<Gateway>) -> Self {
        let file = data.presence_file();
        let presence = fs::read(&file).ok().and_then(|text| {
            let read = serde_json::from_slice(&text);
            read.inspect_err(
                |error| tracing::warn!(%error, file = %file.display(), "it is counted anew who is silent"),
            )
            .ok()
        });
        Self {
            ledger: node.ledger.clone(),
            configured: node.configured.clone(),
            gateway,
            file,
            presence: presence.unwrap_or_default(),
            since: None,
        }
    }

    /// Each minute until `stop`.
    pub(crate) async fn keep(mut self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        for round in 1_u32.. {
            let done = tokio::task::spawn_blocking(move || {
                self.round();
                if round.is_multiple_of(KEPT_EVERY) {
                    self.write_down();
                }
                self
            });
            match done.await {
                Ok(attendance) => self = attendance,
                Err(error) => return tracing::error!(%error, "nobody becomes live or silent any more"),
            }
            tokio::select! {
                () = &mut stop => break,
                () = tokio::time::sleep(EVERY) => {}
            }
        }
        let _ = tokio::task::spawn_blocking(move || self.write_down()).await;
    }

    fn round(&mut self) {
        let seen = self.gateway.take_seen();
        let can_admit = self.gateway.health().can_admit();
        let Some(now) = self.gateway.trusted_time().filter(|_| can_admit) else {
            self.since = None;
            return;
        };
        // A process that was stopped for long saw nobody meanwhile.
        let served =
            self.since.replace(Instant::now()).map_or(Duration::ZERO, |since| since.elapsed().min(2 * EVERY));
        let limit = self.configured.rules().admission.silent_after();
        match self.ledger.tend_presence(&mut self.presence, &seen, served, limit, now) {
            Ok(moved) => {
                let count = |state| moved.values().filter(|to| **to == state).count();
                let (live, silent) = (count(LifeCycle::Live), count(LifeCycle::Silent));
                if !moved.is_empty() {
                    tracing::info!(live, silent, "units moved by themselves");
                }
            }
            Err(error) => tracing::warn!(%error, "units do not become live or silent for now"),
        }
    }

    fn write_down(&self) {
        if let Err(failure) = keep(&self.file, &self.presence) {
            tracing::warn!(why = failure.texts().join("; "), "who was seen is not written down");
        }
    }
}
