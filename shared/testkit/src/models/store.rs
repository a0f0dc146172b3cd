//! Subscriptions in memory, as both real stores keep them.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use penstock_shared::{
    ids::{AccountId, Pod},
    subscription::{
        Applied, Captured, Claim, StoreError, Subscription, SubscriptionChange, SubscriptionKey,
        SubscriptionStore,
    },
    suspension::{CredentialsKey, SUSPENDED_MAX, Suspension},
};

use super::{Observer, happens, latency};

/// A subscription store in memory.
#[derive(Debug)]
pub struct StoreModel {
    state: Mutex<State>,
    observer: Observer,
}

#[derive(Debug)]
struct State {
    stored: BTreeMap<SubscriptionKey, Subscription>,
    suspended: BTreeMap<CredentialsKey, Suspension>,
    fails: u8,
    rng: fastrand::Rng,
    unconfirmed: u64,
}

impl StoreModel {
    /// Nothing stored, no faults.
    pub fn new(seed: u64) -> Self {
        let rng = fastrand::Rng::with_seed(seed);
        let (stored, suspended) = (BTreeMap::new(), BTreeMap::new());
        let state = State { stored, suspended, fails: 0, rng, unconfirmed: 0 };
        Self { state: Mutex::new(state), observer: Observer::default() }
    }

    /// Tells `observer` what happens.
    #[must_use]
    pub fn observed(mut self, observer: Observer) -> Self {
        self.observer = observer;
        self
    }

    /// How often it does not answer, in percent; a quarter of these calls take effect all the same.
    pub fn set_faults(&self, percent: u8) {
        self.state().fails = percent;
    }

    /// Everything stored, in the order of the keys.
    pub fn all(&self) -> Vec<Subscription> {
        self.state().stored.values().cloned().collect()
    }

    /// Every suspension noted, in the order of the keys.
    pub fn suspensions(&self) -> Vec<Suspension> {
        self.state().suspended.values().cloned().collect()
    }

    /// Calls that took effect and were not answered.
    pub fn unconfirmed(&self) -> u64 {
        self.state().unconfirmed
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One call: time passes before its effect and after it, and it may fail on either side.
    async fn call<T: Send>(&self, effect: impl FnOnce(&mut State) -> T + Send) -> Result<T, StoreError> {
        let (before, after) = {
            let mut state = self.state();
            (latency(&mut state.rng), latency(&mut state.rng))
        };
        tokio::time::sleep(before).await;
        let (fails, takes_effect) = {
            let mut state = self.state();
            let percent = state.fails;
            let fails = happens(&mut state.rng, percent);
            let takes_effect = !fails || state.rng.u8(0..4) == 0;
            state.unconfirmed += u64::from(fails && takes_effect);
            (fails, takes_effect)
        };
        let result = takes_effect.then(|| effect(&mut self.state()));
        tokio::time::sleep(after).await;
        result.filter(|_| !fails).ok_or_else(|| StoreError::Unavailable("by script".to_owned()))
    }

    async fn on_subscriptions<T: Send>(
        &self,
        effect: impl FnOnce(&mut BTreeMap<SubscriptionKey, Subscription>) -> T + Send,
    ) -> Result<T, StoreError> {
        self.call(|state| effect(&mut state.stored)).await
    }
}

#[async_trait]
impl SubscriptionStore for StoreModel {
    async fn get(&self, key: &SubscriptionKey) -> Result<Option<Subscription>, StoreError> {
        self.on_subscriptions(|stored| stored.get(key).cloned()).await
    }

    async fn apply(&self, change: &SubscriptionChange) -> Result<Applied, StoreError> {
        self.on_subscriptions(|all| {
            let stored =
                all.get(&change.key).is_none_or(|stored| stored.changed_at_ms <= change.changed_at_ms);
            let entry = all.entry(change.key.clone()).or_insert_with(|| Subscription {
                key: change.key.clone(),
                state: change.state,
                name: String::new(),
                settings: BTreeMap::new(),
                changed_at_ms: change.changed_at_ms,
                captured: Captured::new(),
                claim: None,
            });
            if stored {
                entry.state = change.state;
                entry.changed_at_ms = change.changed_at_ms;
                if let Some(name) = &change.name {
                    entry.name.clone_from(name);
                }
                if let Some(settings) = &change.settings {
                    entry.settings.clone_from(settings);
                }
            }
            self.observer.note(format_args!(
                "store applies {:?} at {} for {}/{}: {stored}",
                change.state, change.changed_at_ms, change.key.account, change.key.audience_id
            ));
            Applied { stored, current: entry.clone() }
        })
        .await
    }

    async fn claim(
        &self,
        key: &SubscriptionKey,
        owner: &str,
        now_ms: i64,
        until_ms: i64,
    ) -> Result<bool, StoreError> {
        self.on_subscriptions(|all| {
            let Some(entry) = all.get_mut(key) else { return false };
            let is_free =
                entry.claim.as_ref().is_none_or(|claim| claim.owner == owner || claim.until_ms <= now_ms);
            if is_free {
                entry.claim = Some(Claim { owner: owner.to_owned(), until_ms });
            }
            self.observer
                .note(format_args!("store: {owner} claims {}/{}: {is_free}", key.account, key.audience_id));
            is_free
        })
        .await
    }

    async fn release(
        &self,
        key: &SubscriptionKey,
        owner: &str,
        captured: Option<&Captured>,
    ) -> Result<bool, StoreError> {
        self.on_subscriptions(|all| {
            let Some(entry) = all.get_mut(key) else { return false };
            let is_owner = entry.claim.as_ref().is_some_and(|claim| claim.owner == owner);
            if is_owner {
                entry.claim = None;
                if let Some(captured) = captured {
                    entry.captured.clone_from(captured);
                }
            }
            self.observer.note(format_args!(
                "store: {owner} releases {}/{}, captured {}: {is_owner}",
                key.account,
                key.audience_id,
                captured.is_some()
            ));
            is_owner
        })
        .await
    }

    async fn scan(
        &self,
        pod: &Pod,
        account: AccountId,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Subscription>, StoreError> {
        self.on_subscriptions(|all| {
            all.values()
                .filter(|stored| stored.key.pod == *pod && stored.key.account == account)
                .filter(|stored| after.is_none_or(|after| stored.key.audience_id > after))
                .take(limit.clamp(1, 1000))
                .cloned()
                .collect()
        })
        .await
    }

    async fn note_refused(&self, note: &Suspension) -> Result<(), StoreError> {
        self.call(|state| {
            self.observer.note(format_args!("store: account {} is refused", note.key.account));
            match state.suspended.get_mut(&note.key) {
                None => {
                    state.suspended.insert(note.key.clone(), note.clone());
                }
                Some(stored) if stored.confirmed_ms < note.confirmed_ms => {
                    stored.confirmed_ms = note.confirmed_ms;
                    stored.received_ms = note.received_ms;
                    stored.refusals += note.refusals;
                }
                Some(_) => {}
            }
        })
        .await
    }

    async fn note_accepted(&self, key: &CredentialsKey, at_ms: i64) -> Result<bool, StoreError> {
        self.call(|state| {
            let stands = state.suspended.get(key).is_some_and(|stored| stored.confirmed_ms > at_ms);
            self.observer.note(format_args!("store: account {} is accepted: {}", key.account, !stands));
            if !stands {
                state.suspended.remove(key);
            }
            !stands
        })
        .await
    }

    async fn suspended(&self, pod: &Pod) -> Result<Vec<Suspension>, StoreError> {
        self.call(|state| {
            let of_pod = state.suspended.values().filter(|stored| stored.key.pod == *pod);
            of_pod.take(SUSPENDED_MAX).cloned().collect()
        })
        .await
    }
}
