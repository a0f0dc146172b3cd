//! Spilled bodies in memory.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;
use penstock_shared::spill::{Spill, SpillError, SpillKey};

use super::{happens, latency};

/// Spilled bodies in memory.
#[derive(Debug)]
pub struct SpillModel(Mutex<State>);

#[derive(Debug)]
struct State {
    bodies: BTreeMap<SpillKey, Bytes>,
    fails: u8,
    rng: fastrand::Rng,
}

impl SpillModel {
    /// Nothing spilled, no faults.
    pub fn new(seed: u64) -> Self {
        let rng = fastrand::Rng::with_seed(seed);
        Self(Mutex::new(State { bodies: BTreeMap::new(), fails: 0, rng }))
    }

    /// How often it does not answer, in percent.
    pub fn set_faults(&self, percent: u8) {
        self.state().fails = percent;
    }

    /// Bodies kept.
    pub fn len(&self) -> usize {
        self.state().bodies.len()
    }

    /// Whether no body is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The body, without faults.
    pub fn body(&self, key: &SpillKey) -> Option<Bytes> {
        self.state().bodies.get(key).cloned()
    }

    /// Forgets all.
    pub fn clear(&self) {
        self.state().bodies.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self) -> Result<(), SpillError> {
        let pause = latency(&mut self.state().rng);
        tokio::time::sleep(pause).await;
        let mut state = self.state();
        let percent = state.fails;
        if happens(&mut state.rng, percent) {
            return Err(SpillError::Unavailable("by script".to_owned()));
        }
        Ok(())
    }
}

#[async_trait]
impl Spill for SpillModel {
    async fn put(&self, key: &SpillKey, body: Bytes) -> Result<(), SpillError> {
        self.answer().await?;
        self.state().bodies.insert(key.clone(), body);
        self.answer().await
    }

    async fn get(&self, key: &SpillKey) -> Result<Bytes, SpillError> {
        self.answer().await?;
        self.body(key).ok_or(SpillError::Missing)
    }

    async fn delete(&self, key: &SpillKey) -> Result<(), SpillError> {
        self.answer().await?;
        self.state().bodies.remove(key);
        Ok(())
    }
}
