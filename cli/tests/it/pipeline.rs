//! The parts of a pipeline as processes: services, the simulated partner and its record, messages to send.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::process::{Ended, Process, eventually};
use crate::simulate::Running;

/// The token that the tests' ingress asks for.
pub(crate) const TOKEN: &str = "tok-e2e-0123456789";
/// The confidential setting in every fixture.
pub(crate) const API_KEY: &str = "key-1001";

/// Lets what a killed worker held come back soon.
pub(crate) const SHORT_LEASE: (&str, &str) = ("PENSTOCK_WORKER_LEASE_MS", "3000");

/// A file of the repository's `fixtures`.
pub(crate) fn fixture(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(path);
    path.canonicalize().unwrap().to_str().unwrap().to_owned()
}

/// `webhook.toml` for the accounts of the fixtures, who call their token `apiKey`; each of `changes` must be found.
pub(crate) fn webhook(folder: &Path, changes: &[(&str, &str)]) -> String {
    let mut text = std::fs::read_to_string(fixture("partners/webhook.toml")).unwrap();
    let own = [("id = \"token\"", "id = \"apiKey\""), ("settings.token", "settings.apiKey")];
    for (from, to) in own.iter().chain(changes) {
        assert!(text.contains(from), "webhook.toml has no {from}");
        text = text.replace(from, to);
    }
    let path = folder.join("webhook.toml");
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A role of the pipeline in a process of its own.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) process: Process,
    /// Where calls are taken; empty for a worker.
    pub(crate) ingress: String,
    pub(crate) admin: String,
}

impl Service {
    /// Starts `role` on free ports, with short waits, and waits until it listens.
    pub(crate) async fn start(role: &str, arguments: &[&str], environment: &[(&str, String)]) -> Self {
        let mut all = vec![role, "--admin", "127.0.0.1:0"];
        if role != "worker" {
            all.extend(["--listen", "127.0.0.1:0"]);
        }
        all.extend(arguments);
        // A debug build on a busy machine does not answer within 80 ms.
        let mut settings = vec![
            ("PENSTOCK_INGRESS_ANSWER_BUDGET_MS", "10000".to_owned()),
            ("PENSTOCK_INGRESS_SEND_TIMEOUT_MS", "9000".to_owned()),
            ("PENSTOCK_WORKER_RECEIVE_WAIT_MS", "500".to_owned()),
        ];
        if role != "worker" && !arguments.contains(&"--no-auth") {
            settings.push(("PENSTOCK_TOKENS", TOKEN.to_owned()));
        }
        settings.extend(environment.iter().cloned());
        let process = Process::start(&all, &settings);
        let (ingress, admin) = process.says("its addresses", addresses).await;
        Self { process, ingress, admin }
    }

    /// One of its metrics, all labels that contain `labels` added up; 0 if it was never counted.
    pub(crate) async fn metric(&self, name: &str, labels: &str) -> u64 {
        let text = get(&format!("{}/metrics", self.admin)).await;
        let lines = text.lines().filter(|line| line.starts_with(name) && line.contains(labels));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>() as u64
    }

    /// Ends it as an operator does, and holds it to the exit code 0.
    pub(crate) async fn stop(self) -> Ended {
        self.process.terminate();
        let ended = self.process.ended().await;
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        ended
    }
}

fn addresses(line: &str) -> Option<(String, String)> {
    let url = |after: &str| {
        let (_, rest) = line.split_once(after)?;
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || ":/.".contains(c)));
        Some(rest[..end.unwrap_or(rest.len())].to_owned())
    };
    Some((url("ingress listening on ").unwrap_or_default(), url(" admin on ")?))
}

/// The body of an answer, whatever its status.
pub(crate) async fn get(url: &str) -> String {
    reqwest::get(url).await.unwrap().text().await.unwrap()
}

/// What `penstock send` says of each message, by the file's name.
pub(crate) fn statuses(ended: &Ended) -> BTreeMap<String, Option<u64>> {
    ended.stdout.lines().map(sent).collect()
}

/// One line of `penstock send --json`.
pub(crate) fn sent(line: &str) -> (String, Option<u64>) {
    let line: Value = serde_json::from_str(line).unwrap();
    let file = PathBuf::from(line["file"].as_str().unwrap());
    (file.file_name().unwrap().to_str().unwrap().to_owned(), line["status"].as_u64())
}

/// Begins to send messages one after the other.
pub(crate) fn sending(service: &Service, messages: &[String]) -> Process {
    let mut arguments =
        vec!["send", "--url", &service.ingress, "--token", TOKEN, "--concurrency", "1", "--json"];
    arguments.extend(messages.iter().map(String::as_str));
    Process::start(&arguments, &[])
}

/// Sends messages one after the other, and holds each to being taken.
pub(crate) async fn send(service: &Service, messages: &[String]) {
    taken(sending(service, messages)).await;
}

/// Waits until all is sent, and holds each message to being taken.
pub(crate) async fn taken(sending: Process) {
    let ended = sending.ended().await;
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, ended.stderr);
}

/// A simulated partner that keeps a record, which outlives it.
pub(crate) struct Partner {
    running: Running,
    record: PathBuf,
}

impl Partner {
    pub(crate) fn start(record: &Path, arguments: &[&str]) -> Self {
        let keep = ["--record", record.to_str().unwrap(), "--seed", "1"];
        Self { running: Running::start(&[&keep, arguments].concat()), record: record.to_owned() }
    }

    pub(crate) fn url(&self) -> &str {
        &self.running.address
    }

    /// The setting that sends a worker here.
    pub(crate) fn setting(&self) -> (&'static str, String) {
        ("PENSTOCK_PARTNER_URL", self.url().to_owned())
    }

    /// Its counters.
    pub(crate) async fn stats(&self) -> Value {
        serde_json::from_str(&get(&format!("{}/_stats", self.url())).await).unwrap()
    }

    /// Waits until it has had so many calls, answered or not.
    pub(crate) async fn has_calls(&self, calls: u64) {
        eventually("the partner's calls", async || {
            let stats = self.stats().await;
            if stats["requests"].as_u64().unwrap() >= calls { Ok(()) } else { Err(stats.to_string()) }
        })
        .await;
    }

    /// Every call so far.
    pub(crate) fn calls(&self) -> Vec<Value> {
        record(&self.record)
    }
}

/// The whole lines of a record; the last may be half written.
fn record(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The items in a call's body: its elements, or those of its only member, or itself.
pub(crate) fn items(call: &Value) -> Vec<Value> {
    match &call["body"] {
        Value::Array(items) => items.clone(),
        Value::Object(body) if body.len() == 1 => body.values().next().unwrap().as_array().unwrap().clone(),
        other => vec![other.clone()],
    }
}

/// Writes `count` messages with two events each, and says which event ids stand in which file.
pub(crate) fn many_messages(folder: &Path, count: usize) -> BTreeMap<String, [String; 2]> {
    let message = |number: usize| {
        let ids = [0, 1].map(|event| format!("event-{number:03}-{event}"));
        let events: Vec<Value> = ids
            .iter()
            .map(|id| json!({ "type": "custom_event", "id": id, "timestamp_ms": 1_763_924_110_542_i64, "name": "Page turned" }))
            .collect();
        let body = json!({
            "type": "event_processing_request",
            "id": format!("message-{number:03}"),
            "timestamp_ms": 1_763_924_110_542_i64,
            "firehose_version": "3.2.0",
            "account": { "account_id": 1001, "account_settings": { "apiKey": API_KEY } },
            "events": events,
        });
        let name = format!("{number:03}.json");
        std::fs::write(folder.join(&name), body.to_string()).unwrap();
        (name, ids)
    };
    (0..count).map(message).collect()
}

/// How often each event of a webhook's record was answered with 200, by the event's own id.
pub(crate) fn events_taken(calls: &[Value]) -> BTreeMap<String, usize> {
    let mut taken = BTreeMap::new();
    for call in calls.iter().filter(|call| call["status"] == 200) {
        for item in items(call) {
            *taken.entry(item["data"]["id"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    taken
}

/// Waits until the partner has taken every one of these events.
pub(crate) async fn arrive(partner: &Partner, events: &BTreeSet<String>) {
    eventually("every event", async || {
        let taken = events_taken(&partner.calls());
        let missing: Vec<_> = events.iter().filter(|id| !taken.contains_key(*id)).collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("{} missing: {missing:?}", missing.len())) }
    })
    .await;
}
