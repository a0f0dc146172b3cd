//! Counts every item once: received = delivered + filtered + requeued + dead-lettered + lapsed + in flight.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use penstock_shared::{ids::Pod, telemetry::WorkerMetrics};
use serde::Serialize;

use crate::outcome::{FilterReason, RejectReason, RetryReason};

/// The worker's counts, in memory and as metrics.
#[derive(Debug)]
pub struct Ledger {
    /// The pod for what names none itself.
    pub pod: Pod,
    metrics: WorkerMetrics,
    counts: Mutex<Counts>,
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
    /// Items of messages that are held. Counted by itself, not as what is left of the others, so that an item that
    /// vanished shows.
    pub in_flight: u64,
}

impl Counts {
    /// Items that are done with for good.
    pub fn finished(&self) -> u64 {
        self.delivered + self.filtered + self.dead_lettered
    }

    /// Items received that have neither an outcome nor a holder; below 0 when some were counted twice. Anything but 0
    /// is a defect.
    pub fn unaccounted(&self) -> i64 {
        let known = self.finished() + self.requeued + self.lapsed + self.in_flight;
        self.received.cast_signed().wrapping_sub(known.cast_signed())
    }
}

/// How an item ended here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The partner has it.
    Delivered,
    /// Nobody is to have it.
    Filtered(FilterReason),
    /// It was put back for later.
    Requeued(RetryReason),
    /// It was set aside.
    Dead(RejectReason),
    /// Its message goes back by itself.
    Lapsed,
}

/// The items of one message that are in flight, until they are counted as something else.
#[derive(Debug)]
#[must_use = "tell the ledger how its items ended"]
pub struct Held {
    ledger: Arc<Ledger>,
    items: u64,
}

impl Drop for Held {
    /// What is dropped without having been counted stays unaccounted for.
    fn drop(&mut self) {
        if self.items > 0 {
            let mut counts = self.ledger.lock();
            counts.in_flight -= self.items;
            self.ledger.show(&counts);
        }
    }
}

impl Ledger {
    /// Nothing counted yet.
    pub fn new(pod: Pod, metrics: WorkerMetrics) -> Self {
        Self { pod, metrics, counts: Mutex::default() }
    }

    /// The counts now, all of the same moment.
    pub fn counts(&self) -> Counts {
        *self.lock()
    }

    /// The metrics it counts into.
    pub fn metrics(&self) -> &WorkerMetrics {
        &self.metrics
    }

    /// The items of a message, some of them for the first time.
    pub(crate) fn received(self: &Arc<Self>, items: usize, first_seen: usize) -> Held {
        let items = items as u64;
        let mut counts = self.lock();
        counts.received += items;
        counts.first_seen += first_seen as u64;
        counts.in_flight += items;
        self.metrics.items_received.increment(items);
        self.show(&counts);
        Held { ledger: self.clone(), items }
    }

    /// What a message's items came to: from in flight to their outcomes in one step.
    pub(crate) fn settled(&self, mut held: Held, ends: impl IntoIterator<Item = End>) {
        let mut counts = self.lock();
        for end in ends {
            self.count(&mut counts, end);
        }
        counts.in_flight -= std::mem::take(&mut held.items);
        self.metrics.messages_settled.increment(1);
        self.show(&counts);
    }

    fn count(&self, counts: &mut Counts, end: End) {
        let (counter, outcome) = match end {
            End::Delivered => (&mut counts.delivered, "delivered"),
            End::Filtered(reason) => {
                self.metrics.filtered.of([reason.label()]).increment(1);
                (&mut counts.filtered, "filtered")
            }
            End::Requeued(reason) => {
                self.metrics.retries.of([reason.label()]).increment(1);
                (&mut counts.requeued, "requeued")
            }
            End::Dead(reason) => {
                self.metrics.dead_letters.of([reason.label()]).increment(1);
                (&mut counts.dead_lettered, "dead_lettered")
            }
            End::Lapsed => (&mut counts.lapsed, "lapsed"),
        };
        *counter += 1;
        self.metrics.items.of([outcome]).increment(1);
    }

    /// While the counts are locked, so that an older figure never follows a newer one.
    fn show(&self, counts: &Counts) {
        #[expect(clippy::cast_precision_loss, reason = "gauges; far below 2^52 items are in flight")]
        let (in_flight, unaccounted) = (counts.in_flight as f64, counts.unaccounted() as f64);
        self.metrics.items_in_flight.set(in_flight);
        self.metrics.items_unaccounted.set(unaccounted);
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use penstock_shared::telemetry::{METRICS, MetricsHandle, Recorder, local_recorder};

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

    fn ledger() -> (Recorder, MetricsHandle, Arc<Ledger>) {
        let (recorder, handle) = local_recorder();
        let metrics = metrics::with_local_recorder(&recorder, WorkerMetrics::new);
        (recorder, handle, Arc::new(Ledger::new(Pod::new("us1").unwrap(), metrics)))
    }

    const ENDS: [End; 5] = [
        End::Delivered,
        End::Filtered(FilterReason::NoRoute),
        End::Requeued(RetryReason::Busy),
        End::Dead(RejectReason::Gone),
        End::Lapsed,
    ];

    #[test]
    fn an_item_is_in_flight_until_it_is_counted_once() {
        let (_recorder, metrics, ledger) = ledger();
        let (first, second) = (ledger.received(5, 5), ledger.received(2, 0));
        assert_eq!((ledger.counts().in_flight, ledger.counts().unaccounted()), (7, 0));
        ledger.settled(first, ENDS);
        let counts = ledger.counts();
        assert_eq!(
            (counts.first_seen, counts.received, counts.in_flight, counts.unaccounted()),
            (5, 7, 2, 0)
        );
        assert_eq!(
            [counts.delivered, counts.filtered, counts.requeued, counts.dead_lettered, counts.lapsed],
            [1; 5]
        );
        ledger.settled(second, [End::Delivered; 2]);
        assert_eq!((ledger.counts().in_flight, ledger.counts().unaccounted()), (0, 0));
        let shown = metrics.render();
        for line in
            ["worker_items_in_flight 0", "worker_items_unaccounted 0", "worker_messages_settled_total 2"]
        {
            assert!(shown.lines().any(|shown| shown == line), "{line}");
        }
    }

    #[test]
    fn items_that_vanish_or_end_twice_are_unaccounted_for() {
        let (_recorder, metrics, ledger) = ledger();
        let shows = |line: &str| metrics.render().lines().any(|shown| shown == line);
        drop(ledger.received(3, 3));
        assert_eq!((ledger.counts().in_flight, ledger.counts().unaccounted()), (0, 3));
        assert!(shows("worker_items_unaccounted 3"));
        let held = ledger.received(1, 1);
        ledger.settled(held, [End::Delivered; 5]);
        assert_eq!(ledger.counts().unaccounted(), -1);
        assert!(shows("worker_items_unaccounted -1"));
    }

    #[test]
    fn whoever_looks_while_items_come_and_go_sees_each_of_them_once() {
        let (_recorder, _metrics, ledger) = ledger();
        std::thread::scope(|scope| {
            let works = || (0..2_000).for_each(|_| ledger.settled(ledger.received(5, 0), ENDS));
            let workers = [scope.spawn(works), scope.spawn(works)];
            while !workers.iter().all(std::thread::ScopedJoinHandle::is_finished) {
                assert_eq!(ledger.counts().unaccounted(), 0, "{:?}", ledger.counts());
            }
        });
    }
}
