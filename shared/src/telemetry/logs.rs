//! Logs on stderr: JSON lines for machines, text for people.

use tracing_subscriber::{EnvFilter, fmt};

use crate::config::Settings;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON lines otherwise.
    Auto,
    /// One JSON object a line.
    Json,
    /// Text for people.
    Pretty,
}

/// What is logged, and how.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// How lines look.
    pub format: LogFormat,
    /// Which lines: `tracing`'s filter syntax, such as `info,penstock_worker=debug`.
    pub filter: String,
}

impl LogConfig {
    /// Reads `telemetry.log_format` and `log` (the variable `PENSTOCK_LOG`, else `RUST_LOG`, else `info`).
    pub fn read(settings: &mut Settings<'_>) -> Self {
        let fallback =
            settings.foreign_variable("RUST_LOG").filter(|filter| EnvFilter::try_new(filter).is_ok());
        let filter = settings.parsed("log", fallback.unwrap_or_else(|| "info".to_owned()), |text| {
            EnvFilter::try_new(text).map(|_| text.to_owned())
        });
        let format = settings.choice(
            "telemetry.log_format",
            "auto",
            &[("auto", LogFormat::Auto), ("json", LogFormat::Json), ("pretty", LogFormat::Pretty)],
        );
        Self { format, filter }
    }
}

/// Why logging did not start.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// The filter can't be read.
    #[error("log filter is wrong")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// Something else logs for this process already.
    #[error("logging was started before")]
    Started(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Starts logging for the whole process. `terminal`: stderr is one; `color`: escape codes may be used there.
///
/// # Errors
/// [`LogsError`] when the filter is wrong or logging was started before.
pub fn start_logs(config: &LogConfig, terminal: bool, color: bool) -> Result<(), LogsError> {
    let filter = EnvFilter::try_new(&config.filter)?;
    let lines = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(color);
    let pretty = match config.format {
        LogFormat::Auto => terminal,
        LogFormat::Json => false,
        LogFormat::Pretty => true,
    };
    if pretty {
        lines.with_target(false).try_init()
    } else {
        lines.json().flatten_event(true).with_span_list(false).try_init()
    }
    .map_err(LogsError::Started)
}

/// The lines that are logged on this thread while the guard lives.
#[cfg(test)]
pub(crate) fn logged() -> (tracing::subscriber::DefaultGuard, impl Fn() -> String) {
    let lines = penstock_testkit::Lines::default();
    let writer = lines.clone();
    let subscriber = fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    (tracing::subscriber::set_default(subscriber), move || lines.text())
}
