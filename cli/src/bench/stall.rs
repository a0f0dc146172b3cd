//! How long the machine stood still. Load, server and stand-in share its processors, and it may share them with other
//! machines: a thread that does nothing but sleep sees how late it is woken, which no answer can be blamed for.

use std::{
    io,
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    thread::JoinHandle,
    time::Duration,
};

use tokio::time::Instant;

/// How long the thread sleeps at a time.
const STEP: Duration = Duration::from_millis(2);

/// Sees stalls until its end.
pub(super) struct Watch {
    /// Nothing is sent: that it is gone tells the thread to end.
    end: SyncSender<()>,
    thread: JoinHandle<Duration>,
}

impl Watch {
    /// # Errors
    /// When no thread can be started.
    pub(super) fn begin() -> io::Result<Self> {
        let (end, ended) = sync_channel(0);
        let thread = std::thread::Builder::new().name("stalls".to_owned()).spawn(move || longest(&ended))?;
        Ok(Self { end, thread })
    }

    /// The longest delay so far. Takes a moment, until the thread has ended.
    pub(super) fn end(self) -> Duration {
        drop(self.end);
        self.thread.join().unwrap_or_default()
    }
}

fn longest(ended: &Receiver<()>) -> Duration {
    let mut longest = Duration::ZERO;
    loop {
        let slept_at = Instant::now();
        let woken = ended.recv_timeout(STEP);
        longest = longest.max(slept_at.elapsed().saturating_sub(STEP));
        if woken != Err(RecvTimeoutError::Timeout) {
            return longest;
        }
    }
}
