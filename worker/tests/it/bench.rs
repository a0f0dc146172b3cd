//! A worker between a queue, a store and a partner that are all in memory.

use std::{sync::Arc, time::Duration};

use penstock_shared::{
    clock::Clock,
    firehose,
    ids::{AccountId, Pod},
    pack::{CompressionLevel, DeadReason, Pack, PackedBody, PackedRequest, Pending},
    partner::{self, Partner},
    queue::Queues,
    spill::SpillKey,
    telemetry::WorkerMetrics,
};
use penstock_testkit::models::{QueueModel, SpillModel, StoreModel};
use penstock_worker::{
    Deps, RunError,
    config::WorkerConfig,
    ledger::{Counts, Ledger},
    mapping::Program,
};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::script::Script;

const PARTNER: &str = include_str!("../fixture/partner.toml");

/// The time at which every scenario begins.
pub(crate) const BEGUN_MS: i64 = 1_800_000_000_000;

pub(crate) struct Bench {
    pub(crate) main: Arc<QueueModel>,
    pub(crate) retry: Arc<QueueModel>,
    pub(crate) dead: Arc<QueueModel>,
    pub(crate) store: Arc<StoreModel>,
    pub(crate) spill: Arc<SpillModel>,
    pub(crate) script: Arc<Script>,
    pub(crate) partner: Arc<Partner>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) config: WorkerConfig,
    pub(crate) clock: Clock,
    pub(crate) pod: Pod,
    workers: JoinSet<Result<(), RunError>>,
    stop: CancellationToken,
    seed: u64,
}

/// One dead letter: its request's body, its address, why.
#[derive(Clone, Debug)]
pub(crate) struct Dead {
    pub(crate) address: String,
    pub(crate) reason: DeadReason,
    pub(crate) attempts: u32,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(1, |text| text)
    }

    /// `edit` changes the text of the partner's file.
    pub(crate) fn with(seed: u64, edit: impl Fn(String) -> String) -> Self {
        let clock = Clock::starting_at(BEGUN_MS);
        let pod = Pod::new("us1").unwrap();
        let queue = |n| Arc::new(QueueModel::new(clock, seed * 10 + n));
        Self {
            main: queue(1),
            retry: queue(2),
            dead: queue(3),
            store: Arc::new(StoreModel::new(seed * 10 + 4)),
            spill: Arc::new(SpillModel::new(seed)),
            script: Arc::new(Script::new()),
            partner: Arc::new(
                partner::parse(&edit(PARTNER.to_owned()), "partner.toml").unwrap_or_else(|e| panic!("{e}")),
            ),
            ledger: Arc::new(Ledger::new(pod.clone(), WorkerMetrics::new())),
            config: WorkerConfig::default(),
            clock,
            pod,
            workers: JoinSet::new(),
            stop: CancellationToken::new(),
            seed,
        }
    }

    fn deps(&mut self) -> Deps {
        self.seed += 1;
        Deps {
            ecs_agent: None,
            meter: Arc::default(),
            queues: Queues {
                main: self.main.clone(),
                fallback: None,
                retry: self.retry.clone(),
                dead: self.dead.clone(),
            },
            spill: self.spill.clone(),
            subscriptions: self.store.clone(),
            destination: self.script.clone(),
            program: Arc::new(Program::compile(&self.partner).unwrap_or_else(|e| panic!("{e}"))),
            partner: self.partner.clone(),
            ledger: self.ledger.clone(),
            clock: self.clock,
            seed: self.seed,
        }
    }

    /// Starts a worker.
    pub(crate) fn start(&mut self) {
        let (deps, config, stop) = (self.deps(), self.config, self.stop.clone());
        self.workers.spawn(penstock_worker::run(deps, config, stop));
    }

    /// A worker's whole run, to be dropped at will.
    pub(crate) fn run(&mut self) -> impl Future<Output = Result<(), RunError>> + Send + use<> {
        let (deps, config, stop) = (self.deps(), self.config, self.stop.clone());
        penstock_worker::run(deps, config, stop)
    }

    /// Says stop, and waits for the workers.
    pub(crate) async fn stop(&mut self) {
        self.stop.cancel();
        while let Some(ended) = self.workers.join_next().await {
            ended.unwrap().unwrap();
        }
        self.stop = CancellationToken::new();
    }

    /// Puts one message of these requests on the main queue.
    pub(crate) fn put(&self, bodies: &[Value]) {
        let requests = bodies.iter().map(|body| self.packed(body)).collect();
        self.main.put(Pack { requests }.encode(CompressionLevel::default()));
    }

    pub(crate) fn packed(&self, body: &Value) -> PackedRequest {
        let body = bytes::Bytes::from(body.to_string());
        let sorted = firehose::sort(&body).unwrap();
        PackedRequest {
            pod: self.pod.clone(),
            kind: Some(sorted.kind),
            id: sorted.id.clone(),
            account: sorted.account,
            received_at_ms: self.clock.now_ms(),
            trace: None,
            body: PackedBody::Inline(body),
            pending: Pending::All,
        }
    }

    /// The same, its body spilled.
    pub(crate) async fn put_spilled(&self, body: &Value) {
        use penstock_shared::spill::Spill as _;
        let mut packed = self.packed(body);
        let PackedBody::Inline(body) = packed.body else { panic!("it was inline") };
        let key = SpillKey::new("us1/body").unwrap();
        packed.body = PackedBody::Spilled { key: key.clone(), bytes: body.len() as u64 };
        self.spill.put(&key, body).await.unwrap();
        self.main.put(Pack { requests: vec![packed] }.encode(CompressionLevel::default()));
    }

    /// Runs one worker until nothing waits on main and retry, and stops it.
    pub(crate) async fn settle(&mut self) {
        self.start();
        self.until_empty().await;
        self.stop().await;
    }

    /// Waits until nothing waits on main and retry.
    pub(crate) async fn until_empty(&self) {
        for _ in 0..40 * 3600 * 5 {
            if self.main.is_empty() && self.retry.is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        panic!("after forty hours {} and {} messages are left", self.main.len(), self.retry.len());
    }

    pub(crate) fn counts(&self) -> Counts {
        self.ledger.counts()
    }

    /// Everything on the dead-letter queue.
    pub(crate) fn dead(&self) -> Vec<Dead> {
        items(&self.dead.bodies())
            .map(|(address, attempts, reason)| Dead {
                address,
                attempts,
                reason: reason.expect("a dead letter has a reason"),
            })
            .collect()
    }

    pub(crate) fn dead_codes(&self) -> Vec<String> {
        self.dead().into_iter().map(|dead| dead.reason.code).collect()
    }

    /// Items on the retry queue: address and attempts.
    pub(crate) fn retrying(&self) -> Vec<(String, u32)> {
        items(&self.retry.bodies()).map(|(address, attempts, _)| (address, attempts)).collect()
    }

    /// Accounts of each pack on the retry queue.
    pub(crate) fn retry_accounts(&self) -> Vec<Vec<AccountId>> {
        let packs = self.retry.bodies();
        packs
            .iter()
            .map(|body| Pack::decode(body).unwrap().requests.iter().map(|r| r.account).collect())
            .collect()
    }

    /// Nothing is in flight, and every item received has one outcome.
    pub(crate) fn assert_adds_up(&self) {
        let counts = self.counts();
        assert_eq!((counts.in_flight, counts.unaccounted()), (0, 0), "{counts:?}");
    }
}

fn items(bodies: &[bytes::Bytes]) -> impl Iterator<Item = (String, u32, Option<DeadReason>)> {
    let requests = bodies.iter().flat_map(|body| Pack::decode(body).unwrap().requests);
    requests.flat_map(|request| match request.pending {
        Pending::Items(items) => {
            items.into_iter().map(|item| (item.address.to_string(), item.attempts, item.dead)).collect()
        }
        Pending::SetAside(reason) => vec![("all".to_owned(), 0, Some(reason))],
        Pending::All => vec![("all".to_owned(), 0, None)],
    })
}
