use crate::{control::Control, data_dir::DataDir, failure::Failure, output::Output};
use api::finding::{Detected, TakeFindings, TakenDetections};
use detect::Finding;
use ids::UnixTime;
use intake::Told;
use std::io::{IsTerminal, Write};
use tokio::runtime::{Builder, Runtime};

/// Has findings kept by the node: by the daemon, or here where none runs.
pub(super) struct Keep {
    data: DataDir,
    runtime: Runtime,
    shows: bool,
    /// Ids under which another finding is kept.
    pub(super) differing: Vec<String>,
}

/// Findings sent at once: each batch is kept whole before the next one is sent.
const BATCH: usize = 200;

impl Keep {
    pub(super) fn new(data: DataDir, output: &Output) -> Result<Self, Failure> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::system("no runtime", &error))?;
        let shows = !output.is_json() && std::io::stderr().is_terminal();
        Ok(Self { data, runtime, shows, differing: Vec::new() })
    }
}

/// A finding, as the ledger has it: its JSON is the same.
pub(in crate::command) fn detected(found: &Finding) -> Result<Detected, serde_json::Error> {
    serde_json::to_value(found).and_then(serde_json::from_value)
}

async fn send(data: &DataDir, found: &[Finding]) -> Result<Vec<TakenDetections>, String> {
    let mut control = Control::open(data, "ingest").await.map_err(|failure| failure.to_string())?;
    let mut taken = Vec::new();
    for batch in found.chunks(BATCH) {
        let batch =
            batch.iter().map(detected).collect::<Result<_, _>>().map_err(|error| error.to_string())?;
        let sent = control.client().post("/v1/findings", &TakeFindings::new(batch)).await;
        taken.push(sent.map_err(|error| error.to_string())?);
    }
    Ok(taken)
}

impl Told for Keep {
    fn findings(&mut self, found: &[Finding]) -> Result<(), String> {
        let taken = self.runtime.block_on(send(&self.data, found))?;
        let differing = taken.into_iter().flat_map(|taken| taken.differing);
        self.differing.extend(differing.map(|differing| differing.id.to_string()));
        Ok(())
    }

    fn committed(&mut self, number: u64, judged_until: UnixTime) {
        if self.shows {
            // A terminal that went away changes nothing about the work.
            let _ = write!(std::io::stderr(), "\rcheckpoint {number}, judged until {judged_until}");
        }
    }
}

impl Drop for Keep {
    fn drop(&mut self) {
        if self.shows {
            let _ = writeln!(std::io::stderr());
        }
    }
}
