//! `penstock demo`.

use serde_json::Value;

use crate::process::run;

async fn demo(fail: &str) -> Value {
    let ended = run(&["demo", "--json", "--timeout", "50", "--fail", fail], &[]).await;
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, ended.stderr);
    let account: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(account["adds_up"], true, "{account}");
    assert_eq!(account["left"], 0, "{account}");
    account
}

#[tokio::test]
async fn the_demo_adds_up() {
    let account = demo("").await;
    assert_eq!(account["ledger"]["delivered"], account["partner"]["distinct_keys"]);
    assert_eq!(account["partner"]["duplicates"], 0);
    assert!(account["ledger"]["delivered"].as_u64().unwrap() > 10, "{account}");
}

#[tokio::test]
async fn the_demo_adds_up_when_the_partner_falters() {
    demo("503:20%,429:5%").await;
}

#[tokio::test]
async fn the_demo_shows_where_to_look_next() {
    let folder = tempfile::tempdir().unwrap();
    let ended = run(&["demo", "--data-dir", folder.path().to_str().unwrap()], &[]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stdout.contains("adds up") && !ended.stdout.contains("NOT"), "{}", ended.stdout);
    let record = std::fs::read_to_string(folder.path().join("partner.jsonl")).unwrap();
    assert!(record.lines().count() > 5);
}
