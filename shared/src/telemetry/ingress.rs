//! The metrics of ingress.

use metrics::{Counter, Gauge, Histogram};

use super::{Family, table};

/// Handles of every metric of ingress.
#[derive(Clone, Debug)]
pub struct IngressMetrics {
    /// `ingress_requests_total` by kind and status.
    pub requests: Family<Counter>,
    /// `ingress_answer_duration_seconds` by kind.
    pub answer_duration: Family<Histogram>,
    /// `ingress_bytes_in_flight`.
    pub bytes_in_flight: Gauge,
    /// `ingress_pack_requests`.
    pub pack_requests: Histogram,
    /// `ingress_pack_bytes`.
    pub pack_bytes: Histogram,
    /// `ingress_noops_total` by kind.
    pub noops: Family<Counter>,
    /// `ingress_quarantined_total` by reason.
    pub quarantined: Family<Counter>,
    /// `ingress_quarantine_lost_total`.
    pub quarantine_lost: Counter,
    /// `ingress_spilled_total`.
    pub spilled: Counter,
    /// `ingress_queue_sends_total` by queue and outcome.
    pub queue_sends: Family<Counter>,
    /// `ingress_fallback_first`.
    pub fallback_first: Gauge,
    /// `ingress_queue_cost_dollars_per_million`.
    pub cost: Gauge,
    /// `ingress_connections`.
    pub connections: Gauge,
    /// `ingress_shed_total` by reason.
    pub shed: Family<Counter>,
    /// `ingress_cookie_syncs_total` by outcome.
    pub cookie_syncs: Family<Counter>,
    /// `ingress_suspended_accounts`.
    pub suspended_accounts: Gauge,
    /// `ingress_suspension_age_seconds`.
    pub suspension_age: Gauge,
    /// `ingress_tokens`.
    pub tokens: Gauge,
    /// `ingress_token_reloads_total` by result.
    pub token_reloads: Family<Counter>,
}

impl IngressMetrics {
    /// Makes the handles on the recorder that is current now.
    pub fn new() -> Self {
        Self {
            requests: table::INGRESS_REQUESTS.counters(),
            answer_duration: table::INGRESS_ANSWER_DURATION.histograms(),
            bytes_in_flight: table::INGRESS_BYTES_IN_FLIGHT.gauge(),
            pack_requests: table::INGRESS_PACK_REQUESTS.histogram(),
            pack_bytes: table::INGRESS_PACK_BYTES.histogram(),
            noops: table::INGRESS_NOOPS.counters(),
            quarantined: table::INGRESS_QUARANTINED.counters(),
            quarantine_lost: table::INGRESS_QUARANTINE_LOST.counter(),
            spilled: table::INGRESS_SPILLED.counter(),
            queue_sends: table::INGRESS_QUEUE_SENDS.counters(),
            fallback_first: table::INGRESS_FALLBACK_FIRST.gauge(),
            cost: table::INGRESS_COST.gauge(),
            connections: table::INGRESS_CONNECTIONS.gauge(),
            shed: table::INGRESS_SHED.counters(),
            cookie_syncs: table::INGRESS_COOKIE_SYNCS.counters(),
            suspended_accounts: table::INGRESS_SUSPENDED_ACCOUNTS.gauge(),
            suspension_age: table::INGRESS_SUSPENSION_AGE.gauge(),
            tokens: table::INGRESS_TOKENS.gauge(),
            token_reloads: table::INGRESS_TOKEN_RELOADS.counters(),
        }
    }
}

impl Default for IngressMetrics {
    fn default() -> Self {
        Self::new()
    }
}
