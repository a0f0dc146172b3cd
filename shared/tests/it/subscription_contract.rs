//! What every [`SubscriptionStore`] promises.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use penstock_shared::{
    aws::{ClientSettings, dynamodb_client},
    database::Database,
    ids::{AccountId, Pod},
    subscription::{
        Captured, Claim, Subscription, SubscriptionChange, SubscriptionKey, SubscriptionState,
        SubscriptionStore, dynamodb::DynamoSubscriptionStore, embedded::EmbeddedSubscriptionStore,
    },
};
use penstock_testkit::emulator;
use serde_json::json;
use tempfile::TempDir;
use tokio::task::JoinSet;

pub(crate) struct Opened {
    pub(crate) store: Arc<dyn SubscriptionStore>,
    pub(crate) place: Place,
}

/// Where a store keeps what it stores.
pub(crate) enum Place {
    Folder(TempDir),
    Table(String),
}

pub(crate) fn embedded_store() -> Opened {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&folder.path().join("penstock.db")).unwrap();
    Opened { store: Arc::new(EmbeddedSubscriptionStore::open(database)), place: Place::Folder(folder) }
}

pub(crate) fn dynamodb_store() -> Opened {
    let table = emulator().unique("subscriptions");
    emulator().create_subscription_table(&table).unwrap();
    let client = dynamodb_client(&crate::aws::config(), &ClientSettings::default());
    let store = DynamoSubscriptionStore::new(client, &table, Duration::from_secs(20));
    Opened { store: Arc::new(store), place: Place::Table(table) }
}

macro_rules! every_store {
    ($($promise:ident),* $(,)?) => {
        mod embedded {
            $(#[tokio::test] async fn $promise() { super::$promise(super::embedded_store()).await; })*
        }
        mod dynamodb {
            $(#[tokio::test] async fn $promise() { super::$promise(super::dynamodb_store()).await; })*
        }
    };
}
pub(crate) use every_store;

every_store! {
    what_was_never_stored_is_none,
    a_change_is_read_back_as_stored,
    an_older_change_never_overwrites_a_newer_one,
    a_repeated_change_has_the_same_end_state,
    what_a_change_does_not_name_is_kept,
    a_removed_subscription_stays_as_a_tombstone_until_a_newer_change,
    captured_values_and_claims_survive_changes,
    one_owner_at_a_time_has_the_claim,
    a_claim_lapses_at_its_time,
    only_the_owner_releases_a_claim,
    a_release_replaces_keeps_or_forgets_what_was_captured,
    concurrent_changes_end_with_the_newest,
    concurrent_claims_have_one_winner,
    trap_81_audience_ids_of_the_full_64_bits_keep_their_order,
    trap_40_and_82_one_audience_has_a_subscription_for_each_account_and_pod,
    scans_page_in_the_order_of_audience_ids,
}

fn key(pod: &str, account: i64, audience_id: i64) -> SubscriptionKey {
    SubscriptionKey { pod: Pod::new(pod).unwrap(), account: AccountId::from(account), audience_id }
}

fn change(key: &SubscriptionKey, changed_at_ms: i64) -> SubscriptionChange {
    SubscriptionChange {
        key: key.clone(),
        state: SubscriptionState::Active,
        name: Some(format!("as of {changed_at_ms}")),
        settings: Some(BTreeMap::from([("at".to_owned(), Some(changed_at_ms.to_string()))])),
        changed_at_ms,
    }
}

async fn stored(store: &Arc<dyn SubscriptionStore>, change: &SubscriptionChange) -> Subscription {
    let applied = store.apply(change).await.unwrap();
    assert!(applied.stored, "{change:?}");
    assert_eq!(store.get(&change.key).await.unwrap().as_ref(), Some(&applied.current));
    applied.current
}

async fn what_was_never_stored_is_none(Opened { store, .. }: Opened) {
    let key = key("us1", 1, 2);
    assert_eq!(store.get(&key).await.unwrap(), None);
    assert!(!store.claim(&key, "a", 0, 100).await.unwrap());
    assert!(!store.release(&key, "a", None).await.unwrap());
    assert_eq!(store.get(&key).await.unwrap(), None, "a claim makes no subscription");
    assert!(store.scan(&key.pod, key.account, None, 10).await.unwrap().is_empty());
}

async fn a_change_is_read_back_as_stored(Opened { store, .. }: Opened) {
    let mut change = change(&key("us1", 0, 2), 1_700_000_000_123);
    change.name = Some("\"Größe\" \0 \u{1f6b0}".to_owned());
    change.settings = Some(BTreeMap::from([
        ("tag".to_owned(), None),
        ("empty".to_owned(), Some(String::new())),
        ("hidden \u{b}".to_owned(), Some("{\"a\":1}".to_owned())),
    ]));
    let current = stored(&store, &change).await;
    let expected = Subscription {
        key: change.key.clone(),
        state: SubscriptionState::Active,
        name: change.name.clone().unwrap(),
        settings: change.settings.clone().unwrap(),
        changed_at_ms: change.changed_at_ms,
        captured: Captured::new(),
        claim: None,
    };
    assert_eq!(current, expected);
}

async fn an_older_change_never_overwrites_a_newer_one(Opened { store, .. }: Opened) {
    let key = key("us1", 1, 2);
    let newer = stored(&store, &change(&key, 20)).await;
    let applied = store.apply(&change(&key, 19)).await.unwrap();
    assert!(!applied.stored);
    assert_eq!(applied.current, newer);
    assert_eq!(store.get(&key).await.unwrap(), Some(newer));
}

async fn a_repeated_change_has_the_same_end_state(Opened { store, .. }: Opened) {
    let change = change(&key("us1", 1, 2), 20);
    let first = stored(&store, &change).await;
    assert_eq!(stored(&store, &change).await, first);
}

async fn what_a_change_does_not_name_is_kept(Opened { store, .. }: Opened) {
    let key = key("us1", 1, 2);
    let silent = |at_ms| SubscriptionChange { name: None, settings: None, ..change(&key, at_ms) };
    let first = stored(&store, &silent(1)).await;
    assert_eq!((first.name.as_str(), first.settings.len()), ("", 0));
    let named = stored(&store, &change(&key, 2)).await;
    let kept = stored(&store, &silent(3)).await;
    assert_eq!(kept, Subscription { changed_at_ms: 3, ..named });
}

async fn a_removed_subscription_stays_as_a_tombstone_until_a_newer_change(Opened { store, .. }: Opened) {
    let key = key("us1", 1, 2);
    stored(&store, &change(&key, 10)).await;
    let removal = SubscriptionChange { state: SubscriptionState::Removed, ..change(&key, 20) };
    let removed = stored(&store, &removal).await;
    assert_eq!(removed.state, SubscriptionState::Removed);
    assert!(!store.apply(&change(&key, 15)).await.unwrap().stored);
    assert_eq!(store.scan(&key.pod, key.account, None, 10).await.unwrap(), [removed]);
    assert_eq!(stored(&store, &change(&key, 30)).await.state, SubscriptionState::Active);
}

async fn captured_values_and_claims_survive_changes(Opened { store, .. }: Opened) {
    let key = key("us1", 1, 2);
    stored(&store, &change(&key, 10)).await;
    let captured = Captured::from([("list_id".to_owned(), json!(9_007_199_254_740_993_i64))]);
    assert!(store.claim(&key, "a", 0, 100).await.unwrap());
    assert!(store.release(&key, "a", Some(&captured)).await.unwrap());
    assert!(store.claim(&key, "b", 0, 200).await.unwrap());
    let current = stored(&store, &change(&key, 20)).await;
    assert_eq!(current.captured, captured);
    assert_eq!(current.claim, Some(Claim { owner: "b".to_owned(), until_ms: 200 }));
}

async fn one_owner_at_a_time_has_the_claim(Opened { store, .. }: Opened) {
    let key = key("us1", 1, 2);
    stored(&store, &change(&key, 10)).await;
    assert!(store.claim(&key, "a", 0, 100).await.unwrap());
    assert!(!store.claim(&key, "b", 99, 300).await.unwrap());
    assert!(store.claim(&key, "a", 50, 200).await.unwrap(), "the owner may extend it");
    let claim = store.get(&key).await.unwrap().unwrap().claim;
    assert_eq!(claim, Some(Claim { owner: "a".to_owned(), until_ms: 200 }));
}

async fn a_claim_lapses_at_its_time(Opened { store, .. }: Opened) {
    let key = key("us1", 1, 2);
    stored(&store, &change(&key, 10)).await;
    assert!(store.claim(&key, "a", 0, 100).await.unwrap());
    assert!(store.claim(&key, "b", 100, 200).await.unwrap());
    assert!(!store.release(&key, "a", Some(&Captured::new())).await.unwrap(), "it is b's now");
}

async fn only_the_owner_releases_a_claim(Opened { store, .. }: Opened) {
    let key = key("us1", 1, 2);
    stored(&store, &change(&key, 10)).await;
    assert!(store.claim(&key, "a", 0, 100).await.unwrap());
    let before = store.get(&key).await.unwrap();
    let captured = Captured::from([("list_id".to_owned(), json!("theirs"))]);
    assert!(!store.release(&key, "b", Some(&captured)).await.unwrap());
    assert_eq!(store.get(&key).await.unwrap(), before);
    assert!(store.release(&key, "a", None).await.unwrap());
    assert!(!store.release(&key, "a", None).await.unwrap(), "it is no one's now");
    assert!(store.claim(&key, "b", 0, 100).await.unwrap());
}

async fn a_release_replaces_keeps_or_forgets_what_was_captured(Opened { store, .. }: Opened) {
    let key = key("us1", 1, 2);
    stored(&store, &change(&key, 10)).await;
    let one = Captured::from([("list_id".to_owned(), json!({ "id": 1, "tags": ["\u{1f6b0}", null] }))]);
    for (captured, expected) in [(Some(&one), &one), (None, &one), (Some(&Captured::new()), &Captured::new())]
    {
        assert!(store.claim(&key, "a", 0, 100).await.unwrap());
        assert!(store.release(&key, "a", captured).await.unwrap());
        let current = store.get(&key).await.unwrap().unwrap();
        assert_eq!((&current.captured, current.claim), (expected, None));
    }
}

async fn concurrent_changes_end_with_the_newest(Opened { store, .. }: Opened) {
    let key = key("us1", 1, 2);
    let mut times: Vec<i64> = (1..=40).collect();
    fastrand::Rng::with_seed(7).shuffle(&mut times);
    let mut tasks = JoinSet::new();
    for times in times.chunks(5).map(<[i64]>::to_vec) {
        let (store, key) = (store.clone(), key.clone());
        tasks.spawn(async move {
            for at_ms in times {
                let applied = store.apply(&change(&key, at_ms)).await.unwrap();
                assert_eq!(applied.stored, applied.current.changed_at_ms == at_ms);
                assert!(applied.current.changed_at_ms >= at_ms);
            }
        });
    }
    tasks.join_all().await;
    let current = store.get(&key).await.unwrap().unwrap();
    assert_eq!((current.changed_at_ms, current.name.as_str()), (40, "as of 40"));
}

async fn concurrent_claims_have_one_winner(Opened { store, .. }: Opened) {
    let key = key("us1", 1, 2);
    stored(&store, &change(&key, 10)).await;
    let mut tasks = JoinSet::new();
    for owner in 0..8 {
        let (store, key) = (store.clone(), key.clone());
        tasks.spawn(async move { store.claim(&key, &owner.to_string(), 0, 100).await.unwrap() });
    }
    assert_eq!(tasks.join_all().await.into_iter().filter(|won| *won).count(), 1);
}

async fn trap_81_audience_ids_of_the_full_64_bits_keep_their_order(Opened { store, .. }: Opened) {
    let ids = [i64::MIN, -9_007_199_254_740_993, -1, 0, 9_007_199_254_740_993, i64::MAX - 1, i64::MAX];
    let SubscriptionKey { pod, account, .. } = key("us1", 1, 0);
    for id in ids.into_iter().rev() {
        stored(&store, &change(&key("us1", 1, id), 10)).await;
    }
    let found = store.scan(&pod, account, None, 100).await.unwrap();
    assert_eq!(found.iter().map(|subscription| subscription.key.audience_id).collect::<Vec<_>>(), ids);
    assert!(store.scan(&pod, account, Some(i64::MAX), 100).await.unwrap().is_empty());
}

async fn trap_40_and_82_one_audience_has_a_subscription_for_each_account_and_pod(
    Opened { store, .. }: Opened,
) {
    let keys = [key("us1", 1, 5), key("us1", 2, 5), key("eu1", 1, 5), key("us1", 0, 5)];
    for (at_ms, key) in (1..).zip(&keys) {
        stored(&store, &change(key, at_ms)).await;
    }
    for (at_ms, key) in (1..).zip(&keys) {
        let found = store.scan(&key.pod, key.account, None, 10).await.unwrap();
        assert_eq!(found, [store.get(key).await.unwrap().unwrap()]);
        assert_eq!((&found[0].key, found[0].changed_at_ms), (key, at_ms));
    }
}

async fn scans_page_in_the_order_of_audience_ids(Opened { store, .. }: Opened) {
    let of = key("us1", 1, 0);
    for id in [50, 10, 40, 20, 30] {
        stored(&store, &change(&key("us1", 1, id), 10)).await;
    }
    let mut pages = Vec::new();
    let mut after = None;
    while pages.len() < 4 {
        let page = store.scan(&of.pod, of.account, after, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.key.audience_id);
        pages.push(page.iter().map(|subscription| subscription.key.audience_id).collect::<Vec<_>>());
    }
    assert_eq!(pages, [vec![10, 20], vec![30, 40], vec![50]]);
    assert_eq!(store.scan(&of.pod, of.account, Some(35), 0).await.unwrap().len(), 1, "at least one");
}
