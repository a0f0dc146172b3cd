//! The metrics of the worker, and of the queues it watches.

use metrics::{Counter, Gauge, Histogram};

use super::{Family, table};
use crate::queue::meter::{Meter, Operation};

/// Handles of every metric of the worker.
#[derive(Clone, Debug)]
pub struct WorkerMetrics {
    /// `worker_items_received_total`.
    pub items_received: Counter,
    /// `worker_items_total` by outcome.
    pub items: Family<Counter>,
    /// `worker_items_in_flight`.
    pub items_in_flight: Gauge,
    /// `worker_items_unaccounted`.
    pub items_unaccounted: Gauge,
    /// `worker_messages_settled_total`.
    pub messages_settled: Counter,
    /// `worker_calls_total` by status_class.
    pub calls: Family<Counter>,
    /// `worker_calls_throttled_total`.
    pub calls_throttled: Counter,
    /// `worker_call_duration_seconds` by status_class.
    pub call_duration: Family<Histogram>,
    /// `worker_batch_items`.
    pub batch_items: Histogram,
    /// `worker_retries_total` by reason.
    pub retries: Family<Counter>,
    /// `worker_dead_letters_total` by reason.
    pub dead_letters: Family<Counter>,
    /// `worker_filtered_total` by reason.
    pub filtered: Family<Counter>,
    /// `worker_gate_waits_total` by gate.
    pub gate_waits: Family<Counter>,
    /// `worker_partner_limited_share`.
    pub partner_limited_share: Gauge,
    /// `worker_lanes`.
    pub lanes: Gauge,
    /// `worker_leases_lost_total`.
    pub leases_lost: Counter,
}

impl WorkerMetrics {
    /// Makes the handles on the recorder that is current now.
    pub fn new() -> Self {
        Self {
            items_received: table::WORKER_ITEMS_RECEIVED.counter(),
            items: table::WORKER_ITEMS.counters(),
            items_in_flight: table::WORKER_ITEMS_IN_FLIGHT.gauge(),
            items_unaccounted: table::WORKER_ITEMS_UNACCOUNTED.gauge(),
            messages_settled: table::WORKER_MESSAGES_SETTLED.counter(),
            calls: table::WORKER_CALLS.counters(),
            calls_throttled: table::WORKER_CALLS_THROTTLED.counter(),
            call_duration: table::WORKER_CALL_DURATION.histograms(),
            batch_items: table::WORKER_BATCH_ITEMS.histogram(),
            retries: table::WORKER_RETRIES.counters(),
            dead_letters: table::WORKER_DEAD_LETTERS.counters(),
            filtered: table::WORKER_FILTERED.counters(),
            gate_waits: table::WORKER_GATE_WAITS.counters(),
            partner_limited_share: table::WORKER_PARTNER_LIMITED_SHARE.gauge(),
            lanes: table::WORKER_LANES.gauge(),
            leases_lost: table::WORKER_LEASES_LOST.counter(),
        }
    }
}

impl Default for WorkerMetrics {
    fn default() -> Self {
        Self::new()
    }
}

/// How much waits on each queue.
#[derive(Clone, Debug)]
pub struct QueueMetrics {
    /// `queue_depth` by queue and state.
    pub depth: Family<Gauge>,
    /// `queue_oldest_message_age_seconds` by queue.
    pub oldest: Family<Gauge>,
    /// `queue_calls_total` by operation.
    pub calls: Family<Counter>,
    /// `queue_billed_requests_total` by operation.
    pub billed: Family<Counter>,
}

impl QueueMetrics {
    /// Makes the handles on the recorder that is current now.
    pub fn new() -> Self {
        Self {
            depth: table::QUEUE_DEPTH.gauges(),
            oldest: table::QUEUE_OLDEST.gauges(),
            calls: table::QUEUE_CALLS.counters(),
            billed: table::QUEUE_BILLED.counters(),
        }
    }

    /// Brings the counters to what the meter has.
    pub fn show_meter(&self, meter: &Meter) {
        for operation in Operation::ALL {
            self.calls.of([operation.word()]).absolute(meter.calls(operation));
            self.billed.of([operation.word()]).absolute(meter.billed(operation));
        }
    }
}

impl Default for QueueMetrics {
    fn default() -> Self {
        Self::new()
    }
}
