//! `penstock dead-letters`: what was set aside, and the way back, beside a running service.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::Value;

use crate::pipeline::{API_KEY, Partner, Service, arrive, fixture, many_messages, send, webhook};
use crate::process::{Ended, eventually, run};

async fn dead_letters(data: &str, arguments: &[&str]) -> Ended {
    let ended = run(&[&["dead-letters"], arguments, &["--data-dir", data]].concat(), &[]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    ended
}

async fn listed(data: &str, filter: &[&str]) -> Vec<Value> {
    let list = dead_letters(data, &[&["list", "--json"], filter].concat()).await;
    list.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

struct Refused {
    folder: tempfile::TempDir,
    data: String,
    partner: Partner,
    service: Service,
    events: std::collections::BTreeSet<String>,
}

impl Refused {
    /// One message of two events, both refused by a partner who would take anything after that.
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let inbox = folder.path().join("messages");
        std::fs::create_dir(&inbox).unwrap();
        let messages = many_messages(&inbox, 1);
        let record = folder.path().join("record.jsonl");
        let partner = Partner::start(&record, &["--kind", "echo", "--fail", "404:first=1"]);
        let data = folder.path().join("data").to_str().unwrap().to_owned();
        let webhook = webhook(folder.path(), &[]);
        let arguments = ["--partner", &webhook, "--data-dir", &data];
        let service = Service::start("run", &arguments, &[partner.setting()]).await;
        send(&service, &[inbox.to_str().unwrap().to_owned()]).await;
        eventually("the refusal", async || {
            match service.metric("worker_items_total", "dead_lettered").await {
                2 => Ok(()),
                other => Err(format!("{other} set aside")),
            }
        })
        .await;
        let events = messages.into_values().flatten().collect();
        Self { folder, data, partner, service, events }
    }
}

#[tokio::test]
async fn a_refused_item_is_listed_with_its_reason_and_shown_without_secrets() {
    let refused = Refused::new().await;
    let letters = listed(&refused.data, &[]).await;
    let items: u64 = letters.iter().map(|letter| letter["items"].as_u64().unwrap()).sum();
    assert_eq!(items, 2, "{letters:?}");
    for letter in &letters {
        assert_eq!((letter["reason"].as_str(), letter["account"].as_i64()), (Some("gone"), Some(1001)));
        let id = letter["id"].as_str().unwrap();
        let shown = dead_letters(&refused.data, &["show", id]).await.stdout;
        assert!(!shown.contains(API_KEY), "{shown}");
        let shown: Value = serde_json::from_str(&shown).unwrap();
        let body = &shown["requests"][0]["body"];
        assert_eq!(body["account"]["account_settings"]["apiKey"], "[redacted]");
        assert_eq!(body["id"], "message-000");
    }
    assert!(listed(&refused.data, &["--reason", "too_old"]).await.is_empty());
    assert!(listed(&refused.data, &["--account", "7"]).await.is_empty());
    let text = dead_letters(&refused.data, &["list"]).await;
    assert!(text.stdout.contains("gone: ") && !text.stdout.contains(API_KEY), "{}", text.stdout);
    refused.service.stop().await;
}

#[tokio::test]
async fn the_original_bytes_go_to_a_new_file_that_only_its_owner_can_read() {
    let refused = Refused::new().await;
    let id = listed(&refused.data, &[]).await[0]["id"].as_str().unwrap().to_owned();
    let file = refused.folder.path().join("body.json");
    let raw = ["dead-letters", "show", &id, "--raw", file.to_str().unwrap(), "--data-dir", &refused.data];
    let ended = run(&raw, &[]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""), "{}", ended.stderr);
    assert!(ended.stderr.contains("readable by you alone"), "{}", ended.stderr);
    let sent = std::fs::read(refused.folder.path().join("messages/000.json")).unwrap();
    assert_eq!(std::fs::read(&file).unwrap(), sent);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    std::fs::write(&file, "mine").unwrap();
    let again = run(&raw, &[]).await;
    assert_eq!(again.code, Some(1), "{}", again.stderr);
    assert!(again.stderr.contains("stays as it is"), "{}", again.stderr);
    assert_eq!(std::fs::read(&file).unwrap(), b"mine");
    refused.service.stop().await;
}

#[tokio::test]
async fn a_redrive_delivers_and_a_dry_run_changes_nothing() {
    let refused = Refused::new().await;
    let before = listed(&refused.data, &[]).await;
    let dry = dead_letters(&refused.data, &["redrive", "--dry-run"]).await;
    assert!(dry.stderr.contains("2 items would go back"), "{}", dry.stderr);
    assert_eq!(listed(&refused.data, &[]).await, before);
    assert_eq!(refused.partner.calls().len(), 1);

    let other = dead_letters(&refused.data, &["redrive", "--reason", "too_old"]).await;
    assert!(other.stderr.contains("0 items went back"), "{}", other.stderr);
    let done = dead_letters(&refused.data, &["redrive", "--reason", "gone"]).await;
    assert!(done.stderr.contains("2 items went back"), "{}", done.stderr);
    arrive(&refused.partner, &refused.events).await;
    assert!(listed(&refused.data, &[]).await.is_empty());
    refused.service.stop().await;
}

#[tokio::test]
async fn an_unreadable_body_is_kept_though_it_was_answered_400() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").to_str().unwrap().to_owned();
    let arguments = ["--partner", &fixture("partners/sandbox.toml"), "--data-dir", &data];
    let service = Service::start("ingress", &arguments, &[]).await;
    let refused = folder.path().join("refused.json");
    std::fs::write(&refused, "{\"type\": \"event_processing_request\", ").unwrap();
    let url = ["send", "--url", &service.ingress, "--token", crate::pipeline::TOKEN];
    assert_eq!(run(&[&url[..], &[refused.to_str().unwrap()]].concat(), &[]).await.code, Some(1));
    let letters = eventually("the quarantine", async || {
        let letters = listed(&data, &[]).await;
        if letters.is_empty() { Err("nothing".to_owned()) } else { Ok(letters) }
    })
    .await;
    let id = letters[0]["id"].as_str().unwrap();
    let shown = dead_letters(&data, &["show", id]).await.stdout;
    assert!(shown.contains("unreadable") && !shown.contains("event_processing"), "{shown}");
    service.stop().await;
}

#[tokio::test]
async fn a_folder_without_a_queue_is_sixty_nine_and_stays_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let ended = run(&["dead-letters", "list", "--data-dir", data], &[]).await;
    assert_eq!(ended.code, Some(69), "{}", ended.stderr);
    assert_eq!(std::fs::read_dir(Path::new(data)).unwrap().count(), 0);
    let ended = run(&["dead-letters", "list", "--queue", "sqs"], &[]).await;
    assert_eq!(ended.code, Some(78), "{}", ended.stderr);
}
