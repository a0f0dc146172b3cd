//! `iterable.toml` against the stand-in, which refuses what Iterable would.

use std::path::Path;

use serde_json::{Value, json};

use crate::pipeline::{API_KEY, Partner, Service, fixture, send};
use crate::process::{eventually, run};

async fn start(folder: &Path) -> (Partner, Service) {
    let partner = Partner::start(&folder.join("record.jsonl"), &["--kind", "iterable"]);
    let data = folder.join("data");
    let iterable = fixture("partners/iterable.toml");
    let arguments = ["--partner", &iterable, "--data-dir", data.to_str().unwrap()];
    let service = Service::start("run", &arguments, &[partner.setting()]).await;
    (partner, service)
}

/// More than Iterable takes in the time it takes to send them: five a second, after five at once.
#[tokio::test]
async fn purchases_keep_to_iterables_rate() {
    let folder = tempfile::tempdir().unwrap();
    let (partner, service) = start(folder.path()).await;
    let bought = fixture("messages/events-mobileweb.json");
    send(&service, &vec![bought; 20]).await;
    eventually("every purchase", async || {
        let stats = partner.stats().await;
        let purchases = &stats["paths"]["POST /api/commerce/trackPurchase"];
        if purchases["items"].as_u64() >= Some(20) { Ok(()) } else { Err(stats.to_string()) }
    })
    .await;
    service.stop().await;
    assert_eq!(partner.stats().await["statuses"].as_object().unwrap().keys().collect::<Vec<_>>(), ["200"]);
}

#[tokio::test]
async fn iterable_accepts_every_call() {
    let folder = tempfile::tempdir().unwrap();
    let (partner, service) = start(folder.path()).await;
    send(&service, &[fixture("messages")]).await;
    // As many as the messages have by `fixtures/expected.json`, and the users beside the events.
    eventually("every item's end", async || {
        let mut ended = 0;
        for outcome in ["delivered", "filtered", "dead_lettered"] {
            ended += service.metric("worker_items_total", outcome).await;
        }
        if ended >= 116 { Ok(()) } else { Err(format!("{ended} ended")) }
    })
    .await;
    assert_eq!(service.metric("worker_items_total", "delivered").await, 41);
    assert_eq!(service.metric("worker_dead_letters_total", "unhandled_dsr").await, 4);
    assert_eq!(service.metric("worker_dead_letters_total", "setting_missing").await, 1);
    service.stop().await;

    let calls = partner.calls();
    for call in &calls {
        assert_eq!(call["status"], 200, "{call}");
        assert_eq!(call["headers"]["api-key"], "****1001", "{call}");
        assert!(!call["path"].as_str().unwrap().contains(API_KEY));
    }
    spot_check(&calls);
}

/// One user for each list of `failedUpdates`: the address, and the user id.
fn failing_users() -> [(&'static str, String); 10] {
    let id = |before: &str| ("mei@example.com", format!("{before}-1"));
    let address = |address: &'static str| (address, format!("cust-{address}"));
    [
        address("who@invalid"),
        ("mei@example.com", "u".repeat(53)),
        address("Mei@Invalid-Data.example"),
        id("invalid_data"),
        address("mei@conflict.example"),
        id("conflict"),
        address("mei@not-found.example"),
        id("not_found"),
        address("Mei@Forgotten.example"),
        id("forgotten"),
    ]
}

fn identities(email: &str, customer: &str) -> Value {
    json!([
        { "type": "email", "encoding": "raw", "value": email },
        { "type": "customer", "encoding": "raw", "value": customer },
    ])
}

fn account() -> Value {
    json!({ "account_id": 1001, "account_settings": { "apiKey": API_KEY } })
}

/// A message with one event.
fn event_message(folder: &Path, number: usize, email: &str, customer: &str) -> String {
    let event = json!({
        "type": "custom_event", "id": format!("event-{number}"), "timestamp_ms": 1_763_924_110_542_i64, "name": "Page turned",
    });
    let message = json!({
        "type": "event_processing_request", "id": format!("message-{number}"), "timestamp_ms": 1_763_924_110_542_i64,
        "firehose_version": "3.2.0", "account": account(), "user_identities": identities(email, customer),
        "user_attributes": { "$FirstName": "Mei" }, "events": [event],
    });
    written(folder, &format!("event-{number}"), &message)
}

/// A message that adds these users to a list, or takes them off.
fn membership_message(folder: &Path, action: &str, users: &[(&str, String)]) -> String {
    let profile = |(email, customer): &(&str, String)| {
        let audience = json!({
            "audience_id": 501, "audience_name": "Readers", "action": action,
            "audience_subscription_settings": { "listId": "90501" },
        });
        json!({ "user_identities": identities(email, customer), "audiences": [audience], "mpid": customer })
    };
    let profiles: Vec<Value> = users.iter().map(profile).collect();
    let message = json!({
        "type": "audience_membership_change_request", "id": action, "timestamp_ms": 1_763_924_110_542_i64,
        "firehose_version": "3.2.0", "account": account(), "user_profiles": profiles,
    });
    written(folder, action, &message)
}

fn written(folder: &Path, name: &str, message: &Value) -> String {
    let path = folder.join(format!("{name}.json"));
    std::fs::write(&path, message.to_string()).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Whoever is not on a list is off it, so only six of ten fail to unsubscribe.
#[tokio::test]
async fn trap_84_whom_any_list_names_is_rejected_and_never_counted_as_delivered() {
    let folder = tempfile::tempdir().unwrap();
    let (partner, service) = start(folder.path()).await;
    let users = failing_users();
    let mut messages: Vec<String> = users
        .iter()
        .enumerate()
        .map(|(number, (email, customer))| event_message(folder.path(), number, email, customer))
        .collect();
    messages.push(membership_message(folder.path(), "add", &users));
    messages.push(membership_message(folder.path(), "delete", &users));
    send(&service, &messages).await;
    eventually("every user's end", async || {
        let rejected = service.metric("worker_dead_letters_total", "partner_rejected").await;
        let delivered = service.metric("worker_items_total", "delivered").await;
        if rejected + delivered >= 40 { Ok(()) } else { Err(format!("{rejected}, {delivered}")) }
    })
    .await;
    assert_eq!(service.metric("worker_dead_letters_total", "partner_rejected").await, 36);
    assert_eq!(service.metric("worker_items_total", "delivered").await, 4);
    service.stop().await;
    let calls = partner.calls();
    for path in ["events/trackBulk", "users/bulkUpdate", "lists/subscribe", "lists/unsubscribe"] {
        assert!(!bodies(&calls, &format!("/api/{path}")).is_empty(), "{path}");
    }
}

#[tokio::test]
async fn trap_84_where_more_failed_than_are_named_all_are_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    let (partner, service) = start(folder.path()).await;
    let nobody = ("mei@unnamed.example", "cust-1".to_owned());
    let messages = [
        event_message(folder.path(), 0, nobody.0, &nobody.1),
        membership_message(folder.path(), "add", std::slice::from_ref(&nobody)),
        membership_message(folder.path(), "delete", &[nobody]),
    ];
    send(&service, &messages).await;
    let paths = ["events/trackBulk", "users/bulkUpdate", "lists/subscribe", "lists/unsubscribe"];
    eventually("a second call of each", async || {
        let stats = partner.stats().await;
        let again = |path: &&str| stats["paths"][format!("POST /api/{path}")]["requests"].as_u64() >= Some(2);
        if paths.iter().all(again) { Ok(()) } else { Err(stats.to_string()) }
    })
    .await;
    assert_eq!(service.metric("worker_items_total", "delivered").await, 0);
    assert_eq!(service.metric("worker_items_total", "dead_lettered").await, 0);
    service.stop().await;
}

#[tokio::test]
async fn a_hashed_address_never_becomes_somebodys_address() {
    let folder = tempfile::tempdir().unwrap();
    let iterable = fixture("partners/iterable.toml");
    for (encoding, calls) in [("raw", 1), ("sha256", 0), ("md5", 0)] {
        let added = json!([{ "type": "email", "encoding": encoding, "value": "new@example.com" }]);
        let removed = json!([{ "type": "email", "encoding": encoding, "value": "old@example.com" }]);
        let event = json!({
            "type": "user_identity_change", "id": "e-1", "timestamp_ms": 1_763_924_110_542_i64,
            "added": added, "removed": removed,
        });
        let message = json!({
            "type": "event_processing_request", "id": "m-1", "timestamp_ms": 1_763_924_110_542_i64,
            "firehose_version": "3.2.0", "account": account(),
            "user_identities": identities("old@example.com", "cust-1"), "events": [event],
        });
        let message = written(folder.path(), encoding, &message);
        let ended = run(&["preview", "--partner", &iterable, &message], &[]).await;
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert_eq!(ended.stdout.matches("/api/users/updateEmail").count(), calls, "{}", ended.stdout);
    }
}

fn bodies(calls: &[Value], path: &str) -> Vec<Value> {
    calls.iter().filter(|call| call["path"] == path).map(|call| call["body"].clone()).collect()
}

fn spot_check(calls: &[Value]) {
    let mut lists: Vec<(i64, String)> = Vec::new();
    for body in bodies(calls, "/api/lists/subscribe") {
        for subscriber in body["subscribers"].as_array().unwrap() {
            lists.push((body["listId"].as_i64().unwrap(), subscriber["email"].as_str().unwrap().to_owned()));
        }
    }
    lists.sort();
    let member = |list, name: &str| (list, format!("{name}@example.com"));
    assert_eq!(
        lists,
        [member(90501, "ada"), member(90501, "grace"), member(90501, "mei"), member(90503, "mei")]
    );
    assert_eq!(
        bodies(calls, "/api/lists/unsubscribe"),
        [
            json!({ "listId": 90501, "subscribers": [{ "email": "grace@example.com", "userId": "cust-20983" }] })
        ]
    );
    let tracked: Vec<Value> = calls
        .iter()
        .filter(|call| call["path"] == "/api/events/trackBulk")
        .flat_map(|call| call["body"]["events"].as_array().unwrap().clone())
        .collect();
    let listened = tracked.iter().find(|event| event["eventName"] == "Article Listened").unwrap();
    assert_eq!(listened["email"], "petra@example.com");
    assert_eq!(listened["dataFields"]["articleId"], "a-3391");
    assert_eq!(bodies(calls, "/api/commerce/trackPurchase").len(), 4);
    assert_eq!(calls.iter().filter(|call| call["path"] == "/api/users/updateEmail").count(), 1);
}
