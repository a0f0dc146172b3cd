//! The calls of one connection: the service counts them, the connection looks.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

/// How many calls have begun and ended on a connection. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Calls(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    begun: AtomicU64,
    ended: AtomicU64,
    left_a_body: AtomicBool,
}

impl Calls {
    /// A call's header is read.
    pub(crate) fn begin(&self) -> Answering {
        self.0.begun.fetch_add(1, Ordering::Relaxed);
        Answering(self.clone())
    }

    /// How many have begun.
    pub(crate) fn begun(&self) -> u64 {
        self.0.begun.load(Ordering::Relaxed)
    }

    /// How many are being answered.
    pub(crate) fn being_answered(&self) -> u64 {
        let ended = self.0.ended.load(Ordering::Relaxed);
        self.begun().saturating_sub(ended)
    }

    /// A call is answered before its body was read to the end.
    pub(crate) fn leave_body(&self) {
        self.0.left_a_body.store(true, Ordering::Relaxed);
    }

    /// Whether there was such a call.
    pub(crate) fn left_a_body(&self) -> bool {
        self.0.left_a_body.load(Ordering::Relaxed)
    }
}

/// A call that is being answered; over when dropped.
#[derive(Debug)]
pub(crate) struct Answering(Calls);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}
