//! What every [`Queue`] promises.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bytes::Bytes;
use penstock_shared::{
    aws::{ClientSettings, sqs_client},
    clock::Clock,
    database::Database,
    firehose::RequestKind,
    ids::{AccountId, Pod},
    pack::{CompressionLevel, Pack, PackedBody, PackedRequest, Pending, fit},
    queue::{
        Message, Outgoing, Queue, QueueError, Receipt,
        embedded::{EmbeddedQueue, EmbeddedQueueConfig},
        sqs::{SqsQueue, SqsQueueConfig},
    },
    spill::{Spill as _, folder::FolderSpill},
};
use penstock_testkit::emulator;
use tempfile::TempDir;
use tokio::{task::JoinSet, time::Instant};

const RECEIVES_MAX: u32 = 2;
/// Longer than any test.
const LONG: Duration = Duration::from_secs(300);
/// For what is on its way; ends with its arrival.
const PATIENCE: Duration = Duration::from_secs(20);
const SECOND: Duration = Duration::from_secs(1);

/// A queue and where its dead letters go.
struct Pipeline {
    main: Arc<dyn Queue>,
    dead: Arc<dyn Queue>,
    _folder: Option<TempDir>,
}

fn embedded_pipeline() -> Pipeline {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&folder.path().join("penstock.db")).unwrap();
    let open = |name: &str, dead_letter: Option<&str>| {
        let config = EmbeddedQueueConfig {
            receives_max: RECEIVES_MAX,
            dead_letter: dead_letter.map(str::to_owned),
            message_bytes_max: 1024 * 1024,
        };
        Arc::new(EmbeddedQueue::open(database.clone(), Clock::system(), name, config))
    };
    Pipeline { main: open("main", Some("dead")), dead: open("dead", None), _folder: Some(folder) }
}

fn sqs_pipeline() -> Pipeline {
    let urls = emulator().create_queues("contract", RECEIVES_MAX).unwrap();
    let client = sqs_client(&crate::aws::config(), &ClientSettings::default(), None);
    // The emulator is slow when the machine is busy.
    let config =
        SqsQueueConfig { call_timeout: PATIENCE, receive_margin: PATIENCE, ..SqsQueueConfig::default() };
    let open = |url: &str| Arc::new(SqsQueue::new(client.clone(), url, Clock::system(), config));
    Pipeline { main: open(&urls.main), dead: open(&urls.dead), _folder: None }
}

macro_rules! every_queue {
    ($($promise:ident),* $(,)?) => {
        mod embedded {
            $(#[tokio::test] async fn $promise() { super::$promise(super::embedded_pipeline()).await; })*
        }
        mod sqs {
            $(#[tokio::test] async fn $promise() { super::$promise(super::sqs_pipeline()).await; })*
        }
    };
}

every_queue! {
    any_bytes_come_back_as_sent,
    an_empty_queue_answers_with_nothing,
    one_refused_message_does_not_cost_its_neighbours,
    trap_99_bodies_just_below_and_at_the_limit_arrive_and_one_byte_more_is_refused,
    trap_99_packs_just_below_at_and_above_the_limit_are_stored_and_come_back_byte_for_byte,
    any_number_of_messages_can_be_sent_at_once,
    large_messages_are_sent_together_all_the_same,
    a_long_poll_wakes_when_something_is_sent,
    a_receive_hands_out_no_more_than_asked_for,
    a_message_comes_back_when_its_lease_lapses,
    a_renewed_lease_does_not_lapse,
    a_lease_of_zero_hands_the_message_back_at_once,
    a_deleted_message_is_gone_and_its_lease_lost,
    a_receipt_that_is_none_fails_alone,
    a_delayed_message_stays_hidden_until_its_time,
    trap_95_a_message_received_too_often_becomes_a_dead_letter,
    a_grouped_message_arrives,
    depth_counts_what_waits_is_leased_or_delayed,
    receivers_at_work_together_get_different_messages,
}

fn body(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

async fn send(queue: &Arc<dyn Queue>, bodies: impl IntoIterator<Item = Bytes>) {
    let messages: Vec<_> = bodies.into_iter().map(Outgoing::now).collect();
    let results = queue.send(&messages).await;
    assert_eq!(results.len(), messages.len());
    results.into_iter().for_each(Result::unwrap);
}

/// Receives and deletes until `count` messages are there; their bodies, sorted.
async fn drain(queue: &Arc<dyn Queue>, count: usize) -> Vec<Bytes> {
    let mut bodies = Vec::new();
    while bodies.len() < count {
        let messages = queue.receive(10, PATIENCE, LONG).await.unwrap();
        assert!(!messages.is_empty(), "{} of {count} messages arrived", bodies.len());
        let receipts: Vec<_> = messages.iter().map(|message| message.receipt.clone()).collect();
        queue.delete(&receipts).await.into_iter().for_each(Result::unwrap);
        bodies.extend(messages.into_iter().map(|message| message.body));
    }
    bodies.sort();
    bodies
}

async fn receive_one(queue: &Arc<dyn Queue>, lease: Duration) -> Message {
    let mut messages = queue.receive(1, PATIENCE, lease).await.unwrap();
    assert_eq!(messages.len(), 1, "one message");
    messages.remove(0)
}

async fn is_empty(queue: &Arc<dyn Queue>) -> bool {
    queue.receive(10, Duration::ZERO, LONG).await.unwrap().is_empty()
}

async fn any_bytes_come_back_as_sent(Pipeline { main, .. }: Pipeline) {
    let mut bodies = vec![
        Bytes::from_iter(0..=255u8),
        Bytes::from_static(b"\0"),
        Bytes::from_static(b"\xff\xfe\xc3"),
        Bytes::from_static("\u{feff}<&\u{1f6b0}\u{b}".as_bytes()),
        // Reads as base64.
        Bytes::from_static(b"AAAA"),
    ];
    send(&main, bodies.clone()).await;
    bodies.sort();
    assert_eq!(drain(&main, bodies.len()).await, bodies);
}

async fn an_empty_queue_answers_with_nothing(Pipeline { main, .. }: Pipeline) {
    assert!(main.receive(10, Duration::ZERO, LONG).await.unwrap().is_empty());
    assert!(main.receive(10, SECOND, LONG).await.unwrap().is_empty());
    assert!(main.send(&[]).await.is_empty());
    assert!(main.delete(&[]).await.is_empty());
}

async fn one_refused_message_does_not_cost_its_neighbours(Pipeline { main, .. }: Pipeline) {
    let too_large = Bytes::from(vec![b'x'; main.limits().message_bytes_max + 1]);
    let bodies = [body("first"), too_large, body("last"), Bytes::new()];
    let results = main.send(&bodies.map(Outgoing::now)).await;
    assert!(
        matches!(results[..], [Ok(()), Err(QueueError::Refused(_)), Ok(()), Err(QueueError::Refused(_))]),
        "{results:?}"
    );
    assert_eq!(drain(&main, 2).await, [body("first"), body("last")]);
    assert!(is_empty(&main).await);
}

async fn trap_99_bodies_just_below_and_at_the_limit_arrive_and_one_byte_more_is_refused(
    Pipeline { main, .. }: Pipeline,
) {
    let limit = main.limits().message_bytes_max;
    // Any byte, as compressed ones are.
    let bytes = |count: usize| (0..count).map(|at| (at % 251) as u8).collect::<Bytes>();
    send(&main, [bytes(limit - 1), bytes(limit)]).await;
    assert_eq!(drain(&main, 2).await, [bytes(limit - 1), bytes(limit)]);
    let results = main.send(&[Outgoing::now(bytes(limit + 1))]).await;
    assert!(matches!(results[..], [Err(QueueError::Refused(_))]), "{results:?}");
}

/// A pack of one request whose body cannot be compressed.
fn incompressible(body_bytes: usize) -> Pack {
    let mut rng = fastrand::Rng::with_seed(99);
    let body: Bytes = (0..body_bytes).map(|_| rng.u8(..)).collect();
    let request = PackedRequest {
        pod: Pod::new("us1").unwrap(),
        kind: Some(RequestKind::Events),
        id: None,
        account: AccountId::Known(7),
        received_at_ms: 1_763_900_000_000,
        trace: None,
        body: PackedBody::Inline(body),
        pending: Pending::All,
    };
    Pack { requests: vec![request] }
}

async fn trap_99_packs_just_below_at_and_above_the_limit_are_stored_and_come_back_byte_for_byte(
    Pipeline { main, .. }: Pipeline,
) {
    let (limit, level) = (main.limits().message_bytes_max, CompressionLevel::default());
    let folder = tempfile::tempdir().unwrap();
    let spill = FolderSpill::new(folder.path());
    let around = incompressible(limit - 1_000).encode(level).len() - (limit - 1_000);
    for (encoded, fits) in [(limit - 1, true), (limit, true), (limit + 1, false)] {
        let original = incompressible(encoded - around);
        assert_eq!(original.encode(level).len(), encoded);
        let mut pack = original.clone();
        let message = fit(&mut pack, level, limit, &spill).await.unwrap();
        assert_eq!((message.len() == encoded, pack == original), (fits, fits), "{encoded} of {limit} bytes");
        send(&main, [message]).await;
        let mut received = Pack::decode(&drain(&main, 1).await[0]).unwrap();
        for request in &mut received.requests {
            if let PackedBody::Spilled { key, .. } = &request.body {
                request.body = PackedBody::Inline(spill.get(key).await.unwrap());
            }
        }
        assert!(received == original, "{encoded} of {limit} bytes came back otherwise");
    }
}

async fn any_number_of_messages_can_be_sent_at_once(Pipeline { main, .. }: Pipeline) {
    let bodies: Vec<_> = (10..35).map(|number| body(&number.to_string())).collect();
    send(&main, bodies.clone()).await;
    assert_eq!(drain(&main, 25).await, bodies);
}

async fn large_messages_are_sent_together_all_the_same(Pipeline { main, .. }: Pipeline) {
    let bodies: Vec<_> = [1, 2, 3].map(|byte| Bytes::from(vec![byte; 500_000])).into();
    send(&main, bodies.clone()).await;
    assert_eq!(drain(&main, 3).await, bodies);
}

async fn a_long_poll_wakes_when_something_is_sent(Pipeline { main, .. }: Pipeline) {
    let began = Instant::now();
    let wake = async {
        // Long enough for the other receive to be waiting: nothing tells that it is.
        assert!(main.receive(10, SECOND, LONG).await.unwrap().is_empty());
        send(&main, [body("wake")]).await;
    };
    let (received, ()) = tokio::join!(main.receive(10, PATIENCE, LONG), wake);
    assert_eq!(received.unwrap()[0].body, body("wake"));
    assert!(began.elapsed() < PATIENCE / 2, "waited {:?}", began.elapsed());
}

async fn a_receive_hands_out_no_more_than_asked_for(Pipeline { main, .. }: Pipeline) {
    send(&main, (0..15).map(|number| body(&number.to_string()))).await;
    assert_eq!(main.receive(0, PATIENCE, LONG).await.unwrap().len(), 1);
    assert!((1..=3).contains(&main.receive(3, PATIENCE, LONG).await.unwrap().len()));
    assert!((1..=10).contains(&main.receive(1_000, PATIENCE, LONG).await.unwrap().len()));
}

async fn a_message_comes_back_when_its_lease_lapses(Pipeline { main, .. }: Pipeline) {
    send(&main, [body("again")]).await;
    let first = receive_one(&main, SECOND).await;
    let began = Instant::now();
    let again = receive_one(&main, LONG).await;
    assert!(began.elapsed() < PATIENCE / 2, "only at the end of the wait");
    assert_eq!((first.receive_count, again.receive_count), (1, 2));
    assert_eq!(again.body, first.body);
    assert_eq!(again.sent_at_ms, first.sent_at_ms);
    assert_ne!(again.receipt, first.receipt);
    let age_ms = Clock::system().now_ms() - first.sent_at_ms;
    assert!((500..60_000).contains(&age_ms), "sent {age_ms} ms ago, leased for a second");
}

async fn a_renewed_lease_does_not_lapse(Pipeline { main, .. }: Pipeline) {
    send(&main, [body("kept")]).await;
    let message = receive_one(&main, SECOND).await;
    main.renew(&message.receipt, LONG).await.unwrap();
    assert!(main.receive(10, 2 * SECOND, LONG).await.unwrap().is_empty());
    main.delete(&[message.receipt]).await.remove(0).unwrap();
}

async fn a_lease_of_zero_hands_the_message_back_at_once(Pipeline { main, .. }: Pipeline) {
    send(&main, [body("back")]).await;
    let message = receive_one(&main, LONG).await;
    assert!(is_empty(&main).await);
    main.renew(&message.receipt, Duration::ZERO).await.unwrap();
    assert_eq!(receive_one(&main, LONG).await.receive_count, 2);
}

async fn a_deleted_message_is_gone_and_its_lease_lost(Pipeline { main, .. }: Pipeline) {
    send(&main, [body("done")]).await;
    let message = receive_one(&main, SECOND).await;
    let receipts = [message.receipt];
    main.delete(&receipts).await.remove(0).unwrap();
    main.delete(&receipts).await.remove(0).unwrap();
    assert!(matches!(main.renew(&receipts[0], LONG).await, Err(QueueError::LeaseLost)));
    assert!(main.receive(10, 2 * SECOND, LONG).await.unwrap().is_empty());
}

async fn a_receipt_that_is_none_fails_alone(Pipeline { main, .. }: Pipeline) {
    send(&main, (0..12).map(|number| body(&number.to_string()))).await;
    let mut receipts = Vec::new();
    while receipts.len() < 12 {
        let messages = main.receive(10, PATIENCE, LONG).await.unwrap();
        receipts.extend(messages.into_iter().map(|message| message.receipt));
    }
    receipts.insert(4, Receipt("nonsense".to_owned()));
    let results = main.delete(&receipts).await;
    assert_eq!(results.len(), 13);
    for (at, result) in results.into_iter().enumerate() {
        match at {
            4 => assert!(matches!(result, Err(QueueError::LeaseLost)), "{result:?}"),
            _ => result.unwrap(),
        }
    }
    assert!(matches!(main.renew(&receipts[4], LONG).await, Err(QueueError::LeaseLost)));
}

async fn a_delayed_message_stays_hidden_until_its_time(Pipeline { main, .. }: Pipeline) {
    let began = Instant::now();
    let late = Outgoing { delay: 2 * SECOND, ..Outgoing::now(body("late")) };
    let results = main.send(&[late, Outgoing::now(body("soon"))]).await;
    results.into_iter().for_each(Result::unwrap);
    assert_eq!(receive_one(&main, LONG).await.body, body("soon"));
    assert!(is_empty(&main).await);
    assert_eq!(receive_one(&main, LONG).await.body, body("late"));
    // A little less, as the two clocks round.
    assert!(began.elapsed() > 2 * SECOND - SECOND / 10, "came after {:?}", began.elapsed());
}

async fn trap_95_a_message_received_too_often_becomes_a_dead_letter(Pipeline { main, dead, .. }: Pipeline) {
    send(&main, [body("poison"), body("poison")]).await;
    for _ in 0..2 * RECEIVES_MAX {
        let message = receive_one(&main, LONG).await;
        main.renew(&message.receipt, Duration::ZERO).await.unwrap();
    }
    assert!(main.receive(10, SECOND, LONG).await.unwrap().is_empty());
    assert_eq!(drain(&dead, 2).await, [body("poison"), body("poison")]);
    assert!(is_empty(&dead).await);
}

async fn a_grouped_message_arrives(Pipeline { main, .. }: Pipeline) {
    let group = |group: &str| Outgoing { group: Some(group.to_owned()), ..Outgoing::now(body(group)) };
    let long = "g".repeat(500);
    let messages = ["us1/7", "with space", &long].map(group);
    main.send(&messages).await.into_iter().for_each(Result::unwrap);
    assert_eq!(drain(&main, 3).await.len(), 3);
}

async fn depth_counts_what_waits_is_leased_or_delayed(Pipeline { main, .. }: Pipeline) {
    assert_eq!(main.depth().await.unwrap(), penstock_shared::queue::Depth::default());
    send(&main, ["a", "b", "c"].map(body)).await;
    let delayed = Outgoing { delay: LONG, ..Outgoing::now(body("d")) };
    main.send(&[delayed]).await.remove(0).unwrap();
    receive_one(&main, LONG).await;
    let depth = main.depth().await.unwrap();
    assert_eq!((depth.visible, depth.leased, depth.delayed), (2, 1, 1));
    assert!(depth.oldest_age.is_some_and(|age| age < PATIENCE), "{depth:?}");
}

async fn receivers_at_work_together_get_different_messages(Pipeline { main, .. }: Pipeline) {
    send(&main, (10..50).map(|number| body(&number.to_string()))).await;
    let mut receivers = JoinSet::new();
    for _ in 0..4 {
        let main = main.clone();
        receivers.spawn(async move {
            let mut bodies = Vec::new();
            loop {
                let messages = main.receive(3, Duration::ZERO, LONG).await.unwrap();
                if messages.is_empty() {
                    return bodies;
                }
                bodies.extend(messages.into_iter().map(|message| message.body));
            }
        });
    }
    let received = receivers.join_all().await.concat();
    assert_eq!(received.len(), 40);
    assert_eq!(received.into_iter().collect::<BTreeSet<_>>().len(), 40);
}

#[tokio::test]
async fn sqs_tells_how_it_is_set_up_and_the_embedded_queue_is_ours_to_set_up() {
    let sqs = sqs_pipeline();
    let setup = sqs.main.setup().await.unwrap().unwrap();
    assert_eq!(setup.receives_max, Some(RECEIVES_MAX));
    // What SQS gives a queue that asks for nothing else.
    assert_eq!(setup.visibility_timeout, Some(Duration::from_secs(30)));
    assert_eq!(setup.retention, Some(Duration::from_hours(4 * 24)));
    assert!(setup.message_bytes_max.is_some_and(|bytes| bytes >= 262_144), "{setup:?}");
    assert_eq!(sqs.dead.setup().await.unwrap().unwrap().receives_max, None);
    let gathered = penstock_shared::queue::gather::GatheredDeletes::new(sqs.main.clone(), SECOND);
    assert_eq!(gathered.setup().await.unwrap(), Some(setup));
    assert_eq!(embedded_pipeline().main.setup().await.unwrap(), None);
}
