//! The reasons a lane may not send now: rate limits, concurrency, and the partner's own word (Retry-After).

mod rate;

use std::{collections::BTreeMap, time::Duration};

use penstock_shared::{
    ids::{AccountId, Pod},
    partner::{Partner, RouteAction},
};
use tokio::time::Instant;

use self::rate::{Rate, RateKey};
use crate::lanes::LaneKey;

/// A reason a lane may not send now; a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gate {
    /// A rate limit of `partner.toml`.
    Rate,
    /// The partner asked to wait.
    RetryAfter,
    /// As many calls as may be under way are, and take too long.
    Concurrency,
    /// The lane holds as many items as it may.
    LaneFull,
}

impl Gate {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::Rate, Self::RetryAfter, Self::Concurrency, Self::LaneFull];

    /// The word for metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::RetryAfter => "retry_after",
            Self::Concurrency => "concurrency",
            Self::LaneFull => "lane_full",
        }
    }
}

/// What the gates say to a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Send one call now; the call is counted as begun.
    Go,
    /// As many calls of this account as may are under way. The end of one changes it.
    Busy,
    /// As many calls in all as may are under way: no lane may go. The end of one changes it.
    Full,
    /// Closed until then.
    Closed {
        /// Which.
        gate: Gate,
        /// When to ask again.
        until: Instant,
        /// How often it lets a call pass from then on; zero when it then stands open.
        every: Duration,
    },
}

type AccountKey = (Pod, AccountId);

/// Longest Retry-After that is believed; after it the partner is asked again.
pub(crate) const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// How long a 429 without Retry-After closes the gate.
const RETRY_AFTER_DEFAULT: Duration = Duration::from_secs(1);

/// All gates of one worker. Limits hold for this process; a fleet's worth is the sum of its workers.
#[derive(Debug)]
pub struct Gates {
    rates: Vec<Rate>,
    concurrency: usize,
    concurrency_per_account: usize,
    calls: usize,
    calls_by_account: BTreeMap<AccountKey, usize>,
    closed_until: BTreeMap<AccountKey, Instant>,
}

impl Gates {
    /// The gates that `partner.toml` asks for.
    pub fn new(partner: &Partner) -> Self {
        let mut rates = Vec::new();
        for (index, route) in partner.routes.iter().enumerate() {
            if let RouteAction::Call(call) = &route.action {
                rates.extend(Rate::new(call.limits.rate_per_account, RateKey::RouteAccount(index)));
                rates.extend(Rate::new(call.limits.rate, RateKey::Route(index)));
            }
        }
        let limits = &partner.limits;
        rates.extend(Rate::new(limits.rate_per_account, RateKey::Account));
        rates.extend(Rate::new(limits.rate, RateKey::Global));
        Self {
            rates,
            concurrency: limits.concurrency as usize,
            // By default one account whose calls hang leaves half of the places to the others.
            concurrency_per_account: limits.concurrency_per_account.unwrap_or(limits.concurrency.div_ceil(2))
                as usize,
            calls: 0,
            calls_by_account: BTreeMap::new(),
            closed_until: BTreeMap::new(),
        }
    }

    /// Asks for one call. Unless it may go, it is counted nowhere.
    pub fn admit(&mut self, lane: &LaneKey, now: Instant) -> Admission {
        let account = (lane.pod.clone(), lane.account);
        if let Some(&until) = self.closed_until.get(&account) {
            if until > now {
                return Admission::Closed { gate: Gate::RetryAfter, until, every: Duration::ZERO };
            }
            self.closed_until.remove(&account);
        }
        let of_account = self.calls_by_account.get(&account).copied().unwrap_or(0);
        if self.calls >= self.concurrency {
            return Admission::Full;
        }
        if of_account >= self.concurrency_per_account {
            return Admission::Busy;
        }
        let closed = self.rates.iter().filter_map(|rate| Some((rate.closed_until(lane, now)?, rate.every())));
        if let Some((until, every)) = closed.max() {
            return Admission::Closed { gate: Gate::Rate, until, every };
        }
        self.rates.iter().for_each(|rate| rate.take(lane, now));
        self.calls += 1;
        *self.calls_by_account.entry(account).or_default() += 1;
        Admission::Go
    }

    /// A call ended; `throttled` holds what the partner asked for, if it did.
    pub fn ended(&mut self, lane: &LaneKey, throttled: Option<Option<Duration>>, now: Instant) {
        let account = (lane.pod.clone(), lane.account);
        self.calls = self.calls.saturating_sub(1);
        if let Some(calls) = self.calls_by_account.get_mut(&account) {
            *calls = calls.saturating_sub(1);
            if *calls == 0 {
                self.calls_by_account.remove(&account);
            }
        }
        if let Some(after) = throttled {
            let until = now + after.unwrap_or(RETRY_AFTER_DEFAULT).min(RETRY_AFTER_MAX);
            let closed = self.closed_until.entry(account).or_insert(until);
            *closed = until.max(*closed);
        }
    }

    /// Calls under way.
    pub fn calls(&self) -> usize {
        self.calls
    }

    /// Forgets accounts that were idle long enough to have all their cells back.
    pub fn forget_idle(&mut self, now: Instant) {
        self.closed_until.retain(|_, until| *until > now);
        self.rates.iter().for_each(|rate| rate.forget_idle(now));
    }
}

#[cfg(test)]
mod tests;
