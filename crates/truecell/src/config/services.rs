use super::{ConfigError, located::Located};
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, SocketAddr};

/// `/healthz`, `/readyz` and `/metrics`, for this machine's own collectors.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Http {
    /// A loopback address; port 0 lets the system choose.
    pub(crate) listen: SocketAddr,
}

impl Default for Http {
    fn default() -> Self {
        Self { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9464)) }
    }
}

impl Http {
    pub(super) fn wrong(&self, at: &Located<'_>) -> Option<ConfigError> {
        let what =
            || format!("{} is not a loopback address, and these pages ask nobody who they are", self.listen);
        let next = "use 127.0.0.1 or [::1], with a collector on this machine";
        (!self.listen.ip().is_loopback()).then(|| at.error(&["http", "listen"], what(), next))
    }
}

/// The control socket, DATA/control.sock.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Control {
    /// The group whose members may operate: they connect by the socket's mode 0660.
    /// Absent: the group of the process.
    pub(crate) group: Option<String>,
    /// Who may be named as the second person of what needs two.
    pub(crate) approvers: Vec<String>,
}

impl Control {
    pub(super) fn wrong(&self, at: &Located<'_>) -> Option<ConfigError> {
        let bad = self.approvers.iter().find(|name| name.is_empty() || name.contains(char::is_whitespace))?;
        let what = format!("`{bad}` is no user's name");
        Some(at.error(&["control", "approvers"], what, "write names as the system has them"))
    }
}

/// What `truecell serve` writes to standard error.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Log {
    /// For people or for programs.
    pub(crate) format: LogFormat,
    /// Levels by target, as in `info,gateway=debug`.
    pub(crate) filter: String,
}

/// How a log line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// One line of text.
    Text,
    /// One JSON object on one line.
    Json,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info".into() }
    }
}

impl Log {
    pub(super) fn wrong(&self, at: &Located<'_>) -> Option<ConfigError> {
        let error = filter_error(&self.filter)?;
        let next = "write a level (off, error, warn, info, debug, trace), or target=level, with commas";
        Some(at.error(&["log", "filter"], format!("no log filter: {error}"), next))
    }
}

/// A bare word is a level: the filter's own reader takes any other for a target, and logs nothing else.
fn filter_error(filter: &str) -> Option<String> {
    let bare = filter.split(',').map(str::trim).filter(|part| !part.contains(['=', '[']));
    let mut words = bare.filter(|word| word.parse::<tracing_subscriber::filter::LevelFilter>().is_err());
    let word = words.next().map(|word| format!("`{word}` is no level"));
    word.or_else(|| tracing_subscriber::EnvFilter::try_new(filter).err().map(|error| error.to_string()))
}
