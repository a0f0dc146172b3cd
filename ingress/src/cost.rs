//! Shows what the queue calls of this process cost.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use penstock_shared::{
    queue::meter::{Meter, Operation, dollars_per_million},
    telemetry::{IngressMetrics, QueueMetrics},
};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Looks that make the minute of the gauge.
const LOOKS: usize = 12;

/// Requests that are stored, counted by whoever learns it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stored(Arc<AtomicU64>);

impl Stored {
    pub(crate) fn add(&self, requests: u64) {
        self.0.fetch_add(requests, Ordering::Relaxed);
    }

    fn total(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Brings the meter's counts and their cost into the metrics until `stop`, then says what it came to in all.
pub(crate) async fn show(
    meter: Arc<Meter>,
    stored: Stored,
    metrics: Arc<IngressMetrics>,
    queues: QueueMetrics,
    stop: CancellationToken,
) {
    let mut looks = VecDeque::from([(meter.billed_in_all(), stored.total())]);
    while stop.run_until_cancelled(sleep(LOOK_EVERY)).await.is_some() {
        let (billed, requests) = (meter.billed_in_all(), stored.total());
        let (billed_before, requests_before) = *looks.front().expect("one is always kept");
        metrics.cost.set(dollars_per_million(billed - billed_before, requests - requests_before));
        queues.show_meter(&meter);
        looks.push_back((billed, requests));
        if looks.len() > LOOKS {
            looks.pop_front();
        }
    }
    queues.show_meter(&meter);
    let (billed, requests) = (meter.billed_in_all(), stored.total());
    if meter.calls(Operation::Send) > 0 {
        tracing::info!(
            requests,
            calls = meter.calls(Operation::Send),
            billed,
            dollars_per_million = dollars_per_million(billed, requests),
            "what the queue was asked by this process, and what that costs at list price"
        );
    }
}
