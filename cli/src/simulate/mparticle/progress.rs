//! The line that shows, each second, how far a run is; only on a terminal.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use super::tally::Tally;

/// Shows how far a run is, on standard error.
#[derive(Debug)]
pub(super) struct Progress {
    shown: bool,
}

impl Progress {
    /// Shows it if somebody sees it.
    pub(super) fn on_terminal() -> Self {
        Self { shown: io::stderr().is_terminal() }
    }

    /// Replaces the line.
    ///
    /// # Errors
    /// Standard error cannot be written.
    pub(super) fn show(&self, since: Duration, tally: &Tally, under_way: u64) -> io::Result<()> {
        if !self.shown {
            return Ok(());
        }
        let total = tally.total();
        let mut to = io::stderr();
        write!(
            to,
            "\r\x1b[K{} s: {} sent, {} taken, {under_way} under way, {} lost, {} faulted; p99 {:.1} ms",
            since.as_secs(),
            total.sent,
            total.taken,
            total.lost(),
            tally.faulted,
            total.latency.value_at_quantile(0.99) as f64 / 1e3,
        )?;
        to.flush()
    }

    /// Makes room for the report.
    ///
    /// # Errors
    /// Standard error cannot be written.
    pub(super) fn end(&self) -> io::Result<()> {
        if self.shown { write!(io::stderr(), "\r\x1b[K") } else { Ok(()) }
    }
}
