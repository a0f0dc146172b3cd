//! What CloudWatch is told. `docs/telemetry.md` shows the table; a test keeps the two the same.

use super::{
    super::{Metric, table},
    Role,
};

/// One metric as CloudWatch has it.
pub(super) struct Published {
    pub(super) name: &'static str,
    /// A unit of CloudWatch.
    pub(super) unit: &'static str,
    /// Whose it is; `None` for what the roles of a process count together.
    pub(super) role: Option<Role>,
    pub(super) source: Source,
    /// What it means, for the operator.
    #[cfg_attr(not(test), expect(dead_code, reason = "the docs show it"))]
    pub(super) help: &'static str,
}

/// Where its value comes from.
pub(super) enum Source {
    /// What a counter grew by, over those words of a label that are wanted.
    Count(&'static Metric, &'static str, fn(&str) -> bool),
    /// A gauge, as it is.
    Gauge(&'static Metric),
    /// The values a histogram got.
    Distribution(&'static Metric),
    /// What SQS bills.
    Billed,
}

const INGRESS: Option<Role> = Some(Role::Ingress);
const WORKER: Option<Role> = Some(Role::Worker);

const fn all(metric: &'static Metric) -> Source {
    Source::Count(metric, "", |_| true)
}

const fn some(metric: &'static Metric, label: &'static str, pick: fn(&str) -> bool) -> Source {
    Source::Count(metric, label, pick)
}

const fn count(name: &'static str, role: Option<Role>, source: Source, help: &'static str) -> Published {
    Published { name, unit: "Count", role, source, help }
}

const fn outcome(name: &'static str, pick: fn(&str) -> bool, help: &'static str) -> Published {
    count(name, WORKER, some(table::WORKER_ITEMS, "outcome", pick), help)
}

pub(super) const TABLE: &[Published] = &[
    count("Requests", INGRESS, all(table::INGRESS_REQUESTS), "answers"),
    count(
        "ServerErrors",
        INGRESS,
        some(table::INGRESS_REQUESTS, "status", |status| status.starts_with('5')),
        "of these, 500 and 503",
    ),
    count(
        "ClientErrors",
        INGRESS,
        some(table::INGRESS_REQUESTS, "status", |status| status.starts_with('4')),
        "of these, 400 to 499",
    ),
    Published {
        name: "AnswerSeconds",
        unit: "Seconds",
        role: INGRESS,
        source: Source::Distribution(table::INGRESS_ANSWER_DURATION),
        help: "times of answers, each told as the upper bound of its bucket; beyond the last, 5 s, as 10 s. Left out when there was no answer",
    },
    count(
        "QuarantineLost",
        INGRESS,
        all(table::INGRESS_QUARANTINE_LOST),
        "unreadable bodies no copy was kept of",
    ),
    count(
        "Tokens",
        INGRESS,
        Source::Gauge(table::INGRESS_TOKENS),
        "tokens valid now; with 0, data is answered 503",
    ),
    count(
        "FallbackFirst",
        INGRESS,
        Source::Gauge(table::INGRESS_FALLBACK_FIRST),
        "1 while the main queue is taken for down",
    ),
    count(
        "QueueBilledRequests",
        None,
        Source::Billed,
        "requests that SQS bills, one for each 64 KiB begun; of `run`, told with `Role` ingress alone",
    ),
    count("ItemsReceived", WORKER, all(table::WORKER_ITEMS_RECEIVED), "items taken from the queues"),
    outcome("ItemsDelivered", |word| word == "delivered", "items the partner has"),
    outcome("ItemsFiltered", |word| word == "filtered", "items that needed no call"),
    outcome("ItemsRequeued", |word| word == "requeued", "items put back for later"),
    outcome("ItemsDeadLettered", |word| word == "dead_lettered", "items set aside for a person"),
    outcome("ItemsLapsed", |word| word == "lapsed", "items whose message went back by itself"),
    count("ItemsInFlight", WORKER, Source::Gauge(table::WORKER_ITEMS_IN_FLIGHT), "items held now"),
    count(
        "ItemsUnaccounted",
        WORKER,
        Source::Gauge(table::WORKER_ITEMS_UNACCOUNTED),
        "items received that are neither done with nor held; anything but 0 is a defect",
    ),
    count("MessagesSettled", WORKER, all(table::WORKER_MESSAGES_SETTLED), "queue messages done with"),
    Published {
        name: "PartnerLimitedShare",
        unit: "None",
        role: WORKER,
        source: Source::Gauge(table::WORKER_PARTNER_LIMITED_SHARE),
        help: "0 to 1: the share of the work that waits because the partner said so (429, Retry-After), not by our own limits",
    },
    count("Calls", WORKER, all(table::WORKER_CALLS), "calls to the partner"),
    count(
        "CallErrors",
        WORKER,
        some(table::WORKER_CALLS, "status_class", |class| class != "2xx"),
        "of these, all without a 2xx",
    ),
    count("PartnerThrottled", WORKER, all(table::WORKER_CALLS_THROTTLED), "of these, those answered 429"),
    count(
        "PacksLaterVersion",
        WORKER,
        all(table::WORKER_PACKS_LATER_VERSION),
        "packs put back because only a newer worker can read them, each time one was received",
    ),
];
