//! HTTP/2, by prior knowledge.

use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt as _, future::join_all, stream};
use reqwest::{Response, Version};

use crate::{
    client::Client,
    faulty::Fault,
    harness::{EVENTS, NOOP, Running, config},
};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

/// A client that speaks nothing else, on one connection.
pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder().http2_prior_knowledge().build().unwrap()
}

async fn post(client: &reqwest::Client, running: &Running, body: impl Into<reqwest::Body>) -> Response {
    let call = client.post(format!("http://{}/", running.address)).header("authorization", "Token sesame");
    call.body(body).send().await.unwrap()
}

/// A frame as it goes over the wire, on the first stream unless it concerns the connection.
fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let stream = u8::from(matches!(kind, DATA | HEADERS));
    [&length[1..], &[kind, flags, 0, 0, 0, stream], payload].concat()
}

/// The kinds of the frames in `bytes`.
fn kinds(mut bytes: &[u8]) -> Vec<u8> {
    let mut kinds = Vec::new();
    while let [a, b, c, kind, ..] = *bytes {
        kinds.push(kind);
        bytes = &bytes[9 + u32::from_be_bytes([0, a, b, c]) as usize..];
    }
    kinds
}

#[tokio::test]
async fn calls_share_a_connection_and_are_answered_like_any() {
    let running = Running::start().await;
    let client = client();
    assert_eq!(post(&client, &running, NOOP).await.status(), 200);
    let answers = join_all((0..300).map(|_| post(&client, &running, EVENTS))).await;
    assert!(answers.iter().all(|answer| answer.status() == 200 && answer.version() == Version::HTTP_2));
    assert_eq!(running.gauge("ingress_connections"), 1);
    assert_eq!(running.stored().await.len(), 300);
    let url = format!("http://{}/mparticle", running.address);
    assert_eq!(client.post(&url).body(EVENTS).send().await.unwrap().status(), 401);
    let get = client.get(&url).send().await.unwrap();
    assert_eq!(get.status(), 405);
    let length = get.bytes().await.unwrap().len();
    // What comes after the head of an answer to HEAD is an error of the protocol.
    let head = client.head(&url).send().await.unwrap();
    let said = head.headers()["content-length"].to_str().unwrap().to_owned();
    assert_eq!((head.status().as_u16(), said), (405, length.to_string()));
    assert_eq!(head.bytes().await.unwrap().len(), 0);
    assert_eq!(post(&client, &running, "null").await.status(), 400);
}

#[tokio::test]
async fn a_large_body_arrives_whole() {
    let running = Running::start().await;
    let body = [EVENTS, " ".repeat(3_000_000).as_bytes()].concat();
    assert_eq!(post(&client(), &running, body.clone()).await.status(), 200);
    assert_eq!(running.bytes(&running.stored().await[0]).await, body);
}

#[tokio::test]
async fn a_connection_serves_on_after_an_early_answer() {
    let mut config = config();
    config.calls.bytes_in_flight_max = 150_000;
    config.calls.body_bytes_max = 100_000;
    let running = Running::start_with(config).await;
    let client = client();
    let url = format!("http://{}/", running.address);
    for _ in 0..3 {
        let answer = client.post(&url).body(vec![b' '; 1_000_000]).send().await.unwrap();
        assert_eq!(answer.status(), 401);
        assert_eq!(post(&client, &running, vec![b' '; 1_000_000]).await.status(), 413);
        assert_eq!(post(&client, &running, EVENTS).await.status(), 200);
    }
    assert_eq!(running.gauge("ingress_connections"), 1);
}

#[tokio::test]
async fn trap_11_a_slow_body_is_answered_408() {
    let mut config = config();
    config.calls.body_deadline = Duration::from_millis(30);
    let running = Running::start_with(config).await;
    let first = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"{"))]);
    let body = reqwest::Body::wrap_stream(first.chain(stream::pending()));
    assert_eq!(post(&client(), &running, body).await.status(), 408);
}

#[tokio::test]
async fn a_preface_that_does_not_end_is_cut_off() {
    let mut config = config();
    config.calls.header_deadline = Duration::from_millis(30);
    let running = Running::start_with(config).await;
    let mut half = Client::connect(running.address).await;
    half.write(&PREFACE[..10]).await;
    assert_eq!(half.closed().await, b"");
}

#[tokio::test]
async fn a_header_block_that_does_not_end_is_cut_off() {
    let mut config = config();
    config.calls.header_deadline = Duration::from_millis(30);
    let running = Running::start_with(config).await;
    // Within a block, and within a frame of it. Neither can answer whether it lives.
    let block = frame(HEADERS, 0, b"\x83");
    for bytes in [block.as_slice(), &[0, 1, 0, HEADERS, 4, 0, 0, 0, 1, 0x83]] {
        let mut client = Client::connect(running.address).await;
        client.write(&[PREFACE, &frame(SETTINGS, 0, b""), &frame(SETTINGS, 1, b""), bytes].concat()).await;
        client.closed().await;
    }
    running.until_gauge("ingress_connections", |open| open == 0).await;
}

#[tokio::test]
async fn a_connection_that_rests_too_long_is_told_to_go() {
    let mut config = config();
    config.calls.idle_timeout = Duration::from_millis(40);
    // It is not asked whether it lives, which would end it too.
    config.calls.header_deadline = Duration::from_secs(600);
    let running = Running::start_with(config).await;
    let mut client = Client::connect(running.address).await;
    client.write(&[PREFACE, &frame(SETTINGS, 0, b""), &frame(SETTINGS, 1, b"")].concat()).await;
    let heard = kinds(&client.closed().await);
    assert_eq!((heard[0], heard.contains(&GOAWAY)), (SETTINGS, true), "{heard:?}");
    running.until_gauge("ingress_connections", |open| open == 0).await;
}

#[tokio::test]
async fn trap_16_calls_in_flight_are_finished_at_a_stop_and_the_connection_is_closed() {
    let mut running = Running::start().await;
    let gate = Fault::gate();
    running.main.set(gate.clone());
    let Fault::Gate { begun, open } = gate else { unreachable!() };
    let (client, stop) = (client(), running.stop.clone());
    let mut idle = Client::connect(running.address).await;
    let answers = join_all((0..20).map(|_| post(&client, &running, EVENTS)));
    let stopping = async {
        begun.acquire().await.unwrap().forget();
        // Stored together or apart, they have all arrived before the stop.
        let all = 20 * EVENTS.len();
        running.until_gauge("ingress_bytes_in_flight", |held| held == all).await;
        stop.cancel();
        assert_eq!(idle.closed().await, b"");
        open.add_permits(1000);
    };
    let (answers, ()) = tokio::join!(answers, stopping);
    assert!(answers.iter().all(|answer| answer.status() == 200));
    running.ended().await.unwrap();
    assert_eq!(running.stored().await.len(), 20);
}

#[tokio::test]
async fn a_call_that_does_not_end_does_not_hold_up_the_stop_for_ever() {
    let mut config = config();
    config.stopping.drain_deadline = Duration::from_millis(50);
    let mut running = Running::start_with(config).await;
    let first = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"{"))]);
    let body = reqwest::Body::wrap_stream(first.chain(stream::pending()));
    let client = client();
    let call = client.post(format!("http://{}/", running.address)).header("authorization", "Token sesame");
    let stop = async {
        running.until_gauge("ingress_bytes_in_flight", |held| held == 1).await;
        running.stop.cancel();
    };
    let (answer, ()) = tokio::join!(call.body(body).send(), stop);
    assert!(answer.is_err());
    assert!(matches!(running.ended().await, Err(penstock_ingress::RunError::NotDrained)));
}
