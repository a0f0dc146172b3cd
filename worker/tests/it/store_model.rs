//! Subscriptions and spilled bodies in memory, with faults from a seed.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use penstock_shared::{
    ids::{AccountId, Pod},
    spill::{Spill, SpillError, SpillKey},
    subscription::{
        Applied, Captured, Claim, StoreError, Subscription, SubscriptionChange, SubscriptionKey,
        SubscriptionStore,
    },
};

#[derive(Debug)]
pub(crate) struct StoreModel {
    stored: Mutex<BTreeMap<SubscriptionKey, Subscription>>,
    faults: Mutex<(u8, fastrand::Rng)>,
}

impl StoreModel {
    pub(crate) fn new(seed: u64) -> Self {
        Self { stored: Mutex::default(), faults: Mutex::new((0, fastrand::Rng::with_seed(seed))) }
    }

    /// How often it does not answer, in percent.
    pub(crate) fn set_faults(&self, percent: u8) {
        self.faults.lock().unwrap().0 = percent;
    }

    pub(crate) fn all(&self) -> Vec<Subscription> {
        self.stored().values().cloned().collect()
    }

    fn stored(&self) -> MutexGuard<'_, BTreeMap<SubscriptionKey, Subscription>> {
        self.stored.lock().unwrap()
    }

    async fn answer(&self) -> Result<(), StoreError> {
        tokio::time::sleep(Duration::from_millis(1)).await;
        let mut faults = self.faults.lock().unwrap();
        let percent = faults.0;
        if faults.1.u8(0..100) < percent {
            return Err(StoreError::Unavailable("by script".to_owned()));
        }
        Ok(())
    }
}

#[async_trait]
impl SubscriptionStore for StoreModel {
    async fn get(&self, key: &SubscriptionKey) -> Result<Option<Subscription>, StoreError> {
        self.answer().await?;
        Ok(self.stored().get(key).cloned())
    }

    async fn apply(&self, change: &SubscriptionChange) -> Result<Applied, StoreError> {
        self.answer().await?;
        let mut all = self.stored();
        let stored = all.get(&change.key).is_none_or(|stored| stored.changed_at_ms <= change.changed_at_ms);
        if stored {
            let fresh = Subscription {
                key: change.key.clone(),
                state: change.state,
                name: String::new(),
                settings: BTreeMap::new(),
                changed_at_ms: change.changed_at_ms,
                captured: Captured::new(),
                claim: None,
            };
            let entry = all.entry(change.key.clone()).or_insert(fresh);
            entry.state = change.state;
            entry.changed_at_ms = change.changed_at_ms;
            entry.name = change.name.clone().unwrap_or(std::mem::take(&mut entry.name));
            entry.settings = change.settings.clone().unwrap_or(std::mem::take(&mut entry.settings));
        }
        Ok(Applied { stored, current: all[&change.key].clone() })
    }

    async fn claim(
        &self,
        key: &SubscriptionKey,
        owner: &str,
        now_ms: i64,
        until_ms: i64,
    ) -> Result<bool, StoreError> {
        self.answer().await?;
        let mut all = self.stored();
        let Some(entry) = all.get_mut(key) else { return Ok(false) };
        let is_free =
            entry.claim.as_ref().is_none_or(|claim| claim.owner == owner || claim.until_ms <= now_ms);
        if is_free {
            entry.claim = Some(Claim { owner: owner.to_owned(), until_ms });
        }
        Ok(is_free)
    }

    async fn release(
        &self,
        key: &SubscriptionKey,
        owner: &str,
        captured: Option<&Captured>,
    ) -> Result<bool, StoreError> {
        self.answer().await?;
        let mut all = self.stored();
        let Some(entry) = all.get_mut(key) else { return Ok(false) };
        let is_owner = entry.claim.as_ref().is_some_and(|claim| claim.owner == owner);
        if is_owner {
            entry.claim = None;
            entry.captured = captured.cloned().unwrap_or(std::mem::take(&mut entry.captured));
        }
        Ok(is_owner)
    }

    async fn scan(
        &self,
        _: &Pod,
        _: AccountId,
        _: Option<i64>,
        _: usize,
    ) -> Result<Vec<Subscription>, StoreError> {
        Ok(self.all())
    }
}

#[derive(Debug, Default)]
pub(crate) struct SpillModel(Mutex<BTreeMap<SpillKey, Bytes>>);

impl SpillModel {
    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    pub(crate) fn clear(&self) {
        self.0.lock().unwrap().clear();
    }
}

#[async_trait]
impl Spill for SpillModel {
    async fn put(&self, key: &SpillKey, body: Bytes) -> Result<(), SpillError> {
        self.0.lock().unwrap().insert(key.clone(), body);
        Ok(())
    }

    async fn get(&self, key: &SpillKey) -> Result<Bytes, SpillError> {
        self.0.lock().unwrap().get(key).cloned().ok_or(SpillError::Missing)
    }

    async fn delete(&self, key: &SpillKey) -> Result<(), SpillError> {
        self.0.lock().unwrap().remove(key);
        Ok(())
    }
}
