//! The simulated partner over real sockets.

use std::path::Path;

use axum::extract::{ConnectInfo, Request, State};
use reqwest::{Client, Response};
use serde_json::Value;
use tokio::time::Instant;

use super::*;

fn options(kind: Kind, fail: &str) -> Options {
    Options {
        listen: "127.0.0.1:0".parse().unwrap(),
        record: None,
        behaviour: Behaviour {
            kind,
            fail: fail.parse().unwrap(),
            limit: None,
            latency: Latency::default(),
            seed: 1,
            clock: Clock::starting_at(1_000),
        },
    }
}

async fn start(kind: Kind, fail: &str) -> Simulated {
    Simulated::start(options(kind, fail)).await.unwrap()
}

async fn call(simulated: &Simulated, method: &str, path: &str, body: &str) -> reqwest::Result<Response> {
    let url = format!("http://{}{path}", simulated.addr());
    let client = Client::builder().timeout(Duration::from_secs(5)).build().unwrap();
    client.request(method.parse().unwrap(), url).body(body.to_owned()).send().await
}

async fn answer(simulated: &Simulated, method: &str, path: &str, body: &str) -> (u16, Value) {
    let response = call(simulated, method, path, body).await.unwrap();
    let status = response.status().as_u16();
    (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap())
}

fn record(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn sandbox_gives_each_item_its_word_and_counts_keys() {
    let simulated = start(Kind::Sandbox, "").await;
    let body = r#"{"events":[{"key":"a"},{"key":"b"},{"key":"a"},5,{}]}"#;
    let (status, said) = answer(&simulated, "POST", "/events", body).await;
    assert_eq!(status, 200);
    let words: Vec<_> = said["results"].as_array().unwrap().iter().map(|result| &result["status"]).collect();
    assert_eq!(words, ["ok", "ok", "ok", "bad", "ok"]);
    assert_eq!(said["results"][2]["duplicate"], true);
    let (_, said) = answer(&simulated, "POST", "/events", r#"[{"key":"b"}]"#).await;
    assert_eq!(said["results"][0]["duplicate"], true);
    let (_, stats) = answer(&simulated, "GET", "/_stats", "").await;
    let events = &stats["paths"]["POST /events"];
    assert_eq!((&events["requests"], &events["items"]), (&json!(2), &json!(5)));
    assert_eq!((&events["distinct_keys"], &events["duplicates"]), (&json!(2), &json!(2)));
    assert_eq!((&events["failed_items"], &events["statuses"]["200"]), (&json!(1), &json!(2)));
    assert_eq!(stats, json!(simulated.stop().await));
}

#[tokio::test]
async fn sandbox_lists_are_the_same_for_the_same_key_whatever_their_name() {
    let simulated = start(Kind::Sandbox, "").await;
    let (_, first) = answer(&simulated, "POST", "/lists", r#"{"name":"VIPs","key":"1"}"#).await;
    let (_, again) = answer(&simulated, "POST", "/lists", r#"{"key":1,"name":"Renamed"}"#).await;
    let (_, other) = answer(&simulated, "POST", "/lists", r#"{"name":"VIPs","key":"2"}"#).await;
    assert_eq!(first["list_id"], again["list_id"]);
    assert_ne!(first["list_id"], other["list_id"]);
    let (_, unkeyed) = answer(&simulated, "POST", "/lists", r#"{"name":"1"}"#).await;
    assert_ne!(first["list_id"], unkeyed["list_id"]);
    assert_eq!((&first["created"], &again["created"]), (&json!(true), &json!(false)));
    assert_eq!(simulated.stats().lists, 3);
    let members = format!("/lists/{}/members", first["list_id"].as_str().unwrap());
    let (status, said) = answer(&simulated, "PUT", &members, r#"{"members":[{"key":"m"}]}"#).await;
    assert_eq!((status, &said["results"][0]["status"]), (200, &json!("ok")));
    let (status, _) = answer(&simulated, "POST", &format!("{members}/remove"), r#"[{"key":"m"}]"#).await;
    assert_eq!(status, 200);
    let paths = simulated.stats().paths;
    assert!(paths.contains_key("PUT /lists/{id}/members"));
    assert!(paths.contains_key("POST /lists/{id}/members/remove"));
}

#[tokio::test]
async fn sandbox_refuses_what_it_does_not_know() {
    let simulated = start(Kind::Sandbox, "").await;
    for (method, path, body, expected) in [
        ("POST", "/nothing", "{}", 404),
        ("GET", "/events", "", 404),
        ("PUT", "/lists/unknown/members", "[]", 404),
        ("POST", "/events/more", "[]", 404),
        ("POST", "/lists", "{}", 400),
        ("POST", "/events", "nonsense", 400),
        ("POST", "/events", "5", 400),
    ] {
        assert_eq!(answer(&simulated, method, path, body).await.0, expected, "{method} {path}");
    }
    assert_eq!(simulated.stats().total.items, 0);
}

#[tokio::test]
async fn failed_items_stand_inside_a_good_answer() {
    let simulated = start(Kind::Sandbox, "items:first=1").await;
    let (status, said) = answer(&simulated, "POST", "/users", r#"[{"key":"a"},{"key":"b"}]"#).await;
    assert_eq!(status, 200);
    assert_eq!(said["results"][0], json!({ "status": "busy", "reason": "try again" }));
    assert_eq!(said["results"][1]["status"], "ok");
    let (_, said) = answer(&simulated, "POST", "/users", r#"[{"key":"a"}]"#).await;
    assert_eq!(said["results"][0], json!({ "status": "ok" }), "a failed item was not taken before");
}

#[tokio::test]
async fn item_faults_need_a_partner_that_answers_item_by_item() {
    for kind in [Kind::Iterable, Kind::Echo] {
        let refused = Simulated::start(options(kind, "items:5%")).await;
        assert!(matches!(refused, Err(StartError::ItemsWithoutSandbox)));
    }
}

#[tokio::test]
async fn faults_and_good_answers_are_recorded_before_they_are_seen() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("record.jsonl");
    let fail = "500:first=1,429:first=2,reset:first=3,lost:first=4";
    let record_to = Some(path.clone());
    let simulated =
        Simulated::start(Options { record: record_to, ..options(Kind::Sandbox, fail) }).await.unwrap();
    let mut seen = Vec::new();
    for number in 0..5 {
        let body = format!(r#"[{{"key":"{number}"}}]"#);
        let response = call(&simulated, "POST", "/events?api_key=0123456789", &body).await;
        let lines = record(&path);
        assert_eq!(lines.len(), number + 1, "the line is there before the answer");
        let status = response.as_ref().ok().map(|response| response.status().as_u16());
        assert_eq!(json!(status), lines[number]["status"]);
        if status == Some(429) {
            assert_eq!(response.unwrap().headers()["retry-after"], "1");
        }
        seen.push(lines[number]["fault"].clone());
    }
    assert_eq!(json!(seen), json!(["status", "status", "reset", "lost", null]));
    let last = record(&path).pop().unwrap();
    assert_eq!(last["query"], "api_key=****6789");
    assert_eq!(last["body"], json!([{ "key": "4" }]));
    assert_eq!(last["answer"], json!({ "results": [{ "status": "ok" }] }));
    assert!(last["at_ms"].as_i64().unwrap() >= 1_000);
    let stats = simulated.stop().await.total;
    // The lost one was taken, its caller does not know.
    assert_eq!((stats.requests, stats.items), (5, 2));
    assert_eq!(stats.statuses["none"], 2);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_record_that_cannot_be_written_means_no_answer() {
    let mut options = options(Kind::Echo, "");
    options.record = Some("/dev/full".into());
    let simulated = Simulated::start(options).await.unwrap();
    assert!(call(&simulated, "POST", "/", "{}").await.is_err());
}

#[tokio::test]
async fn a_reset_ends_one_connection_and_not_the_server() {
    let simulated = start(Kind::Echo, "reset:first=1").await;
    assert!(call(&simulated, "POST", "/", "{}").await.is_err());
    assert_eq!(answer(&simulated, "POST", "/", "{}").await.0, 200);
}

#[tokio::test]
async fn a_hanging_request_gets_no_answer_and_does_not_hold_up_the_stop() {
    let simulated = start(Kind::Echo, "hang:first=1").await;
    let url = format!("http://{}/", simulated.addr());
    let mut hanging = JoinSet::new();
    hanging.spawn(Client::new().post(url).timeout(Duration::from_secs(60)).send());
    while simulated.stats().total.requests == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(simulated.stop().await.total.statuses["none"], 1);
    assert!(hanging.join_next().await.unwrap().unwrap().is_err());
}

#[tokio::test]
async fn above_the_limit_it_says_when_to_come_back() {
    let mut options = options(Kind::Echo, "");
    options.behaviour.limit = Some("0.01/s".parse().unwrap());
    let simulated = Simulated::start(options).await.unwrap();
    assert_eq!(answer(&simulated, "POST", "/", "{}").await.0, 200);
    let refused = call(&simulated, "POST", "/", "{}").await.unwrap();
    assert_eq!(refused.status(), 429);
    let seconds: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((90..=100).contains(&seconds));
    assert_eq!(simulated.stats().total.items, 1);
}

/// Hands one request to the partner without a socket, so that time may be paused.
async fn handle(simulation: Simulation) -> (Duration, bool) {
    let (wire, began) = (Wire::default(), Instant::now());
    let request = Request::new("{}".into());
    server::handle(State(Arc::new(simulation)), ConnectInfo(wire.clone()), request).await;
    (began.elapsed(), wire.is_cut())
}

#[tokio::test(start_paused = true)]
async fn latency_delays_the_answer() {
    let mut behaviour = options(Kind::Echo, "").behaviour;
    behaviour.latency = "300..400".parse().unwrap();
    let (took, cut) = handle(Simulation::new(behaviour, None)).await;
    assert!((300..=401).contains(&took.as_millis()), "{took:?}");
    assert!(!cut);
}

#[tokio::test(start_paused = true)]
async fn a_hanging_request_is_cut_after_two_minutes_or_at_the_stop() {
    let hanging = || Simulation::new(options(Kind::Echo, "hang:100%").behaviour, None);
    let (took, cut) = handle(hanging()).await;
    assert!((120..=121).contains(&took.as_secs()), "{took:?}");
    assert!(cut);
    let stopped = hanging();
    stopped.stop.cancel();
    assert_eq!(handle(stopped).await, (Duration::ZERO, true));
}

#[tokio::test]
async fn echo_takes_anything_and_counts_array_elements() {
    let simulated = start(Kind::Echo, "").await;
    for (method, path, body) in
        [("POST", "/a/b", r#"[{"key":1},{"key":"1"},{}]"#), ("PUT", "/a/b", "text"), ("DELETE", "/", "")]
    {
        assert_eq!(answer(&simulated, method, path, body).await, (200, json!({ "ok": true })));
    }
    let stats = simulated.stop().await;
    assert_eq!((stats.total.items, stats.total.distinct_keys, stats.total.duplicates), (5, 1, 1));
}

#[tokio::test]
async fn a_body_beyond_reason_is_refused_and_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("record.jsonl");
    let mut options = options(Kind::Echo, "");
    options.record = Some(path.clone());
    let simulated = Simulated::start(options).await.unwrap();
    // The connection may break before the answer is read: the body is not read to its end.
    call(&simulated, "POST", "/", &" ".repeat(17 * 1024 * 1024)).await.ok();
    simulated.stop().await;
    assert_eq!(record(&path)[0]["status"], 413);
}

#[test]
fn report_has_a_line_for_each_path() {
    let mut tally = stats::Tally::default();
    tally.count("POST /events", Some(200), &[stats::Counted::Accepted(None)]);
    tally.count("POST /events", Some(503), &[]);
    let mut text = Vec::new();
    report(&tally.read(1), &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(text.starts_with("2 requests, 1 items"), "{text}");
    assert!(text.contains("POST /events: 1 items; 200: 1, 503: 1"), "{text}");
}
