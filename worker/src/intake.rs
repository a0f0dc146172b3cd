//! Takes messages off the queues, as many as permits allow. The only stage that hears the stop signal.

use std::{sync::Arc, time::Duration};

use backon::{BackoffBuilder as _, ExponentialBuilder};
use penstock_shared::{
    pack::Pack,
    queue::{Message, Queue, Queues},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use crate::{
    in_flight::Received,
    lease::{Lease, LeaseConfig, LeaseTasks},
};

/// What one receive may bring; SQS hands out no more.
const RECEIVE_MAX: usize = 10;

/// Which queue a message came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Fresh packs.
    Main,
    /// Fresh packs that the main queue did not take.
    Fallback,
    /// What was left of earlier ones.
    Retry,
}

impl Source {
    /// The queue itself. Nothing comes from a fallback where there is none; the main queue stands for it then.
    pub fn queue(self, queues: &Queues) -> Arc<dyn Queue> {
        match self {
            Self::Main => queues.main.clone(),
            Self::Fallback => queues.fallback.as_ref().unwrap_or(&queues.main).clone(),
            Self::Retry => queues.retry.clone(),
        }
    }
}

/// How intake receives.
#[derive(Clone, Copy, Debug)]
pub struct IntakeConfig {
    /// Messages of this source that may be held at once.
    pub messages_max: usize,
    /// How long one receive waits. Also how long a stop may wait for it: a receive is never dropped.
    pub receive_wait: Duration,
    /// How leases are held.
    pub lease: LeaseConfig,
}

/// Receives from one queue until `stop`, and hands the messages on. Ends after the receive under way.
pub async fn run(
    source: Source,
    queue: Arc<dyn Queue>,
    config: IntakeConfig,
    bytes: Arc<ByteBudget>,
    leases: LeaseTasks,
    to_split: mpsc::Sender<Received>,
    stop: CancellationToken,
) {
    let messages = Arc::new(Semaphore::new(config.messages_max));
    let mut failures = backoff();
    while let Some(permits) = stop.run_until_cancelled(take_free(&messages)).await {
        match queue.receive(permits.len(), config.receive_wait, config.lease.lease).await {
            Ok(received) => {
                failures = backoff();
                let held = received.into_iter().zip(permits).map(|(message, permit)| {
                    let lease = Lease::hold(queue.clone(), message.receipt.clone(), config.lease, &leases);
                    (message, lease, permit)
                });
                // All are leased first, so the last of ten does not lapse while the first waits for memory.
                for (message, lease, permit) in held.collect::<Vec<_>>() {
                    let received = admit(source, message, lease, permit, &bytes).await;
                    if to_split.send(received).await.is_err() {
                        return;
                    }
                }
            }
            Err(error) => {
                let pause = failures.next().unwrap_or(BACKOFF_MAX);
                tracing::warn!(%error, queue = ?source, pause_ms = pause.as_millis(), "cannot receive");
                if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                    return;
                }
            }
        }
    }
}

const BACKOFF_MAX: Duration = Duration::from_secs(30);

fn backoff() -> backon::ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(200))
        .with_max_delay(BACKOFF_MAX)
        .without_max_times()
        .build()
}

/// At least one permit, and as many more, up to ten, as are free.
async fn take_free(messages: &Arc<Semaphore>) -> Vec<OwnedSemaphorePermit> {
    let first = messages.clone().acquire_owned().await.expect("the semaphore is never closed");
    let more = std::iter::from_fn(|| messages.clone().try_acquire_owned().ok());
    std::iter::once(first).chain(more.take(RECEIVE_MAX - 1)).collect()
}

async fn admit(
    source: Source,
    message: Message,
    lease: Lease,
    permit: OwnedSemaphorePermit,
    bytes: &ByteBudget,
) -> Received {
    let memory = bytes.take(Pack::unpacked_len(&message.body)).await;
    Received {
        source,
        receipt: message.receipt,
        body: message.body,
        receive_count: message.receive_count,
        lease,
        permits: vec![permit, memory],
    }
}

/// The memory that held messages may take, in steps of 1 KiB.
#[derive(Debug)]
pub struct ByteBudget {
    steps: Arc<Semaphore>,
    most: u32,
}

impl ByteBudget {
    const STEP: usize = 1024;

    /// A budget of `bytes`.
    pub fn new(bytes: usize) -> Self {
        let most = u32::try_from((bytes / Self::STEP).max(1)).unwrap_or(u32::MAX);
        Self { steps: Arc::new(Semaphore::new(most as usize)), most }
    }

    /// Waits for room. More than the whole budget takes the whole, so that one huge message passes alone.
    pub async fn take(&self, bytes: usize) -> OwnedSemaphorePermit {
        let steps = u32::try_from(bytes.div_ceil(Self::STEP)).unwrap_or(u32::MAX).min(self.most);
        self.steps.clone().acquire_many_owned(steps).await.expect("the semaphore is never closed")
    }
}
