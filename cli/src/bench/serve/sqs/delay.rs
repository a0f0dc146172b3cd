//! A delay that is kept to a fraction of a millisecond; the runtime's timers are too coarse to stand for a network.

use std::{
    io,
    sync::mpsc::{self, Receiver, SyncSender},
    time::Duration,
};

use tokio::{sync::oneshot, time::Instant};

/// Calls that may be waiting.
const WAITING_MAX: usize = 65_536;

type Waiting = (Instant, oneshot::Sender<()>);

/// The same delay for everyone.
#[derive(Debug)]
pub(super) struct Delay {
    delay: Duration,
    /// `None` when there is nothing to wait for.
    line: Option<SyncSender<Waiting>>,
}

impl Delay {
    /// # Errors
    /// When its thread cannot be started.
    pub(super) fn new(delay: Duration) -> io::Result<Self> {
        if delay.is_zero() {
            return Ok(Self { delay, line: None });
        }
        let (line, waiting) = mpsc::sync_channel(WAITING_MAX);
        // It ends when the line is dropped.
        std::thread::Builder::new().name("delay".to_owned()).spawn(move || wake(&waiting))?;
        Ok(Self { delay, line: Some(line) })
    }

    /// Waits; false when too many do.
    pub(super) async fn wait(&self) -> bool {
        let Some(line) = &self.line else { return true };
        let (sender, woken) = oneshot::channel();
        line.try_send((Instant::now() + self.delay, sender)).is_ok() && woken.await.is_ok()
    }
}

/// All wait equally long, so they are due in the order they came.
#[expect(clippy::disallowed_methods, reason = "a thread of its own, in the machine's time")]
fn wake(waiting: &Receiver<Waiting>) {
    for (due, sender) in waiting {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        // A caller that went away is not waited for.
        sender.send(()).ok();
    }
}
