use std::path::Path;

use bytes::Bytes;
use tempfile::TempDir;

use super::*;

const LONG: Duration = Duration::from_secs(300);

/// A queue `main` whose messages are dead letters after two receives, and the queue `dead` that they go to.
fn open(path: &Path) -> (EmbeddedQueue, EmbeddedQueue) {
    let database = Database::open(path).unwrap();
    let clock = Clock::starting_at(1_000_000);
    let open = |name: &str, dead_letter: Option<String>| {
        let config = EmbeddedQueueConfig { receives_max: 2, dead_letter, message_bytes_max: 1024 };
        EmbeddedQueue::open(database.clone(), clock, name, config)
    };
    (open("main", Some("dead".to_owned())), open("dead", None))
}

fn fresh() -> (TempDir, EmbeddedQueue, EmbeddedQueue) {
    let folder = tempfile::tempdir().unwrap();
    let (main, dead) = open(&folder.path().join("penstock.db"));
    (folder, main, dead)
}

async fn send(queue: &EmbeddedQueue, text: &'static str) {
    queue.send(&[Outgoing::now(Bytes::from_static(text.as_bytes()))]).await.remove(0).unwrap();
}

/// What is there now; no waiting, so that paused time stands still.
async fn look(queue: &EmbeddedQueue, lease: Duration) -> Vec<Message> {
    queue.receive(10, Duration::ZERO, lease).await.unwrap()
}

async fn texts(queue: &EmbeddedQueue) -> Vec<String> {
    let messages = look(queue, LONG).await;
    messages.iter().map(|message| String::from_utf8(message.body.to_vec()).unwrap()).collect()
}

async fn advance_ms(ms: u64) {
    tokio::time::advance(Duration::from_millis(ms)).await;
}

#[tokio::test(start_paused = true)]
async fn a_lease_lapses_at_its_time_and_no_sooner() {
    let (_folder, main, _dead) = fresh();
    send(&main, "a").await;
    assert_eq!(look(&main, Duration::from_millis(1_500)).await[0].receive_count, 1);
    advance_ms(1_499).await;
    assert!(look(&main, LONG).await.is_empty());
    advance_ms(1).await;
    let message = look(&main, LONG).await.remove(0);
    assert_eq!((message.receive_count, message.sent_at_ms), (2, 1_000_000));
}

#[tokio::test(start_paused = true)]
async fn a_delay_ends_at_its_time_and_no_sooner() {
    let (_folder, main, _dead) = fresh();
    let delayed = |delay| Outgoing { delay, ..Outgoing::now(Bytes::from_static(b"late")) };
    main.send(&[delayed(Duration::from_millis(1_500))]).await.remove(0).unwrap();
    advance_ms(1_499).await;
    assert!(texts(&main).await.is_empty());
    advance_ms(1).await;
    assert_eq!(texts(&main).await, ["late"]);

    main.send(&[delayed(Duration::MAX)]).await.remove(0).unwrap();
    advance_ms(15 * 60 * 1_000).await;
    assert_eq!(texts(&main).await.len(), 2, "the longest delay, and a lease that lapsed");
}

#[tokio::test(start_paused = true)]
async fn an_outdated_receipt_neither_renews_nor_deletes() {
    let (_folder, main, _dead) = fresh();
    send(&main, "a").await;
    let first = look(&main, Duration::from_secs(1)).await.remove(0);
    advance_ms(1_000).await;
    let second = look(&main, LONG).await.remove(0);
    assert!(matches!(main.renew(&first.receipt, LONG).await, Err(QueueError::LeaseLost)));
    main.delete(&[first.receipt]).await.remove(0).unwrap();
    assert_eq!(main.depth().await.unwrap().leased, 1);
    main.delete(&[second.receipt]).await.remove(0).unwrap();
    assert_eq!(main.depth().await.unwrap(), Depth::default());
}

#[tokio::test(start_paused = true)]
async fn a_lapsed_lease_can_not_be_renewed_but_its_message_deleted() {
    let (_folder, main, _dead) = fresh();
    send(&main, "a").await;
    let message = look(&main, Duration::from_secs(1)).await.remove(0);
    advance_ms(1_000).await;
    assert!(matches!(main.renew(&message.receipt, LONG).await, Err(QueueError::LeaseLost)));
    main.delete(&[message.receipt]).await.remove(0).unwrap();
    assert!(texts(&main).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_receipt_has_no_power_over_the_dead_letter_its_message_became() {
    let (_folder, main, dead) = fresh();
    send(&main, "poison").await;
    look(&main, Duration::ZERO).await;
    let last = look(&main, Duration::ZERO).await.remove(0);
    assert!(texts(&main).await.is_empty());
    main.delete(std::slice::from_ref(&last.receipt)).await.remove(0).unwrap();
    assert!(main.renew(&last.receipt, LONG).await.is_err());
    assert_eq!(texts(&dead).await, ["poison"]);
}

#[tokio::test(start_paused = true)]
async fn a_queue_without_dead_letters_hands_a_message_out_for_ever() {
    let (_folder, _main, dead) = fresh();
    send(&dead, "kept").await;
    for receive_count in 1..20 {
        assert_eq!(look(&dead, Duration::ZERO).await[0].receive_count, receive_count);
    }
}

#[tokio::test(start_paused = true)]
async fn a_deleted_messages_receipt_never_fits_a_later_message() {
    let (folder, main, dead) = fresh();
    send(&main, "first").await;
    let first = look(&main, LONG).await.remove(0);
    main.delete(std::slice::from_ref(&first.receipt)).await.remove(0).unwrap();
    drop((main, dead));

    let (main, _dead) = open(&folder.path().join("penstock.db"));
    send(&main, "second").await;
    assert_eq!(look(&main, LONG).await.len(), 1);
    main.delete(&[first.receipt]).await.remove(0).unwrap();
    assert_eq!(main.depth().await.unwrap().leased, 1);
}

#[tokio::test(start_paused = true)]
async fn messages_come_in_the_order_of_becoming_visible_and_queues_stay_apart() {
    let (_folder, main, dead) = fresh();
    let soon = Outgoing { delay: Duration::from_millis(5), ..Outgoing::now(Bytes::from_static(b"third")) };
    main.send(&[soon]).await.remove(0).unwrap();
    send(&main, "first").await;
    send(&main, "second").await;
    send(&dead, "other").await;
    advance_ms(5).await;
    assert_eq!(texts(&main).await, ["first", "second", "third"]);
    assert_eq!(texts(&dead).await, ["other"]);
}

#[tokio::test(start_paused = true)]
async fn depth_knows_the_age_of_the_oldest() {
    let (_folder, main, _dead) = fresh();
    send(&main, "old").await;
    advance_ms(700).await;
    send(&main, "new").await;
    look(&main, LONG).await;
    advance_ms(300).await;
    let oldest_age = Some(Duration::from_secs(1));
    assert_eq!(main.depth().await.unwrap(), Depth { visible: 0, leased: 2, delayed: 0, oldest_age });
}

#[tokio::test(start_paused = true)]
async fn depth_looks_at_so_many_messages_and_no_more() {
    let (_folder, main, _dead) = fresh();
    for _ in 0..9 {
        send(&main, "leased or visible").await;
    }
    main.receive(4, Duration::ZERO, LONG).await.unwrap();
    let delayed = Outgoing { delay: 2 * LONG, ..Outgoing::now(Bytes::from_static(b"late")) };
    main.send(&vec![delayed; 5]).await.into_iter().for_each(Result::unwrap);
    let depth = async |counted_max| {
        let now_ms = main.clock.now_ms();
        let count = move |connection: &Connection| statements::depth(connection, "main", now_ms, counted_max);
        let depth = main.database.call(count).await.unwrap();
        (depth.visible, depth.leased, depth.delayed)
    };
    assert_eq!(depth(100).await, (5, 4, 5));
    assert_eq!(depth(6).await, (5, 4, 2), "the hidden ones end with the sixth");
    assert_eq!(depth(3).await, (3, 3, 0));
}

#[tokio::test]
async fn sending_wakes_a_long_poll_of_this_process_at_once() {
    let (_folder, main, _dead) = fresh();
    let mut quickest = Duration::MAX;
    // Several times: a busy machine can be late, but what only looks again from time to time is late always.
    for _ in 0..4 {
        let wake = async {
            // Lets the receive look first, and find nothing.
            main.depth().await.unwrap();
            main.depth().await.unwrap();
            send(&main, "wake").await;
            Instant::now()
        };
        let (received, sent) = tokio::join!(main.receive(1, LONG, LONG), wake);
        assert_eq!(received.unwrap().len(), 1);
        quickest = quickest.min(sent.elapsed());
    }
    assert!(quickest < LOOK_AGAIN / 2, "{quickest:?}");
}

#[tokio::test]
async fn a_long_poll_notices_what_another_process_has_sent() {
    let (folder, main, _dead) = fresh();
    let (elsewhere, _) = open(&folder.path().join("penstock.db"));
    let send_elsewhere = async {
        main.depth().await.unwrap();
        send(&elsewhere, "from afar").await;
    };
    let began = Instant::now();
    let (received, ()) = tokio::join!(main.receive(1, LONG, LONG), send_elsewhere);
    assert_eq!(received.unwrap().len(), 1);
    assert!(began.elapsed() < WAIT_MAX / 2, "only at the end of the wait");
}
