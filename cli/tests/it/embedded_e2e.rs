//! Everything in one process, on one machine's disk: kills, stops, and what is there afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::pipeline::{
    Partner, SHORT_LEASE, Service, TOKEN, arrive, events_taken, many_messages, sent, webhook,
};
use crate::process::{Process, eventually};

/// Longer than any test waits: what comes back was handed back.
const LONG_LEASE: (&str, &str) = ("PENSTOCK_WORKER_LEASE_MS", "600000");

struct Bench {
    folder: tempfile::TempDir,
    messages: BTreeMap<String, [String; 2]>,
    partner_file: String,
}

impl Bench {
    fn new(messages: usize, changes: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let inbox = folder.path().join("messages");
        std::fs::create_dir(&inbox).unwrap();
        let messages = many_messages(&inbox, messages);
        let partner_file = webhook(folder.path(), changes);
        Self { folder, messages, partner_file }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn partner(&self, arguments: &[&str]) -> Partner {
        let record = self.path("record.jsonl");
        Partner::start(Path::new(&record), &[&["--kind", "echo"], arguments].concat())
    }

    async fn run(&self, partner: &Partner, settings: &[(&'static str, &str)]) -> Service {
        let data = self.path("data");
        let mut environment = vec![partner.setting(), ("PENSTOCK_WORKER_WATCH_EVERY_MS", "1000".to_owned())];
        environment.extend(settings.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let arguments = ["--partner", &self.partner_file, "--data-dir", &data];
        Service::start("run", &arguments, &environment).await
    }

    /// Begins to send all messages, each tried once.
    fn send(&self, service: &Service, concurrency: &str) -> Process {
        let messages = self.path("messages");
        let arguments = [
            "send",
            "--url",
            &service.ingress,
            "--token",
            TOKEN,
            "--attempts",
            "1",
            "--concurrency",
            concurrency,
            "--json",
            &messages,
        ];
        Process::start(&arguments, &[])
    }

    /// The events of the messages that were answered with 200.
    fn acknowledged(&self, lines: &str) -> BTreeSet<String> {
        let taken = lines.lines().map(sent).filter(|(_, status)| *status == Some(200));
        taken.flat_map(|(file, _)| self.messages[&file].clone()).collect()
    }

    fn events(&self) -> BTreeSet<String> {
        self.messages.values().flatten().cloned().collect()
    }
}

/// Waits until no queue holds a message, be it leased.
async fn nothing_is_left(service: &Service) {
    eventually("an empty queue", async || match service.metric("queue_depth", "").await {
        0 => Ok(()),
        left => Err(format!("{left} messages")),
    })
    .await;
}

#[tokio::test]
async fn what_was_answered_200_arrives_after_a_power_cut() {
    let bench = Bench::new(400, &[]);
    let partner = bench.partner(&["--latency", "300"]);
    let service = bench.run(&partner, &[SHORT_LEASE]).await;
    let sending = bench.send(&service, "2");
    partner.has_calls(1).await;
    sending.prints("forty answers", |lines| (lines.len() >= 40).then_some(())).await;
    // Calls are open on both sides, and messages on their way: now everything dies at once.
    tokio::join!(service.process.kill(), async { drop(partner) });
    let sent = sending.ended().await;
    let acknowledged = bench.acknowledged(&sent.stdout);
    assert!(acknowledged.len() >= 80, "{} events", acknowledged.len());
    assert!(acknowledged.len() < bench.events().len(), "all was sent before the cut: it cut nothing");

    let partner = bench.partner(&[]);
    let service = bench.run(&partner, &[]).await;
    arrive(&partner, &acknowledged).await;
    service.stop().await;
    let taken: BTreeSet<String> = events_taken(&partner.calls()).into_keys().collect();
    assert!(taken.is_subset(&bench.events()), "events that nobody sent");
}

#[tokio::test]
async fn a_stop_delivers_what_is_under_way_once_and_keeps_the_rest() {
    let bench = Bench::new(60, &[]);
    let partner = bench.partner(&["--latency", "400"]);
    let service = bench.run(&partner, &[LONG_LEASE]).await;
    let sending = bench.send(&service, "2");
    partner.has_calls(1).await;
    let ended = service.stop().await;
    assert!(!ended.stderr.contains("\"level\":\"ERROR\""), "{}", ended.stderr);
    let acknowledged = bench.acknowledged(&sending.ended().await.stdout);
    assert!(!acknowledged.is_empty());

    let service = bench.run(&partner, &[]).await;
    arrive(&partner, &acknowledged).await;
    nothing_is_left(&service).await;
    service.stop().await;
    let taken = events_taken(&partner.calls());
    let twice: Vec<_> = taken.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
}

#[tokio::test]
async fn a_stop_keeps_what_a_silent_partner_does_not_take() {
    let bench = Bench::new(5, &[("timeout_ms = 10_000", "timeout_ms = 2_000")]);
    let silent = bench.partner(&["--fail", "hang:100%"]);
    let service = bench.run(&silent, &[LONG_LEASE, ("PENSTOCK_WORKER_DRAIN_DEADLINE_MS", "1000")]).await;
    let sent = bench.send(&service, "1").ended().await;
    assert_eq!(bench.acknowledged(&sent.stdout), bench.events());
    silent.has_calls(1).await;
    service.stop().await;

    let partner = bench.partner(&[]);
    let service = bench.run(&partner, &[]).await;
    arrive(&partner, &bench.events()).await;
    service.stop().await;
}

#[tokio::test]
async fn a_second_stop_signal_ends_at_once_and_loses_nothing() {
    let bench = Bench::new(5, &[("timeout_ms = 10_000", "timeout_ms = 60_000")]);
    let silent = bench.partner(&["--fail", "hang:100%"]);
    let service = bench.run(&silent, &[SHORT_LEASE, ("PENSTOCK_WORKER_DRAIN_DEADLINE_MS", "600000")]).await;
    let sent = bench.send(&service, "1").ended().await;
    assert_eq!(bench.acknowledged(&sent.stdout), bench.events());
    silent.has_calls(1).await;
    service.process.terminate();
    service.process.says("that it drains", |line| line.contains("a second signal ends").then_some(())).await;
    service.process.terminate();
    let began = tokio::time::Instant::now();
    let ended = service.process.ended().await;
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(began.elapsed().as_secs() < 10, "it waited for the partner");

    let partner = bench.partner(&[]);
    let service = bench.run(&partner, &[]).await;
    arrive(&partner, &bench.events()).await;
    service.stop().await;
}
