use crate::config::{Log, LogFormat};
use tracing_subscriber::{EnvFilter, fmt};

/// Changes what is logged while the process runs.
pub(crate) struct Filter(Box<dyn Fn(EnvFilter) + Send + Sync>);

impl Filter {
    /// As in `[log] filter`.
    pub(crate) fn set(&self, filter: &str) {
        (self.0)(read(filter));
    }
}

/// Sends logs to standard error for the life of the process. A second call changes nothing.
pub(crate) fn start(log: &Log) -> Filter {
    let builder = fmt().with_env_filter(read(&log.filter)).with_writer(anstream::stderr);
    // A handle whose subscriber is gone changes nothing.
    match log.format {
        LogFormat::Text => {
            let builder = builder.with_ansi(true).with_filter_reloading();
            let handle = builder.reload_handle();
            let _ = builder.try_init();
            Filter(Box::new(move |filter| _ = handle.reload(filter)))
        }
        LogFormat::Json => {
            let builder = builder.json().flatten_event(true).with_ansi(false).with_filter_reloading();
            let handle = builder.reload_handle();
            let _ = builder.try_init();
            Filter(Box::new(move |filter| _ = handle.reload(filter)))
        }
    }
}

/// The filter was checked with the configuration; without one, errors are still shown.
fn read(filter: &str) -> EnvFilter {
    EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("error"))
}
