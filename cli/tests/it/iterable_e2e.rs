//! `iterable.toml` against the stand-in, which refuses what Iterable would.

use std::path::Path;

use serde_json::{Value, json};

use crate::pipeline::{API_KEY, Partner, Service, fixture, send};
use crate::process::eventually;

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
