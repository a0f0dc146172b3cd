//! How long nothing got a processor: a thread that does nothing but sleep sees how late it is woken. The machine may have
//! stood still, or load, server and stand-in had all its processors; an answer can be as late for either.

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
        let thread =
            std::thread::Builder::new().name("stalls".to_owned()).spawn(move || longest(|| wait(&ended)))?;
        Ok(Self { end, thread })
    }

    /// The longest delay so far. Takes a moment, until the thread has ended.
    pub(super) fn end(self) -> Duration {
        drop(self.end);
        self.thread.join().unwrap_or_default()
    }
}

/// One wait for `STEP`: how long it took, and whether it was the last one.
fn wait(ended: &Receiver<()>) -> (Duration, bool) {
    let slept_at = Instant::now();
    let woken = ended.recv_timeout(STEP);
    (slept_at.elapsed(), woken != Err(RecvTimeoutError::Timeout))
}

/// The longest delay of all waits to the last.
fn longest(mut wait: impl FnMut() -> (Duration, bool)) -> Duration {
    let mut longest = Duration::ZERO;
    loop {
        let (took, is_last) = wait();
        longest = longest.max(took.saturating_sub(STEP));
        if is_last {
            return longest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_delay_of_all_waits_counts_and_the_last_one_may_be_short() {
        let waits = [2, 5, 32, 3, 1].map(Duration::from_millis);
        let mut place = 0;
        let longest = longest(|| {
            place += 1;
            (waits[place - 1], place == waits.len())
        });
        assert_eq!((longest, place), (Duration::from_millis(30), 5));
    }

    #[test]
    fn a_wait_takes_its_time_unless_it_is_the_last() {
        let (end, ended) = sync_channel(0);
        let (took, is_last) = wait(&ended);
        assert!(took >= STEP && !is_last, "{took:?}");
        drop(end);
        assert!(wait(&ended).1);
    }

    #[test]
    fn a_watch_ends_when_it_is_told_to() {
        Watch::begin().unwrap().end();
    }
}
