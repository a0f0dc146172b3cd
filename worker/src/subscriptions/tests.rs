use penstock_shared::{
    ids::AccountId,
    subscription::Captured,
    suspension::{CredentialsKey, Suspension},
};
use serde_json::json;

use super::*;
use crate::testing::pod;

const WAIT: Duration = Duration::from_secs(30);

#[derive(Debug)]
struct Nothing;

#[async_trait::async_trait]
impl SubscriptionStore for Nothing {
    async fn get(&self, _: &SubscriptionKey) -> Result<Option<Subscription>, StoreError> {
        Ok(None)
    }
    async fn apply(
        &self,
        _: &penstock_shared::subscription::SubscriptionChange,
    ) -> Result<penstock_shared::subscription::Applied, StoreError> {
        Err(StoreError::Unavailable(String::new()))
    }
    async fn claim(&self, _: &SubscriptionKey, _: &str, _: i64, _: i64) -> Result<bool, StoreError> {
        Ok(false)
    }
    async fn release(&self, _: &SubscriptionKey, _: &str, _: Option<&Captured>) -> Result<bool, StoreError> {
        Ok(false)
    }
    async fn scan(
        &self,
        _: &penstock_shared::ids::Pod,
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
    async fn suspended(&self, _: &penstock_shared::ids::Pod) -> Result<Vec<Suspension>, StoreError> {
        Ok(Vec::new())
    }
}

fn subscriptions(captures: bool) -> Subscriptions {
    Subscriptions::new(Arc::new(Nothing), Clock::starting_at(0), captures, WAIT, Duration::from_secs(5))
}

fn stored(state: SubscriptionState, is_captured: bool) -> Subscription {
    let captured =
        if is_captured { Captured::from([("list".to_owned(), json!(7))]) } else { Captured::new() };
    Subscription {
        key: SubscriptionKey { pod: pod(), account: AccountId::Known(1), audience_id: 5 },
        state,
        name: String::new(),
        settings: BTreeMap::new(),
        changed_at_ms: 100,
        captured,
        claim: None,
    }
}

fn word(standing: &Standing) -> &'static str {
    match standing {
        Standing::Ready(_) => "ready",
        Standing::Removed => "removed",
        Standing::Await => "await",
        Standing::Imply => "imply",
        Standing::NeverConnected => "never connected",
    }
}

#[tokio::test(start_paused = true)]
async fn every_standing_follows_from_what_is_stored_the_time_and_the_age() {
    use SubscriptionState::{Active, Removed};
    let (young, old) = (Duration::ZERO, WAIT);
    let cases = [
        (true, Some(stored(Active, true)), 1, young, "ready"),
        (true, Some(stored(Active, false)), 1, young, "await"),
        (true, Some(stored(Active, false)), 1, old, "imply"),
        (true, Some(stored(Removed, true)), 99, old, "removed"),
        (true, Some(stored(Removed, true)), 100, old, "removed"),
        (true, Some(stored(Removed, true)), 101, young, "await"),
        (true, Some(stored(Removed, true)), 101, old, "imply"),
        (true, None, 1, young, "await"),
        (true, None, 1, old, "imply"),
        (false, Some(stored(Active, false)), 1, young, "ready"),
        (false, Some(stored(Removed, false)), 100, young, "removed"),
        (false, Some(stored(Removed, false)), 101, young, "imply"),
        (false, None, 1, young, "imply"),
    ];
    for (captures, stored, message_ms, age, expected) in cases {
        let standing = subscriptions(captures).judge(stored.clone(), message_ms, age);
        assert_eq!(word(&standing), expected, "{captures} {stored:?} {message_ms} {age:?}");
    }
}
