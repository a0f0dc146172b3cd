//! `penstock simulate mparticle` against the real thing: what it was told is taken has to come out at the other end.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use serde_json::Value;

use crate::penstock;
use crate::pipeline::{Partner, Service, TOKEN, items, webhook};
use crate::process::{Process, eventually, run};

/// Limits that do not make the test wait.
const QUICK: [(&str, &str); 2] = [
    ("requests_per_second = 100.0", "requests_per_second = 5000.0"),
    ("requests_per_second_per_account = 20.0", "requests_per_second_per_account = 2000.0"),
];

async fn service(folder: &Path, partner: &Partner) -> Service {
    service_with(folder, partner, &[]).await
}

/// One that speaks TLS, with the certificate in `cert.pem`.
async fn secure_service(folder: &Path, partner: &Partner) -> Service {
    let pair = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    std::fs::write(path("cert.pem"), pair.cert.pem()).unwrap();
    std::fs::write(path("key.pem"), pair.signing_key.serialize_pem()).unwrap();
    let tls =
        [("PENSTOCK_INGRESS_TLS_CERT", path("cert.pem")), ("PENSTOCK_INGRESS_TLS_KEY", path("key.pem"))];
    let service = service_with(folder, partner, &tls).await;
    assert!(service.ingress.starts_with("https://"), "{}", service.ingress);
    service
}

async fn service_with(folder: &Path, partner: &Partner, settings: &[(&str, String)]) -> Service {
    let partner_file = webhook(folder, &QUICK);
    let data = folder.join("data");
    let arguments = ["--partner", &partner_file, "--data-dir", data.to_str().unwrap()];
    Service::start("run", &arguments, &[settings, &[partner.setting()]].concat()).await
}

fn simulating(service: &Service, arguments: &[&str]) -> Process {
    let start =
        ["simulate", "mparticle", "--url", &service.ingress, "--token", TOKEN, "--seed", "7", "--json", "-"];
    // A debug build on a busy machine takes its time.
    let patient = ["--timeout-ms", "60000", "--accounts", "20", "--users", "100"];
    Process::start(&[&start[..], &patient, arguments].concat(), &[])
}

/// The lines of a record by message id: its type, and its items, the user's data beside events among them.
fn taken(record: &Path) -> BTreeMap<String, (String, u64)> {
    let text = std::fs::read_to_string(record).unwrap();
    let line = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        let kind = line["type"].as_str().unwrap().to_owned();
        let items = line["items"].as_u64().unwrap();
        let beside = u64::from(line["user_data"].as_bool().unwrap());
        (line["id"].as_str().unwrap().to_owned(), (kind, items + beside))
    };
    text.lines().map(line).collect()
}

/// How many different items the partner has taken of each message.
fn delivered(partner: &Partner) -> BTreeMap<String, u64> {
    let mut keys = BTreeMap::<String, std::collections::BTreeSet<String>>::new();
    for call in partner.calls().iter().filter(|call| call["status"] == 200) {
        for item in items(call) {
            let id = item["message"]["id"].as_str().or(item["data"]["id"].as_str()).unwrap().to_owned();
            keys.entry(id).or_default().insert(item["key"].as_str().unwrap().to_owned());
        }
    }
    keys.into_iter().map(|(id, keys)| (id, keys.len() as u64)).collect()
}

#[tokio::test]
async fn what_mparticle_was_told_is_taken_is_delivered_or_accounted_for() {
    let folder = tempfile::tempdir().unwrap();
    let partner = Partner::start(&folder.path().join("calls.jsonl"), &["--kind", "echo"]);
    let service = service(folder.path(), &partner).await;
    let arguments = ["--rate", "500", "--seconds", "2", "--burst", "connect:0.5:200", "--bulk", "10"];
    conserves(folder.path(), &partner, service, &arguments, 900..1_150).await;
}

#[tokio::test]
async fn nothing_is_lost_under_tls_either() {
    let folder = tempfile::tempdir().unwrap();
    let partner = Partner::start(&folder.path().join("calls.jsonl"), &["--kind", "echo"]);
    let service = secure_service(folder.path(), &partner).await;
    let certificate = folder.path().join("cert.pem");
    let arguments = ["--rate", "200", "--seconds", "1", "--ca", certificate.to_str().unwrap()];
    conserves(folder.path(), &partner, service, &arguments, 140..260).await;
}

/// Sends so many messages, and holds each that was taken to an outcome, and what is not about audiences to being delivered.
async fn conserves(
    folder: &Path,
    partner: &Partner,
    service: Service,
    arguments: &[&str],
    messages: Range<usize>,
) {
    let record = folder.join("taken.jsonl");
    let keep = ["--record", record.to_str().unwrap()];
    let ended = simulating(&service, &[&keep[..], arguments].concat()).ended().await;
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, ended.stderr);
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    let taken = taken(&record);
    assert_eq!(report["total"]["taken"], taken.len());
    assert_eq!((&report["total"]["lost"], &report["no_connection"]), (&0.into(), &Value::Null));
    assert!(messages.contains(&taken.len()), "{}", taken.len());

    let expected: u64 = taken.values().map(|(_, items)| items).sum();
    eventually("an outcome for every item", async || {
        let ended = service.metric("worker_items_total", "outcome=\"delivered\"").await
            + service.metric("worker_items_total", "outcome=\"filtered\"").await
            + service.metric("worker_items_total", "outcome=\"dead_lettered\"").await;
        if ended == expected { Ok(()) } else { Err(format!("{ended} of {expected}")) }
    })
    .await;
    // Changes of audiences may be filtered, as they overtake each other; nothing else may.
    let delivered = delivered(partner);
    for (id, (kind, items)) in taken.iter().filter(|(_, (kind, _))| !kind.starts_with("audience")) {
        assert_eq!(delivered.get(id).copied().unwrap_or(0), *items, "{kind} {id}");
    }
    assert!(delivered.keys().all(|id| taken.contains_key(id)), "something nobody sent");
    service.stop().await;
}

#[tokio::test]
async fn a_certificate_of_no_trusted_authority_is_sixty_nine_and_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let partner = Partner::start(&folder.path().join("calls.jsonl"), &["--kind", "echo"]);
    let service = secure_service(folder.path(), &partner).await;
    let other = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let other_file = folder.path().join("other.pem");
    std::fs::write(&other_file, other.cert.pem()).unwrap();
    let arguments = ["--ca", other_file.to_str().unwrap(), "--rate", "50", "--seconds", "0.5"];
    let ended = simulating(&service, &[&arguments[..], &["--retry-pauses-ms", "5"]].concat()).ended().await;
    assert_eq!(ended.code, Some(69), "{}\n{}", ended.stdout, ended.stderr);
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    for told in ["no connection", "TLS: invalid peer certificate", "no authority that is believed here"] {
        assert!(ended.stderr.contains(told), "{}", ended.stderr);
    }
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(report["total"]["lost_by"]["no connection, tries used up"], report["total"]["sent"]);
    assert!(report["no_connection"].as_str().is_some_and(|told| ended.stderr.contains(told)));
    service.stop().await;
}

#[tokio::test]
async fn ctrl_c_ends_it_with_its_report() {
    let folder = tempfile::tempdir().unwrap();
    let partner = Partner::start(&folder.path().join("calls.jsonl"), &["--kind", "echo"]);
    let service = service(folder.path(), &partner).await;
    let simulating = simulating(&service, &["--rate", "50", "--seconds", "3600", "--mix", "events=1"]);
    partner.has_calls(1).await;
    simulating.interrupt();
    let ended = simulating.ended().await;
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, ended.stderr);
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(report["interrupted"], true);
    assert!(report["total"]["taken"].as_u64().unwrap() > 0);
    assert!(!ended.stdout.contains(TOKEN) && !ended.stderr.contains(TOKEN));
}

#[tokio::test]
async fn a_wrong_token_loses_everything_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let partner = Partner::start(&folder.path().join("calls.jsonl"), &["--kind", "echo"]);
    let service = service(folder.path(), &partner).await;
    let arguments =
        ["simulate", "mparticle", "--url", &service.ingress, "--token", "tok-wrong", "--rate", "20"];
    let ended = run(&[&arguments[..], &["--seconds", "1", "--mix", "events=1"]].concat(), &[]).await;
    assert_eq!(ended.code, Some(1), "{}", ended.stdout);
    assert!(ended.stdout.contains("events (401)"), "{}", ended.stdout);
    assert!(ended.stdout.contains("against the protocol"), "{}", ended.stdout);
    assert!(!ended.stdout.contains("tok-wrong") && !ended.stderr.contains("tok-wrong"));
}

#[tokio::test]
async fn nobody_there_is_sixty_nine_and_arguments_that_cannot_be_meant_are_two() {
    let start = ["simulate", "mparticle", "--rate", "20", "--seconds", "0.2", "--retry-pauses-ms", "none"];
    // Without a seed one run in fifty has nothing to send in this time.
    let away = [&start[..], &["--seed", "7", "--url", "http://127.0.0.1:1/"]].concat();
    assert_eq!(run(&away, &[]).await.code, Some(69));
    for wrong in [["--mix", "event=1"], ["--rate", "0"], ["--burst", "connect:1"], ["--retry-pauses-ms", "x"]]
    {
        let arguments = [&["simulate", "mparticle", "--url", "http://127.0.0.1:1/"][..], &wrong].concat();
        let output = penstock(&arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(wrong[1]), "{wrong:?}");
    }
    let authorities = ["simulate", "mparticle", "--url", "http://127.0.0.1:1/", "--ca", "ca.pem"];
    let output = penstock(&authorities).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("does not begin with https://"));
    let absent = ["simulate", "mparticle", "--url", "https://127.0.0.1:1/", "--ca", "absent.pem"];
    let output = penstock(&absent).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("absent.pem cannot be read: "));
}
