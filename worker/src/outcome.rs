//! How one item's attempt ended, and the one table from the partner's answer to it.

use std::time::Duration;

use http::StatusCode;

/// How one item's attempt ended. Every item of a message gets exactly one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The partner has it.
    Delivered,
    /// Nobody is to have it.
    Filtered(FilterReason),
    /// Try again later.
    Retry {
        /// Why.
        reason: RetryReason,
        /// Not sooner than this from now; what the partner or a gate asked for.
        after: Option<Duration>,
    },
    /// Set aside for a person.
    Rejected {
        /// Why.
        reason: RejectReason,
        /// What happened, for a person: no values of the message, no settings, no tokens.
        detail: String,
    },
}

impl Outcome {
    /// A retry without a time of the partner's own.
    pub fn retry(reason: RetryReason) -> Self {
        Self::Retry { reason, after: None }
    }

    /// A rejection.
    pub fn rejected(reason: RejectReason, detail: impl Into<String>) -> Self {
        Self::Rejected { reason, detail: detail.into() }
    }
}

macro_rules! reasons {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $label:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$doc])* $variant,)+ }
        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];
            /// The word for metrics, dead letters and reports.
            pub fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }
        }
    };
}

reasons! {
    /// Why an item is nobody's.
    FilterReason {
        /// No route of `partner.toml` takes it.
        NoRoute = "no_route",
        /// A route with `drop` took it.
        Dropped = "dropped",
        /// The same item stands earlier in the request, or its effect was there before.
        Duplicate = "duplicate",
        /// A later change of the same user and audience stands in the same request.
        Superseded = "superseded",
        /// A newer change is stored already.
        Stale = "stale",
        /// The subscription was removed after this change was made.
        Removed = "removed",
        /// A user left an audience that was never connected.
        NotConnected = "not_connected",
        /// A user profile without any audience entry.
        NoAudiences = "no_audiences",
    }
}

reasons! {
    /// Why an item is tried again.
    RetryReason {
        /// No answer: connect, reset, TLS, broken body.
        Network = "network",
        /// No answer in time, or the partner says so (408, 425).
        Timeout = "timeout",
        /// The partner asks for fewer calls (429).
        Throttled = "throttled",
        /// The partner is in trouble (5xx).
        ServerError = "server_error",
        /// The account's credentials are refused (401, 402, 403, 407): held, never dropped.
        Unauthorized = "unauthorized",
        /// The partner reported this item alone as to be tried again.
        Busy = "busy",
        /// A limit of our own was closed for longer than an item may wait here.
        Gated = "gated",
        /// Its time has not come.
        NotDue = "not_due",
        /// The audience's subscription is not stored, or the partner's list is not known, yet.
        AwaitingSubscription = "awaiting_subscription",
        /// Another worker is at the same subscription now.
        Claimed = "claimed",
        /// The subscription store or the spill did not answer.
        StoreUnavailable = "store_unavailable",
        /// Handed back unsent: the worker stops, or a stage failed.
        HandedBack = "handed_back",
    }
}

impl RetryReason {
    /// Whether this was a try at delivering. Waiting is none, nor is being held off by the partner: those are bounded
    /// by age alone.
    pub fn counts_as_attempt(self) -> bool {
        matches!(self, Self::Network | Self::Timeout | Self::ServerError | Self::Busy)
    }
}

impl RetryReason {
    /// The longest wait before the next look at an item that only waits: short where a look costs the partner nothing
    /// and room may come free at any time, longer where it is a call that will most likely fail.
    pub fn longest_wait(self) -> Duration {
        match self {
            Self::Gated
            | Self::AwaitingSubscription
            | Self::Claimed
            | Self::StoreUnavailable
            | Self::HandedBack => Duration::from_secs(120),
            _ => Duration::from_secs(900),
        }
    }
}

reasons! {
    /// Why an item is a dead letter.
    RejectReason {
        /// It could not be read.
        Unreadable = "unreadable",
        /// An expression of `partner.toml` failed on it.
        MappingFailed = "mapping_failed",
        /// A setting that the integration requires is missing or blank.
        SettingMissing = "setting_missing",
        /// The partner refuses it (4xx).
        Refused = "refused",
        /// What it is for is not there at the partner (404, 410).
        Gone = "gone",
        /// Alone, it is larger than the partner takes (413), or than the route's `bytes_max`.
        TooLarge = "too_large",
        /// The partner reported this item alone as bad.
        PartnerRejected = "partner_rejected",
        /// As many attempts as `partner.toml` allows have failed.
        AttemptsExhausted = "attempts_exhausted",
        /// Older than `partner.toml` allows.
        TooOld = "too_old",
        /// Its spilled body is missing.
        SpillMissing = "spill_missing",
        /// A data subject request that no route takes, or that is no erasure.
        UnhandledDsr = "unhandled_dsr",
        /// The queue message could not be unpacked.
        PackUnreadable = "pack_unreadable",
    }
}

/// What the partner's answer means for the items of the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The same outcome for each.
    All(Outcome),
    /// Some item of the batch is at fault: halve it until the culprits stand alone.
    Halve(RejectReason),
}

/// What a status means where the partner documents nothing else. Complete: every status has one verdict.
pub fn classify(status: StatusCode, retry_after: Option<Duration>) -> Verdict {
    let retry = |reason| Verdict::All(Outcome::Retry { reason, after: retry_after });
    let reject =
        |reason| Verdict::All(Outcome::rejected(reason, format!("the partner answered {}", status.as_u16())));
    match status.as_u16() {
        200..=299 => Verdict::All(Outcome::Delivered),
        400 | 422 => Verdict::Halve(RejectReason::Refused),
        413 => Verdict::Halve(RejectReason::TooLarge),
        401 | 402 | 403 | 407 => retry(RetryReason::Unauthorized), // their credentials: hold and alarm, never drop
        404 | 410 => reject(RejectReason::Gone),
        408 | 425 => retry(RetryReason::Timeout),
        423 => retry(RetryReason::ServerError), // locked: passes
        429 => retry(RetryReason::Throttled),
        501 | 505 => reject(RejectReason::Refused), // will not pass by itself
        500..=599 => retry(RetryReason::ServerError),
        // 1xx and 3xx (redirects are not followed), and the rest of 4xx.
        _ => reject(RejectReason::Refused),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_a_verdict_and_only_a_2xx_is_delivered() {
        for code in 100..1000u16 {
            let verdict = classify(StatusCode::from_u16(code).unwrap(), None);
            assert_eq!(verdict == Verdict::All(Outcome::Delivered), (200..300).contains(&code), "{code}");
        }
    }

    #[test]
    fn trap_86_refused_credentials_are_held_and_never_a_dead_letter() {
        for code in [401, 402, 403, 407] {
            let Verdict::All(Outcome::Retry { reason, .. }) =
                classify(StatusCode::from_u16(code).unwrap(), None)
            else {
                panic!("{code} is not a retry");
            };
            assert!(!reason.counts_as_attempt());
        }
    }

    #[test]
    fn trap_88_retry_after_is_kept_and_costs_no_attempt() {
        let after = Some(Duration::from_secs(7));
        let verdict = classify(StatusCode::TOO_MANY_REQUESTS, after);
        assert_eq!(verdict, Verdict::All(Outcome::Retry { reason: RetryReason::Throttled, after }));
        assert!(!RetryReason::Throttled.counts_as_attempt());
    }
}
