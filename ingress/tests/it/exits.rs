//! A running ingress, driven into every row of the answer table, and what it may never answer.

use std::{path::Path, time::Duration};

use futures::future::join_all;
use penstock_ingress::{
    IngressConfig,
    answer::{Kept, Shed, Situation, Then, Unreadable},
};
use penstock_shared::ids::AccountId;

use crate::{
    client::{Answer, Client, TOKEN},
    faulty::Fault,
    harness::{EVENTS, NOOP, REGISTRATION, Running, config},
};

const GZIP: (&str, &str) = ("content-encoding", "gzip");
/// Begins as gzip and goes on as nothing.
const DAMAGED_GZIP: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xff\xff\xff\xff";
/// A deadline that is waited for, and that a busy machine keeps with what is not to miss it.
const SHORT: Duration = Duration::from_millis(400);
/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a call ended.
struct Exit {
    running: Running,
    sent: Vec<u8>,
    answer: Answer,
}

impl Exit {
    async fn of(running: Running, headers: &[(&str, &str)], sent: &[u8]) -> Self {
        let answer = running.call("POST /", headers, sent).await;
        Self { running, sent: sent.to_vec(), answer }
    }

    /// A message from mParticle itself.
    async fn message(running: Running) -> Self {
        Self::of(running, &[TOKEN], EVENTS).await
    }
}

async fn with(change: impl FnOnce(&mut IngressConfig)) -> Running {
    let mut config = config();
    change(&mut config);
    Running::start_with(config).await
}

/// Drives a running ingress into this row. A row without a scenario does not compile.
async fn drive(into: Situation) -> Exit {
    match into {
        Situation::Stored => Exit::message(Running::start().await).await,
        Situation::Noop => Exit::of(Running::start().await, &[TOKEN], NOOP).await,
        Situation::Registration => Exit::of(Running::start().await, &[], REGISTRATION).await,
        Situation::TokensMissing => {
            Exit::message(
                with(|config| config.auth.tokens = penstock_ingress::config::TokensConfig::Nowhere).await,
            )
            .await
        }
        Situation::TokenWrong => {
            Exit::of(Running::start().await, &[("authorization", "Token wrong")], EVENTS).await
        }
        Situation::NotPost => {
            let running = Running::start().await;
            let answer = running.call("PUT /", &[TOKEN], EVENTS).await;
            Exit { running, sent: EVENTS.to_vec(), answer }
        }
        Situation::SlowBody => slow_body().await,
        Situation::EnvelopeUnreadable => {
            // Over a socket no call has an envelope.
            let running = Running::start().await;
            let answer = Answer::of(running.front().answer_unreadable_envelope());
            Exit { running, sent: Vec::new(), answer }
        }
        Situation::Unreadable(reason) => {
            let (headers, body): (&[_], _) = match reason {
                Unreadable::Empty => (&[TOKEN], &b" \n"[..]),
                Unreadable::NotJson => (&[TOKEN], b"{\"type\":"),
                Unreadable::NotAnObject => (&[TOKEN], b"[]"),
                Unreadable::TrailingBytes => (&[TOKEN], b"{\"type\":\"dsr_processing_request\"}{}"),
                Unreadable::TypeMissing => (&[TOKEN], b"{\"id\":\"x\"}"),
                Unreadable::UnknownType => (&[TOKEN], b"{\"type\":\"dsr_processing_response\"}"),
                Unreadable::Encoding => (&[TOKEN, GZIP], DAMAGED_GZIP),
            };
            Exit::of(Running::start().await, headers, body).await
        }
        Situation::TooLarge => {
            let running = with(|config| config.calls.body_bytes_max = 100_000).await;
            let body = [EVENTS, " ".repeat(100_000).as_bytes()].concat();
            Exit::of(running, &[TOKEN], &body).await
        }
        Situation::NotNow(shed) => shed_by(shed).await,
        Situation::Panicked => {
            let running = Running::start().await;
            running.dead.set(Fault::Panic);
            Exit::of(running, &[TOKEN], b"no message").await
        }
    }
}

async fn slow_body() -> Exit {
    let running = with(|config| config.calls.body_deadline = SHORT).await;
    let mut client = Client::connect(running.address).await;
    client.head("POST /", &[TOKEN, ("content-length", "1000")]).await;
    client.write(EVENTS).await;
    let answer = client.read().await;
    Exit { running, sent: EVENTS.to_vec(), answer }
}

async fn shed_by(shed: Shed) -> Exit {
    match shed {
        Shed::BytesInFlight => {
            Exit::message(with(|config| config.calls.bytes_in_flight_max = EVENTS.len() - 1).await).await
        }
        Shed::PackerFull => packer_full().await,
        Shed::QueueFailed => {
            let running = Running::start().await;
            running.main.set(Fault::Unavailable);
            Exit::message(running).await
        }
        Shed::QueueSlow => {
            let running = with(|config| config.calls.answer_budget = SHORT).await;
            running.main.set(Fault::Hang);
            Exit::message(running).await
        }
    }
}

async fn packer_full() -> Exit {
    let running = with(|config| {
        config.packing.requests_max = 1;
        config.packing.sends_max = 1;
        config.packing.waiting_max = 1;
        config.calls.answer_budget = SHORT;
    })
    .await;
    running.main.set(Fault::Hang);
    let answers = join_all((0..60).map(|_| running.post(EVENTS))).await;
    let answer = answers.into_iter().find(|answer| answer.code() == "packer_full").unwrap();
    Exit { running, sent: EVENTS.to_vec(), answer }
}

#[tokio::test]
async fn every_row_of_the_table_is_reached_with_its_status_and_what_it_keeps() {
    for situation in Situation::all() {
        let (row, exit) = (situation.row(), Box::pin(drive(situation)).await);
        let Exit { running, sent, answer } = &exit;
        assert_eq!(answer.status, row.status.as_u16(), "{situation:?}: {answer:?}");
        match row.then() {
            Then::Done => assert!(answer.json()["type"].as_str().unwrap().ends_with("_response")),
            Then::TriesAgain | Then::Lost => assert_eq!(answer.code(), situation.problem().0),
        }
        assert_eq!(answer.headers["content-type"], "application/json;charset=utf-8", "{situation:?}");
        assert_eq!(answer.headers.contains_key("retry-after"), answer.status == 503, "{situation:?}");
        let counted = format!("status=\"{}\"}} ", answer.status);
        let requests = running.metrics.render();
        let requests = requests.lines().filter(|line| line.starts_with("ingress_requests_total"));
        assert!(
            requests.filter(|line| line.contains(&counted)).any(|line| !line.ends_with(" 0")),
            "{situation:?}"
        );
        if let Some(word) = situation.shed_word() {
            assert!(
                running.metric(&format!("ingress_shed_total{{reason=\"{word}\"}}")) > 0.0,
                "{situation:?}"
            );
        }

        running.main.set(Fault::None);
        running.dead.set(Fault::None);
        let (stored, aside) = (bodies(running, false).await, bodies(running, true).await);
        let nothing = Vec::<Vec<u8>>::new();
        match row.kept {
            Kept::Queued => assert_eq!((stored, aside), (vec![sent.clone()], nothing), "{situation:?}"),
            Kept::Quarantined => assert_eq!((stored, aside), (nothing, vec![sent.clone()]), "{situation:?}"),
            Kept::Beginning => {
                assert_eq!((stored, aside.len()), (nothing, 1), "{situation:?}");
                assert!(!aside[0].is_empty() && aside[0].len() < sent.len() && sent.starts_with(&aside[0]));
            }
            Kept::Nothing => assert_eq!((stored, aside), (nothing.clone(), nothing), "{situation:?}"),
            Kept::Unknown => {
                assert!(stored.len() <= 1 && stored.iter().all(|body| body == sent), "{situation:?}");
                assert_eq!(aside, nothing, "{situation:?}");
            }
        }
        serves_on(situation, running).await;
    }
}

/// Whatever happened, the next call is answered as if it had not.
async fn serves_on(after: Situation, running: &Running) {
    assert_eq!(running.call("POST /", &[], REGISTRATION).await.status, 200, "{after:?}");
    let next = running.post(EVENTS).await.status;
    let as_configured = match after {
        Situation::TokensMissing | Situation::NotNow(Shed::BytesInFlight) => after.status().as_u16(),
        // The packer's one slot is taken until its hanging call is given up.
        Situation::NotNow(Shed::PackerFull | Shed::QueueSlow) => return,
        _ => 200,
    };
    assert_eq!(next, as_configured, "{after:?}");
}

/// The original bytes of what was stored, or set aside.
async fn bodies(running: &Running, aside: bool) -> Vec<Vec<u8>> {
    let requests = if aside { running.quarantined().await } else { running.stored().await };
    let mut bodies = Vec::new();
    for request in &requests {
        bodies.push(running.bytes(request).await.to_vec());
    }
    bodies
}

/// Every sample message that is to be answered 200, by name.
fn repairable() -> Vec<(String, Vec<u8>)> {
    let expected = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/expected.json"));
    let expected: serde_json::Value = serde_json::from_slice(&expected.unwrap()).unwrap();
    let corpus = penstock_testkit::mutations::corpus();
    let repairable: Vec<_> = corpus.into_iter().filter(|(name, _)| expected[name]["status"] == 200).collect();
    assert!(repairable.len() > 200);
    repairable
}

#[tokio::test]
async fn authentic_messages_that_can_be_repaired_are_never_lost_whatever_fails() {
    let messages = repairable();
    // Incompressible and larger than a pack, so that it has to be spilled.
    let mut rng = fastrand::Rng::with_seed(1);
    let noise: String = (0..2_000_000).map(|_| rng.alphanumeric()).collect();
    let large = String::from_utf8(EVENTS.into()).unwrap().replace("session_start", &noise).into_bytes();
    for fault in [Fault::None, Fault::Unavailable, Fault::Hang, Fault::Panic] {
        for tight in [false, true] {
            let running = with(|config| {
                // Where nothing fails all is to be taken, however busy the machine.
                let budget = if matches!(fault, Fault::None) { PATIENCE } else { SHORT };
                config.calls.answer_budget = budget;
                config.calls.spill_budget = budget;
                if tight {
                    config.calls.bytes_in_flight_max = 16 * 1024;
                    config.packing.waiting_max = 2;
                    config.packing.sends_max = 1;
                }
            })
            .await;
            running.main.set(fault.clone());
            running.dead.set(fault.clone());
            running.break_spill();
            let bodies = messages.iter().map(|(_, body)| body).chain([&large]);
            let answers = join_all(bodies.map(|body| running.post(body))).await;
            for (answer, (name, _)) in answers.iter().zip(&messages) {
                let allowed = [200, 202, 408, 429, 500, 502, 503, 504].contains(&answer.status);
                assert!(allowed, "{name} with {fault:?}: {answer:?}");
            }
            assert_eq!(answers.last().unwrap().status, 503, "there is no place for it");
            running.main.set(Fault::None);
            let stored = running.stored().await.len();
            let taken = answers.iter().filter(|answer| answer.status == 200).count();
            assert!(!matches!(fault, Fault::None) || tight || taken == messages.len(), "{taken}");
            // Registration and verification calls are answered without being stored.
            assert!(taken >= stored && (matches!(fault, Fault::None) || stored == 0), "{fault:?}");
        }
    }
}

#[tokio::test]
async fn a_flood_of_garbage_is_all_answered_400_and_sampled() {
    const SENDERS: usize = 8;
    const EACH: usize = 250;
    let running = Running::start().await;
    let began = tokio::time::Instant::now();
    let flood = (0..SENDERS).map(async |sender| {
        let mut client = Client::connect(running.address).await;
        for n in 0..EACH {
            let answer = client.post(format!("garbage {sender} {n}").as_bytes()).await;
            assert_eq!((answer.status, answer.code().as_str()), (400, "not_json"));
        }
    });
    join_all(flood).await;
    // One more each half second beyond the 200 in a row.
    let most = 200 + began.elapsed().as_millis() / 500 + 1;
    let kept = running.quarantined().await;
    assert!(kept.len() >= 4 && kept.len() as u128 <= most, "{} of at most {most}", kept.len());
    for copy in &kept {
        assert!(running.bytes(copy).await.starts_with(b"garbage "));
    }
    let all = f64::from(u32::try_from(SENDERS * EACH).unwrap());
    let lost = all - f64::from(u32::try_from(kept.len()).unwrap());
    let counted = |name| running.metric(name).round() as u64;
    assert_eq!(counted("ingress_quarantined_total{reason=\"not_json\"}"), all as u64);
    assert_eq!(counted("ingress_quarantine_lost_total"), lost as u64);
    assert_eq!(running.post(EVENTS).await.status, 200);
    assert_eq!(running.stored().await.len(), 1);
}

#[tokio::test]
async fn only_what_is_no_http_is_answered_outside_the_table() {
    let running = with(|config| config.calls.idle_timeout = Duration::from_secs(5)).await;
    let [long, longer] = [70_000, 1_000_000].map(|bytes| "x".repeat(bytes));
    let [most, many] =
        [100, 101].map(|lines| (0..lines).map(|n| format!("x-{n}: x\r\n")).collect::<String>());
    let lines = [
        ("nonsense\r\n\r\n".to_owned(), 400),
        ("POST / HTTP/9.9\r\n\r\n".to_owned(), 400),
        ("POST /\u{1} HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("POST / HTTP/1.1\r\nno colon\r\n\r\n".to_owned(), 400),
        ("POST / HTTP/1.1\r\ncontent-length: many\r\n\r\n".to_owned(), 400),
        ("POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n".to_owned(), 400),
        (format!("POST / HTTP/1.1\r\nx: {longer}\r\n\r\n"), 431),
        (format!("POST / HTTP/1.1\r\n{many}\r\n"), 431),
        // As many as may be: of the table, and of one without a token.
        (format!("POST / HTTP/1.1\r\n{most}\r\n"), 401),
        (format!("POST /{longer} HTTP/1.1\r\n\r\n"), 431),
        // Or 431, when it does not come in one piece.
        (format!("POST /{long} HTTP/1.1\r\n\r\n"), 414),
    ];
    for (bytes, status) in &lines {
        let mut client = Client::connect(running.address).await;
        client.try_write(bytes.as_bytes()).await;
        let said = String::from_utf8(client.closed().await).unwrap();
        let allowed: &[u16] = if *status == 414 { &[414, 431] } else { &[*status] };
        let is = |status: &u16| said.starts_with(&format!("HTTP/1.1 {status} "));
        assert!(allowed.iter().any(is), "{bytes:.60}: {said:.200}");
    }
    assert_eq!(running.post(EVENTS).await.status, 200);
    assert_eq!((running.stored().await.len(), running.quarantined().await), (1, vec![]));
}

#[tokio::test]
async fn trap_100_only_the_requests_of_the_failed_entries_are_to_be_sent_again() {
    let running = with(|config| {
        config.packing.requests_max = 2;
        config.packing.sends_max = 1;
    })
    .await;
    let gate = Fault::gate();
    running.main.set(gate.clone());
    let Fault::Gate { begun, open } = gate else { unreachable!() };
    let body = |account: usize| {
        String::from_utf8(EVENTS.into())
            .unwrap()
            .replace("\"account_id\":7", &format!("\"account_id\":{account}"))
    };
    let first = running.post(EVENTS);
    let others = async {
        begun.acquire().await.unwrap().forget();
        running.main.set(Fault::NoWordOf(AccountId::Known(3)));
        join_all((1..=6).map(async |account| running.post(body(account).as_bytes()).await.status)).await
    };
    let opened = async {
        // All seven are held before the first is let through, so the six go in one batch of three packs.
        while running.metric("ingress_bytes_in_flight") < 7.0 * EVENTS.len() as f64 {
            tokio::task::yield_now().await;
        }
        open.add_permits(1);
    };
    let (first, others, ()) = tokio::join!(first, others, opened);
    assert_eq!(first.status, 200);
    assert_eq!(others.iter().filter(|status| **status == 503).count(), 2, "{others:?}");
    assert_eq!(others[2], 503);
    let mut stored: Vec<i64> =
        running.stored().await.iter().map(|request| i64::from(request.account)).collect();
    stored.sort_unstable();
    let mut taken: Vec<i64> =
        (1..).zip(&others).filter(|(_, status)| **status == 200).map(|(n, _)| n).collect();
    taken.push(7);
    assert_eq!(stored, taken);
}
