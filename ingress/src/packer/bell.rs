//! Rings when enough waits in the channel, so that nobody is woken for a request that waits anyway.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use tokio::sync::Notify;

/// Requests, and the bytes of their bodies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Amount {
    pub(super) requests: u64,
    pub(super) bytes: u64,
}

impl Amount {
    /// One request of so many bytes.
    pub(super) fn one(bytes: usize) -> Self {
        Self { requests: 1, bytes: bytes as u64 }
    }

    /// Both together.
    pub(super) fn and(self, other: Self) -> Self {
        Self { requests: self.requests + other.requests, bytes: self.bytes + other.bytes }
    }
}

/// Counts what was handed in, since the beginning.
#[derive(Debug, Default)]
pub(super) struct Bell {
    requests: Count,
    bytes: Count,
    rung: Notify,
}

#[derive(Debug, Default)]
struct Count {
    handed_in: AtomicU64,
    rings_at: AtomicU64,
}

impl Count {
    /// Whether this reaches what it is to ring at. Exactly one of those who add hears yes.
    fn add(&self, more: u64) -> bool {
        let before = self.handed_in.fetch_add(more, SeqCst);
        let at = self.rings_at.load(SeqCst);
        before < at && before + more >= at
    }

    /// Whether so much is here already. Who adds at the same time sees the new mark, or is seen here.
    fn set(&self, at: u64) -> bool {
        self.rings_at.store(at, SeqCst);
        self.handed_in.load(SeqCst) >= at
    }
}

impl Bell {
    /// So much more is in the channel.
    pub(super) fn add(&self, more: Amount) {
        let (requests, bytes) = (self.requests.add(more.requests), self.bytes.add(more.bytes));
        if requests || bytes {
            self.ring();
        }
    }

    /// Is to ring, once, when so many requests or so many bytes were handed in since the beginning; at once if they are
    /// here already.
    pub(super) fn set(&self, at: Amount) {
        let (requests, bytes) = (self.requests.set(at.requests), self.bytes.set(at.bytes));
        if requests || bytes {
            self.ring();
        }
    }

    /// Rings, however little there is.
    pub(super) fn ring(&self) {
        self.rung.notify_one();
    }

    /// Waits for it. It may ring once too often: for what it was set to before.
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

    const FAR: u64 = u64::MAX;

    fn rings(bell: &Bell) -> bool {
        bell.rung().now_or_never().is_some()
    }

    #[tokio::test]
    async fn it_rings_once_when_enough_bytes_have_been_handed_in() {
        let bell = Bell::default();
        bell.add(Amount::one(40));
        bell.set(Amount { requests: FAR, bytes: 100 });
        bell.add(Amount::one(59));
        assert!(!rings(&bell));
        bell.add(Amount::one(1));
        assert!(rings(&bell));
        bell.add(Amount::one(1));
        assert!(!rings(&bell), "nobody has asked for a further one");
        bell.set(Amount { requests: FAR, bytes: 101 });
        assert!(rings(&bell), "that much is here already");
    }

    #[tokio::test]
    async fn it_rings_when_there_are_enough_requests_however_short() {
        let bell = Bell::default();
        bell.set(Amount { requests: 2, bytes: FAR });
        bell.add(Amount::one(0));
        assert!(!rings(&bell));
        bell.add(Amount::one(0));
        assert!(rings(&bell));
    }

    #[tokio::test]
    async fn it_is_heard_whoever_is_first_the_last_byte_or_the_mark() {
        let bell = Bell::default();
        for round in 1..=2_000 {
            std::thread::scope(|scope| {
                scope.spawn(|| (0..4).for_each(|_| bell.add(Amount::one(1))));
                scope.spawn(|| (0..4).for_each(|_| bell.add(Amount::one(1))));
                bell.set(Amount { requests: FAR, bytes: round * 8 });
            });
            assert!(rings(&bell), "round {round}");
        }
    }
}
