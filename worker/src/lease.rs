//! Keeps a received message ours: renews its visibility until dropped.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use metrics::Counter;
use penstock_shared::queue::{Queue, QueueError, Receipt};
use tokio::time::Instant;
use tokio_util::{sync::DropGuard, task::TaskTracker};

/// How leases are held.
#[derive(Clone, Copy, Debug)]
pub struct LeaseConfig {
    /// How long a message is hidden at each renewal; renewed at half of it.
    pub lease: Duration,
    /// Renewed for this long at most. A message held longer is given up, so nothing is hidden for ever by a fault.
    pub held_max: Duration,
}

/// The tasks that renew, and what they count.
#[derive(Clone, Debug)]
pub struct LeaseTasks {
    /// Every renewing task belongs here.
    pub tracker: TaskTracker,
    /// Counts leases lost.
    pub lost: Counter,
}

/// The right to settle one received message. Renewing ends when it is dropped.
#[derive(Debug)]
pub struct Lease {
    queue: Arc<dyn Queue>,
    receipt: Receipt,
    lost: Arc<AtomicBool>,
    renewing: DropGuard,
}

impl Lease {
    /// Begins to renew; the task belongs to `tasks`.
    pub fn hold(queue: Arc<dyn Queue>, receipt: Receipt, config: LeaseConfig, tasks: &LeaseTasks) -> Self {
        let lost = Arc::new(AtomicBool::new(false));
        let dropped = tokio_util::sync::CancellationToken::new();
        let (marked, counter) = (lost.clone(), tasks.lost.clone());
        let (renewed, held) = (queue.clone(), receipt.clone());
        let renewing = async move {
            renew(renewed, held, config).await;
            marked.store(true, Ordering::Relaxed);
            counter.increment(1);
        };
        let until = dropped.clone();
        tasks.tracker.spawn(async move {
            until.run_until_cancelled_owned(renewing).await;
        });
        Self { queue, receipt, lost, renewing: dropped.drop_guard() }
    }

    /// Renews no more, and hides the message for so long.
    ///
    /// # Errors
    /// When the queue did not do so: the message comes back when its lease lapses.
    pub async fn hide(self, hidden: Duration) -> Result<(), QueueError> {
        drop(self.renewing);
        self.queue.renew(&self.receipt, hidden).await
    }

    /// True once the message is known to be another's.
    pub fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }
}

/// Returns when the message is another's, or was held for too long.
async fn renew(queue: Arc<dyn Queue>, receipt: Receipt, config: LeaseConfig) {
    let begun = Instant::now();
    let mut ours_until = begun + config.lease;
    let mut pause = config.lease / 2;
    while begun.elapsed() < config.held_max {
        tokio::time::sleep(pause).await;
        let asked = Instant::now();
        match queue.renew(&receipt, config.lease).await {
            Ok(()) => (ours_until, pause) = (asked + config.lease, config.lease / 2),
            Err(QueueError::LeaseLost) => break,
            // Asked again soon: half a lease is left for it.
            Err(error) => {
                tracing::debug!(%error, "could not renew a lease");
                if Instant::now() >= ours_until {
                    break;
                }
                pause = config.lease / 10;
            }
        }
    }
}

#[cfg(test)]
mod tests;
