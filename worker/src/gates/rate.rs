//! One rate limit: GCRA on `tokio::time`, so that it runs under paused time.
//!
//! Asking and taking are two steps. A call that another limit holds up takes nothing here: a cell taken now for a call
//! that is made later would come on top of those that are free by then, and the partner would get more than its burst.

use std::{collections::BTreeMap, time::Duration};

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

#[derive(Debug)]
pub(super) struct Rate {
    by: RateKey,
    every: Duration,
    /// How far calls may run ahead of an even pace: the burst.
    ahead: Duration,
    /// When the next call would come if all came at an even pace; one that is not here has not called lately.
    next: BTreeMap<Counted, Instant>,
}

impl Rate {
    /// `None` without a limit.
    pub(super) fn new(limit: Option<RateLimit>, by: RateKey) -> Option<Self> {
        let limit = limit?;
        let every = Duration::from_secs_f64(1.0 / limit.per_second);
        let ahead = every.saturating_mul(limit.burst.saturating_sub(1));
        Some(Self { by, every, ahead, next: BTreeMap::new() })
    }

    /// When it lets a call of the lane pass, if not now. A lane that the limit does not concern passes.
    pub(super) fn closed_until(&self, lane: &LaneKey, now: Instant) -> Option<Instant> {
        let next = *self.next.get(&self.counted(lane)?)?;
        (next.saturating_duration_since(now) > self.ahead).then(|| next - self.ahead)
    }

    /// Counts a call that is made now.
    pub(super) fn take(&mut self, lane: &LaneKey, now: Instant) {
        if let Some(counted) = self.counted(lane) {
            let next = self.next.entry(counted).or_insert(now);
            *next = (*next).max(now) + self.every;
        }
    }

    /// How often it lets a call pass in the long run.
    pub(super) fn every(&self) -> Duration {
        self.every
    }

    /// Forgets those who have their whole burst back.
    pub(super) fn forget_idle(&mut self, now: Instant) {
        self.next.retain(|_, next| *next > now);
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
