//! Whether traffic should come here: tokens known, queue reachable, not stopping.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use penstock_shared::{admin::Readiness, queue::Queue};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::auth::Access;

/// How often a queue that nothing is sent to is asked whether it is there.
const PROBE_EVERY: Duration = Duration::from_secs(5);
/// Calls in a row that fail before the queue counts as not reachable.
const FAILURES_MAX: u32 = 3;
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// What is known of ingress' health, noted by whoever learns it.
#[derive(Debug)]
pub(crate) struct Health {
    access: Access,
    queue_reachable: AtomicBool,
    /// Calls in a row that failed.
    failures: AtomicU32,
    sends: AtomicU64,
    draining: AtomicBool,
}

impl Health {
    /// Not ready until the queue has answered once. Nor while `access` can tell nobody apart.
    pub(crate) fn new(access: Access) -> Arc<Self> {
        Arc::new(Self {
            access,
            queue_reachable: AtomicBool::new(false),
            failures: AtomicU32::new(0),
            sends: AtomicU64::new(0),
            draining: AtomicBool::new(false),
        })
    }

    /// Notes how a call to the queue, or to the one that stands in for it, ended, and logs a change. One failure alone
    /// says nothing.
    pub(crate) fn note_queue(&self, reachable: bool) {
        self.sends.fetch_add(1, Ordering::Relaxed);
        if reachable {
            self.failures.store(0, Ordering::Relaxed);
        } else if self.failures.fetch_add(1, Ordering::Relaxed) + 1 < FAILURES_MAX {
            return;
        }
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
            .check(
                "queue",
                self.queue_reachable.load(Ordering::Relaxed),
                "the last calls to the queue failed",
            )
            .check("draining", !self.draining.load(Ordering::Relaxed), "stopping")
    }

    /// Asks the queue, and the one that stands in for it, from time to time when nothing is sent, until `stop`.
    pub(crate) async fn probe(
        self: Arc<Self>,
        queue: Arc<dyn Queue>,
        fallback: Option<Arc<dyn Queue>>,
        stop: CancellationToken,
    ) {
        let mut fallback_well = true;
        loop {
            let mut reachable = answers(&*queue).await;
            if let Some(fallback) = &fallback {
                let well = answers(&**fallback).await;
                if well != std::mem::replace(&mut fallback_well, well) {
                    if well {
                        tracing::info!("the fallback queue is reachable");
                    } else {
                        tracing::error!(
                            "the fallback queue is not reachable: nothing stands in for the main one"
                        );
                    }
                }
                reachable |= well;
            }
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

async fn answers(queue: &dyn Queue) -> bool {
    matches!(timeout(PROBE_TIMEOUT, queue.depth()).await, Ok(Ok(_)))
}
