//! Rings when enough waits in the channel, so that nobody is woken for a request that waits anyway.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use tokio::sync::Notify;

/// Counts the bytes that were handed in, since the beginning.
#[derive(Debug, Default)]
pub(super) struct Bell {
    handed_in: AtomicU64,
    rings_at: AtomicU64,
    rung: Notify,
}

impl Bell {
    /// So many bytes more are in the channel.
    pub(super) fn add(&self, bytes: u64) {
        let before = self.handed_in.fetch_add(bytes, SeqCst);
        let at = self.rings_at.load(SeqCst);
        if before < at && before + bytes >= at {
            self.rung.notify_one();
        }
    }

    /// Is to ring, once, when so many bytes were handed in since the beginning; at once if they are here already.
    pub(super) fn set(&self, at: u64) {
        self.rings_at.store(at, SeqCst);
        if self.handed_in.load(SeqCst) >= at {
            self.rung.notify_one();
        }
    }

    /// Waits for it. It may ring once too often: for a time it was set to before.
    ///
    /// # Cancel safety
    /// When dropped, the next one to wait hears it.
    pub(super) async fn rung(&self) {
        self.rung.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn it_rings_once_when_enough_has_been_handed_in() {
        let bell = Bell::default();
        bell.add(40);
        bell.set(100);
        let rings = || bell.rung().now_or_never().is_some();
        bell.add(59);
        assert!(!rings());
        bell.add(1);
        assert!(rings());
        bell.add(1);
        assert!(!rings(), "nobody has asked for a further one");
        bell.set(101);
        assert!(rings(), "that much is here already");
    }
}
