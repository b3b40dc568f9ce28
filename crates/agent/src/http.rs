use cmp::MAX_MESSAGE;
use std::cell::Cell;
use std::time::Duration;

/// How messages reach the registration authority.
pub trait Wire: std::fmt::Debug {
    /// Sends one and waits for the answer.
    ///
    /// # Errors
    /// [`WireError`], see there.
    fn post(&self, message: &[u8]) -> Result<Vec<u8>, WireError>;
}

/// Why no answer came.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// No connection, no answer in time, or not HTTP.
    #[error("{0}")]
    Way(String),
    /// Another status than 200.
    #[error("HTTP status {0}")]
    Http(u16),
    /// Something else than application/pkixcmp.
    #[error("the answer is no CMP message")]
    OtherContent,
    /// More than [`MAX_MESSAGE`].
    #[error("the answer is longer than one may be")]
    TooLong,
}

impl WireError {
    /// Stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Way(_) => "server-unreachable",
            Self::Http(_) => "server-status",
            Self::OtherContent => "server-other-content",
            Self::TooLong => "server-too-long",
        }
    }

    /// What a person does next.
    pub const fn next(&self) -> &'static str {
        match self {
            Self::Way(_) => {
                "nothing at first: the unit asks again; then look at line, name server and firewall"
            }
            Self::Http(_) | Self::OtherContent | Self::TooLong => {
                "compare the unit's server address with the operator's, path included"
            }
        }
    }
}

/// CMP over HTTP (RFC 9811): POST, without TLS, to one server after the other.
#[derive(Debug)]
pub struct Http {
    agent: ureq::Agent,
    servers: Vec<String>,
    /// The one that is asked: the next when it fails.
    turn: Cell<usize>,
}

/// Octets of the head of an answer.
const MAX_HEAD: usize = 8 * 1024;

impl Http {
    /// `servers`: http URLs. `timeout`: for a whole exchange, name look-up included.
    pub fn new(servers: Vec<String>, timeout: Duration) -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(timeout))
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .max_response_header_size(MAX_HEAD)
            .max_idle_connections(0)
            .proxy(None)
            .user_agent(concat!("truecell-agent/", env!("CARGO_PKG_VERSION")))
            .build();
        Self { agent: config.into(), servers, turn: Cell::new(0) }
    }

    fn post_to(&self, server: &str, message: &[u8]) -> Result<Vec<u8>, WireError> {
        let request = self.agent.post(server).content_type(CONTENT_TYPE);
        let mut answer = request.send(message).map_err(|error| WireError::Way(error.to_string()))?;
        if answer.status() != 200 {
            return Err(WireError::Http(answer.status().as_u16()));
        }
        if answer.body().mime_type() != Some(CONTENT_TYPE) {
            return Err(WireError::OtherContent);
        }
        // One octet more than may be, so that the bound is told apart from the end.
        let limit = MAX_MESSAGE as u64 + 1;
        answer.body_mut().with_config().limit(limit).read_to_vec().map_err(|error| {
            match matches!(error, ureq::Error::BodyExceedsLimit(_)) {
                true => WireError::TooLong,
                false => WireError::Way(error.to_string()),
            }
        })
    }
}

const CONTENT_TYPE: &str = "application/pkixcmp";

impl Wire for Http {
    fn post(&self, message: &[u8]) -> Result<Vec<u8>, WireError> {
        let turn = self.turn.get();
        let server = self.servers.get(turn % self.servers.len().max(1));
        let server = server.ok_or_else(|| WireError::Way("no server is configured".into()))?;
        let answer = self.post_to(server, message);
        if answer.is_err() {
            self.turn.set(turn.wrapping_add(1));
        }
        answer
    }
}
