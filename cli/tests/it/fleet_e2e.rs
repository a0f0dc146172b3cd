//! A fleet as in the cloud: ingress and workers as processes of their own over SQS, DynamoDB and S3 (the emulator).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use penstock_testkit::emulator::emulator;
use serde_json::{Value, json};

use crate::pipeline::{self, Partner, SHORT_LEASE, Service, fixture, items, send, sending};
use crate::process::{Process, eventually, run};

/// Every item that the sandbox is to receive for the plain messages, with the call that carries it. A list's id stands
/// there as the key it was created with. Derived from the messages by a program that shares nothing with this one.
const EXPECTED: &str = include_str!("expected/sandbox-plain.jsonl");
/// Every item of the plain messages, those beside events included: the expected ones, an attribute update and a
/// removed list, which have no call, and an erasure without an account, which nobody can be called for.
const ITEMS: u64 = 113 + 2 + 1;

/// Queues, a table and a bucket of one's own, as settings.
pub(crate) fn cloud(name: &str) -> Vec<(&'static str, String)> {
    let emulator = emulator();
    let queues = emulator.create_queues(name, 20).unwrap();
    let (table, bucket) = (emulator.unique(name), emulator.unique(name));
    emulator.create_subscription_table(&table).unwrap();
    emulator.create_bucket(&bucket).unwrap();
    let mut settings: Vec<(&'static str, String)> = emulator.env().into();
    settings.extend([
        ("PENSTOCK_QUEUE", "sqs".to_owned()),
        ("PENSTOCK_STORE", "dynamodb".to_owned()),
        ("PENSTOCK_SQS_MAIN_URL", queues.main),
        ("PENSTOCK_SQS_RETRY_URL", queues.retry),
        ("PENSTOCK_SQS_DEAD_URL", queues.dead),
        ("PENSTOCK_DYNAMODB_TABLE", table),
        ("PENSTOCK_S3_BUCKET", bucket),
    ]);
    settings
}

struct Fleet {
    partner: Partner,
    settings: Vec<(&'static str, String)>,
    sandbox: String,
}

impl Fleet {
    fn new(name: &str, folder: &Path, partner: &[&str]) -> Self {
        let partner =
            Partner::start(&folder.join("record.jsonl"), &[&["--kind", "sandbox"], partner].concat());
        let mut settings = cloud(name);
        settings.push(partner.setting());
        Self { partner, settings, sandbox: fixture("partners/sandbox.toml") }
    }

    async fn start(&self, role: &str) -> Service {
        Service::start(role, &["--partner", &self.sandbox], &self.settings).await
    }

    /// Sends the plain messages; the audiences first, and each change of one when the change before has arrived, for
    /// of two changes of one audience that meet only the later counts. Gives the sending of all but the first three.
    async fn send_plain(&self, ingress: &Service) -> Process {
        let (audiences, mut others): (Vec<String>, Vec<String>) =
            plain().into_iter().partition(|file| file.contains("audience-subscription"));
        let (adds, changes): (Vec<_>, Vec<_>) = audiences.into_iter().partition(|file| file.contains("add"));
        send(ingress, &adds).await;
        eventually("three lists", async || {
            let stats = self.partner.stats().await;
            if stats["lists"] == 3 { Ok(()) } else { Err(stats.to_string()) }
        })
        .await;
        others.splice(0..0, changes);
        sending(ingress, &others)
    }
}

fn plain() -> Vec<String> {
    let folder = fixture("messages");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<String> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| path.to_str().unwrap().to_owned())
        .collect();
    files.sort();
    assert_eq!(files.len(), 34);
    files
}

/// Items by what they are, with how often each was taken.
fn taken(calls: &[Value]) -> BTreeMap<String, usize> {
    let keys: BTreeMap<&str, &str> = calls
        .iter()
        .filter(|call| call["path"] == "/lists")
        .filter_map(|call| Some((call["answer"]["list_id"].as_str()?, call["body"]["key"].as_str()?)))
        .collect();
    let mut taken = BTreeMap::new();
    for call in calls.iter().filter(|call| call["status"] == 200) {
        let mut path = call["path"].as_str().unwrap().to_owned();
        for (id, key) in &keys {
            path = path.replace(id, key);
        }
        for item in items(call) {
            let line =
                json!({ "call": format!("{} {path}", call["method"].as_str().unwrap()), "item": item });
            *taken.entry(line.to_string()).or_default() += 1;
        }
    }
    taken
}

fn expected() -> BTreeMap<String, usize> {
    let mut expected = BTreeMap::new();
    for line in EXPECTED.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        *expected.entry(line.to_string()).or_default() += 1;
    }
    expected
}

/// Waits until this many items have ended for good, in all the workers together.
async fn all_end(workers: &[&Service], items: u64) {
    eventually("every item's end", async || {
        let mut ended = BTreeMap::new();
        for worker in workers {
            for outcome in ["delivered", "filtered", "dead_lettered"] {
                *ended.entry(outcome).or_default() += worker.metric("worker_items_total", outcome).await;
            }
        }
        if ended.values().sum::<u64>() >= items { Ok(()) } else { Err(format!("{ended:?}")) }
    })
    .await;
}

#[tokio::test]
async fn the_partner_receives_every_item_once_and_what_it_cannot_have_is_kept_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let fleet = Fleet::new("fleet", folder.path(), &[]);
    let (ingress, one, other) =
        tokio::join!(fleet.start("ingress"), fleet.start("worker"), fleet.start("worker"));
    pipeline::taken(fleet.send_plain(&ingress).await).await;
    all_end(&[&one, &other], ITEMS).await;
    let delivered = one.metric("worker_items_total", "delivered").await
        + other.metric("worker_items_total", "delivered").await;
    assert_eq!(delivered, 113);
    for service in [ingress, one, other] {
        service.stop().await;
    }
    let (taken, expected) = (taken(&fleet.partner.calls()), expected());
    let differ: Vec<_> = taken.iter().filter(|(item, count)| expected.get(*item) != Some(count)).collect();
    let missing: Vec<_> = expected.keys().filter(|item| !taken.contains_key(*item)).collect();
    assert!(differ.is_empty() && missing.is_empty(), "unlike: {differ:#?}\nmissing: {missing:#?}");

    let listed = run(&["dead-letters", "list", "--json", "--queue", "sqs"], &fleet.settings).await;
    assert_eq!(listed.code, Some(0), "{}", listed.stderr);
    let letters: Vec<Value> = listed.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!(letters[0]["reason"], "setting_missing");
    assert_eq!((&letters[0]["account"], &letters[0]["items"]), (&json!(0), &json!(1)));
}

#[tokio::test]
async fn a_worker_killed_in_the_middle_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut fleet = Fleet::new("killed", folder.path(), &["--latency", "2000"]);
    fleet.settings.push((SHORT_LEASE.0, SHORT_LEASE.1.to_owned()));
    let (ingress, worker) = tokio::join!(fleet.start("ingress"), fleet.start("worker"));
    let sending = fleet.send_plain(&ingress).await;
    // Three lists are under way. The next calls are with the partner, unanswered, when the worker dies.
    fleet.partner.has_calls(5).await;
    worker.process.kill().await;
    pipeline::taken(sending).await;

    let successor = fleet.start("worker").await;
    let expected: BTreeSet<String> = expected().into_keys().collect();
    eventually("every item", async || {
        let taken: BTreeSet<String> = taken(&fleet.partner.calls()).into_keys().collect();
        let missing = expected.difference(&taken).count();
        if missing == 0 { Ok(()) } else { Err(format!("{missing} missing")) }
    })
    .await;
    successor.stop().await;
    ingress.stop().await;
    let taken = taken(&fleet.partner.calls());
    let invented: Vec<_> = taken.keys().filter(|item| !expected.contains(*item)).collect();
    assert!(invented.is_empty(), "{invented:#?}");
    // The calls that the dead worker had open were made again: at least once, not exactly once.
    let stats = fleet.partner.stats().await;
    assert!(stats["duplicates"].as_u64().unwrap() > 0, "nothing was under way: {stats}");
}
