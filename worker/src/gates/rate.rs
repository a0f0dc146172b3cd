//! One rate limit: governor's GCRA on `tokio::time`, so that it runs under paused time.

use std::{num::NonZeroU32, time::Duration};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, Reference as _},
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::keyed::HashMapStateStore,
};
use penstock_shared::{
    ids::{AccountId, Pod},
    partner::RateLimit,
};
use tokio::time::Instant;

use crate::lanes::LaneKey;

/// What a limit counts by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RateKey {
    /// All calls.
    Global,
    /// Each account's calls.
    Account,
    /// All calls of a route.
    Route(usize),
    /// Each account's calls of a route.
    RouteAccount(usize),
}

/// `tokio::time` for governor, which keeps the time of an instant since an origin.
#[derive(Clone, Debug)]
struct TokioClock(Instant);

impl Clock for TokioClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

type Limiter = RateLimiter<
    Option<(Pod, AccountId)>,
    HashMapStateStore<Option<(Pod, AccountId)>>,
    TokioClock,
    NoOpMiddleware<Duration>,
>;

#[derive(Debug)]
pub(super) struct Rate {
    by: RateKey,
    origin: Instant,
    every: Duration,
    limiter: Limiter,
}

impl Rate {
    /// `None` without a limit.
    pub(super) fn new(limit: Option<RateLimit>, by: RateKey, origin: Instant) -> Option<Self> {
        let limit = limit?;
        let quota = Quota::with_period(Duration::from_secs_f64(1.0 / limit.per_second))?;
        let quota = quota.allow_burst(NonZeroU32::new(limit.burst)?);
        let every = Duration::from_secs_f64(1.0 / limit.per_second);
        Some(Self { by, origin, every, limiter: RateLimiter::hashmap_with_clock(quota, TokioClock(origin)) })
    }

    /// Takes one cell, or says when there will be one. A lane that the limit does not concern passes.
    pub(super) fn take(&self, lane: &LaneKey) -> Result<(), Instant> {
        let account = || Some((lane.pod.clone(), lane.account));
        let key = match self.by {
            RateKey::Global => None,
            RateKey::Account => account(),
            RateKey::Route(route) if route == lane.route => None,
            RateKey::RouteAccount(route) if route == lane.route => account(),
            RateKey::Route(_) | RateKey::RouteAccount(_) => return Ok(()),
        };
        self.limiter.check_key(&key).map_err(|not_until| {
            let since_origin: Nanos = not_until.earliest_possible().duration_since(Duration::ZERO);
            self.origin + Duration::from(since_origin)
        })
    }

    /// How often it lets a call pass in the long run.
    pub(super) fn every(&self) -> Duration {
        self.every
    }

    /// Forgets keys that have all their cells back.
    pub(super) fn forget_idle(&self) {
        self.limiter.retain_recent();
    }
}
