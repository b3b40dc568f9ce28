use crate::{
    control,
    data_dir::DataDir,
    failure::{Failure, Problem},
};
use api::{Client, ClientError, session::BriefPage, stats::NodeStats};
use gateway::{SessionBrief, SessionView};
use ids::{SessionId, UnixTime};
use std::time::Duration;

/// What was seen of a node at one time.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    pub(crate) at: UnixTime,
    pub(crate) stats: NodeStats,
    pub(crate) tunnels: Vec<Seen>,
}

/// One tunnel, and when its counters were read: microseconds since the node's start.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) uptime_us: u64,
    pub(crate) brief: SessionBrief,
}

/// Looks at one node, and finds it again when it was away.
pub(crate) struct Watch {
    data: DataDir,
    client: Option<Client>,
}

/// Why there is nothing to see: no daemon, no answer, or a refusal.
#[derive(Debug)]
pub(crate) struct Away(pub(crate) Failure);

/// How long a daemon may take for its answers.
const PATIENCE: Duration = Duration::from_secs(5);

impl Watch {
    pub(crate) fn new(data: DataDir) -> Self {
        Self { data, client: None }
    }

    /// Counters, and every tunnel in brief.
    pub(crate) async fn look(&mut self) -> Result<Look, Away> {
        self.ask(async |client| {
            let stats = client.get("/v1/stats").await?;
            Ok(Look { at: UnixTime::now(), stats, tunnels: tunnels(client).await? })
        })
        .await
    }

    /// One tunnel in full; `None` when it is over.
    pub(crate) async fn details(&mut self, id: SessionId) -> Result<Option<SessionView>, Away> {
        self.ask(async |client| match client.get(&format!("/v1/sessions/{id}")).await {
            Ok(session) => Ok(Some(session)),
            Err(ClientError::Problem(problem)) if problem.status == 404 => Ok(None),
            Err(error) => Err(error),
        })
        .await
    }

    /// Connects where need be. A connection on which something went wrong is not used again.
    async fn ask<T>(
        &mut self,
        question: impl AsyncFnOnce(&mut Client) -> Result<T, ClientError>,
    ) -> Result<T, Away> {
        let mut client = match self.client.take() {
            Some(client) => client,
            None => control::daemon(&self.data).await.map_err(Away)?.ok_or_else(|| Away(no_daemon()))?,
        };
        let answer = tokio::time::timeout(PATIENCE, question(&mut client)).await;
        let answer = answer.map_err(|_| Away(silent()))?.map_err(|error| Away(error.into()))?;
        self.client = Some(client);
        Ok(answer)
    }
}

async fn tunnels(client: &mut Client) -> Result<Vec<Seen>, ClientError> {
    let mut tunnels = Vec::new();
    let mut path = "/v1/sessions/brief".to_owned();
    loop {
        let page: BriefPage = client.get(&path).await?;
        let uptime_us = page.uptime_us;
        tunnels.extend(page.sessions.into_iter().map(|brief| Seen { uptime_us, brief }));
        match page.next {
            Some(next) => path = format!("/v1/sessions/brief?after={next}"),
            None => return Ok(tunnels),
        }
    }
}

fn no_daemon() -> Failure {
    Failure::No(
        Problem::new("no-daemon", "there is nothing to watch")
            .because("no daemon runs on this data directory")
            .next("start `truecell serve`"),
    )
}

fn silent() -> Failure {
    Failure::Ours(
        Problem::new("silent", "the daemon does not answer")
            .because(format!("nothing came within {} s", PATIENCE.as_secs()))
            .next("look at its log, and at what this machine is busy with"),
    )
}

impl Away {
    /// In one line.
    pub(crate) fn words(&self) -> String {
        match &self.0 {
            Failure::No(problem) | Failure::Usage(problem) | Failure::Ours(problem) => {
                format!("{}: {}", problem.title, problem.detail)
            }
            Failure::Config(_) => self.0.to_string(),
        }
    }
}
