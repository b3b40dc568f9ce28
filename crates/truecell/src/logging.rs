use crate::config::{Log, LogFormat};
use tracing_subscriber::{EnvFilter, fmt};

/// Sends logs to standard error for the life of the process. A second call changes nothing.
pub(crate) fn start(log: &Log) {
    // The filter was checked with the configuration; without one, errors are still shown.
    let filter = EnvFilter::try_new(&log.filter).unwrap_or_else(|_| EnvFilter::new("error"));
    let builder = fmt().with_env_filter(filter).with_writer(anstream::stderr);
    let _ = match log.format {
        LogFormat::Text => builder.with_ansi(true).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_ansi(false).try_init(),
    };
}
