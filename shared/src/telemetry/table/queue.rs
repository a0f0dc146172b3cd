//! What is known of the queues, whoever asks them.

use crate::telemetry::{Kind, Label, Metric};

const QUEUE: Label = Label { name: "queue", words: &["main", "retry", "dead", "fallback"] };
const OPERATION: Label = Label { name: "operation", words: &["send", "receive", "delete", "other"] };
const STATE: Label = Label { name: "state", words: &["visible", "leased", "delayed"] };

pub(in crate::telemetry) const QUEUE_DEPTH: &Metric = &Metric {
    name: "queue_depth",
    help: "Messages that wait, as far as the queue knows; the embedded one counts up to 100000 visible and 100000 others.",
    kind: Kind::Gauge,
    labels: &[QUEUE, STATE],
};
pub(in crate::telemetry) const QUEUE_OLDEST: &Metric = &Metric {
    name: "queue_oldest_message_age_seconds",
    help: "Age of the oldest message that is known of.",
    kind: Kind::Gauge,
    labels: &[QUEUE],
};
pub(in crate::telemetry) const QUEUE_CALLS: &Metric = &Metric {
    name: "queue_calls_total",
    help: "Calls to SQS, whichever queue.",
    kind: Kind::Counter,
    labels: &[OPERATION],
};
pub(in crate::telemetry) const QUEUE_BILLED: &Metric = &Metric {
    name: "queue_billed_requests_total",
    help: "Of these, what SQS bills: one for each call, and one more for each further 64 KiB that it carries.",
    kind: Kind::Counter,
    labels: &[OPERATION],
};
