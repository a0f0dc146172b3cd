//! The line that shows, each second, how far a run is, only on a terminal; and, once, why it gets no connection.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use super::tally::Tally;

/// Shows how far a run is, on standard error.
#[derive(Debug)]
pub(super) struct Progress {
    shown: bool,
    /// Whether it was told why there is no connection.
    told: bool,
}

impl Progress {
    /// Shows it if somebody sees it.
    pub(super) fn on_terminal() -> Self {
        Self { shown: io::stderr().is_terminal(), told: false }
    }

    /// Replaces the line.
    ///
    /// # Errors
    /// Standard error cannot be written.
    pub(super) fn show(&mut self, since: Duration, tally: &Tally, under_way: u64) -> io::Result<()> {
        self.tell(tally)?;
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
    pub(super) fn end(&mut self, tally: &Tally) -> io::Result<()> {
        self.tell(tally)?;
        self.clear()
    }

    /// The first reason is told, wherever it is seen: a run of hours with a wrong URL is to be ended at once.
    fn tell(&mut self, tally: &Tally) -> io::Result<()> {
        let Some(reason) = tally.no_connection.as_ref().filter(|_| !self.told) else { return Ok(()) };
        self.told = true;
        self.clear()?;
        writeln!(io::stderr(), "no connection, the first time: {reason}")
    }

    fn clear(&self) -> io::Result<()> {
        if self.shown { write!(io::stderr(), "\r\x1b[K") } else { Ok(()) }
    }
}
