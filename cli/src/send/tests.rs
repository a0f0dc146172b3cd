//! `send` against the simulated partner, which records what reaches it and fails as told.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::Path;

use clap::Parser;
use penstock_shared::clock::Clock;
use serde_json::Value;

use super::message::Message;
use super::sending::headers;
use super::*;
use crate::simulate::partner::{Behaviour, FailRules, Kind, Latency, Options, Simulated};

async fn server(fail: &str, record: Option<&Path>) -> (Simulated, Url) {
    let simulated = Simulated::start(Options {
        listen: "127.0.0.1:0".parse().unwrap(),
        record: record.map(Path::to_owned),
        behaviour: Behaviour {
            kind: Kind::Echo,
            fail: fail.parse::<FailRules>().unwrap(),
            limit: None,
            latency: Latency::default(),
            seed: 1,
            clock: Clock::starting_at(0),
        },
    })
    .await
    .unwrap();
    let url = format!("http://{}/mparticle", simulated.addr()).parse().unwrap();
    (simulated, url)
}

fn effort(repeat: u32, attempts: usize) -> Effort {
    Effort {
        repeat: NonZeroU32::new(repeat).unwrap(),
        concurrency: NonZeroUsize::new(4).unwrap(),
        attempts: NonZeroUsize::new(attempts).unwrap(),
        pause_min: Duration::from_micros(10),
        seed: 1,
    }
}

fn messages(bodies: &[&'static str]) -> Vec<Message> {
    let message = |(number, body): (usize, &&'static str)| Message {
        file: format!("{number}.json"),
        body: body.as_bytes().into(),
    };
    bodies.iter().enumerate().map(message).collect()
}

async fn send(url: &Url, token: Option<&str>, messages: &[Message], effort: Effort) -> Vec<Sent> {
    let client = client(Duration::from_secs(5)).unwrap();
    let token = token.map(SecretString::from);
    send_all(&client, url, token.as_ref(), messages, effort, |_| Ok(())).await.unwrap()
}

fn record(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn messages_go_out_as_mparticle_sends_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("record.jsonl");
    let (simulated, url) = server("", Some(&path)).await;
    let sent = send(&url, Some("0123456789abcdef"), &messages(&["not  {json"]), effort(2, 1)).await;
    simulated.stop().await;
    let record = record(&path);
    assert_eq!(record.len(), 2);
    assert_eq!(record[0]["method"], "POST");
    assert_eq!(record[0]["path"], "/mparticle");
    assert_eq!(record[0]["headers"]["authorization"], "Token ****cdef");
    assert_eq!(record[0]["headers"]["content-type"], "application/json");
    assert_eq!(record[0]["body"], "not  {json");
    assert_eq!(sent.iter().map(|sent| (sent.status, sent.tries)).collect::<Vec<_>>(), [(Some(200), 1); 2]);
    assert_eq!(status(&sent), ExitStatus::Done);
}

#[tokio::test]
async fn retried_statuses_and_silence_are_tried_again_and_no_others() {
    for (fail, tries) in [
        ("408:first=1", 2),
        ("429:first=1", 2),
        ("500:first=2", 3),
        ("502:first=1", 2),
        ("503:first=1", 2),
        ("504:first=1", 2),
        ("reset:first=1", 2),
        ("400:first=1", 1),
        ("401:first=1", 1),
        ("413:first=1", 1),
        ("307:first=1", 1),
        ("501:first=1", 1),
    ] {
        let (_simulated, url) = server(fail, None).await;
        let sent = send(&url, None, &messages(&["{}"]), effort(1, 5)).await;
        assert_eq!(sent[0].tries, tries, "{fail}");
        assert_eq!(sent[0].is_taken(), tries > 1, "{fail}");
        assert_eq!(status(&sent), if tries > 1 { ExitStatus::Done } else { ExitStatus::Failed }, "{fail}");
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url: Url = format!("http://{}/from", listener.local_addr().unwrap()).parse().unwrap();
    let router = axum::Router::new()
        .route("/from", axum::routing::post(axum::response::Redirect::temporary("/to")))
        .route("/to", axum::routing::post("taken"));
    let mut server = tokio::task::JoinSet::new();
    server.spawn(axum::serve(listener, router).into_future());
    let sent = send(&url, None, &messages(&["{}"]), effort(1, 5)).await;
    assert_eq!((sent[0].status, sent[0].tries), (Some(307), 1));
}

#[tokio::test]
async fn a_message_that_waits_for_its_next_try_holds_up_no_other() {
    let (_simulated, url) = server("503:first=1", None).await;
    let client = client(Duration::from_secs(5)).unwrap();
    let messages = messages(&["{}", "{}", "{}"]);
    let effort = Effort { pause_min: Duration::from_millis(50), ..effort(1, 5) };
    let mut ended = Vec::new();
    let each = |sent: &Sent| {
        ended.push(sent.tries);
        Ok(())
    };
    let sent = send_all(&client, &url, None, &messages, effort, each).await.unwrap();
    assert_eq!(ended, [1, 1, 2]);
    assert_eq!(sent.iter().map(|sent| &*sent.file).collect::<Vec<_>>(), ["0.json", "1.json", "2.json"]);
}

#[tokio::test]
async fn tries_end_at_their_number() {
    let (_simulated, url) = server("503:100%", None).await;
    let sent = send(&url, None, &messages(&["{}", "{}"]), effort(1, 2)).await;
    assert_eq!(
        sent.iter().map(|sent| (sent.status, sent.tries)).collect::<Vec<_>>(),
        [(Some(503), 2), (Some(503), 2)]
    );
    assert_eq!(status(&sent), ExitStatus::Failed);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let (simulated, url) = server("", None).await;
    simulated.stop().await;
    let sent = send(&url, None, &messages(&["{}"]), effort(1, 2)).await;
    assert_eq!((sent[0].status, sent[0].failure, sent[0].tries), (None, Some("connect"), 2));
    assert_eq!(status(&sent), ExitStatus::Unavailable);
}

#[tokio::test]
async fn a_connection_reset_after_an_answer_is_no_unavailable_server() {
    let (_simulated, url) = server("503:first=1,reset:100%", None).await;
    let sent = send(&url, None, &messages(&["{}"]), effort(1, 2)).await;
    assert_eq!((sent[0].status, sent[0].failure), (None, Some("broken off")));
    assert_eq!(status(&sent), ExitStatus::Failed);
}

#[test]
fn a_folder_stands_for_its_json_files_in_order() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["b.json", "a.json", "c.txt"] {
        std::fs::write(folder.path().join(name), name).unwrap();
    }
    std::fs::create_dir(folder.path().join("d.json")).unwrap();
    let single = folder.path().join("c.txt");
    let loaded = message::load(&[folder.path().to_owned(), single]).unwrap();
    let bodies: Vec<&[u8]> = loaded.iter().map(|message| message.body.as_ref()).collect();
    assert_eq!(bodies, [b"a.json".as_slice(), b"b.json", b"c.txt"]);
    assert!(message::load(&[folder.path().join("d.json")]).is_err());
    assert!(message::load(&[folder.path().join("absent.json")]).is_err());
}

#[test]
fn table_is_aligned_and_safe_to_print() {
    let sent = Sent {
        file: "a-long-name.json".to_owned(),
        status: Some(200),
        failure: None,
        ms: 12,
        tries: 1,
        answer_type: Some("event_processing_response".to_owned()),
        answer_id: Some("id\u{1b}[31m".to_owned()),
        answered: true,
    };
    let mut table = Vec::new();
    report::table(&[sent.clone(), Sent { status: None, failure: Some("timeout"), ..sent }], &mut table)
        .unwrap();
    let table = String::from_utf8(table).unwrap();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines[0].find("STATUS"), lines[1].find("200"));
    assert_eq!(lines[0].find("TYPE"), lines[1].find("event_"));
    assert!(lines[2].contains("timeout"));
    assert!(!table.contains('\u{1b}'));
}

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    args: SendArgs,
}

#[test]
fn tokens_are_never_shown() {
    let line =
        ["send", "--url", "http://localhost/", "--token", "tok-secret", "--tokens", "tok-other", "a.json"];
    let line = Line::parse_from(line);
    assert!(!format!("{line:?}").contains("tok-"));
    assert!(!format!("{:?}", headers(line.args.token.as_ref()).unwrap()).contains("tok-"));
    let bad = headers(Some(&"tok-\n".into())).unwrap_err().to_string();
    assert!(!bad.contains("tok-"));
}

#[test]
fn the_first_of_the_ingress_tokens_is_sent() {
    let first = first_of(Some(&" , tok-a, tok-b".into())).unwrap();
    assert_eq!(first.expose_secret(), "tok-a");
    assert_eq!(first_of(Some(&"\ntok-a\ntok-b".into())).unwrap().expose_secret(), "tok-a");
    assert!(first_of(Some(&"".into())).is_none());
    assert!(first_of(Some(&"[\"tok-a\"]".into())).is_none());
}
