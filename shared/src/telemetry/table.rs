//! The table of all metrics. `docs/telemetry.md` shows it; a test keeps the two the same.

use super::{Kind, Label, Metric};

/// Fine around 0.1 s, the time the sender allows; 0.08 is when ingress gives up on the queue.
const ANSWER_SECONDS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.08, 0.09, 0.1, 0.125, 0.25, 1.0, 5.0];
const CALL_SECONDS: &[f64] = &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
const COUNTS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];
const SIZES: &[f64] = &[1024.0, 4096.0, 16384.0, 65536.0, 262_144.0, 524_288.0, 1_048_576.0];

const KIND: Label = Label {
    name: "kind",
    words: &["registration", "events", "subscription", "membership", "dsr", "unsorted"],
};
const STATUS: Label =
    Label { name: "status", words: &["200", "400", "401", "405", "408", "413", "503", "500"] };
const UNREADABLE: Label = Label {
    name: "reason",
    words: &[
        "empty",
        "not_json",
        "not_an_object",
        "trailing_bytes",
        "type_missing",
        "unknown_type",
        "too_large",
        "encoding",
        "other",
    ],
};
const SHED: Label = Label {
    name: "reason",
    words: &[
        "bytes_in_flight",
        "packer_full",
        "queue_failed",
        "queue_slow",
        "tokens_missing",
        "slow_body",
        "envelope_unreadable",
        "other",
    ],
};
const COOKIE_SYNC: Label = Label {
    name: "outcome",
    words: &[
        "known_id",
        "new_id",
        "opted_out",
        "redirect_missing",
        "redirect_unreadable",
        "host_refused",
        "macro_missing",
        "too_long",
        "other",
    ],
};
const RELOAD: Label = Label { name: "result", words: &["changed", "unchanged", "failed"] };
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
const QUEUE: Label = Label { name: "queue", words: &["main", "retry", "dead", "fallback"] };
const SENT_TO: Label = Label { name: "queue", words: &["main", "fallback"] };
const SENT: Label = Label { name: "outcome", words: &["stored", "partly", "failed", "slow"] };
const OPERATION: Label = Label { name: "operation", words: &["send", "receive", "delete", "other"] };
const STATE: Label = Label { name: "state", words: &["visible", "leased", "delayed"] };

pub(super) const INGRESS_REQUESTS: &Metric = &Metric {
    name: "ingress_requests_total",
    help: "Answers given to calls, by what was asked and the status answered.",
    kind: Kind::Counter,
    labels: &[KIND, STATUS],
};
pub(super) const INGRESS_ANSWER_DURATION: &Metric = &Metric {
    name: "ingress_answer_duration_seconds",
    help: "From the call's header to its answer, reading the body included; the sender allows 0.1.",
    kind: Kind::Histogram(ANSWER_SECONDS),
    labels: &[KIND],
};
pub(super) const INGRESS_BYTES_IN_FLIGHT: &Metric = &Metric {
    name: "ingress_bytes_in_flight",
    help: "Bytes of bodies held: being read, or waiting for the queue.",
    kind: Kind::Gauge,
    labels: &[],
};
pub(super) const INGRESS_PACK_REQUESTS: &Metric = &Metric {
    name: "ingress_pack_requests",
    help: "Requests in one pack.",
    kind: Kind::Histogram(COUNTS),
    labels: &[],
};
pub(super) const INGRESS_PACK_BYTES: &Metric = &Metric {
    name: "ingress_pack_bytes",
    help: "Bytes of one pack as sent to the queue, compressed.",
    kind: Kind::Histogram(SIZES),
    labels: &[],
};
pub(super) const INGRESS_NOOPS: &Metric = &Metric {
    name: "ingress_noops_total",
    help: "Verification calls: answered at once, not queued.",
    kind: Kind::Counter,
    labels: &[KIND],
};
pub(super) const INGRESS_QUARANTINED: &Metric = &Metric {
    name: "ingress_quarantined_total",
    help: "Bodies answered 400 or 413, by what was wrong with them.",
    kind: Kind::Counter,
    labels: &[UNREADABLE],
};
pub(super) const INGRESS_QUARANTINE_LOST: &Metric = &Metric {
    name: "ingress_quarantine_lost_total",
    help: "Of these, the ones no copy was kept of: the dead-letter queue failed, or too many came at once.",
    kind: Kind::Counter,
    labels: &[],
};
pub(super) const INGRESS_SPILLED: &Metric = &Metric {
    name: "ingress_spilled_total",
    help: "Bodies too large for the queue and stored beside it.",
    kind: Kind::Counter,
    labels: &[],
};
pub(super) const INGRESS_QUEUE_SENDS: &Metric = &Metric {
    name: "ingress_queue_sends_total",
    help: "Sends of packs, by which queue was asked and what came of it; slow: another queue was asked, or nobody waited any more.",
    kind: Kind::Counter,
    labels: &[SENT_TO, SENT],
};
pub(super) const INGRESS_FALLBACK_FIRST: &Metric = &Metric {
    name: "ingress_fallback_first",
    help: "1 while the main queue fails or is slow and packs go to the fallback first.",
    kind: Kind::Gauge,
    labels: &[],
};
pub(super) const INGRESS_COST: &Metric = &Metric {
    name: "ingress_queue_cost_dollars_per_million",
    help: "What the queue calls of this process cost at list price, for a million requests stored, over the last minute.",
    kind: Kind::Gauge,
    labels: &[],
};
pub(super) const INGRESS_CONNECTIONS: &Metric =
    &Metric { name: "ingress_connections", help: "Open connections.", kind: Kind::Gauge, labels: &[] };
pub(super) const INGRESS_SHED: &Metric = &Metric {
    name: "ingress_shed_total",
    help: "Calls answered 503 or 408, by why.",
    kind: Kind::Counter,
    labels: &[SHED],
};
pub(super) const INGRESS_COOKIE_SYNCS: &Metric = &Metric {
    name: "ingress_cookie_syncs_total",
    help: "Calls of the cookie sync pixel: redirected with a known or a new id, or not, and why.",
    kind: Kind::Counter,
    labels: &[COOKIE_SYNC],
};
pub(super) const INGRESS_SUSPENDED_ACCOUNTS: &Metric = &Metric {
    name: "ingress_suspended_accounts",
    help: "Accounts whose credentials the partner refuses; mParticle is told to stop sending memberships for them.",
    kind: Kind::Gauge,
    labels: &[],
};
pub(super) const INGRESS_SUSPENSION_AGE: &Metric = &Metric {
    name: "ingress_suspension_age_seconds",
    help: "How long ago the store last said which accounts are suspended, as of the last try.",
    kind: Kind::Gauge,
    labels: &[],
};
pub(super) const INGRESS_TOKENS: &Metric = &Metric {
    name: "ingress_tokens",
    help: "Tokens that are valid now, of all pods; without any, data is answered 503.",
    kind: Kind::Gauge,
    labels: &[],
};
pub(super) const INGRESS_TOKEN_RELOADS: &Metric = &Metric {
    name: "ingress_token_reloads_total",
    help: "Readings of the tokens' file or secret, by result; after a failed one the tokens known before stay valid.",
    kind: Kind::Counter,
    labels: &[RELOAD],
};
pub(super) const WORKER_ITEMS_RECEIVED: &Metric = &Metric {
    name: "worker_items_received_total",
    help: "Items taken from the queues.",
    kind: Kind::Counter,
    labels: &[],
};
pub(super) const WORKER_ITEMS: &Metric = &Metric {
    name: "worker_items_total",
    help: "Items done with, by how they ended here. Received = these + in flight.",
    kind: Kind::Counter,
    labels: &[OUTCOME],
};
pub(super) const WORKER_ITEMS_IN_FLIGHT: &Metric = &Metric {
    name: "worker_items_in_flight",
    help: "Items received and not yet settled.",
    kind: Kind::Gauge,
    labels: &[],
};
pub(super) const WORKER_ITEMS_UNACCOUNTED: &Metric = &Metric {
    name: "worker_items_unaccounted",
    help: "Items received less those done with and those held, all as of one moment; anything but 0 is a defect.",
    kind: Kind::Gauge,
    labels: &[],
};
pub(super) const WORKER_MESSAGES_SETTLED: &Metric = &Metric {
    name: "worker_messages_settled_total",
    help: "Queue messages deleted because all their items are done with.",
    kind: Kind::Counter,
    labels: &[],
};
pub(super) const WORKER_CALLS: &Metric = &Metric {
    name: "worker_calls_total",
    help: "Calls to the partner, by how they were answered.",
    kind: Kind::Counter,
    labels: &[STATUS_CLASS],
};
pub(super) const WORKER_CALLS_THROTTLED: &Metric = &Metric {
    name: "worker_calls_throttled_total",
    help: "Of the calls, those answered 429.",
    kind: Kind::Counter,
    labels: &[],
};
pub(super) const WORKER_CALL_DURATION: &Metric = &Metric {
    name: "worker_call_duration_seconds",
    help: "From sending a call to the end of its answer.",
    kind: Kind::Histogram(CALL_SECONDS),
    labels: &[STATUS_CLASS],
};
pub(super) const WORKER_BATCH_ITEMS: &Metric = &Metric {
    name: "worker_batch_items",
    help: "Items in one call.",
    kind: Kind::Histogram(COUNTS),
    labels: &[],
};
pub(super) const WORKER_RETRIES: &Metric = &Metric {
    name: "worker_retries_total",
    help: "Attempts that ended in another try, by why.",
    kind: Kind::Counter,
    labels: &[RETRY],
};
pub(super) const WORKER_DEAD_LETTERS: &Metric = &Metric {
    name: "worker_dead_letters_total",
    help: "Items set aside for a person, by why.",
    kind: Kind::Counter,
    labels: &[DEAD],
};
pub(super) const WORKER_FILTERED: &Metric = &Metric {
    name: "worker_filtered_total",
    help: "Items that needed no call, by why.",
    kind: Kind::Counter,
    labels: &[FILTERED],
};
pub(super) const WORKER_GATE_WAITS: &Metric = &Metric {
    name: "worker_gate_waits_total",
    help: "Batches that were ready and had to wait, by what held them.",
    kind: Kind::Counter,
    labels: &[GATE],
};
pub(super) const WORKER_PARTNER_LIMITED_SHARE: &Metric = &Metric {
    name: "worker_partner_limited_share",
    help: "0 to 1: of the items that left their lanes (while none does, of those in them), the share that waited because the partner said so (429, Retry-After); our own limits do not count. Weighted over the last half minute.",
    kind: Kind::Gauge,
    labels: &[],
};
pub(super) const WORKER_LANES: &Metric = &Metric {
    name: "worker_lanes",
    help: "Lines of items, one for each account, route and group with work.",
    kind: Kind::Gauge,
    labels: &[],
};
pub(super) const WORKER_PACKS_LATER_VERSION: &Metric = &Metric {
    name: "worker_packs_later_version_total",
    help: "Packs that this version cannot read, each time one was received; put back for a newer worker.",
    kind: Kind::Counter,
    labels: &[],
};
pub(super) const WORKER_LEASES_LOST: &Metric = &Metric {
    name: "worker_leases_lost_total",
    help: "Messages that went back to the queue while they were worked on; their items may be delivered twice.",
    kind: Kind::Counter,
    labels: &[],
};
pub(super) const QUEUE_DEPTH: &Metric = &Metric {
    name: "queue_depth",
    help: "Messages that wait, as far as the queue knows; the embedded one counts up to 100000 visible and 100000 others.",
    kind: Kind::Gauge,
    labels: &[QUEUE, STATE],
};
pub(super) const QUEUE_OLDEST: &Metric = &Metric {
    name: "queue_oldest_message_age_seconds",
    help: "Age of the oldest message that is known of.",
    kind: Kind::Gauge,
    labels: &[QUEUE],
};

pub(super) const QUEUE_CALLS: &Metric = &Metric {
    name: "queue_calls_total",
    help: "Calls to SQS, whichever queue.",
    kind: Kind::Counter,
    labels: &[OPERATION],
};
pub(super) const QUEUE_BILLED: &Metric = &Metric {
    name: "queue_billed_requests_total",
    help: "Of these, what SQS bills: one for each call, and one more for each further 64 KiB that it carries.",
    kind: Kind::Counter,
    labels: &[OPERATION],
};

/// Every metric, in the order of the data's way.
pub const METRICS: &[&Metric] = &[
    INGRESS_REQUESTS,
    INGRESS_ANSWER_DURATION,
    INGRESS_BYTES_IN_FLIGHT,
    INGRESS_PACK_REQUESTS,
    INGRESS_PACK_BYTES,
    INGRESS_NOOPS,
    INGRESS_QUARANTINED,
    INGRESS_QUARANTINE_LOST,
    INGRESS_SPILLED,
    INGRESS_QUEUE_SENDS,
    INGRESS_FALLBACK_FIRST,
    INGRESS_COST,
    INGRESS_CONNECTIONS,
    INGRESS_SHED,
    INGRESS_COOKIE_SYNCS,
    INGRESS_SUSPENDED_ACCOUNTS,
    INGRESS_SUSPENSION_AGE,
    INGRESS_TOKENS,
    INGRESS_TOKEN_RELOADS,
    WORKER_ITEMS_RECEIVED,
    WORKER_ITEMS,
    WORKER_ITEMS_IN_FLIGHT,
    WORKER_ITEMS_UNACCOUNTED,
    WORKER_MESSAGES_SETTLED,
    WORKER_CALLS,
    WORKER_CALLS_THROTTLED,
    WORKER_CALL_DURATION,
    WORKER_BATCH_ITEMS,
    WORKER_RETRIES,
    WORKER_DEAD_LETTERS,
    WORKER_FILTERED,
    WORKER_GATE_WAITS,
    WORKER_PARTNER_LIMITED_SHARE,
    WORKER_LANES,
    WORKER_PACKS_LATER_VERSION,
    WORKER_LEASES_LOST,
    QUEUE_DEPTH,
    QUEUE_OLDEST,
    QUEUE_CALLS,
    QUEUE_BILLED,
];
