//! What is said of the container and the queues: held against the settings before anything starts, and against the
//! queues themselves by a worker that has.

use std::path::Path;

use crate::fleet_e2e::cloud;
use crate::pipeline::{Partner, Service, many_messages, send, webhook};
use crate::process::{eventually, run};

/// Everything at odds with something: settings with settings, and with partner.toml.
fn wrong() -> Vec<(&'static str, String)> {
    [
        ("PENSTOCK_TOKENS", "t"),
        ("PENSTOCK_CONTAINER_STOP_TIMEOUT_MS", "30000"),
        ("PENSTOCK_CONTAINER_MEMORY_BYTES", "268435456"),
        ("PENSTOCK_SQS_VISIBILITY_TIMEOUT_MS", "30000"),
        ("PENSTOCK_SQS_RETENTION_MS", "86400000"),
        ("PENSTOCK_SQS_RECEIVES_MAX", "2"),
        ("PENSTOCK_WORKER_ATTEMPTS_MAX", "30"),
        ("PENSTOCK_WORKER_RECEIVE_WAIT_MS", "none"),
        ("PENSTOCK_INGRESS_DEREGISTRATION_DELAY_MS", "15000"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .into()
}

fn partner_file(folder: &Path) -> String {
    webhook(folder, &[("[auth]", "[retry]\nattempts_max = 12\n\n[auth]")])
}

#[tokio::test]
async fn what_cannot_be_right_together_is_told_at_once_and_nothing_starts() {
    let folder = tempfile::tempdir().unwrap();
    let file = partner_file(folder.path());
    let of_ingress = ["ingress may take 40000", "ingress.bytes_in_flight_max 268435456"];
    let of_worker = [
        "the worker may take 35000",
        "worker.in_flight_bytes_max 134217728",
        "worker.lease_ms 60000",
        "age_max_hours 72",
        "attempts_max 12",
    ];
    // Mistakes of single settings, told to everybody.
    let of_all = ["sqs.receives_max is 2", "worker.receive_wait_ms is \"none\""];
    for (role, told) in [
        ("ingress", [&of_ingress[..], &of_all].concat()),
        ("worker", [&of_worker[..], &of_all].concat()),
        ("run", [&of_ingress[..], &of_worker, &of_all].concat()),
    ] {
        let ended = run(&[role, "--partner", &file], &wrong()).await;
        assert_eq!(ended.code, Some(78), "{}", ended.stderr);
        for part in &told {
            assert!(ended.stderr.contains(part), "{role}: no {part} in\n{}", ended.stderr);
        }
        // In `run` both budgets stand in one sentence; its headline is the other line.
        let lines = told.len() + 1 - usize::from(role == "run");
        assert_eq!(ended.stderr.lines().count(), lines, "{role}:\n{}", ended.stderr);
    }
}

#[tokio::test]
async fn a_worker_tells_of_queues_that_are_set_up_otherwise_and_works() {
    let folder = tempfile::tempdir().unwrap();
    let file = partner_file(folder.path());
    let mut settings = cloud("surroundings");
    settings.extend(
        [
            ("PENSTOCK_SQS_VISIBILITY_TIMEOUT_MS", "60000"),
            ("PENSTOCK_SQS_RETENTION_MS", "345600000"),
            ("PENSTOCK_SQS_RECEIVES_MAX", "10"),
            ("PENSTOCK_QUEUE_MESSAGE_BYTES_MAX", "16777216"),
        ]
        .map(|(name, value)| (name, value.to_owned())),
    );
    let worker = Service::start("worker", &["--partner", &file], &settings).await;
    for (queue, numbers) in [
        ("main", ["visibility timeout is 30000", "60000"]),
        ("retry", ["maxReceiveCount of its redrive policy is 20", "sqs.receives_max 10"]),
        ("dead", ["maximum message size is ", "queue_message_bytes_max 16777216"]),
    ] {
        let is_told = |line: &str| {
            let is_of =
                line.contains(&format!("the {queue} queue is not set up")) && line.contains("\"ERROR\"");
            (is_of && numbers.iter().all(|number| line.contains(number))).then_some(())
        };
        worker.process.says(numbers[0], is_told).await;
    }
    let said = worker.stop().await.stderr;
    assert!(!said.contains("message retention period"), "it is as it was said:\n{said}");
    assert_eq!(said.matches("is not set up as this worker needs it").count(), 3 + 3 + 1, "{said}");
}

#[tokio::test]
async fn queues_that_cannot_be_asked_are_one_warning() {
    let folder = tempfile::tempdir().unwrap();
    let file = partner_file(folder.path());
    let mut settings = cloud("away");
    settings.extend([("AWS_ENDPOINT_URL", "http://127.0.0.1:9".to_owned())]);
    let worker = Service::start("worker", &["--partner", &file], &settings).await;
    let warned = "could not look whether the queues are set up as stated";
    worker.process.says(warned, |line| line.contains(warned).then_some(())).await;
    let said = worker.stop().await.stderr;
    let lines: Vec<&str> = said.lines().filter(|line| line.contains("set up")).collect();
    assert!(lines.len() == 1 && lines[0].contains("\"WARN\"") && lines[0].contains("main: "), "{lines:?}");
}

#[tokio::test]
async fn attempts_that_partner_toml_does_not_say_are_those_of_the_setting() {
    let folder = tempfile::tempdir().unwrap();
    let inbox = folder.path().join("messages");
    std::fs::create_dir(&inbox).unwrap();
    many_messages(&inbox, 1);
    let record = folder.path().join("record.jsonl");
    let partner = Partner::start(&record, &["--kind", "echo", "--fail", "500:100%"]);
    let (file, data) = (webhook(folder.path(), &[]), folder.path().join("data"));
    let settings = [partner.setting(), ("PENSTOCK_WORKER_ATTEMPTS_MAX", "1".to_owned())];
    let arguments = ["--partner", &file, "--data-dir", data.to_str().unwrap()];
    let service = Service::start("run", &arguments, &settings).await;
    send(&service, &[inbox.join("000.json").to_str().unwrap().to_owned()]).await;
    eventually("dead letters", async || {
        match service.metric("worker_dead_letters_total", "attempts_exhausted").await {
            2 => Ok(()),
            other => Err(format!("{other}")),
        }
    })
    .await;
    service.stop().await;
}
