//! Counts every item once: received = delivered + filtered + requeued + dead-lettered + lapsed + in flight.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use penstock_shared::{ids::Pod, telemetry::WorkerMetrics};
use serde::Serialize;

use crate::outcome::{FilterReason, RejectReason, RetryReason};

/// The worker's counts, in memory and as metrics.
#[derive(Debug)]
pub struct Ledger {
    /// The pod for what names none itself.
    pub pod: Pod,
    metrics: WorkerMetrics,
    first_seen: AtomicU64,
    received: AtomicU64,
    delivered: AtomicU64,
    filtered: AtomicU64,
    requeued: AtomicU64,
    dead_lettered: AtomicU64,
    lapsed: AtomicU64,
}

/// The counts at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Items that came out of a pack for the first time (a pack that comes twice counts twice).
    pub first_seen: u64,
    /// Items received, redeliveries and retries included.
    pub received: u64,
    /// Items the partner has.
    pub delivered: u64,
    /// Items nobody is to have.
    pub filtered: u64,
    /// Items put back for later.
    pub requeued: u64,
    /// Items set aside with a reason.
    pub dead_lettered: u64,
    /// Items whose lease was lost before they were settled; their message comes again.
    pub lapsed: u64,
}

impl Counts {
    /// Items received and not settled.
    pub fn in_flight(&self) -> u64 {
        let settled = self.delivered + self.filtered + self.requeued + self.dead_lettered + self.lapsed;
        self.received.saturating_sub(settled)
    }
}

impl Ledger {
    /// Nothing counted yet.
    pub fn new(pod: Pod, metrics: WorkerMetrics) -> Self {
        let zero = AtomicU64::default;
        Self {
            pod,
            metrics,
            first_seen: zero(),
            received: zero(),
            delivered: zero(),
            filtered: zero(),
            requeued: zero(),
            dead_lettered: zero(),
            lapsed: zero(),
        }
    }

    /// The counts now.
    pub fn counts(&self) -> Counts {
        Counts {
            first_seen: self.first_seen.load(Relaxed),
            received: self.received.load(Relaxed),
            delivered: self.delivered.load(Relaxed),
            filtered: self.filtered.load(Relaxed),
            requeued: self.requeued.load(Relaxed),
            dead_lettered: self.dead_lettered.load(Relaxed),
            lapsed: self.lapsed.load(Relaxed),
        }
    }

    /// The metrics it counts into.
    pub fn metrics(&self) -> &WorkerMetrics {
        &self.metrics
    }

    pub(crate) fn first_seen(&self) {
        self.first_seen.fetch_add(1, Relaxed);
    }

    pub(crate) fn received(&self, items: usize) {
        self.received.fetch_add(items as u64, Relaxed);
        self.metrics.items_received.increment(items as u64);
        self.show_in_flight();
    }

    pub(crate) fn delivered(&self) {
        self.count(&self.delivered, "delivered");
    }

    pub(crate) fn filtered(&self, reason: FilterReason) {
        self.metrics.filtered.of([reason.label()]).increment(1);
        self.count(&self.filtered, "filtered");
    }

    pub(crate) fn requeued(&self, reason: RetryReason) {
        self.metrics.retries.of([reason.label()]).increment(1);
        self.count(&self.requeued, "requeued");
    }

    pub(crate) fn dead_lettered(&self, reason: RejectReason) {
        self.metrics.dead_letters.of([reason.label()]).increment(1);
        self.count(&self.dead_lettered, "dead_lettered");
    }

    pub(crate) fn lapsed(&self) {
        self.count(&self.lapsed, "lapsed");
    }

    pub(crate) fn message_settled(&self) {
        self.metrics.messages_settled.increment(1);
        self.show_in_flight();
    }

    fn count(&self, counter: &AtomicU64, outcome: &'static str) {
        counter.fetch_add(1, Relaxed);
        self.metrics.items.of([outcome]).increment(1);
    }

    fn show_in_flight(&self) {
        #[expect(clippy::cast_precision_loss, reason = "a gauge; far below 2^52 items are in flight")]
        self.metrics.items_in_flight.set(self.counts().in_flight() as f64);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use penstock_shared::telemetry::METRICS;

    use super::*;
    use crate::gates::Gate;

    #[test]
    fn every_reason_is_a_word_of_its_metric() {
        let words = |name: &str| -> BTreeSet<&str> {
            let metric = METRICS.iter().find(|metric| metric.name == name).unwrap();
            metric.labels[0].words.iter().copied().filter(|word| *word != "other").collect()
        };
        let labels = |all: &mut dyn Iterator<Item = &'static str>| all.collect::<BTreeSet<_>>();
        let of = |reason: &RetryReason| reason.label();
        assert_eq!(words("worker_retries_total"), labels(&mut RetryReason::ALL.iter().map(of)));
        let of = |reason: &RejectReason| reason.label();
        assert_eq!(words("worker_dead_letters_total"), labels(&mut RejectReason::ALL.iter().map(of)));
        let of = |reason: &FilterReason| reason.label();
        assert_eq!(words("worker_filtered_total"), labels(&mut FilterReason::ALL.iter().map(of)));
        assert_eq!(words("worker_gate_waits_total"), labels(&mut Gate::ALL.iter().map(|gate| gate.label())));
    }

    #[test]
    fn an_item_is_in_flight_until_it_is_counted_once() {
        let ledger = Ledger::new(Pod::new("us1").unwrap(), WorkerMetrics::new());
        ledger.received(5);
        ledger.delivered();
        ledger.filtered(FilterReason::NoRoute);
        ledger.requeued(RetryReason::Busy);
        ledger.dead_lettered(RejectReason::Gone);
        assert_eq!(ledger.counts().in_flight(), 1);
        ledger.lapsed();
        assert_eq!(ledger.counts().in_flight(), 0);
    }
}
