//! Whether traffic should come here: tokens known, queue reachable, not stopping.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use penstock_shared::{admin::Readiness, queue::Queue};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::auth::Access;

/// How often a queue that nothing is sent to is asked whether it is there.
const PROBE_EVERY: Duration = Duration::from_secs(5);
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// What is known of ingress' health, noted by whoever learns it.
#[derive(Debug)]
pub(crate) struct Health {
    access: Access,
    queue_reachable: AtomicBool,
    sends: AtomicU64,
    draining: AtomicBool,
}

impl Health {
    /// Not ready until the queue has answered once. Nor while `access` can tell nobody apart.
    pub(crate) fn new(access: Access) -> Arc<Self> {
        Arc::new(Self {
            access,
            queue_reachable: AtomicBool::new(false),
            sends: AtomicU64::new(0),
            draining: AtomicBool::new(false),
        })
    }

    /// Notes how a call to the queue ended, and logs a change.
    pub(crate) fn note_queue(&self, reachable: bool) {
        self.sends.fetch_add(1, Ordering::Relaxed);
        if self.queue_reachable.swap(reachable, Ordering::Relaxed) == reachable {
            return;
        }
        if reachable {
            tracing::info!("the queue is reachable");
        } else {
            tracing::error!("the queue is not reachable: calls are answered 503");
        }
    }

    /// From now on traffic should go elsewhere.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// The answer to `/readyz`.
    pub(crate) fn readiness(&self) -> Readiness {
        Readiness::new()
            .check("tokens", self.access.can_judge(), "no tokens are known")
            .check("queue", self.queue_reachable.load(Ordering::Relaxed), "the last call to the queue failed")
            .check("draining", !self.draining.load(Ordering::Relaxed), "stopping")
    }

    /// Asks the queue from time to time when nothing is sent, until `stop`.
    pub(crate) async fn probe(self: Arc<Self>, queue: Arc<dyn Queue>, stop: CancellationToken) {
        loop {
            let reachable = matches!(timeout(PROBE_TIMEOUT, queue.depth()).await, Ok(Ok(_)));
            self.note_queue(reachable);
            loop {
                let before = self.sends.load(Ordering::Relaxed);
                if stop.run_until_cancelled(sleep(PROBE_EVERY)).await.is_none() {
                    return;
                }
                if self.sends.load(Ordering::Relaxed) == before {
                    break;
                }
            }
        }
    }
}
