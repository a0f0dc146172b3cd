//! Copies of bodies that are no messages, kept among the dead letters for a person to look at.
//!
//! Bounded, because whoever floods us with them must not fill the queue: at most [`COPIES_AT_ONCE`] at a time and
//! [`BURST`] in a row, then one each [`ONE_EACH`]. What is not kept is counted.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use penstock_shared::{
    ids::{AccountId, Pod},
    pack::{CompressionLevel, DeadReason, Pack, PackedBody, PackedRequest, Pending, fit},
    queue::{Outgoing, Queue},
    spill::Spill,
    telemetry::IngressMetrics,
};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};

const COPIES_AT_ONCE: usize = 4;
const BURST: u32 = 200;
const ONE_EACH: Duration = Duration::from_millis(500);

/// Keeps copies.
#[derive(Debug)]
pub(crate) struct Quarantine {
    queue: Arc<dyn Queue>,
    spill: Arc<dyn Spill>,
    metrics: Arc<IngressMetrics>,
    at_once: Semaphore,
    allowance: Mutex<Allowance>,
}

#[derive(Debug)]
struct Allowance {
    left: u32,
    since: Instant,
}

impl Allowance {
    fn take(&mut self) -> bool {
        let earned = u32::try_from(self.since.elapsed().as_millis() / ONE_EACH.as_millis()).unwrap_or(BURST);
        if earned > 0 {
            self.since += ONE_EACH * earned;
            self.left = self.left.saturating_add(earned).min(BURST);
        }
        let granted = self.left > 0;
        self.left = self.left.saturating_sub(1);
        granted
    }
}

impl Quarantine {
    pub(crate) fn new(queue: Arc<dyn Queue>, spill: Arc<dyn Spill>, metrics: Arc<IngressMetrics>) -> Self {
        Self {
            queue,
            spill,
            metrics,
            at_once: Semaphore::new(COPIES_AT_ONCE),
            allowance: Mutex::new(Allowance { left: BURST, since: Instant::now() }),
        }
    }

    /// Keeps a copy if there is room for it and the queue takes it by `by`; else counts it as lost.
    pub(crate) async fn keep(&self, copy: Copy<'_>, by: Instant) {
        self.metrics.quarantined.of([copy.code]).increment(1);
        let kept = match self.admit() {
            Some(_permit) => timeout_at(by, self.store(&copy)).await.unwrap_or(false),
            None => false,
        };
        if !kept {
            self.metrics.quarantine_lost.increment(1);
        }
        tracing::debug!(code = copy.code, kept, "a body is no message");
    }

    fn admit(&self) -> Option<tokio::sync::SemaphorePermit<'_>> {
        let permit = self.at_once.try_acquire().ok()?;
        let mut allowance = self.allowance.lock().expect("nothing panics while it is held");
        allowance.take().then_some(permit)
    }

    async fn store(&self, copy: &Copy<'_>) -> bool {
        let request = PackedRequest {
            pod: copy.pod.clone(),
            kind: None,
            id: None,
            account: AccountId::Unknown,
            received_at_ms: copy.received_at_ms,
            trace: copy.trace.clone(),
            body: PackedBody::Inline(copy.bytes.clone()),
            pending: Pending::SetAside(DeadReason::new("unreadable", &copy.detail, copy.received_at_ms)),
        };
        let mut pack = Pack { requests: vec![request] };
        let limit = self.queue.limits().message_bytes_max;
        let Ok(body) = fit(&mut pack, CompressionLevel::default(), limit, &*self.spill).await else {
            return false;
        };
        self.queue.send(&[Outgoing::now(body)]).await.first().is_some_and(Result::is_ok)
    }
}

/// What is to be kept.
#[derive(Debug)]
pub(crate) struct Copy<'a> {
    pub(crate) pod: &'a Pod,
    pub(crate) bytes: Bytes,
    /// The metric's word.
    pub(crate) code: &'static str,
    /// For a person; holds nothing of the body.
    pub(crate) detail: String,
    pub(crate) received_at_ms: i64,
    pub(crate) trace: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn trap_18_a_flood_is_sampled_and_recovers() {
        let mut allowance = Allowance { left: BURST, since: Instant::now() };
        assert_eq!((0..1000).filter(|_| allowance.take()).count(), 200);
        tokio::time::advance(ONE_EACH * 3).await;
        assert_eq!((0..1000).filter(|_| allowance.take()).count(), 3);
        tokio::time::advance(Duration::from_secs(100_000)).await;
        assert_eq!((0..1000).filter(|_| allowance.take()).count(), 200);
    }
}
