//! What the worker asks of stored subscriptions: whether a membership change may go, and to which list.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use penstock_shared::{
    clock::{Clock, millis},
    subscription::{StoreError, Subscription, SubscriptionKey, SubscriptionState, SubscriptionStore},
};

/// Entries the cache holds at most; when full it starts anew.
const CACHE_MAX: usize = 10_000;

/// How long a subscription is waited for until it is taken for one that never comes. Long, since an older change that
/// enters the user may be held up by an outage, and must not come after this one was given up.
const NEVER_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// Whether a membership change may go to the partner.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Standing {
    /// It may.
    Ready(Box<Subscription>),
    /// The audience was removed at or after the change.
    Removed,
    /// Its subscription, or the partner's list, is not there yet: wait.
    Await,
    /// It waited long enough: the subscription is made up from the membership (protocol.md 4.3).
    Imply,
    /// As before, and for so long that whoever entered the audience before would have connected it by now: who leaves
    /// it leaves nothing at the partner.
    NeverConnected,
}

/// The store behind a small cache of subscriptions that are ready.
#[derive(Debug)]
pub(crate) struct Subscriptions {
    pub(crate) store: Arc<dyn SubscriptionStore>,
    clock: Clock,
    /// Whether a subscription is ready only when something was captured for it.
    pub(crate) captures: bool,
    /// How long a membership waits before its subscription is made up.
    wait: Duration,
    /// How long a ready subscription is believed without asking.
    cache_for: Duration,
    cache: Mutex<BTreeMap<SubscriptionKey, (i64, Subscription)>>,
}

impl Subscriptions {
    pub(crate) fn new(
        store: Arc<dyn SubscriptionStore>,
        clock: Clock,
        captures: bool,
        wait: Duration,
        cache_for: Duration,
    ) -> Self {
        Self { store, clock, captures, wait, cache_for, cache: Mutex::new(BTreeMap::new()) }
    }

    /// How a membership change of `message_ms`, received `age` ago, stands.
    pub(crate) async fn standing(
        &self,
        key: &SubscriptionKey,
        message_ms: i64,
        age: Duration,
    ) -> Result<Standing, StoreError> {
        let stored = self.get(key).await?;
        Ok(self.judge(stored, message_ms, age))
    }

    /// Forgets what the cache has of it.
    pub(crate) fn forget(&self, key: &SubscriptionKey) {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    async fn get(&self, key: &SubscriptionKey) -> Result<Option<Subscription>, StoreError> {
        let now = self.clock.now_ms();
        if let Some((until, stored)) = self.cache.lock().unwrap_or_else(PoisonError::into_inner).get(key)
            && *until > now
        {
            return Ok(Some(stored.clone()));
        }
        let stored = self.store.get(key).await?;
        if let Some(stored) = stored.as_ref().filter(|stored| self.is_ready(stored)) {
            let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
            if cache.len() >= CACHE_MAX {
                cache.clear();
            }
            cache.insert(key.clone(), (now.saturating_add(millis(self.cache_for)), stored.clone()));
        }
        Ok(stored)
    }

    fn is_ready(&self, stored: &Subscription) -> bool {
        stored.state == SubscriptionState::Active && (!self.captures || !stored.captured.is_empty())
    }

    fn judge(&self, stored: Option<Subscription>, message_ms: i64, age: Duration) -> Standing {
        match stored {
            Some(stored) if self.is_ready(&stored) => Standing::Ready(Box::new(stored)),
            Some(stored)
                if stored.state == SubscriptionState::Removed && message_ms <= stored.changed_at_ms =>
            {
                Standing::Removed
            }
            // Without anything to capture there is no partner's list to wait for.
            None if self.captures && age >= NEVER_AFTER => Standing::NeverConnected,
            _ if !self.captures || age >= self.wait => Standing::Imply,
            _ => Standing::Await,
        }
    }
}

#[cfg(test)]
mod tests;
