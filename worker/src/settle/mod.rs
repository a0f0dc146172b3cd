//! Outcomes → act: put back what is left, set aside what is rejected, then delete the message. In that order, so that
//! a crash makes a duplicate and never a loss. Counts every item once.

mod settlement;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use backon::{ExponentialBuilder, Retryable as _};
use penstock_shared::{
    clock::Clock,
    pack::{CompressionLevel, FitError, Pack, PackedBody, fit},
    partner::Retry,
    queue::{Outgoing, Queue, QueueError, Queues},
    spill::{Spill, SpillKey},
};
use tokio::{
    sync::mpsc,
    task::{JoinError, JoinSet},
};

use self::settlement::{Requeue, Settlement};
use crate::{
    in_flight::InFlight,
    ledger::{End, Ledger},
};

/// Messages settled at once.
const JOBS_MAX: usize = 32;

/// What settling needs.
#[derive(Debug)]
pub(crate) struct Settler {
    pub(crate) queues: Queues,
    pub(crate) spill: Arc<dyn Spill>,
    pub(crate) retry: Retry,
    pub(crate) clock: Clock,
    pub(crate) level: CompressionLevel,
    pub(crate) rng: Mutex<fastrand::Rng>,
    pub(crate) ledger: Arc<Ledger>,
}

/// Settles messages until the input closes and all are settled.
pub(crate) async fn run(
    settler: Arc<Settler>,
    mut flights: mpsc::Receiver<Arc<InFlight>>,
) -> Result<(), JoinError> {
    let mut jobs = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            Some(done) = jobs.join_next() => done?,
            flight = flights.recv(), if jobs.len() < JOBS_MAX => {
                let Some(flight) = flight else { break };
                let settler = settler.clone();
                jobs.spawn(async move { settler.settle(&flight).await });
            }
        }
    }
    while let Some(done) = jobs.join_next().await {
        done?;
    }
    Ok(())
}

/// Why a message is left to its lease.
#[derive(Debug, thiserror::Error)]
enum SettleError {
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error(transparent)]
    Fit(#[from] FitError),
}

impl Settler {
    async fn settle(&self, flight: &InFlight) {
        let Some((slots, held)) = flight.take_slots() else { return };
        let settlement = {
            let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
            settlement::plan(&flight.requests, slots, &self.retry, self.clock.now_ms(), &mut rng)
        };
        // A message that is another's by now is not ours to put back; but if nothing is left of it, deleting it
        // spares the other the work.
        if flight.received.lease.is_lost() && !settlement.is_complete() {
            return self.ledger.settled(held, settlement.ends.iter().map(|_| End::Lapsed));
        }
        match self.act(flight, &settlement).await {
            Ok(is_deleted) => {
                self.ledger.settled(held, settlement.ends);
                // Received again, another copy of the message may need the bodies still.
                if is_deleted && flight.received.receive_count <= 1 && !flight.received.lease.is_lost() {
                    self.forget_spilled(&settlement.spilled_done).await;
                }
            }
            Err(error) => {
                tracing::error!(%error, items = settlement.ends.len(), "could not settle a message; it comes back when its lease lapses");
                self.ledger.settled(held, settlement.ends.iter().map(|_| End::Lapsed));
            }
        }
    }

    /// True when the message is deleted.
    async fn act(&self, flight: &InFlight, settlement: &Settlement) -> Result<bool, SettleError> {
        for Requeue { pack, delay, account } in &settlement.requeues {
            self.send(&*self.queues.retry, pack.clone(), *delay, Some(account.clone())).await?;
        }
        if let Some(dead) = &settlement.dead {
            self.send(&*self.queues.dead, dead.clone(), Duration::ZERO, None).await?;
        }
        let queue = flight.received.source.queue(&self.queues);
        let receipts = std::slice::from_ref(&flight.received.receipt);
        let delete = || async { queue.delete(receipts).await.pop().unwrap_or(Ok(())) };
        match delete.retry(patience()).when(|error| !matches!(error, QueueError::LeaseLost)).await {
            Ok(()) => Ok(true),
            // Everything is where it belongs; the message comes again, and its items are duplicates.
            Err(error) => {
                tracing::warn!(%error, "could not delete a settled message; its items come again");
                Ok(false)
            }
        }
    }

    async fn send(
        &self,
        queue: &dyn Queue,
        mut pack: Pack,
        delay: Duration,
        group: Option<String>,
    ) -> Result<(), SettleError> {
        let limits = queue.limits();
        let body = fit(&mut pack, self.level, limits.message_bytes_max, &*self.spill).await?;
        let message = [Outgoing { body, delay: delay.min(limits.delay_max), group }];
        let send = || async { queue.send(&message).await.pop().unwrap_or(Ok(())) };
        send.retry(patience()).when(|error| !matches!(error, QueueError::Refused(_))).await?;
        Ok(())
    }

    /// Best effort: what stays is deleted by the storage's own lifecycle rule.
    async fn forget_spilled(&self, keys: &[SpillKey]) {
        for key in keys {
            if let Err(error) = self.spill.delete(key).await {
                tracing::debug!(%error, "could not delete a spilled body that is done");
            }
        }
    }
}

/// About half a minute of tries, while the lease is renewed.
fn patience() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(Duration::from_secs(5))
        .with_max_times(10)
}

/// The key of a spilled body.
fn spilled(body: &PackedBody) -> Option<&SpillKey> {
    match body {
        PackedBody::Inline(_) => None,
        PackedBody::Spilled { key, .. } => Some(key),
    }
}
