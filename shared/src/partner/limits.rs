//! `[limits]` and `[retry]`: how fast the partner may be called, and how long an item is tried.

use std::time::Duration;

use super::{field::Field, reader::Table};

/// A token bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateLimit {
    /// Calls a second in the long run; above 0, at most 100,000.
    pub per_second: f64,
    /// Calls that may come at once; at least 1. Without `burst` in the file: one second's worth.
    pub burst: u32,
}

/// How fast one worker process may call the partner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Over all accounts.
    pub rate: Option<RateLimit>,
    /// For each account.
    pub rate_per_account: Option<RateLimit>,
    /// Calls at once, 1 to 1024.
    pub concurrency: u32,
    /// Calls at once for one account; at most `concurrency`.
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
    /// Whether the file says so.
    pub attempts_stated: bool,
    /// The first retry's delay, before jitter.
    pub delay_base: Duration,
    /// The longest delay; at least `delay_base`.
    pub delay_max: Duration,
    /// An item older than this is not tried again; 1 h to 14 days.
    pub age_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { rate: None, rate_per_account: None, concurrency: 16, concurrency_per_account: None }
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts_max: 100,
            attempts_stated: false,
            delay_base: Duration::from_secs(1),
            delay_max: Duration::from_hours(1),
            age_max: Duration::from_hours(72),
        }
    }
}

const RATE_KEYS: [&str; 4] =
    ["requests_per_second", "burst", "requests_per_second_per_account", "burst_per_account"];

/// Reads `[limits]`.
pub(super) fn read(field: &Field<'_>) -> Option<Limits> {
    let [rate, burst, account_rate, account_burst] = RATE_KEYS;
    let keys = [rate, burst, account_rate, account_burst, "concurrency", "concurrency_per_account"];
    let table = field.table(&keys)?;
    let RouteLimits { rate, rate_per_account } = read_rates(&table);
    let number = |field: &Field<'_>| {
        let number = field.whole(1..=1024, "how many calls may run at once")?;
        u32::try_from(number).ok()
    };
    let concurrency = table.get("concurrency").as_ref().and_then(number).unwrap_or(16);
    let account_field = table.get("concurrency_per_account");
    let concurrency_per_account = account_field.as_ref().and_then(number);
    if let Some((field, account)) = account_field.zip(concurrency_per_account)
        && account > concurrency
    {
        field.wrong(format!("{account} is above `concurrency`, {concurrency}"));
    }
    Some(Limits { rate, rate_per_account, concurrency, concurrency_per_account })
}

/// Reads a route's `limits`.
pub(super) fn read_route(field: &Field<'_>) -> Option<RouteLimits> {
    field.table(&RATE_KEYS).map(|table| read_rates(&table))
}

fn read_rates(table: &Table<'_>) -> RouteLimits {
    let [rate_key, burst_key, account_rate_key, account_burst_key] = RATE_KEYS;
    let rate = read_rate(table, rate_key, burst_key);
    let rate_per_account = read_rate(table, account_rate_key, account_burst_key);
    if let (Some(all), Some(account), Some(field)) = (rate, rate_per_account, table.get(account_rate_key))
        && account.per_second > all.per_second
    {
        field.wrong(format!("{} is above `{rate_key}`, {}", account.per_second, all.per_second));
    }
    RouteLimits { rate, rate_per_account }
}

fn read_rate(table: &Table<'_>, rate_key: &'static str, burst_key: &'static str) -> Option<RateLimit> {
    let burst = table.get(burst_key);
    let Some(field) = table.get(rate_key) else {
        if let Some(burst) = burst {
            burst.wrong_key(format!("needs `{rate_key}` beside it"));
        }
        return None;
    };
    // One call in a day is the slowest that means anything.
    let per_second = field.number(0.00001..=100_000.0, "calls a second")?;
    let burst = burst.and_then(|it| it.whole(1..=1_000_000, "how many calls may come at once"));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and 100,000")]
    let second = per_second.ceil().max(1.0) as u32;
    Some(RateLimit { per_second, burst: burst.and_then(|it| u32::try_from(it).ok()).unwrap_or(second) })
}

/// Reads `[retry]`.
pub(super) fn read_retry(field: &Field<'_>) -> Option<Retry> {
    let table = field.table(&["attempts_max", "delay_base_ms", "delay_max_ms", "age_max_hours"])?;
    let default = Retry::default();
    let attempts = table.get("attempts_max").and_then(|it| it.whole(1..=100, "how often an item is tried"));
    let base = table.get("delay_base_ms").and_then(|it| it.millis(10..=3_600_000, "the first delay"));
    let most_field = table.get("delay_max_ms");
    let most = most_field.as_ref().and_then(|it| it.millis(10..=43_200_000, "the longest delay"));
    let hours = table.get("age_max_hours").and_then(|it| it.whole(1..=336, "how old an item may become"));
    let delay_base = base.unwrap_or(default.delay_base);
    let delay_max = most.unwrap_or(default.delay_max.max(delay_base));
    if let Some(field) = most_field.filter(|_| delay_max < delay_base) {
        field.wrong("is below `delay_base_ms`");
    }
    Some(Retry {
        attempts_stated: attempts.is_some(),
        attempts_max: attempts.and_then(|it| u32::try_from(it).ok()).unwrap_or(default.attempts_max),
        delay_base,
        delay_max,
        age_max: hours.map_or(default.age_max, |it| Duration::from_hours(it.unsigned_abs())),
    })
}
