//! Two versions of packs on one queue: a worker delivers what it can read, and leaves the rest to a newer one.
//!
//! There is no version 2 yet. A pack of it is made here by changing the version of one, and a newer worker is one that
//! is handed such packs with the version changed back.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use penstock_shared::{
    aws::{ClientSettings, sqs_client},
    clock::Clock,
    database::Database,
    queue::{
        Depth, Message, Outgoing, Queue, QueueError, QueueLimits, Queues, Receipt,
        embedded::{EmbeddedQueue, EmbeddedQueueConfig},
        sqs::{SqsQueue, SqsQueueConfig},
    },
    telemetry::local_recorder,
};
use penstock_testkit::{emulator, models::QueueModel};

use crate::{bench::Bench, messages::events};

const RECEIVES_MAX: u32 = 20;
const MINUTE: Duration = Duration::from_secs(60);
/// Where a pack says its version.
const VERSION_AT: usize = 4;

fn with_version(pack: &Bytes, version: u8) -> Bytes {
    let mut bytes = pack.to_vec();
    assert!(bytes[VERSION_AT] == 1 || bytes[VERSION_AT] == 2);
    bytes[VERSION_AT] = version;
    bytes.into()
}

/// A queue as a test wants it.
#[derive(Debug)]
struct Seen {
    queue: Arc<dyn Queue>,
    /// Hands out packs of version 2 as those of version 1: what a newer worker reads.
    reads_later: bool,
    /// Longest time that a message is really hidden at a renewal.
    hidden_max: Duration,
    /// How long messages were to be hidden at each renewal.
    renewals: Mutex<Vec<Duration>>,
}

impl Seen {
    fn new(queue: Arc<dyn Queue>, reads_later: bool, hidden_max: Duration) -> Arc<Self> {
        Arc::new(Self { queue, reads_later, hidden_max, renewals: Mutex::default() })
    }

    fn renewals(&self) -> Vec<Duration> {
        self.renewals.lock().unwrap().clone()
    }
}

#[async_trait]
impl Queue for Seen {
    async fn send(&self, messages: &[Outgoing]) -> Vec<Result<(), QueueError>> {
        self.queue.send(messages).await
    }
    async fn receive(&self, max: usize, wait: Duration, lease: Duration) -> Result<Vec<Message>, QueueError> {
        let mut messages = self.queue.receive(max, wait, lease).await?;
        if self.reads_later {
            messages.iter_mut().for_each(|message| message.body = with_version(&message.body, 1));
        }
        Ok(messages)
    }
    async fn renew(&self, receipt: &Receipt, lease: Duration) -> Result<(), QueueError> {
        self.renewals.lock().unwrap().push(lease);
        self.queue.renew(receipt, lease.min(self.hidden_max)).await
    }
    async fn delete(&self, receipts: &[Receipt]) -> Vec<Result<(), QueueError>> {
        self.queue.delete(receipts).await
    }
    async fn depth(&self) -> Result<Depth, QueueError> {
        self.queue.depth().await
    }
    fn limits(&self) -> QueueLimits {
        self.queue.limits()
    }
}

/// A bench whose main queue has a redrive policy.
fn bench() -> Bench {
    let mut bench = Bench::new();
    let main = QueueModel::new(bench.clock, 11).with_dead_letter(bench.dead.clone(), RECEIVES_MAX);
    bench.main = Arc::new(main);
    bench
}

fn start_newer(bench: &mut Bench) {
    let main = Seen::new(bench.main.clone(), true, Duration::MAX);
    let queues = Queues { main, ..bench.queues() };
    bench.start_on(queues);
}

fn names(version: u8) -> Vec<String> {
    (0..6).map(|n| format!("v{version}-{n}")).collect()
}

/// Packs of one event each, of both versions: each name, and its pack.
fn packs(bench: &Bench) -> Vec<(String, Bytes)> {
    let one = |version: u8| {
        move |name: String| {
            let pack = bench.pack(&[events(1, &[&name[..]])]);
            (name, with_version(&pack, version))
        }
    };
    names(1).into_iter().map(one(1)).chain(names(2).into_iter().map(one(2))).collect()
}

fn delivered(bench: &Bench) -> BTreeSet<String> {
    let events = bench.script.events(200);
    let set: BTreeSet<String> = events.iter().cloned().collect();
    assert_eq!(set.len(), events.len(), "each once: {events:?}");
    set
}

fn set(names: impl IntoIterator<Item = String>) -> BTreeSet<String> {
    names.into_iter().collect()
}

#[tokio::test(start_paused = true)]
async fn an_older_worker_delivers_its_own_and_keeps_later_packs_on_the_queue_for_hours() {
    let (recorder, metrics) = local_recorder();
    let mut bench = metrics::with_local_recorder(&recorder, bench);
    let packs = packs(&bench);
    packs.iter().for_each(|(_, pack)| bench.main.put(pack.clone()));
    bench.start();
    bench.start();
    tokio::time::sleep(4 * 60 * MINUTE).await;
    assert_eq!(delivered(&bench), set(names(1)));
    bench.stop().await;
    let later: BTreeSet<Bytes> = packs[6..].iter().map(|(_, pack)| pack.clone()).collect();
    assert_eq!(bench.main.bodies().into_iter().collect::<BTreeSet<_>>(), later, "byte for byte");
    assert_eq!((bench.dead.len(), bench.retry.len()), (0, 0));
    let text = metrics.render();
    let put_back = text.lines().find_map(|line| line.strip_prefix("worker_packs_later_version_total "));
    let put_back: u32 = put_back.unwrap().parse().unwrap();
    assert!((6 * 10..6 * RECEIVES_MAX).contains(&put_back), "{put_back}");
    assert_eq!(bench.counts().received, 6, "their items are none of its own");
    bench.assert_adds_up();
}

#[tokio::test(start_paused = true)]
async fn a_rolling_deployment_delivers_both_versions() {
    let mut bench = bench();
    // Ingress was deployed first, against the rule. Ten minutes later the workers are.
    let packs = packs(&bench);
    packs.iter().for_each(|(_, pack)| bench.main.put(pack.clone()));
    bench.start();
    tokio::time::sleep(10 * MINUTE).await;
    start_newer(&mut bench);
    tokio::time::sleep(10 * MINUTE).await;
    bench.stop().await;
    start_newer(&mut bench);
    tokio::time::sleep(15 * MINUTE).await;
    assert_eq!(delivered(&bench), set(names(1).into_iter().chain(names(2))));
    bench.stop().await;
    assert_eq!((bench.main.len(), bench.dead.len(), bench.retry.len()), (0, 0, 0));
    bench.assert_adds_up();
}

#[tokio::test(start_paused = true)]
async fn workers_first_costs_a_later_pack_no_wait() {
    let mut bench = bench();
    bench.start();
    start_newer(&mut bench);
    tokio::time::sleep(MINUTE).await;
    bench.stop().await;
    start_newer(&mut bench);
    packs(&bench).iter().for_each(|(_, pack)| bench.main.put(pack.clone()));
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(delivered(&bench).len(), 12);
    bench.stop().await;
}

/// Real queues in real time: what is to be hidden for long is hidden for a second.
async fn on_real_queues(main: Arc<dyn Queue>, dead: Arc<dyn Queue>) {
    let mut bench = Bench::new();
    bench.config.receive_wait = Duration::from_millis(500);
    let packs = packs(&bench);
    let messages: Vec<Outgoing> = packs.iter().map(|(_, pack)| Outgoing::now(pack.clone())).collect();
    assert!(main.send(&messages).await.iter().all(Result::is_ok));

    let seen = Seen::new(main.clone(), false, Duration::from_secs(1));
    let queues = Queues { main: seen.clone(), dead: dead.clone(), ..bench.queues() };
    bench.start_on(queues);
    let put_back = || seen.renewals().len();
    for _ in 0..1_200 {
        if bench.script.events(200).len() >= 6 && put_back() >= 12 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bench.stop().await;
    assert_eq!(delivered(&bench), set(names(1)));
    let mut renewals = seen.renewals();
    renewals.sort_unstable();
    assert_eq!(renewals[..6], [MINUTE; 6], "at first a minute");
    assert!(renewals.len() >= 12 && renewals[6..].iter().all(|hidden| *hidden >= 2 * MINUTE), "then longer");

    let (mut left, mut receipts) = (BTreeSet::new(), Vec::new());
    for _ in 0..40 {
        let received = main.receive(10, Duration::from_millis(500), 5 * MINUTE).await.unwrap();
        assert!(received.iter().all(|message| message.receive_count >= 3), "{received:?}");
        for message in received {
            left.insert(message.body);
            receipts.push(message.receipt);
        }
        if left.len() == 6 {
            break;
        }
    }
    assert_eq!(left, packs[6..].iter().map(|(_, pack)| pack.clone()).collect(), "byte for byte");
    for receipt in receipts {
        main.renew(&receipt, Duration::ZERO).await.unwrap();
    }

    let newer = Seen::new(main.clone(), true, Duration::MAX);
    let queues = Queues { main: newer, dead: dead.clone(), ..bench.queues() };
    bench.start_on(queues);
    for _ in 0..1_200 {
        if bench.script.events(200).len() >= 12 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bench.stop().await;
    assert_eq!(delivered(&bench).len(), 12);
    let depth = main.depth().await.unwrap();
    assert_eq!((depth.visible, depth.leased), (0, 0));
    assert!(dead.receive(1, Duration::ZERO, MINUTE).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_embedded_queue_keeps_later_packs_for_a_newer_worker() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&folder.path().join("penstock.db")).unwrap();
    let open = |name: &str, dead_letter: Option<&str>| {
        let config = EmbeddedQueueConfig {
            receives_max: RECEIVES_MAX,
            dead_letter: dead_letter.map(str::to_owned),
            message_bytes_max: 1 << 20,
        };
        Arc::new(EmbeddedQueue::open(database.clone(), Clock::system(), name, config))
    };
    on_real_queues(open("main", Some("dead")), open("dead", None)).await;
}

#[tokio::test]
async fn sqs_keeps_later_packs_for_a_newer_worker() {
    let urls = emulator().create_queues("later", RECEIVES_MAX).unwrap();
    let client = sqs_client(&penstock_testkit::aws::config(), &ClientSettings::default(), None);
    // The emulator is slow when the machine is busy.
    let patience = Duration::from_secs(20);
    let config =
        SqsQueueConfig { call_timeout: patience, receive_margin: patience, ..SqsQueueConfig::default() };
    let open = |url: &str| Arc::new(SqsQueue::new(client.clone(), url, Clock::system(), config));
    on_real_queues(open(&urls.main), open(&urls.dead)).await;
}
