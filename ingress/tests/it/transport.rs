//! What HTTP may bring.

use std::{io::Write as _, time::Duration};

use futures::future::join_all;
use tokio::sync::Semaphore;

use crate::{
    client::{Client, TOKEN},
    faulty::Fault,
    harness::{EVENTS, NOOP, REGISTRATION, Running, config},
};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn trap_8_every_path_is_served_alike() {
    let running = Running::start().await;
    let paths =
        ["/", "/mparticle", "/events", "/events/", "//", "/a/../b", "/?x=1", "/%ff%00", "/healthz", "/*"];
    for path in paths {
        assert_eq!(running.call(&format!("POST {path}"), &[TOKEN], EVENTS).await.status, 200, "{path}");
        assert_eq!(running.call(&format!("POST {path}"), &[], EVENTS).await.status, 401, "{path}");
    }
    assert_eq!(running.stored().await.len(), paths.len());
}

#[tokio::test]
async fn trap_9_the_content_type_does_not_matter() {
    let running = Running::start().await;
    let types =
        ["text/plain", "application/json; charset=utf-8", "application/x-www-form-urlencoded", "nonsense"];
    for content_type in types {
        let answer = running.call("POST /", &[TOKEN, ("content-type", content_type)], EVENTS).await;
        assert_eq!(answer.status, 200, "{content_type}");
    }
}

#[tokio::test]
async fn trap_10_gzip_is_unpacked_and_a_bomb_is_too_large() {
    let mut config = config();
    config.calls.body_bytes_max = 100_000;
    let running = Running::start_with(config).await;
    let encoding = ("content-encoding", "gzip");
    assert_eq!(running.call("POST /", &[TOKEN, encoding], &gzip(EVENTS)).await.status, 200);
    assert_eq!(running.bytes(&running.stored().await[0]).await, EVENTS);
    let bomb = gzip(&vec![b' '; 10_000_000]);
    assert_eq!(running.call("POST /", &[TOKEN, encoding], &bomb).await.status, 413);
    let cut = &gzip(EVENTS)[..40];
    let answer = running.call("POST /", &[TOKEN, encoding], cut).await;
    assert_eq!((answer.status, answer.code().as_str()), (400, "encoding"));
    // Whoever only says gzip, or says something unknown, sends what it sends.
    for word in ["gzip", "identity", "br", "nonsense"] {
        let answer = running.call("POST /", &[TOKEN, ("content-encoding", word)], EVENTS).await;
        assert_eq!(answer.status, 200, "{word}");
    }
}

#[tokio::test]
async fn trap_11_a_chunked_body_is_accepted() {
    let running = Running::start().await;
    let mut client = Client::connect(running.address).await;
    client.head("POST /", &[TOKEN, ("transfer-encoding", "chunked")]).await;
    for chunk in EVENTS.chunks(10) {
        client.write(format!("{:x}\r\n", chunk.len()).as_bytes()).await;
        client.write(chunk).await;
        client.write(b"\r\n").await;
    }
    client.write(b"0\r\ntrailer: ignored\r\n\r\n").await;
    assert_eq!(client.read().await.status, 200);
    assert_eq!(running.bytes(&running.stored().await[0]).await, EVENTS);
}

#[tokio::test]
async fn trap_11_a_slow_body_is_answered_408_and_nothing_is_stored() {
    let mut config = config();
    config.calls.body_deadline = Duration::from_millis(30);
    let running = Running::start_with(config).await;
    let mut client = Client::connect(running.address).await;
    client.head("POST /", &[TOKEN, ("content-length", "1000")]).await;
    client.write(b"{\"type\":").await;
    let answer = client.read().await;
    assert_eq!((answer.status, answer.code().as_str()), (408, "slow_body"));
    assert_eq!((running.stored().await, running.quarantined().await), (vec![], vec![]));
}

#[tokio::test]
async fn trap_12_other_methods_are_refused_and_disturb_nothing() {
    let running = Running::start().await;
    let mut client = Client::connect(running.address).await;
    for line in
        ["GET /", "HEAD /", "OPTIONS /", "OPTIONS *", "PUT /", "DELETE /x", "PATCH /", "TRACE /", "FOO /"]
    {
        let answer = client.call(line, &[TOKEN], b"").await;
        assert_eq!((answer.status, answer.headers["allow"].as_str()), (405, "POST"), "{line}");
    }
    assert_eq!(client.post(EVENTS).await.status, 200);
    assert_eq!(client.call("GET /", &[TOKEN], EVENTS).await.status, 405, "even with a body");
}

#[tokio::test]
async fn trap_13_a_sender_that_waits_for_100_is_told_to_go_on() {
    let running = Running::start().await;
    let mut client = Client::connect(running.address).await;
    let length = EVENTS.len().to_string();
    client.head("POST /", &[TOKEN, ("content-length", &length), ("expect", "100-continue")]).await;
    assert_eq!(client.read().await.status, 100);
    client.write(EVENTS).await;
    assert_eq!(client.read().await.status, 200);
}

#[tokio::test]
async fn trap_13_a_sender_that_waits_for_100_in_vain_gets_the_answer_at_once() {
    let mut config = config();
    config.calls.bytes_in_flight_max = 100;
    let running = Running::start_with(config).await;
    let mut client = Client::connect(running.address).await;
    client.head("POST /", &[TOKEN, ("content-length", "1000"), ("expect", "100-continue")]).await;
    let answer = client.read().await;
    assert_eq!((answer.status, answer.headers["connection"].as_str()), (503, "close"));
    assert_eq!(client.closed().await, b"");
}

#[tokio::test]
async fn trap_14_a_message_whose_caller_leaves_is_stored_whole() {
    let running = Running::start().await;
    let gate = Fault::gate();
    running.main.set(gate.clone());
    let Fault::Gate { begun, open } = gate else { unreachable!() };
    let mut client = Client::connect(running.address).await;
    let length = EVENTS.len().to_string();
    client.head("POST /", &[TOKEN, ("content-length", &length)]).await;
    client.write(EVENTS).await;
    wait_for(&begun).await;
    drop(client);
    open.add_permits(1);
    let received =
        running.main.within.receive(1, Duration::from_secs(20), Duration::from_secs(1)).await.unwrap();
    assert_eq!(received.len(), 1);
}

#[tokio::test]
async fn trap_14_a_message_that_breaks_off_is_not_stored() {
    let running = Running::start().await;
    let mut client = Client::connect(running.address).await;
    let length = EVENTS.len().to_string();
    client.head("POST /", &[TOKEN, ("content-length", &length)]).await;
    client.write(&EVENTS[..50]).await;
    drop(client);
    assert_eq!(running.post(NOOP).await.status, 200);
    assert_eq!(running.stored().await, []);
}

#[tokio::test]
async fn trap_22_a_type_at_the_end_of_five_megabytes_is_found() {
    let running = Running::start().await;
    let events = vec![r#"{"type":"screen_view","id":"0123456789"}"#; 130_000].join(",");
    let body =
        format!(r#"{{"events":[{events}],"account":{{"account_id":7}},"type":"event_processing_request"}}"#);
    assert!(body.len() > 5_000_000);
    assert_eq!(running.post(body.as_bytes()).await.status, 200);
    let stored = running.stored().await;
    assert_eq!(running.bytes(&stored[0]).await, body);
}

#[tokio::test]
async fn trap_99_a_large_incompressible_body_is_spilled_and_stored() {
    let running = Running::start().await;
    let mut rng = fastrand::Rng::with_seed(1);
    let noise: String = (0..3_000_000).map(|_| rng.alphanumeric()).collect();
    let body = String::from_utf8(EVENTS.into()).unwrap().replace("session_start", &noise);
    assert_eq!(running.post(body.as_bytes()).await.status, 200);
    let stored = running.stored().await;
    assert!(matches!(stored[0].body, penstock_shared::pack::PackedBody::Spilled { .. }));
    assert_eq!(running.bytes(&stored[0]).await, body);
    assert!(running.has_metric("ingress_spilled_total 1"));
}

#[tokio::test]
async fn a_connection_serves_on_after_every_error_but_a_strangers() {
    let mut config = config();
    config.calls.body_bytes_max = 70_000;
    let running = Running::start_with(config).await;
    let mut client = Client::connect(running.address).await;
    let large = vec![b' '; 100_000];
    for _ in 0..2 {
        assert_eq!(client.post(EVENTS).await.status, 200);
        assert_eq!(client.post(b"no message").await.status, 400);
        assert_eq!(client.post(&large).await.status, 413);
        assert_eq!(client.call("POST /", &[], REGISTRATION).await.status, 200);
        running.main.set(Fault::Unavailable);
        assert_eq!(client.post(EVENTS).await.status, 503);
        running.main.set(Fault::None);
    }
    for (line, body, status) in [("POST /", EVENTS, 401), ("POST /", &large, 401), ("GET /", b"", 405)] {
        let refused = Client::connect(running.address).await.call(line, &[], body).await;
        assert_eq!((refused.status, refused.headers["connection"].as_str()), (status, "close"));
    }
}

#[tokio::test]
async fn requests_that_arrive_together_share_packs() {
    let running = Running::start().await;
    let gate = Fault::gate();
    running.main.set(gate.clone());
    let Fault::Gate { begun, open } = gate else { unreachable!() };
    let calls = join_all((0..200).map(|_| running.post(EVENTS)));
    let open_later = async {
        wait_for(&begun).await;
        open.add_permits(1000);
    };
    let (answers, ()) = tokio::join!(calls, open_later);
    assert!(answers.iter().all(|answer| answer.status == 200));
    let packs: Vec<usize> = running.packs().await.iter().map(|pack| pack.requests.len()).collect();
    assert_eq!(packs.iter().sum::<usize>(), 200);
    assert!(packs.len() < 100, "{packs:?}");
}

#[tokio::test]
async fn a_header_that_does_not_end_is_cut_off() {
    let mut config = config();
    config.calls.header_deadline = Duration::from_millis(30);
    let running = Running::start_with(config).await;
    let mut silent = Client::connect(running.address).await;
    let mut half = Client::connect(running.address).await;
    half.write(b"POST / HTTP/1.1\r\nhost:").await;
    assert_eq!(silent.closed().await, b"");
    half.closed().await;
    assert_eq!(running.post(EVENTS).await.status, 200);
}

#[tokio::test]
async fn a_connection_that_rests_too_long_is_closed() {
    let mut config = config();
    config.calls.idle_timeout = Duration::from_millis(30);
    let running = Running::start_with(config).await;
    let mut client = Client::connect(running.address).await;
    assert_eq!(client.post(EVENTS).await.status, 200);
    assert_eq!(client.closed().await, b"");
}

#[tokio::test]
async fn connections_beyond_the_cap_wait_for_their_turn() {
    let mut config = config();
    config.calls.connections_max = 1;
    let running = Running::start_with(config).await;
    let mut first = Client::connect(running.address).await;
    assert_eq!(first.post(EVENTS).await.status, 200);
    let mut second = Client::connect(running.address).await;
    let waits = tokio::time::timeout(Duration::from_millis(30), second.post(EVENTS)).await;
    assert!(waits.is_err(), "served beyond the cap");
    drop(first);
    assert_eq!(second.read().await.status, 200);
}

#[tokio::test]
async fn a_flood_of_connections_is_served_in_turns() {
    let mut config = config();
    config.calls.connections_max = 4;
    let running = Running::start_with(config).await;
    let served = join_all((0..100).map(|_| running.post(EVENTS)));
    let watch = async {
        let mut highest = 0;
        loop {
            highest = highest.max(running.gauge("ingress_connections"));
            assert!(highest <= 4, "{highest} at once");
            tokio::task::yield_now().await;
        }
    };
    let answers = tokio::select! {
        answers = served => answers,
        () = watch => unreachable!(),
    };
    assert!(answers.iter().all(|answer| answer.status == 200));
}

async fn wait_for(begun: &Semaphore) {
    begun.acquire().await.unwrap().forget();
}
