//! What every [`SubscriptionStore`] promises of refused credentials.

use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use penstock_shared::{
    aws::{ClientSettings, dynamodb_client},
    firehose,
    ids::{AccountId, Pod},
    subscription::{StoreError, SubscriptionChange, SubscriptionKey, SubscriptionState, SubscriptionStore},
    suspension::{CredentialsKey, Fingerprint, Suspension},
};
use serde_json::json;
use tokio::task::JoinSet;

use crate::subscription_contract::{Opened, Place, dynamodb_store, embedded_store, every_store};

every_store! {
    what_was_noted_is_listed_for_its_pod_alone,
    a_later_note_confirms_and_a_repeated_or_older_one_changes_nothing,
    trap_86_accepted_credentials_are_forgotten_unless_refused_since,
    trap_39_two_sets_of_credentials_of_one_account_are_apart,
    concurrent_notes_are_added_up,
    suspensions_and_subscriptions_never_meet,
    many_are_listed_at_once,
    one_that_cannot_be_read_does_not_hide_the_others,
}

fn key(pod: &str, account: i64, api_key: &str) -> CredentialsKey {
    let body = json!({
        "type": "dsr_processing_request",
        "account": { "account_id": account, "account_settings": { "apiKey": api_key } },
    });
    let (pod, account) = (Pod::new(pod).unwrap(), firehose::account(body.to_string().as_bytes()));
    CredentialsKey { fingerprint: Fingerprint::of(&pod, &account), pod, account: account.id }
}

fn note(key: &CredentialsKey, confirmed_ms: i64) -> Suspension {
    Suspension {
        key: key.clone(),
        since_ms: confirmed_ms - 60_000,
        confirmed_ms,
        received_ms: confirmed_ms - 70_000,
        refusals: 3,
    }
}

async fn suspended(store: &Arc<dyn SubscriptionStore>, pod: &str) -> Vec<Suspension> {
    let mut found = store.suspended(&Pod::new(pod).unwrap()).await.unwrap();
    found.sort_by(|one, other| one.key.cmp(&other.key));
    found
}

async fn what_was_noted_is_listed_for_its_pod_alone(Opened { store, .. }: Opened) {
    let notes = [note(&key("us1", 7, "a"), 1_800_000_000_000), note(&key("us1", -8, "a"), 200_000)];
    let other = note(&key("eu1", 7, "a"), 300_000);
    for note in notes.iter().chain([&other]) {
        store.note_refused(note).await.unwrap();
    }
    let mut expected = notes.to_vec();
    expected.sort_by(|one, other| one.key.cmp(&other.key));
    assert_eq!(suspended(&store, "us1").await, expected);
    assert_eq!(suspended(&store, "eu1").await, [other]);
    assert_eq!(suspended(&store, "au1").await, []);
}

async fn a_later_note_confirms_and_a_repeated_or_older_one_changes_nothing(Opened { store, .. }: Opened) {
    let key = key("us1", 7, "a");
    let first = note(&key, 100_000);
    store.note_refused(&first).await.unwrap();
    for unheard in [&first, &note(&key, 99_999), &Suspension { refusals: 9, ..first.clone() }] {
        store.note_refused(unheard).await.unwrap();
        assert_eq!(suspended(&store, "us1").await, std::slice::from_ref(&first));
    }
    store.note_refused(&Suspension { refusals: 2, ..note(&key, 400_000) }).await.unwrap();
    let confirmed = Suspension { confirmed_ms: 400_000, received_ms: 330_000, refusals: 5, ..first };
    assert_eq!(suspended(&store, "us1").await, [confirmed]);
}

async fn trap_86_accepted_credentials_are_forgotten_unless_refused_since(Opened { store, .. }: Opened) {
    let key = key("us1", 7, "a");
    assert!(store.note_accepted(&key, 100).await.unwrap(), "nothing was noted");
    assert_eq!(suspended(&store, "us1").await, [], "and nothing is");
    store.note_refused(&note(&key, 100_000)).await.unwrap();
    assert!(!store.note_accepted(&key, 99_999).await.unwrap());
    assert_eq!(suspended(&store, "us1").await.len(), 1);
    for _ in 0..2 {
        assert!(store.note_accepted(&key, 100_000).await.unwrap());
        assert_eq!(suspended(&store, "us1").await, []);
    }
    let anew = note(&key, 50_000);
    store.note_refused(&anew).await.unwrap();
    assert_eq!(suspended(&store, "us1").await, [anew], "what was forgotten leaves no trace");
}

async fn trap_39_two_sets_of_credentials_of_one_account_are_apart(Opened { store, .. }: Opened) {
    let keys = [key("us1", 7, "a"), key("us1", 7, "b"), key("us1", 8, "a")];
    for key in &keys {
        store.note_refused(&note(key, 100_000)).await.unwrap();
    }
    assert!(store.note_accepted(&keys[0], 200_000).await.unwrap());
    let mut left = [note(&keys[1], 100_000), note(&keys[2], 100_000)];
    left.sort_by(|one, other| one.key.cmp(&other.key));
    assert_eq!(suspended(&store, "us1").await, left);
}

async fn concurrent_notes_are_added_up(Opened { store, .. }: Opened) {
    let key = key("us1", 7, "a");
    let mut tasks = JoinSet::new();
    for n in 0..8 {
        let (store, key) = (store.clone(), key.clone());
        tasks.spawn(async move { store.note_refused(&note(&key, 100_000 + n)).await.unwrap() });
    }
    tasks.join_all().await;
    let found = suspended(&store, "us1").await;
    assert_eq!((found.len(), found[0].confirmed_ms), (1, 100_007));
    // Those that came after a later one were not heard.
    assert!(found[0].refusals >= 3 && found[0].refusals <= 24 && found[0].refusals % 3 == 0);
}

/// Also where a pod is named like the place of the others.
async fn suspensions_and_subscriptions_never_meet(Opened { store, .. }: Opened) {
    for (pod, account) in [("suspended", 5), ("5", 5), ("us1", 0)] {
        let pod = Pod::new(pod).unwrap();
        let key = SubscriptionKey { pod: pod.clone(), account: AccountId::from(account), audience_id: 5 };
        let state = SubscriptionState::Active;
        let change = SubscriptionChange { key, state, name: None, settings: None, changed_at_ms: 1 };
        assert!(store.apply(&change).await.unwrap().stored);
        assert_eq!(suspended(&store, pod.as_str()).await, []);
    }
    for pod in ["suspended", "5", "us1"] {
        let note = note(&key(pod, 5, "a"), 100_000);
        store.note_refused(&note).await.unwrap();
        assert_eq!(suspended(&store, pod).await, [note]);
        for account in [0, 5] {
            let pod = Pod::new(pod).unwrap();
            let found = store.scan(&pod, AccountId::from(account), None, 10).await.unwrap();
            assert!(found.iter().all(|subscription| subscription.key.audience_id == 5));
        }
    }
}

async fn many_are_listed_at_once(Opened { store, .. }: Opened) {
    let mut tasks = JoinSet::new();
    for n in 0..150 {
        let store = store.clone();
        tasks.spawn(async move { store.note_refused(&note(&key("us1", n, "a"), 100_000)).await.unwrap() });
    }
    tasks.join_all().await;
    assert_eq!(suspended(&store, "us1").await.len(), 150);
}

async fn one_that_cannot_be_read_does_not_hide_the_others(Opened { store, place }: Opened) {
    let keys = [key("us1", 7, "a"), key("us1", 8, "a"), key("us1", 9, "a")];
    for key in &keys {
        store.note_refused(&note(key, 100_000)).await.unwrap();
    }
    spoil(&place).await;
    assert_eq!(suspended(&store, "us1").await, [note(&keys[2], 100_000)]);
    assert!(store.note_accepted(&keys[2], 200_000).await.unwrap(), "it can be dealt with like any other");
    let none = store.suspended(&Pod::new("us1").unwrap()).await;
    assert!(
        matches!(none, Err(StoreError::Corrupt(_))),
        "what is left cannot be read, which is not none: {none:?}"
    );
}

/// Makes what is stored of the accounts 7 and 8 unreadable, each in a way of its own.
async fn spoil(place: &Place) {
    match place {
        Place::Folder(folder) => {
            let database = rusqlite::Connection::open(folder.path().join("penstock.db")).unwrap();
            let spoil = "UPDATE suspension SET fingerprint = 'nonsense' WHERE account = 7; \
                         UPDATE suspension SET refusals = -1 WHERE account = 8";
            database.execute_batch(spoil).unwrap();
        }
        Place::Table(table) => {
            let client = dynamodb_client(&crate::aws::config(), &ClientSettings::default());
            let found = client.scan().table_name(table).send().await.unwrap().items.unwrap();
            for mut item in found {
                let account = item["account"].as_n().unwrap().clone();
                match account.as_str() {
                    "7" => item.remove("fingerprint"),
                    "8" => item.insert("since_ms".to_owned(), AttributeValue::S("long ago".to_owned())),
                    _ => continue,
                };
                client.put_item().table_name(table).set_item(Some(item)).send().await.unwrap();
            }
        }
    }
}
