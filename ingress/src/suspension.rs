//! For which accounts mParticle is told to stop: a snapshot of what the worker found out, refreshed beside the calls.
//!
//! A call only looks at the snapshot. While the store is away the last one stays, until it is too old to be believed;
//! then nobody is suspended. No other answer depends on it.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use futures::future::try_join_all;
use penstock_shared::{
    clock::Clock,
    firehose,
    ids::{AccountId, Pod},
    subscription::{StoreError, SubscriptionStore},
    suspension::{Fingerprint, Suspension},
    telemetry::IngressMetrics,
};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::config::SuspensionConfig;

/// Longest asking of the store.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// The suspended accounts, as last heard.
#[derive(Debug)]
pub(crate) struct Suspensions {
    pods: Vec<Pod>,
    clock: Clock,
    stale_after: Duration,
    snapshot: RwLock<Arc<Snapshot>>,
}

#[derive(Debug)]
struct Snapshot {
    taken: Instant,
    by_account: BTreeMap<(Pod, AccountId), Vec<Suspension>>,
}

impl Suspensions {
    /// Nobody is suspended. `pods` are those whose calls come here.
    pub(crate) fn new(pods: Vec<Pod>, clock: Clock, stale_after: Duration) -> Arc<Self> {
        let nobody = Snapshot { taken: Instant::now(), by_account: BTreeMap::new() };
        Arc::new(Self { pods, clock, stale_after, snapshot: RwLock::new(Arc::new(nobody)) })
    }

    /// Whether mParticle is to stop for the account, and with the credentials that this body carries: a customer who
    /// comes back with a new key is not suspended again.
    pub(crate) fn includes(&self, pod: &Pod, account: AccountId, body: &[u8]) -> bool {
        let snapshot = self.snapshot();
        if snapshot.by_account.is_empty() {
            return false;
        }
        let Some(suspended) = snapshot.by_account.get(&(pod.clone(), account)) else { return false };
        if snapshot.taken.elapsed() > self.stale_after {
            return false;
        }
        let (now_ms, account) = (self.clock.now_ms(), firehose::account(body));
        let fingerprint = Fingerprint::of(pod, &account);
        suspended.iter().any(|each| each.key.fingerprint == fingerprint && each.holds(now_ms))
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How old the snapshot is; before the first, since the beginning.
    fn age(&self) -> Duration {
        self.snapshot().taken.elapsed()
    }

    fn accounts(&self) -> usize {
        let (snapshot, now_ms) = (self.snapshot(), self.clock.now_ms());
        let is_suspended = |all: &&Vec<Suspension>| all.iter().any(|each| each.holds(now_ms));
        if self.age() > self.stale_after {
            0
        } else {
            snapshot.by_account.values().filter(is_suspended).count()
        }
    }

    fn take(&self, listed: Vec<Suspension>) {
        let mut by_account: BTreeMap<(Pod, AccountId), Vec<Suspension>> = BTreeMap::new();
        for suspension in listed.into_iter().filter(|each| each.key.account != AccountId::Unknown) {
            let account = (suspension.key.pod.clone(), suspension.key.account);
            by_account.entry(account).or_default().push(suspension);
        }
        let snapshot = Arc::new(Snapshot { taken: Instant::now(), by_account });
        *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = snapshot;
    }
}

/// How much can be told of suspensions; logged when it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Freshness {
    Fresh,
    Ageing,
    Stale,
}

/// Keeps the snapshot fresh.
#[derive(Debug)]
pub(crate) struct Refresher {
    store: Arc<dyn SubscriptionStore>,
    suspensions: Arc<Suspensions>,
    every: Duration,
    metrics: Arc<IngressMetrics>,
}

impl Refresher {
    pub(crate) fn new(
        store: Arc<dyn SubscriptionStore>,
        suspensions: Arc<Suspensions>,
        config: SuspensionConfig,
        metrics: Arc<IngressMetrics>,
    ) -> Self {
        Self { store, suspensions, every: config.refresh_every, metrics }
    }

    /// Asks the store again and again; never ends.
    ///
    /// # Cancel safety
    /// When dropped, the snapshot stays as it is.
    pub(crate) async fn run(self) {
        let mut turns = interval(self.every);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut known = Freshness::Fresh;
        loop {
            turns.tick().await;
            let (freshness, error) = match self.ask().await {
                Ok(listed) => {
                    self.suspensions.take(listed);
                    (Freshness::Fresh, None)
                }
                Err(error) if self.suspensions.age() > self.suspensions.stale_after => {
                    (Freshness::Stale, Some(error))
                }
                Err(error) => (Freshness::Ageing, Some(error)),
            };
            if freshness != known {
                log(freshness, error);
            }
            known = freshness;
            self.show();
        }
    }

    async fn ask(&self) -> Result<Vec<Suspension>, StoreError> {
        let asking = try_join_all(self.suspensions.pods.iter().map(|pod| self.store.suspended(pod)));
        timeout(CALL_TIMEOUT, asking)
            .await
            .unwrap_or_else(|_| Err(StoreError::Unavailable("no answer in time".to_owned())))
            .map(|listed| listed.concat())
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge; there are at most ten thousand")]
    fn show(&self) {
        self.metrics.suspended_accounts.set(self.suspensions.accounts() as f64);
        self.metrics.suspension_age.set(self.suspensions.age().as_secs_f64());
    }
}

fn log(freshness: Freshness, error: Option<StoreError>) {
    let error = error.map(|error| error.to_string()).unwrap_or_default();
    match freshness {
        Freshness::Fresh => tracing::info!("the store tells again which accounts are suspended"),
        Freshness::Ageing => {
            tracing::warn!(
                error,
                "the store does not tell which accounts are suspended: the last word stands"
            );
        }
        Freshness::Stale => {
            tracing::warn!(
                error,
                "which accounts are suspended is not known any more: mParticle is told of none"
            );
        }
    }
}

#[cfg(test)]
mod tests;
