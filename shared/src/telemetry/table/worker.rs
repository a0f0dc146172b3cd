//! What the worker counts and measures.

use super::COUNTS;
use crate::telemetry::{Kind, Label, Metric};

const CALL_SECONDS: &[f64] = &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

const OUTCOME: Label =
    Label { name: "outcome", words: &["delivered", "filtered", "requeued", "dead_lettered", "lapsed"] };
const STATUS_CLASS: Label =
    Label { name: "status_class", words: &["2xx", "3xx", "4xx", "5xx", "timeout", "network", "other"] };
const RETRY: Label = Label {
    name: "reason",
    words: &[
        "network",
        "timeout",
        "throttled",
        "server_error",
        "unauthorized",
        "busy",
        "gated",
        "not_due",
        "awaiting_subscription",
        "claimed",
        "store_unavailable",
        "handed_back",
        "other",
    ],
};
const DEAD: Label = Label {
    name: "reason",
    words: &[
        "unreadable",
        "mapping_failed",
        "setting_missing",
        "refused",
        "gone",
        "too_large",
        "partner_rejected",
        "attempts_exhausted",
        "too_old",
        "spill_missing",
        "unhandled_dsr",
        "pack_unreadable",
        "other",
    ],
};
const FILTERED: Label = Label {
    name: "reason",
    words: &[
        "no_route",
        "dropped",
        "duplicate",
        "superseded",
        "stale",
        "removed",
        "not_connected",
        "no_audiences",
        "other",
    ],
};
const GATE: Label =
    Label { name: "gate", words: &["rate", "retry_after", "concurrency", "lane_full", "other"] };

pub(in crate::telemetry) const WORKER_ITEMS_RECEIVED: &Metric = &Metric {
    name: "worker_items_received_total",
    help: "Items taken from the queues.",
    kind: Kind::Counter,
    labels: &[],
};
pub(in crate::telemetry) const WORKER_ITEMS: &Metric = &Metric {
    name: "worker_items_total",
    help: "Items done with, by how they ended here. Received = these + in flight.",
    kind: Kind::Counter,
    labels: &[OUTCOME],
};
pub(in crate::telemetry) const WORKER_ITEMS_IN_FLIGHT: &Metric = &Metric {
    name: "worker_items_in_flight",
    help: "Items received and not yet settled.",
    kind: Kind::Gauge,
    labels: &[],
};
pub(in crate::telemetry) const WORKER_ITEMS_UNACCOUNTED: &Metric = &Metric {
    name: "worker_items_unaccounted",
    help: "Items received less those done with and those held, all as of one moment; anything but 0 is a defect.",
    kind: Kind::Gauge,
    labels: &[],
};
pub(in crate::telemetry) const WORKER_MESSAGES_SETTLED: &Metric = &Metric {
    name: "worker_messages_settled_total",
    help: "Queue messages deleted because all their items are done with.",
    kind: Kind::Counter,
    labels: &[],
};
pub(in crate::telemetry) const WORKER_CALLS: &Metric = &Metric {
    name: "worker_calls_total",
    help: "Calls to the partner, by how they were answered.",
    kind: Kind::Counter,
    labels: &[STATUS_CLASS],
};
pub(in crate::telemetry) const WORKER_CALLS_THROTTLED: &Metric = &Metric {
    name: "worker_calls_throttled_total",
    help: "Of the calls, those answered 429.",
    kind: Kind::Counter,
    labels: &[],
};
pub(in crate::telemetry) const WORKER_CALL_DURATION: &Metric = &Metric {
    name: "worker_call_duration_seconds",
    help: "From sending a call to the end of its answer.",
    kind: Kind::Histogram(CALL_SECONDS),
    labels: &[STATUS_CLASS],
};
pub(in crate::telemetry) const WORKER_BATCH_ITEMS: &Metric = &Metric {
    name: "worker_batch_items",
    help: "Items in one call.",
    kind: Kind::Histogram(COUNTS),
    labels: &[],
};
pub(in crate::telemetry) const WORKER_RETRIES: &Metric = &Metric {
    name: "worker_retries_total",
    help: "Attempts that ended in another try, by why.",
    kind: Kind::Counter,
    labels: &[RETRY],
};
pub(in crate::telemetry) const WORKER_DEAD_LETTERS: &Metric = &Metric {
    name: "worker_dead_letters_total",
    help: "Items set aside for a person, by why.",
    kind: Kind::Counter,
    labels: &[DEAD],
};
pub(in crate::telemetry) const WORKER_FILTERED: &Metric = &Metric {
    name: "worker_filtered_total",
    help: "Items that needed no call, by why.",
    kind: Kind::Counter,
    labels: &[FILTERED],
};
pub(in crate::telemetry) const WORKER_GATE_WAITS: &Metric = &Metric {
    name: "worker_gate_waits_total",
    help: "Batches that were ready and had to wait, by what held them.",
    kind: Kind::Counter,
    labels: &[GATE],
};
pub(in crate::telemetry) const WORKER_PARTNER_LIMITED_SHARE: &Metric = &Metric {
    name: "worker_partner_limited_share",
    help: "0 to 1: of the items that left their lanes (while none does, of those in them), the share that waited because the partner said so (429, Retry-After); our own limits do not count. Weighted over the last half minute.",
    kind: Kind::Gauge,
    labels: &[],
};
pub(in crate::telemetry) const WORKER_LANES: &Metric = &Metric {
    name: "worker_lanes",
    help: "Lines of items, one for each account, route and group with work.",
    kind: Kind::Gauge,
    labels: &[],
};
pub(in crate::telemetry) const WORKER_PACKS_LATER_VERSION: &Metric = &Metric {
    name: "worker_packs_later_version_total",
    help: "Packs that this version cannot read, each time one was received; put back for a newer worker.",
    kind: Kind::Counter,
    labels: &[],
};
pub(in crate::telemetry) const WORKER_LEASES_LOST: &Metric = &Metric {
    name: "worker_leases_lost_total",
    help: "Messages that went back to the queue while they were worked on; their items may be delivered twice.",
    kind: Kind::Counter,
    labels: &[],
};
