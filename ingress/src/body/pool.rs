//! What all bodies together may hold.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use penstock_shared::telemetry::Gauge;

/// Counts the bytes of all bodies that are held.
#[derive(Debug)]
pub(crate) struct BytesInFlight {
    held: AtomicUsize,
    max: usize,
    gauge: Gauge,
}

/// All bodies together hold too much.
#[derive(Debug)]
pub(crate) struct NoRoom;

impl BytesInFlight {
    pub(crate) fn new(max: usize, gauge: Gauge) -> Arc<Self> {
        Arc::new(Self { held: AtomicUsize::new(0), max, gauge })
    }

    /// A permit for nothing yet.
    pub(crate) fn permit(self: &Arc<Self>) -> BytesPermit {
        BytesPermit { pool: self.clone(), bytes: 0 }
    }

    /// A permit for a body that is here already; `None` when all together would hold too much.
    pub(crate) fn admit(self: &Arc<Self>, bytes: usize) -> Option<BytesPermit> {
        let mut permit = self.permit();
        permit.grow(bytes).ok().map(|()| permit)
    }

    /// Whether so many bytes would fit now. Nothing is set aside for them.
    pub(super) fn fits(&self, bytes: usize) -> bool {
        self.held().saturating_add(bytes) <= self.max
    }

    pub(super) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }
}

/// The right to hold so many bytes; dropping it gives them back. It travels with the body.
#[derive(Debug)]
pub(crate) struct BytesPermit {
    pool: Arc<BytesInFlight>,
    bytes: usize,
}

impl BytesPermit {
    /// A permit of the same pool, for nothing yet.
    pub(super) fn another(&self) -> Self {
        self.pool.permit()
    }

    /// Asks for more, before the memory is taken.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), NoRoom> {
        let held = self.pool.held.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if held > self.pool.max {
            self.pool.held.fetch_sub(bytes, Ordering::Relaxed);
            return Err(NoRoom);
        }
        self.bytes += bytes;
        self.pool.gauge.increment(as_f64(bytes));
        Ok(())
    }

    pub(super) fn shrink(&mut self, bytes: usize) {
        self.pool.held.fetch_sub(bytes, Ordering::Relaxed);
        self.bytes -= bytes;
        self.pool.gauge.decrement(as_f64(bytes));
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for BytesPermit {
    fn drop(&mut self) {
        self.shrink(self.bytes);
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge; bodies are far below 2^52 bytes")]
fn as_f64(bytes: usize) -> f64 {
    bytes as f64
}
