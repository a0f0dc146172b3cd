//! `suspend_subscription`: who is told, when, and with which credentials.

use std::{sync::Arc, time::Duration};

use penstock_ingress::IngressConfig;
use penstock_shared::{
    firehose,
    ids::Pod,
    subscription::SubscriptionStore as _,
    suspension::{CredentialsKey, Fingerprint, Suspension},
};
use penstock_testkit::models::StoreModel;
use serde_json::{Value, json};

use crate::harness::{BEGUN_MS, EVENTS, Running, Setup, config};

fn quick() -> IngressConfig {
    let mut config = config();
    config.suspension.refresh_every = Duration::from_millis(10);
    config
}

fn membership(account: i64, key: &str, profiles: Value) -> Vec<u8> {
    let message = json!({
        "type": "audience_membership_change_request", "id": "m-1",
        "account": { "account_settings": { "apiKey": key, "absent": null }, "account_id": account },
        "user_profiles": profiles,
    });
    message.to_string().into_bytes()
}

/// One that holds something.
fn change(account: i64, key: &str) -> Vec<u8> {
    membership(account, key, json!([{ "mpid": "1", "audiences": [{ "audience_id": 5, "action": "add" }] }]))
}

/// A verification call.
fn noop(account: i64, key: &str) -> Vec<u8> {
    membership(account, key, Value::Null)
}

async fn suspend(store: &StoreModel, account: i64, key: &str) -> CredentialsKey {
    let (pod, read) = (Pod::new("us1").unwrap(), firehose::account(&noop(account, key)));
    let key = CredentialsKey { fingerprint: Fingerprint::of(&pod, &read), pod, account: read.id };
    let note = Suspension {
        key: key.clone(),
        since_ms: BEGUN_MS - 60_000,
        confirmed_ms: BEGUN_MS,
        received_ms: BEGUN_MS,
        refusals: 3,
    };
    store.note_refused(&note).await.unwrap();
    key
}

async fn flag(running: &Running, body: &[u8]) -> bool {
    let answer = running.post(body).await;
    assert_eq!(answer.status, 200);
    answer.json()["suspend_subscription"].as_bool().unwrap()
}

/// Waits until as many accounts are known to be suspended.
async fn until_known(running: &Running, accounts: u32) {
    while !running.has_metric(&format!("ingress_suspended_accounts {accounts}")) {
        running.readyz().await;
    }
}

/// How old the snapshot was at the last try to renew it.
fn age_seconds(running: &Running) -> f64 {
    let text = running.metrics.render();
    let mut lines = text.lines();
    lines.find_map(|line| line.strip_prefix("ingress_suspension_age_seconds ")?.parse().ok()).unwrap_or(0.0)
}

#[tokio::test]
async fn trap_66_and_86_memberships_of_a_suspended_account_say_so_and_are_stored_all_the_same() {
    let store = Arc::new(StoreModel::new(1));
    suspend(&store, 7, "bad").await;
    let running = Running::start_as(Setup { subscriptions: Some(store), ..Setup::new(quick()) }).await;
    until_known(&running, 1).await;
    for body in [change(7, "bad"), noop(7, "bad"), membership(7, "bad", json!([]))] {
        for _ in 0..2 {
            assert!(flag(&running, &body).await, "the same bytes have the same answer");
        }
    }
    for body in [change(8, "bad"), noop(8, "bad"), noop(0, "bad")] {
        assert!(!flag(&running, &body).await, "another account");
    }
    assert_eq!(running.stored().await.len(), 3, "verification calls are not stored, changes are");
}

#[tokio::test]
async fn trap_87_a_customer_who_comes_back_with_a_new_key_is_not_suspended_again() {
    let store = Arc::new(StoreModel::new(1));
    let refused = suspend(&store, 7, "bad").await;
    let running =
        Running::start_as(Setup { subscriptions: Some(store.clone()), ..Setup::new(quick()) }).await;
    until_known(&running, 1).await;
    assert!(!flag(&running, &change(7, "new")).await);
    assert!(flag(&running, &change(7, "bad")).await);
    assert!(store.note_accepted(&refused, BEGUN_MS).await.unwrap());
    until_known(&running, 0).await;
    assert!(!flag(&running, &change(7, "bad")).await);
}

#[tokio::test]
async fn with_the_store_away_every_answer_stays_and_so_does_the_last_word() {
    let store = Arc::new(StoreModel::new(1));
    suspend(&store, 7, "bad").await;
    let running =
        Running::start_as(Setup { subscriptions: Some(store.clone()), ..Setup::new(quick()) }).await;
    until_known(&running, 1).await;
    store.set_faults(100);
    while age_seconds(&running) < 0.1 {
        running.readyz().await;
    }
    assert!(flag(&running, &change(7, "bad")).await);
    assert!(!flag(&running, &change(8, "bad")).await);
    assert_eq!(running.post(EVENTS).await.status, 200);
    assert_eq!(running.stored().await.len(), 3);
}

#[tokio::test]
async fn without_a_store_or_with_one_that_never_answers_nobody_is_suspended() {
    let store = Arc::new(StoreModel::new(1));
    suspend(&store, 7, "bad").await;
    store.set_faults(100);
    let away = Running::start_as(Setup { subscriptions: Some(store), ..Setup::new(quick()) }).await;
    for running in [Running::start().await, away] {
        assert!(!flag(&running, &change(7, "bad")).await);
        assert!(!flag(&running, &noop(7, "bad")).await);
    }
}

#[tokio::test]
async fn only_answers_to_memberships_say_whether_to_suspend() {
    let store = Arc::new(StoreModel::new(1));
    suspend(&store, 7, "bad").await;
    let running = Running::start_as(Setup { subscriptions: Some(store), ..Setup::new(quick()) }).await;
    until_known(&running, 1).await;
    let mut message: Value = serde_json::from_slice(&noop(7, "bad")).unwrap();
    for (kind, member, value) in [
        ("event_processing_request", "events", json!([])),
        ("event_processing_request", "events", json!([{ "type": "session_start" }])),
        ("audience_subscription_request", "audience_id", json!(5)),
        ("dsr_processing_request", "subject_request_type", json!("erasure")),
        ("module_registration_request", "x", json!(1)),
    ] {
        message["type"] = json!(kind);
        message[member] = value;
        let answer = running.post(message.to_string().as_bytes()).await;
        assert_eq!(answer.status, 200);
        assert!(answer.json().get("suspend_subscription").is_none(), "{kind}");
    }
}
