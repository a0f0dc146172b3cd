//! The table of all metrics, by what counts them. `docs/telemetry.md` shows it; a test keeps the two the same.

mod ingress;
mod queue;
mod worker;

use super::Metric;

pub(super) use self::{ingress::*, queue::*, worker::*};

/// Bounds of what is counted in one pack or one call.
const COUNTS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];

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
