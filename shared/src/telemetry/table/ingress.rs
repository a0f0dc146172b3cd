//! What ingress counts and measures.

use super::COUNTS;
use crate::telemetry::{Kind, Label, Metric};

/// Fine around 0.1 s, the time the sender allows; 0.08 is when ingress gives up on the queue.
const ANSWER_SECONDS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.08, 0.09, 0.1, 0.125, 0.25, 1.0, 5.0];
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
const SENT_TO: Label = Label { name: "queue", words: &["main", "fallback"] };
const SENT: Label = Label { name: "outcome", words: &["stored", "partly", "failed", "slow"] };

pub(in crate::telemetry) const INGRESS_REQUESTS: &Metric = &Metric {
    name: "ingress_requests_total",
    help: "Answers given to calls, by what was asked and the status answered.",
    kind: Kind::Counter,
    labels: &[KIND, STATUS],
};
pub(in crate::telemetry) const INGRESS_ANSWER_DURATION: &Metric = &Metric {
    name: "ingress_answer_duration_seconds",
    help: "From the call's header to its answer, reading the body included; the sender allows 0.1.",
    kind: Kind::Histogram(ANSWER_SECONDS),
    labels: &[KIND],
};
pub(in crate::telemetry) const INGRESS_BYTES_IN_FLIGHT: &Metric = &Metric {
    name: "ingress_bytes_in_flight",
    help: "Bytes of bodies held: being read, or waiting for the queue.",
    kind: Kind::Gauge,
    labels: &[],
};
pub(in crate::telemetry) const INGRESS_PACK_REQUESTS: &Metric = &Metric {
    name: "ingress_pack_requests",
    help: "Requests in one pack.",
    kind: Kind::Histogram(COUNTS),
    labels: &[],
};
pub(in crate::telemetry) const INGRESS_PACK_BYTES: &Metric = &Metric {
    name: "ingress_pack_bytes",
    help: "Bytes of one pack as sent to the queue, compressed.",
    kind: Kind::Histogram(SIZES),
    labels: &[],
};
pub(in crate::telemetry) const INGRESS_NOOPS: &Metric = &Metric {
    name: "ingress_noops_total",
    help: "Verification calls: answered at once, not queued.",
    kind: Kind::Counter,
    labels: &[KIND],
};
pub(in crate::telemetry) const INGRESS_QUARANTINED: &Metric = &Metric {
    name: "ingress_quarantined_total",
    help: "Bodies answered 400 or 413, by what was wrong with them.",
    kind: Kind::Counter,
    labels: &[UNREADABLE],
};
pub(in crate::telemetry) const INGRESS_QUARANTINE_LOST: &Metric = &Metric {
    name: "ingress_quarantine_lost_total",
    help: "Of these, the ones no copy was kept of: the dead-letter queue failed, or too many came at once.",
    kind: Kind::Counter,
    labels: &[],
};
pub(in crate::telemetry) const INGRESS_SPILLED: &Metric = &Metric {
    name: "ingress_spilled_total",
    help: "Bodies too large for the queue and stored beside it.",
    kind: Kind::Counter,
    labels: &[],
};
pub(in crate::telemetry) const INGRESS_QUEUE_SENDS: &Metric = &Metric {
    name: "ingress_queue_sends_total",
    help: "Sends of packs, by which queue was asked and what came of it; slow: another queue was asked, or nobody waited any more.",
    kind: Kind::Counter,
    labels: &[SENT_TO, SENT],
};
pub(in crate::telemetry) const INGRESS_FALLBACK_FIRST: &Metric = &Metric {
    name: "ingress_fallback_first",
    help: "1 while the main queue fails or is slow and packs go to the fallback first.",
    kind: Kind::Gauge,
    labels: &[],
};
pub(in crate::telemetry) const INGRESS_COST: &Metric = &Metric {
    name: "ingress_queue_cost_dollars_per_million",
    help: "What the queue calls of this process cost at list price, for a million requests stored, over the last minute.",
    kind: Kind::Gauge,
    labels: &[],
};
pub(in crate::telemetry) const INGRESS_CONNECTIONS: &Metric =
    &Metric { name: "ingress_connections", help: "Open connections.", kind: Kind::Gauge, labels: &[] };
pub(in crate::telemetry) const INGRESS_SHED: &Metric = &Metric {
    name: "ingress_shed_total",
    help: "Calls answered 503 or 408, by why.",
    kind: Kind::Counter,
    labels: &[SHED],
};
pub(in crate::telemetry) const INGRESS_COOKIE_SYNCS: &Metric = &Metric {
    name: "ingress_cookie_syncs_total",
    help: "Calls of the cookie sync pixel: redirected with a known or a new id, or not, and why.",
    kind: Kind::Counter,
    labels: &[COOKIE_SYNC],
};
pub(in crate::telemetry) const INGRESS_SUSPENDED_ACCOUNTS: &Metric = &Metric {
    name: "ingress_suspended_accounts",
    help: "Accounts whose credentials the partner refuses; mParticle is told to stop sending memberships for them.",
    kind: Kind::Gauge,
    labels: &[],
};
pub(in crate::telemetry) const INGRESS_SUSPENSION_AGE: &Metric = &Metric {
    name: "ingress_suspension_age_seconds",
    help: "How long ago the store last said which accounts are suspended, as of the last try.",
    kind: Kind::Gauge,
    labels: &[],
};
pub(in crate::telemetry) const INGRESS_TOKENS: &Metric = &Metric {
    name: "ingress_tokens",
    help: "Tokens that are valid now, of all pods; without any, data is answered 503.",
    kind: Kind::Gauge,
    labels: &[],
};
pub(in crate::telemetry) const INGRESS_TOKEN_RELOADS: &Metric = &Metric {
    name: "ingress_token_reloads_total",
    help: "Readings of the tokens' file or secret, by result; after a failed one the tokens known before stay valid.",
    kind: Kind::Counter,
    labels: &[RELOAD],
};
