//! `[limits]` and `[retry]`: how fast the partner may be called, and how long an item is tried.

use std::time::Duration;

/// A token bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateLimit {
    /// Calls a second in the long run; above 0, at most 100,000.
    pub per_second: f64,
    /// Calls that may come at once; at least 1. Without `burst` in the file: one second's worth.
    pub burst: u32,
}

/// How fast the partner may be called, by the whole fleet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Over all accounts.
    pub rate: Option<RateLimit>,
    /// For each account.
    pub rate_per_account: Option<RateLimit>,
    /// Calls at once from one worker, 1 to 1024.
    pub concurrency: u32,
    /// Calls at once for one account from one worker; at most `concurrency`.
    pub concurrency_per_account: Option<u32>,
}

/// How fast one route may call, beside [`Limits`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RouteLimits {
    /// Over all accounts.
    pub rate: Option<RateLimit>,
    /// For each account.
    pub rate_per_account: Option<RateLimit>,
}

/// How often and how long a failing item is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Attempts in all, 1 to 100.
    pub attempts_max: u32,
    /// The first retry's delay, before jitter.
    pub delay_base: Duration,
    /// The longest delay; at least `delay_base`.
    pub delay_max: Duration,
    /// An item older than this is not tried again; 1 h to 14 days.
    pub age_max: Duration,
}
