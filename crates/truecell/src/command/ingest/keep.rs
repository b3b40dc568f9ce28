use crate::{control::Control, data_dir::DataDir, failure::Failure, output::Output};
use api::findings::{Reported, ToldFindings};
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
}

/// Findings sent at once: each batch is kept whole before the next one is sent.
const BATCH: usize = 200;

impl Keep {
    pub(super) fn new(data: DataDir, output: &Output) -> Result<Self, Failure> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::system("no runtime", &error))?;
        Ok(Self { data, runtime, shows: !output.is_json() && std::io::stderr().is_terminal() })
    }

    async fn send(data: &DataDir, found: &[Finding]) -> Result<(), String> {
        let mut control = Control::open(data, "ingest").await.map_err(|failure| failure.to_string())?;
        for batch in found.chunks(BATCH) {
            let body = ToldFindings::of(batch);
            let sent = control.client().post::<Reported>("/v1/findings", &body).await;
            sent.map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}

impl Told for Keep {
    fn findings(&mut self, found: &[Finding]) -> Result<(), String> {
        self.runtime.block_on(Self::send(&self.data, found))
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
