//! The seams in memory, misbehaving as the real ones may. Deterministic: faults come from a seed, time is tokio's, and
//! each call takes some, before it has its effect and after, so that a caller can be dropped on either side of it.

mod queue;
mod spill;
mod store;

use std::{fmt, sync::Arc, time::Duration};

pub use queue::{Faults, QueueModel};
pub use spill::SpillModel;
pub use store::StoreModel;

type Observe = dyn Fn(&str) + Send + Sync;

/// Hears of everything a model does.
#[derive(Clone, Default)]
pub struct Observer(Option<Arc<Observe>>);

impl Observer {
    /// One that calls `hear` with one line an event.
    pub fn new(hear: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hear)))
    }

    fn note(&self, event: fmt::Arguments<'_>) {
        if let Some(hear) = &self.0 {
            hear(&event.to_string());
        }
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

/// True `percent` times in a hundred.
fn happens(rng: &mut fastrand::Rng, percent: u8) -> bool {
    percent > 0 && rng.u8(0..100) < percent
}

/// Half of what a call of a model takes.
fn latency(rng: &mut fastrand::Rng) -> Duration {
    Duration::from_millis(rng.u64(1..=5))
}
