//! One rate limit: governor's GCRA on the time it is told, so that it runs under paused time.
//!
//! Asking and taking are two steps. A call that another limit holds up takes nothing here: a cell taken now for a call
//! that is made later would come on top of those that are free by then, and the partner would get more than its burst.
//! governor only takes; its store of states is ours, and keeps nothing while we ask.

use std::{
    collections::BTreeMap,
    num::NonZeroU32,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, Reference as _},
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::StateStore,
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

/// Whose calls are counted together; `None` for everyone's.
type Counted = Option<(Pod, AccountId)>;

/// Time since a limit's origin, as it was told last.
#[derive(Clone, Debug, Default)]
struct Told(Arc<AtomicU64>);

impl Clock for Told {
    type Instant = Duration;

    fn now(&self) -> Duration {
        Duration::from_nanos(self.0.load(Relaxed))
    }
}

/// governor's states by whose calls they count.
#[derive(Clone, Debug, Default)]
struct States(Arc<Kept>);

#[derive(Debug, Default)]
struct Kept {
    by: Mutex<BTreeMap<Counted, Nanos>>,
    /// Whether new states are left out.
    is_asking: AtomicBool,
}

impl StateStore for States {
    type Key = Counted;

    fn measure_and_replace<T, F, E>(&self, key: &Counted, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut states = self.0.by.lock().unwrap_or_else(PoisonError::into_inner);
        let (passed, next) = measure(states.get(key).copied())?;
        if !self.0.is_asking.load(Relaxed) {
            states.insert(key.clone(), next);
        }
        Ok(passed)
    }
}

#[derive(Debug)]
pub(super) struct Rate {
    by: RateKey,
    every: Duration,
    origin: Instant,
    told: Told,
    states: States,
    limiter: RateLimiter<Counted, States, Told, NoOpMiddleware<Duration>>,
}

impl Rate {
    /// `None` without a limit.
    pub(super) fn new(limit: Option<RateLimit>, by: RateKey) -> Option<Self> {
        let limit = limit?;
        let every = Duration::from_secs_f64(1.0 / limit.per_second);
        let quota = Quota::with_period(every)?.allow_burst(NonZeroU32::new(limit.burst)?);
        let (told, states) = (Told::default(), States::default());
        let limiter = RateLimiter::new(quota, states.clone(), told.clone());
        Some(Self { by, every, origin: Instant::now(), told, states, limiter })
    }

    /// When it lets a call of the lane pass, if not now. A lane that the limit does not concern passes.
    pub(super) fn closed_until(&self, lane: &LaneKey, now: Instant) -> Option<Instant> {
        self.states.0.is_asking.store(true, Relaxed);
        let until = self.check(lane, now);
        self.states.0.is_asking.store(false, Relaxed);
        until
    }

    /// Counts a call that is made now; it was asked for before.
    pub(super) fn take(&self, lane: &LaneKey, now: Instant) {
        let _until: Option<Instant> = self.check(lane, now);
    }

    fn check(&self, lane: &LaneKey, now: Instant) -> Option<Instant> {
        let counted = self.counted(lane)?;
        let since = now.saturating_duration_since(self.origin);
        self.told.0.store(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX), Relaxed);
        let not_until = self.limiter.check_key(&counted).err()?;
        let since_origin: Nanos = not_until.earliest_possible().duration_since(Duration::ZERO);
        Some(self.origin + Duration::from(since_origin))
    }

    /// How often it lets a call pass in the long run.
    pub(super) fn every(&self) -> Duration {
        self.every
    }

    /// Forgets those who have their whole burst back.
    pub(super) fn forget_idle(&self, now: Instant) {
        let since = now.saturating_duration_since(self.origin);
        let mut states = self.states.0.by.lock().unwrap_or_else(PoisonError::into_inner);
        states.retain(|_, next| Duration::from(*next) > since);
    }

    /// `None` for a lane that the limit does not concern.
    fn counted(&self, lane: &LaneKey) -> Option<Counted> {
        let account = || Some((lane.pod.clone(), lane.account));
        match self.by {
            RateKey::Global => Some(None),
            RateKey::Account => Some(account()),
            RateKey::Route(route) => (route == lane.route).then_some(None),
            RateKey::RouteAccount(route) => (route == lane.route).then(account),
        }
    }
}
