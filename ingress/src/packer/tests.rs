use std::{
    collections::VecDeque,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::join_all;
use penstock_shared::{
    firehose::RequestKind,
    ids::{AccountId, Pod},
    pack::{CompressionLevel, Pack, PackedBody, Pending},
    queue::{Depth, Message, Outgoing, Queue, QueueError, QueueLimits, Receipt},
    spill::{Spill, SpillError, SpillKey},
    telemetry::{Gauge, IngressMetrics},
};
use tokio::time::sleep;

use super::*;
use crate::{body::BytesInFlight, cost::Stored, health::Health};

mod fallback;

/// What one call of the queue does.
#[derive(Clone, Debug)]
enum Step {
    /// Stores all after so long.
    Store(Duration),
    /// Fails these packs, by position, and stores the others.
    Fail(Vec<usize>, QueueError),
    Hang,
    Panic,
}

/// Stores at once when its script is over.
#[derive(Debug)]
struct ScriptedQueue {
    script: Mutex<VecDeque<Step>>,
    stored: Mutex<Vec<Vec<Pack>>>,
    longest: AtomicUsize,
    message_bytes_max: usize,
}

#[async_trait]
impl Queue for ScriptedQueue {
    async fn send(&self, messages: &[Outgoing]) -> Vec<Result<(), QueueError>> {
        let step = self.script.lock().unwrap().pop_front().unwrap_or(Step::Store(Duration::ZERO));
        let failing = match step {
            Step::Store(after) => {
                sleep(after).await;
                (Vec::new(), QueueError::LeaseLost)
            }
            Step::Fail(which, error) => (which, error),
            Step::Hang => std::future::pending().await,
            Step::Panic => panic!("by script"),
        };
        let result = |n: &usize| if failing.0.contains(n) { Err(failing.1.clone()) } else { Ok(()) };
        let stored = messages.iter().enumerate().filter(|(n, _)| result(n).is_ok());
        let longest = messages.iter().map(|message| message.body.len()).max().unwrap_or(0);
        self.longest.fetch_max(longest, Ordering::Relaxed);
        let packs = stored.map(|(_, message)| Pack::decode(&message.body).unwrap()).collect();
        self.stored.lock().unwrap().push(packs);
        (0..messages.len()).map(|n| result(&n)).collect()
    }
    async fn receive(&self, _: usize, _: Duration, _: Duration) -> Result<Vec<Message>, QueueError> {
        Ok(Vec::new())
    }
    async fn renew(&self, _: &Receipt, _: Duration) -> Result<(), QueueError> {
        Ok(())
    }
    async fn delete(&self, receipts: &[Receipt]) -> Vec<Result<(), QueueError>> {
        receipts.iter().map(|_| Ok(())).collect()
    }
    async fn depth(&self) -> Result<Depth, QueueError> {
        Ok(Depth::default())
    }
    fn limits(&self) -> QueueLimits {
        QueueLimits { message_bytes_max: self.message_bytes_max, delay_max: Duration::ZERO }
    }
}

#[derive(Debug, Default)]
struct MemorySpill(Mutex<Vec<(SpillKey, Bytes)>>);

#[async_trait]
impl Spill for MemorySpill {
    async fn put(&self, key: &SpillKey, body: Bytes) -> Result<(), SpillError> {
        self.0.lock().unwrap().push((key.clone(), body));
        Ok(())
    }
    async fn get(&self, key: &SpillKey) -> Result<Bytes, SpillError> {
        let stored = self.0.lock().unwrap();
        stored.iter().find(|(k, _)| k == key).map(|(_, body)| body.clone()).ok_or(SpillError::Missing)
    }
    async fn delete(&self, _: &SpillKey) -> Result<(), SpillError> {
        Ok(())
    }
}

const BUDGET: Duration = Duration::from_millis(80);
const CONFIG: PackingConfig = PackingConfig {
    linger_max: Duration::from_millis(5),
    requests_max: 64,
    bytes_enough: 512 * 1024,
    bytes_max: 512 * 1024,
    fallback_after: Duration::from_millis(40),
    sends_max: 2,
    send_timeout: Duration::from_millis(500),
    waiting_max: 1000,
    level: CompressionLevel(1),
};

struct Bench {
    queue: Arc<ScriptedQueue>,
    spill: Arc<MemorySpill>,
    pool: Arc<BytesInFlight>,
    handle: Handle,
    packer: JoinSet<()>,
}

impl Bench {
    fn new(config: PackingConfig, message_bytes_max: usize, script: &[Step]) -> Self {
        let queue = Arc::new(ScriptedQueue {
            script: Mutex::new(script.iter().cloned().collect()),
            stored: Mutex::default(),
            longest: AtomicUsize::new(0),
            message_bytes_max,
        });
        let spill = Arc::new(MemorySpill::default());
        let metrics = Arc::new(IngressMetrics::new());
        let health = Health::new(crate::auth::Access::open());
        let outlet = Outlet::new(queue.clone(), None, &config, metrics.clone(), health);
        let sender = Sender::new(outlet, spill.clone(), config.level, metrics, Stored::default());
        let (handle, packer) = new(config, sender);
        let mut tasks = JoinSet::new();
        tasks.spawn(packer.run());
        Self { queue, spill, pool: BytesInFlight::new(usize::MAX, Gauge::noop()), handle, packer: tasks }
    }

    async fn store(&self, n: i64) -> Result<(), Shed> {
        self.store_body(n, Bytes::from_static(b"{}")).await
    }

    async fn store_body(&self, n: i64, body: Bytes) -> Result<(), Shed> {
        let request = PackedRequest {
            pod: Pod::new("us1").unwrap(),
            kind: Some(RequestKind::Events),
            id: None,
            account: AccountId::Known(n),
            received_at_ms: 1_700_000_000_000 + n,
            trace: None,
            body: PackedBody::Inline(body),
            pending: Pending::All,
        };
        self.handle.store(request, self.pool.permit(), Instant::now() + BUDGET).await
    }

    /// The accounts of each pack of each call that stored any.
    fn stored(&self) -> Vec<Vec<Vec<i64>>> {
        let accounts = |pack: &Pack| pack.requests.iter().map(|request| i64::from(request.account)).collect();
        self.queue.stored.lock().unwrap().iter().map(|call| call.iter().map(accounts).collect()).collect()
    }

    /// Ends the packer as a stop does, once all it accepted is sent.
    async fn end(mut self) -> (Arc<ScriptedQueue>, Arc<MemorySpill>) {
        drop(self.handle);
        self.packer.join_next().await.unwrap().unwrap();
        (self.queue, self.spill)
    }
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[tokio::test(start_paused = true)]
async fn an_idle_packer_sends_at_once() {
    let bench = Bench::new(CONFIG, 1 << 20, &[Step::Store(ms(7))]);
    let started = Instant::now();
    assert_eq!(bench.store(1).await, Ok(()));
    assert_eq!(started.elapsed(), ms(7), "no linger when idle");
}

#[tokio::test(start_paused = true)]
async fn a_busy_packer_lingers_for_company_but_not_for_long() {
    let bench = Bench::new(CONFIG, 1 << 20, &[]);
    let waits = join_all((0..500).map(|n| {
        let bench = &bench;
        async move {
            sleep(ms(1) * (n / 5)).await;
            let started = Instant::now();
            assert_eq!(bench.store(i64::from(n)).await, Ok(()));
            started.elapsed()
        }
    }));
    let waits = waits.await;
    assert!(waits.iter().all(|wait| *wait <= CONFIG.linger_max), "{:?}", waits.iter().max());
    let packs: Vec<usize> = bench.stored().concat().iter().map(Vec::len).collect();
    let settled = &packs[10..packs.len() - 1];
    assert!(settled.iter().all(|requests| *requests >= 25), "{packs:?}");
}

#[tokio::test(start_paused = true)]
async fn a_pack_that_holds_enough_waits_no_longer() {
    let config = PackingConfig { linger_max: ms(25), bytes_enough: 45_000, ..CONFIG };
    let bench = Bench::new(config, 1 << 20, &[]);
    let mut rng = fastrand::Rng::with_seed(1);
    let bodies: Vec<Bytes> = (0..600).map(|_| (0..3_000).map(|_| rng.u8(..)).collect()).collect();
    // Two each ms: fifteen would be enough, but half of what comes is more, and of that twenty fill what is billed as one.
    let waits = join_all((0..).zip(&bodies).map(|(n, body)| {
        let bench = &bench;
        async move {
            sleep(ms(1) * (n / 2)).await;
            let started = Instant::now();
            assert_eq!(bench.store_body(i64::from(n), body.clone()).await, Ok(()));
            started.elapsed()
        }
    }));
    let waits = waits.await;
    let settled = &waits[100..500];
    assert!(settled.iter().all(|wait| *wait < ms(15)), "{:?}", settled.iter().max());
    let packs: Vec<usize> = bench.stored().concat().iter().map(Vec::len).collect();
    assert!(packs[20..packs.len() - 1].iter().all(|requests| *requests == 20), "{packs:?}");
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_than_the_linger_for_packs_that_fill_by_number() {
    let config = PackingConfig { requests_max: 8, linger_max: ms(25), ..CONFIG };
    let bench = Bench::new(config, 1 << 20, &[]);
    // Nine come in a wait, and eight make a pack: the ninth does not wait anew.
    let waits = join_all((0..300).map(|n| {
        let bench = &bench;
        async move {
            sleep(Duration::from_micros(2_700) * n).await;
            let started = Instant::now();
            assert_eq!(bench.store(i64::from(n)).await, Ok(()));
            started.elapsed()
        }
    }));
    let waits = waits.await;
    assert!(waits.iter().all(|wait| *wait <= ms(25)), "{waits:?}");
    let packs: Vec<usize> = bench.stored().concat().iter().map(Vec::len).collect();
    assert!(packs[40..packs.len() - 1].iter().all(|requests| *requests == 8), "{packs:?}");
}

#[tokio::test(start_paused = true)]
async fn a_large_request_does_not_wait_for_small_ones_to_be_sent() {
    let config = PackingConfig { sends_max: 1, ..CONFIG };
    let bench = Bench::new(config, 4_096, &[Step::Hang]);
    let large = Bytes::from(vec![b' '; 3_500]);
    let smalls = async {
        // The first hangs in the one slot, the second is an open pack.
        let second = async {
            sleep(ms(1)).await;
            bench.store(2).await
        };
        tokio::join!(bench.store(1), second)
    };
    let stored = async {
        sleep(ms(10)).await;
        let started = Instant::now();
        (bench.store_body(3, large).await, started.elapsed())
    };
    let (_, stored) = tokio::join!(smalls, stored);
    assert_eq!(stored, (Ok(()), Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_small_request_does_not_wait_behind_large_ones() {
    let bench = Bench::new(CONFIG, 4_096, &[Step::Hang, Step::Hang, Step::Hang, Step::Hang]);
    let large = Bytes::from(vec![b' '; 3_500]);
    let larges = join_all((0..5).map(|n| bench.store_body(n, large.clone())));
    let small = async {
        sleep(ms(10)).await;
        let started = Instant::now();
        (bench.store(9).await, started.elapsed())
    };
    let (_, small) = tokio::join!(larges, small);
    assert_eq!(small, (Ok(()), Duration::ZERO), "the fifth large one waits for its turn, and nobody else");
}

#[tokio::test(start_paused = true)]
async fn a_pack_that_compresses_worse_than_expected_is_divided_and_nothing_is_spilled() {
    let config = PackingConfig { bytes_max: 1 << 20, ..CONFIG };
    let bench = Bench::new(config, 16 * 1024, &[Step::Store(ms(1))]);
    let mut rng = fastrand::Rng::with_seed(1);
    let bodies: Vec<Bytes> = (0..16).map(|_| (0..3_000).map(|_| rng.u8(..)).collect()).collect();
    let results = join_all((0..).zip(&bodies).map(|(n, body)| bench.store_body(n, body.clone()))).await;
    assert!(results.iter().all(Result::is_ok));
    let stored = bench.stored().concat();
    assert!(stored.len() >= 4 && stored.iter().any(|pack| pack.len() > 1), "{stored:?}");
    assert_eq!(stored.concat().len(), 16);
    assert!(bench.spill.0.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn two_hundred_requests_at_once_make_few_packs() {
    let bench = Bench::new(CONFIG, 1 << 20, &[Step::Store(ms(5)), Step::Store(ms(5))]);
    let results = join_all((0..200).map(|n| bench.store(n))).await;
    assert!(results.iter().all(Result::is_ok));
    let packs: Vec<usize> = bench.stored().concat().iter().map(Vec::len).collect();
    assert_eq!(packs.iter().sum::<usize>(), 200);
    assert!(packs.len() <= 4, "{packs:?}");
}

#[tokio::test(start_paused = true)]
async fn trap_100_a_partial_batch_failure_fails_exactly_its_requests() {
    let config = PackingConfig { requests_max: 2, sends_max: 1, ..CONFIG };
    let unknown = QueueError::OutcomeUnknown("by script".into());
    let bench = Bench::new(config, 1 << 20, &[Step::Store(ms(5)), Step::Fail(vec![1], unknown)]);
    let first = bench.store(0);
    let others = async {
        sleep(ms(1)).await;
        join_all((1..=6).map(|n| bench.store(n))).await
    };
    let (first, others) = tokio::join!(first, others);
    assert_eq!(first, Ok(()));
    let failed = Err(Shed::QueueFailed);
    assert_eq!(others, [Ok(()), Ok(()), failed, failed, Ok(()), Ok(())]);
    assert_eq!(bench.stored()[1], [[1, 2], [5, 6]]);
}

#[tokio::test(start_paused = true)]
async fn what_the_queue_could_not_take_is_tried_once_more() {
    let busy = || Step::Fail(vec![0], QueueError::Unavailable("by script".into()));
    let bench = Bench::new(CONFIG, 1 << 20, &[busy()]);
    assert_eq!(bench.store(1).await, Ok(()));
    let bench = Bench::new(CONFIG, 1 << 20, &[busy(), busy()]);
    assert_eq!(bench.store(1).await, Err(Shed::QueueFailed));
}

#[tokio::test(start_paused = true)]
async fn what_may_be_stored_already_is_not_sent_again() {
    let unknown = QueueError::OutcomeUnknown("by script".into());
    let bench = Bench::new(CONFIG, 1 << 20, &[Step::Fail(vec![0], unknown)]);
    assert_eq!(bench.store(1).await, Err(Shed::QueueFailed));
    assert_eq!(bench.stored().concat(), Vec::<Vec<i64>>::new());
}

#[tokio::test(start_paused = true)]
async fn trap_15_a_hanging_queue_is_answered_within_the_budget() {
    let bench = Bench::new(CONFIG, 1 << 20, &[Step::Hang]);
    let started = Instant::now();
    assert_eq!(bench.store(1).await, Err(Shed::QueueSlow));
    assert_eq!(started.elapsed(), BUDGET);
    sleep(CONFIG.send_timeout).await;
    assert_eq!(bench.store(2).await, Ok(()), "the hanging call was given up");
}

#[tokio::test(start_paused = true)]
async fn a_request_answered_before_its_sending_is_not_sent() {
    let config = PackingConfig { sends_max: 1, ..CONFIG };
    let bench = Bench::new(config, 1 << 20, &[Step::Store(ms(100))]);
    let second = async {
        sleep(ms(1)).await;
        bench.store(2).await
    };
    let (first, second) = tokio::join!(bench.store(1), second);
    assert_eq!((first, second), (Err(Shed::QueueSlow), Err(Shed::QueueSlow)));
    sleep(ms(200)).await;
    assert_eq!(bench.stored(), [[[1]]], "it comes back, and would be a duplicate");
}

#[tokio::test(start_paused = true)]
async fn trap_14_a_request_whose_caller_went_away_is_stored_all_the_same() {
    let bench = Bench::new(CONFIG, 1 << 20, &[Step::Store(ms(5))]);
    let call = tokio::time::timeout(ms(1), bench.store(1)).await;
    assert!(call.is_err(), "the caller left before the answer");
    sleep(ms(10)).await;
    assert_eq!(bench.stored(), [[[1]]]);
}

#[tokio::test(start_paused = true)]
async fn trap_16_ending_sends_what_was_accepted() {
    let config = PackingConfig { sends_max: 1, ..CONFIG };
    let bench = Bench::new(config, 1 << 20, &[Step::Store(ms(30))]);
    for n in 0..150 {
        let call = tokio::time::timeout(Duration::ZERO, bench.store(n)).await;
        assert!(call.is_err());
    }
    let (queue, _) = bench.end().await;
    let stored: usize = queue.stored.lock().unwrap().concat().iter().map(|pack| pack.requests.len()).sum();
    assert_eq!(stored, 150);
}

#[tokio::test(start_paused = true)]
async fn requests_beyond_what_may_wait_are_shed() {
    let config = PackingConfig { requests_max: 1, sends_max: 1, waiting_max: 10, ..CONFIG };
    let bench = Bench::new(config, 1 << 20, &[Step::Hang]);
    let results = join_all((0..200).map(|n| bench.store(n))).await;
    let shed = results.iter().filter(|result| **result == Err(Shed::PackerFull)).count();
    assert!(shed > 0 && shed < 200, "{shed}");
    assert!(results.iter().all(|result| matches!(result, Err(Shed::PackerFull | Shed::QueueSlow))));
}

#[tokio::test(start_paused = true)]
async fn trap_17_a_panic_while_sending_is_heard_and_the_packer_lives() {
    let bench = Bench::new(CONFIG, 1 << 20, &[Step::Panic]);
    assert_eq!(bench.store(1).await, Err(Shed::QueueFailed));
    assert_eq!(bench.store(2).await, Ok(()));
}

#[tokio::test]
async fn trap_99_bodies_around_the_queues_limit_are_all_stored() {
    let limit = 4096;
    let bench = Bench::new(CONFIG, limit, &[]);
    let mut rng = fastrand::Rng::with_seed(99);
    let lengths: Vec<usize> = (limit - 400..=limit + 10).collect();
    let bodies: Vec<Bytes> = lengths.iter().map(|n| (0..*n).map(|_| rng.u8(..)).collect()).collect();
    for (n, body) in (0..).zip(&bodies) {
        assert_eq!(bench.store_body(n, body.clone()).await, Ok(()), "{} bytes", body.len());
    }
    let (queue, spill) = bench.end().await;
    let (mut inline, mut spilled) = (0, 0);
    let calls = queue.stored.lock().unwrap().concat();
    for request in calls.into_iter().flat_map(|pack| pack.requests) {
        let body = match request.body {
            PackedBody::Inline(body) => {
                inline += 1;
                body
            }
            PackedBody::Spilled { key, .. } => {
                spilled += 1;
                spill.get(&key).await.unwrap()
            }
        };
        assert_eq!(body, bodies[usize::try_from(i64::from(request.account)).unwrap()]);
    }
    assert!(inline > 0 && spilled > 0 && inline + spilled == bodies.len(), "{inline} and {spilled}");
    assert_eq!(queue.longest.load(Ordering::Relaxed), limit, "one of them fits exactly");
}
