//! More than there is room for: refused at the door, cheaply, until there is room again.

use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt as _, future::join_all, stream};
use tokio::task::JoinSet;

use crate::{
    client::{Client, TOKEN},
    faulty::Fault,
    harness::{EVENTS, REGISTRATION, Running, config},
    http2::client,
};

const BYTES_IN_FLIGHT: &str = "ingress_bytes_in_flight";

fn padded(length: usize) -> Vec<u8> {
    [EVENTS, " ".repeat(length - EVENTS.len()).as_bytes()].concat()
}

#[tokio::test]
async fn overload_is_answered_503_at_once_and_recovers_by_itself() {
    let mut config = config();
    config.calls.bytes_in_flight_max = 150_000;
    let running = Running::start_with(config).await;
    let gate = Fault::gate();
    running.main.set(gate.clone());
    let Fault::Gate { begun, open } = gate else { unreachable!() };
    let body = padded(100_000);
    let mut first = Client::connect(running.address).await;
    let length = body.len().to_string();
    first.head("POST /", &[TOKEN, ("content-length", &length)]).await;
    first.write(&body).await;
    begun.acquire().await.unwrap().forget();

    // Nothing of the body is sent, and nothing is waited for.
    let mut early = Client::connect(running.address).await;
    early.head("POST /", &[TOKEN, ("content-length", &length)]).await;
    let answer = early.read().await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "bytes_in_flight"));
    assert_eq!(
        (answer.headers["retry-after"].as_str(), answer.headers["connection"].as_str()),
        ("1", "close")
    );
    assert_eq!(running.post(&body).await.status, 503);
    assert_eq!(running.gauge(BYTES_IN_FLIGHT), 100_000, "only the first is held");

    open.add_permits(1000);
    assert_eq!(first.read().await.status, 200);
    assert_eq!(running.post(&body).await.status, 200);
    assert_eq!(running.gauge(BYTES_IN_FLIGHT), 0);
    assert!(running.has_metric("ingress_shed_total{reason=\"bytes_in_flight\"} 2"));
}

#[tokio::test]
async fn who_is_refused_while_still_sending_sees_the_answer_and_not_a_reset() {
    let mut config = config();
    config.calls.bytes_in_flight_max = 10_000;
    let running = Running::start_with(config).await;
    let body = padded(250_000);
    let mut client = Client::connect(running.address).await;
    client.head("POST /", &[TOKEN, ("content-length", "250000")]).await;
    // Long after the answer it still sends; each piece would meet a closed connection.
    for piece in body.chunks(1000) {
        client.write(piece).await;
        tokio::task::yield_now().await;
    }
    assert!(running.has_metric("ingress_shed_total{reason=\"bytes_in_flight\"} 1"));
    let answer = client.read().await;
    assert_eq!((answer.status, answer.headers["connection"].as_str()), (503, "close"));
    assert_eq!(client.closed().await, b"");
}

#[tokio::test]
async fn a_small_body_that_is_refused_costs_no_connection() {
    let mut config = config();
    config.calls.bytes_in_flight_max = 1000;
    let running = Running::start_with(config).await;
    let mut client = Client::connect(running.address).await;
    for _ in 0..3 {
        assert_eq!(client.post(&padded(6000)).await.status, 503);
        assert_eq!(client.post(EVENTS).await.status, 200);
    }
}

#[tokio::test]
async fn a_thousand_slow_callers_that_announce_a_megabyte_hold_what_they_sent() {
    let mut config = config();
    config.calls.body_deadline = Duration::from_secs(120);
    let running = Running::start_with(config).await;
    let mut callers = JoinSet::new();
    for _ in 0..5 {
        let (client, url) = (client(), format!("http://{}/", running.address));
        for _ in 0..200 {
            let piece = || Ok::<_, std::io::Error>(Bytes::from_static(b"{"));
            let first = stream::iter([piece(), piece()]);
            let call = client
                .post(&url)
                .header("authorization", "Token sesame")
                .header("content-length", 1024 * 1024)
                .body(reqwest::Body::wrap_stream(first.chain(stream::pending())));
            callers.spawn(call.send());
        }
    }
    // Two pieces each, joined in the least memory there is.
    let highest = running.until_gauge(BYTES_IN_FLIGHT, |held| held >= 1000 * 4096).await;
    assert!(highest <= 1000 * 4097, "{highest}");
    assert_eq!(running.gauge("ingress_connections"), 5);
    assert_eq!(running.post(EVENTS).await.status, 200);
    callers.shutdown().await;
    running.until_gauge(BYTES_IN_FLIGHT, |held| held == 0).await;
}

#[tokio::test]
async fn a_flood_of_strangers_holds_little_and_keeps_no_data_out() {
    const ROOM: usize = 8 * 1024 * 1024;
    let running = Running::start().await;
    let (body, length) = (padded(60_001), "60001");
    // All but the last byte, so that nobody is done.
    let mut strangers = Vec::new();
    let mut highest = 0;
    for _ in 0..300 {
        let mut stranger = Client::connect(running.address).await;
        stranger.head("POST /", &[("content-length", length)]).await;
        stranger.write(&body[..60_000]).await;
        strangers.push(stranger);
        highest = highest.max(running.gauge(BYTES_IN_FLIGHT));
    }
    highest = highest.max(running.until_gauge(BYTES_IN_FLIGHT, |held| held > ROOM / 2).await);
    assert_eq!(running.post(&body).await.status, 200, "data has room of its own");
    let statuses = join_all(strangers.iter_mut().map(|stranger| async {
        stranger.write(&body[60_000..]).await;
        stranger.read().await.status
    }));
    let statuses = statuses.await;
    assert!(highest <= ROOM + body.len(), "{highest}");
    let of = |status| statuses.iter().filter(|answered| **answered == status).count();
    assert!(of(401) > 0 && of(503) > 100, "{} and {}", of(401), of(503));
    assert_eq!(of(401) + of(503), 300);
    running.until_gauge(BYTES_IN_FLIGHT, |held| held == 0).await;
    assert_eq!(running.call("POST /", &[], REGISTRATION).await.status, 200);
}

#[tokio::test]
async fn a_stranger_with_a_large_body_is_refused_early_and_hears_why() {
    let running = Running::start().await;
    // Nothing is read of what is announced to be larger than would be thrown away.
    let mut early = Client::connect(running.address).await;
    early.head("POST /", &[("content-length", "10000000")]).await;
    let answer = early.read().await;
    assert_eq!((answer.status, answer.headers["connection"].as_str()), (401, "close"));
    assert_eq!(running.call("POST /", &[], &padded(250_000)).await.status, 401);
    // Without a length it is read so far and no further.
    let mut endless = Client::connect(running.address).await;
    endless.head("POST /", &[("transfer-encoding", "chunked")]).await;
    let chunk = [b"10000\r\n".as_slice(), &vec![b' '; 0x10000], b"\r\n"].concat();
    for _ in 0..6 {
        endless.write(&chunk).await;
    }
    assert_eq!(endless.read().await.status, 401);
    assert_eq!(running.gauge(BYTES_IN_FLIGHT), 0);
}
