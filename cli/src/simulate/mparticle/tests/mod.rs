//! The verb against a server that answers by a script.

mod script;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::Parser;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use self::script::{Answer, Server, good};
use super::{MparticleArgs, run};
use crate::exit::ExitStatus;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    args: MparticleArgs,
}

/// A run that has ended.
struct Ran {
    status: ExitStatus,
    report: Value,
    /// The lines of the record.
    record: Vec<Value>,
}

async fn simulate(server: &Server, arguments: &[&str]) -> Ran {
    simulate_until(server, arguments, CancellationToken::new()).await
}

async fn simulate_until(server: &Server, arguments: &[&str], stop: CancellationToken) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (record, json) = (path("record.jsonl"), path("report.json"));
    let mut line = vec!["simulate", "--url", &server.url, "--token", "tok-0123456789", "--seed", "7"];
    line.extend([
        "--record",
        &record,
        "--json",
        &json,
        "--connections",
        "16",
        "--retry-pauses-ms",
        "5,10,20",
    ]);
    line.extend(arguments);
    let status = run(Line::parse_from(line).args, stop).await.unwrap();
    let read = |path: &str| std::fs::read_to_string(Path::new(path)).unwrap();
    let report = serde_json::from_str(&read(&json)).unwrap();
    let record = read(&record).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    Ran { status, report, record }
}

fn count(report: &Value, path: &str) -> u64 {
    report.pointer(path).unwrap_or_else(|| panic!("{path} in {report}")).as_u64().unwrap()
}

#[tokio::test]
async fn everything_is_taken_recorded_and_counted() {
    let server = Server::start(good).await;
    let mix = "events=10,profile=5,membership=10,subscription=5,dsr=5,registration=5,noop-events=5,noop-membership=5";
    let ran = simulate(&server, &["--rate", "400", "--seconds", "1", "--mix", mix]).await;
    assert_eq!(ran.status, ExitStatus::Done, "{}", ran.report);
    let calls = server.calls();
    assert!((300..500).contains(&calls.len()), "{}", calls.len());
    let sent: BTreeMap<String, String> = calls.iter().map(|call| (call.id(), call.kind())).collect();
    assert_eq!(sent.len(), calls.len(), "an id of its own for each");
    let recorded: BTreeMap<String, String> = ran
        .record
        .iter()
        .map(|line| (line["id"].as_str().unwrap().into(), line["type"].as_str().unwrap().into()))
        .collect();
    assert_eq!(recorded, sent);
    assert_eq!(count(&ran.report, "/total/sent"), calls.len() as u64);
    assert_eq!(count(&ran.report, "/total/taken"), calls.len() as u64);
    assert_eq!(ran.report["kinds"].as_object().unwrap().len(), 8, "{}", ran.report);
    let items: u64 = ran.record.iter().map(|line| line["items"].as_u64().unwrap()).sum();
    assert_eq!(count(&ran.report, "/total/items_taken"), items);
}

#[tokio::test]
async fn the_token_goes_with_everything_but_registration_requests() {
    let server = Server::start(good).await;
    simulate(&server, &["--rate", "200", "--seconds", "0.5", "--mix", "events=1,registration=1"]).await;
    let calls = server.calls();
    let kinds: BTreeSet<String> = calls.iter().map(script::Call::kind).collect();
    assert_eq!(kinds.len(), 2);
    for call in calls {
        let expected = (call.kind() == "event_processing_request").then_some("Token tok-0123456789");
        assert_eq!(call.authorization.as_deref(), expected);
    }
}

#[tokio::test]
async fn a_message_that_is_turned_down_for_now_comes_again_as_it_was() {
    let server = Server::start(|call| if call.seen == 0 { Answer::status(503) } else { good(call) }).await;
    let ran = simulate(&server, &["--rate", "200", "--seconds", "0.5", "--mix", "events=1"]).await;
    assert_eq!(ran.status, ExitStatus::Done, "{}", ran.report);
    let mut bodies: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for call in server.calls() {
        bodies.entry(call.id()).or_default().push(call.body);
    }
    assert!(bodies.values().all(|tries| tries.len() == 2 && tries[0] == tries[1]));
    assert_eq!(count(&ran.report, "/total/retried"), bodies.len() as u64);
    assert_eq!(count(&ran.report, "/total/taken"), bodies.len() as u64);
}

#[tokio::test]
async fn a_message_that_is_refused_is_lost_and_not_tried_again() {
    let server = Server::start(|_| Answer::status(400)).await;
    let ran = simulate(&server, &["--rate", "100", "--seconds", "0.3", "--mix", "events=1"]).await;
    assert_eq!(ran.status, ExitStatus::Failed);
    let sent = count(&ran.report, "/total/sent");
    assert_eq!(count(&ran.report, "/total/lost_by/400"), sent);
    assert_eq!(count(&ran.report, "/violations/status"), sent);
    assert_eq!((count(&ran.report, "/total/retried"), ran.record.len()), (0, 0));
    let shown = ran.report["first_violations"].as_array().unwrap();
    assert!(shown.len() == sent.min(10) as usize && shown[0]["status"] == 400, "{shown:?}");
}

#[tokio::test]
async fn when_the_tries_are_used_up_an_audience_is_faulted_and_sent_nothing_more() {
    let server = Server::start(|call| match call.kind().as_str() {
        "audience_membership_change_request" => Answer::status(429),
        _ => good(call),
    })
    .await;
    let one = ["--accounts", "1", "--audiences", "1", "--mix", "membership=1"];
    let ran = simulate(&server, &[&["--rate", "100", "--seconds", "1"], &one[..]].concat()).await;
    assert_eq!(ran.status, ExitStatus::Failed);
    assert_eq!(count(&ran.report, "/faulted"), 1);
    assert!(count(&ran.report, "/withheld") > 30, "{}", ran.report);
    let lost = count(&ran.report, "/kinds/membership/lost");
    assert_eq!(count(&ran.report, "/kinds/membership/sent"), lost);
    assert_eq!(count(&ran.report, "/kinds/membership/lost_by/429, tries used up"), lost);
    assert_eq!(count(&ran.report, "/kinds/membership/retried"), 3 * lost);
}

#[tokio::test]
async fn a_resumed_audience_is_sent_its_changes_again() {
    let changes = AtomicU64::new(0);
    let server = Server::start(move |call| match call.kind().as_str() {
        "audience_membership_change_request" if changes.fetch_add(1, Ordering::Relaxed) < 2 => {
            Answer::status(403)
        }
        _ => good(call),
    })
    .await;
    let arguments = ["--rate", "200", "--seconds", "1", "--accounts", "1", "--audiences", "1"];
    let resuming = ["--mix", "membership=1", "--resume-after", "0.05"];
    let ran = simulate(&server, &[&arguments[..], &resuming].concat()).await;
    assert!(count(&ran.report, "/resumed") >= 1, "{}", ran.report);
    assert!(count(&ran.report, "/withheld") >= 1, "{}", ran.report);
    assert!(count(&ran.report, "/kinds/membership/taken") > 20, "{}", ran.report);
}

#[tokio::test]
async fn hidden_settings_come_back_with_every_later_membership() {
    let server = Server::start(|call| {
        let mut answer = good(call);
        if call.kind() == "audience_subscription_request" {
            let key = format!("k-{}", call.message["audience_id"]);
            answer.body["audience_subscription_settings"] = serde_json::json!({ "listKey": key });
        }
        answer
    })
    .await;
    let ran = simulate(&server, &["--rate", "200", "--seconds", "0.5", "--mix", "membership=1"]).await;
    assert_eq!(ran.status, ExitStatus::Done, "{}", ran.report);
    let mut entries = 0;
    for call in server.calls() {
        for profile in call.message["user_profiles"].as_array().into_iter().flatten() {
            for entry in profile["audiences"].as_array().unwrap() {
                let key = format!("k-{}", entry["audience_id"]);
                assert_eq!(entry["audience_subscription_settings"]["listKey"], key);
                entries += 1;
            }
        }
    }
    assert!(entries > 30, "{entries}");
}

#[tokio::test]
async fn a_suspended_customer_is_sent_no_changes_any_more() {
    let server = Server::start(|call| {
        let mut answer = good(call);
        if call.kind() == "audience_membership_change_request" {
            answer.body["suspend_subscription"] = true.into();
        }
        answer
    })
    .await;
    let arguments = ["--rate", "100", "--seconds", "0.6", "--accounts", "1", "--mix", "membership=1"];
    let ran = simulate(&server, &arguments).await;
    assert_eq!(ran.status, ExitStatus::Done, "what was answered is not lost: {}", ran.report);
    assert_eq!(count(&ran.report, "/suspended"), 1);
    assert!(count(&ran.report, "/withheld") > 10, "{}", ran.report);
    assert!(count(&ran.report, "/kinds/membership/sent") < 10, "{}", ran.report);
}

#[tokio::test]
async fn answers_against_the_protocol_are_counted() {
    let server = Server::start(|call| {
        let mut answer = good(call);
        answer.body["id"] = "another".into();
        answer
    })
    .await;
    let ran = simulate(&server, &["--rate", "100", "--seconds", "0.3", "--mix", "dsr=1"]).await;
    assert_eq!(ran.status, ExitStatus::Failed);
    assert_eq!(count(&ran.report, "/violations/wrong_id"), count(&ran.report, "/total/taken"));
    assert_eq!(count(&ran.report, "/total/lost"), 0);
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up_in_time() {
    let server = Server::start(|_| Answer::NEVER).await;
    let arguments = ["--rate", "20", "--seconds", "0.3", "--mix", "events=1", "--timeout-ms", "50"];
    let ran = simulate(&server, &arguments).await;
    assert_eq!(ran.status, ExitStatus::Unavailable);
    let sent = count(&ran.report, "/total/sent");
    assert_eq!(count(&ran.report, "/total/lost_by/no answer in time, tries used up"), sent);
    assert_eq!(count(&ran.report, "/total/unanswered_tries"), 4 * sent);
    assert!(ran.report["total"]["share_above_100_ms"].as_f64().unwrap() > 0.99);
}

#[tokio::test]
async fn a_burst_brings_all_members_once_the_subscription_is_answered() {
    let server = Server::start(good).await;
    let burst =
        ["--burst", "connect:0.1:1005", "--bulk", "10", "--rate", "1", "--seconds", "0.2", "--mix", "dsr=1"];
    let ran = simulate(&server, &burst).await;
    assert_eq!(ran.status, ExitStatus::Done, "{}", ran.report);
    assert_eq!(count(&ran.report, "/kinds/subscription/taken"), 1);
    assert_eq!(count(&ran.report, "/kinds/membership/taken"), 101);
    let calls = server.calls();
    let place = |kind: &str| calls.iter().position(|call| call.kind() == kind).unwrap();
    assert!(place("audience_subscription_request") < place("audience_membership_change_request"));
    assert_eq!(count(&ran.report, "/kinds/membership/items_taken"), 1_005);
}

#[tokio::test]
async fn an_interrupted_run_ends_soon_and_says_what_it_does_not_know() {
    let server = Server::start(|call| if call.number < 20 { good(call) } else { Answer::NEVER }).await;
    let stop = CancellationToken::new();
    let arguments = ["--rate", "200", "--seconds", "3600", "--timeout-ms", "600000", "--mix", "events=1"];
    let (ran, ()) = tokio::join!(simulate_until(&server, &arguments, stop.clone()), async {
        server.has_calls(21).await;
        stop.cancel();
    });
    assert_eq!(ran.report["interrupted"], true);
    assert_eq!(count(&ran.report, "/total/taken"), 20);
    assert_eq!(ran.record.len(), 20);
    let sent = count(&ran.report, "/total/sent");
    assert_eq!(count(&ran.report, "/unfinished"), sent - 20);
    assert_eq!(ran.status, ExitStatus::Done, "nothing was lost");
}
