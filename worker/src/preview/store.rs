//! A store in which every audience is connected and everything that routes capture is there, as a placeholder.

use std::collections::BTreeMap;

use async_trait::async_trait;
use penstock_shared::{
    ids::{AccountId, Pod},
    subscription::{
        Applied, Captured, StoreError, Subscription, SubscriptionChange, SubscriptionKey, SubscriptionState,
        SubscriptionStore,
    },
    suspension::{CredentialsKey, Suspension},
};

use crate::mapping::Program;

#[derive(Debug)]
pub(super) struct EveryAudience {
    captured: Captured,
}

impl EveryAudience {
    pub(super) fn new(program: &Program) -> Self {
        let names = program.calls().flat_map(|call| call.capture.iter().map(|(name, _)| name.clone()));
        let captured = names.map(|name| {
            let placeholder = serde_json::Value::from(format!("captured-{name}"));
            (name, placeholder)
        });
        Self { captured: captured.collect() }
    }

    fn connected(&self, key: &SubscriptionKey) -> Subscription {
        Subscription {
            key: key.clone(),
            state: SubscriptionState::Active,
            name: String::new(),
            settings: BTreeMap::new(),
            changed_at_ms: i64::MIN,
            captured: self.captured.clone(),
            claim: None,
        }
    }
}

#[async_trait]
impl SubscriptionStore for EveryAudience {
    async fn get(&self, key: &SubscriptionKey) -> Result<Option<Subscription>, StoreError> {
        Ok(Some(self.connected(key)))
    }

    /// A change is always the first of its audience, so that its call is shown.
    async fn apply(&self, change: &SubscriptionChange) -> Result<Applied, StoreError> {
        let mut current = self.connected(&change.key);
        if change.state == SubscriptionState::Active {
            current.captured = Captured::new();
        }
        current.state = change.state;
        current.name = change.name.clone().unwrap_or_default();
        current.settings = change.settings.clone().unwrap_or_default();
        current.changed_at_ms = change.changed_at_ms;
        Ok(Applied { stored: true, current })
    }

    async fn claim(&self, _: &SubscriptionKey, _: &str, _: i64, _: i64) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn release(&self, _: &SubscriptionKey, _: &str, _: Option<&Captured>) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn scan(
        &self,
        _: &Pod,
        _: AccountId,
        _: Option<i64>,
        _: usize,
    ) -> Result<Vec<Subscription>, StoreError> {
        Ok(Vec::new())
    }

    async fn note_refused(&self, _: &Suspension) -> Result<(), StoreError> {
        Ok(())
    }

    async fn note_accepted(&self, _: &CredentialsKey, _: i64) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn suspended(&self, _: &Pod) -> Result<Vec<Suspension>, StoreError> {
        Ok(Vec::new())
    }
}
