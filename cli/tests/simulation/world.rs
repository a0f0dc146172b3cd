//! One run: ingress, workers, queues, store, partner and mParticle in one thread, under one seed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use http::StatusCode;
use penstock_ingress::{Front, IngressConfig, PartnerAnswers};
use penstock_shared::{
    clock::Clock,
    partner::{self, Partner},
    queue::Queues,
    telemetry::{IngressMetrics, MetricsHandle, WorkerMetrics, local_recorder},
};
use penstock_testkit::models::{Faults, QueueModel, SpillModel, StoreModel};
use penstock_worker::{config::WorkerConfig, ledger::Ledger, mapping::Program};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    faults::{End, Life, Part, PartnerFaults, Plan, TROUBLE},
    messages::{Book, Message, Reply, pod},
    oracle,
    partner_model::PartnerModel,
    trace::Trace,
};

pub(crate) const ORIGIN_MS: i64 = 1_763_900_000_000;
/// A message is a dead letter when it was received this often; nothing here should come near it.
const RECEIVES_MAX: u32 = 60;
/// After the last fault, everything is to be settled by then.
const PATIENCE: Duration = Duration::from_secs(48 * 3600);
const TRIES_MAX: u32 = 8;

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Report {
    /// What should not have been; empty if all is well.
    pub(crate) problems: Vec<String>,
    /// Of everything that happened, and how much that was.
    pub(crate) hash: (u64, u64),
    /// Which faults there were, to see that all of them are met.
    pub(crate) happened: BTreeSet<&'static str>,
    /// How long everything took to settle, after the last fault.
    pub(crate) settled_after: Duration,
}

/// What mParticle heard of a message.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Heard {
    pub(crate) tries: u32,
    /// How often it was answered 200.
    pub(crate) successes: u32,
}

/// The counts of one incarnation of a worker, and whether it had the time to end well.
#[derive(Debug)]
pub(crate) struct Incarnation {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) is_drained: bool,
}

/// Everything in a run.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) book: Arc<Book>,
    pub(crate) partner: Arc<PartnerModel>,
    pub(crate) main: Arc<QueueModel>,
    pub(crate) retry: Arc<QueueModel>,
    pub(crate) dead: Arc<QueueModel>,
    pub(crate) store: Arc<StoreModel>,
    pub(crate) spill: Arc<SpillModel>,
    pub(crate) heard: Mutex<BTreeMap<String, Heard>>,
    pub(crate) incarnations: Mutex<Vec<Incarnation>>,
    pub(crate) problems: Mutex<Vec<String>>,
    pub(crate) happened: Mutex<BTreeSet<&'static str>>,
    toml: Arc<Partner>,
    program: Arc<Program>,
    clock: Clock,
    trace: Arc<Trace>,
    rng: Mutex<fastrand::Rng>,
    front: Mutex<Option<Arc<Front>>>,
    metrics: MetricsHandle,
}

/// Runs one seed to its end.
pub(crate) fn simulate(seed: u64, prints: bool) -> Report {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(Box::pin(async {
        let world = Arc::new(World::new(seed, prints));
        let settled_after = world.clone().run().await;
        let mut problems = std::mem::take(&mut *world.problems.lock().unwrap());
        problems.extend(oracle::problems(&world));
        let mut happened = world.happened.lock().unwrap().clone();
        happened.extend(world.partner.happened());
        Report { problems, hash: world.trace.hash(), happened, settled_after }
    }))
}

impl World {
    fn new(seed: u64, prints: bool) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let plan = Plan::of(seed);
        let trace = Trace::new(prints);
        trace.note(format_args!("{plan:?}"));
        let clock = Clock::starting_at(ORIGIN_MS);
        let book = Arc::new(Book::write(seed, ORIGIN_MS));
        let toml = partner::parse(include_str!("partner.toml"), "partner.toml").unwrap();
        let program = Program::compile(&toml).unwrap();
        let mut queue = |name| {
            let model = QueueModel::new(clock, rng.u64(..)).with_body_max(plan.message_bytes_max);
            model.observed(name, trace.observer())
        };
        let dead = Arc::new(queue("dead"));
        let main = Arc::new(queue("main").with_dead_letter(dead.clone(), RECEIVES_MAX));
        let retry = Arc::new(queue("retry").with_dead_letter(dead.clone(), RECEIVES_MAX));
        Self {
            partner: PartnerModel::new(seed, book.clone(), trace.clone(), &toml),
            book,
            main,
            retry,
            dead,
            store: Arc::new(StoreModel::new(rng.u64(..)).observed(trace.observer())),
            spill: Arc::new(SpillModel::new(rng.u64(..))),
            heard: Mutex::default(),
            incarnations: Mutex::default(),
            problems: Mutex::default(),
            happened: Mutex::default(),
            toml: Arc::new(toml),
            program: Arc::new(program),
            clock,
            trace,
            rng: Mutex::new(rng),
            front: Mutex::new(None),
            metrics: local_recorder().1,
            plan,
        }
    }

    /// Goes on until everything is settled and everyone has stopped. Returns how long that took after the last fault.
    async fn run(self: Arc<Self>) -> Duration {
        self.set_faults(true);
        let stop = CancellationToken::new();
        let (mut clients, mut processes) = (JoinSet::new(), JoinSet::new());
        processes.spawn(self.clone().ingress(stop.clone()));
        for worker in 0..self.plan.workers.len() {
            processes.spawn(self.clone().worker(worker, stop.clone()));
        }
        for message in self.book.messages.clone() {
            clients.spawn(self.clone().client(message));
        }
        let mut outages = JoinSet::new();
        outages.spawn(self.clone().outages());
        sleep(TROUBLE).await;
        self.set_faults(false);
        self.trace.note(format_args!("no faults from here on"));
        self.join(outages).await;
        self.join(clients).await;
        let calm = Instant::now();
        while !(self.main.is_empty() && self.retry.is_empty()) {
            if calm.elapsed() > PATIENCE {
                self.problem(format!(
                    "not settled: {} on main, {} on retry",
                    self.main.len(),
                    self.retry.len()
                ));
                break;
            }
            sleep(Duration::from_secs(5)).await;
        }
        let settled_after = calm.elapsed();
        stop.cancel();
        if timeout(Duration::from_secs(300), self.join(processes)).await.is_err() {
            self.problem("not drained within five minutes".to_owned());
        }
        settled_after
    }

    async fn join(&self, mut tasks: JoinSet<()>) {
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended {
                self.problem(format!("a task broke off: {error}"));
            }
        }
    }

    fn problem(&self, problem: String) {
        self.trace.note(format_args!("PROBLEM: {problem}"));
        self.problems.lock().unwrap().push(problem);
    }

    fn set_faults(&self, on: bool) {
        let plan = &self.plan;
        let (queue, partner) =
            if on { (plan.queue, plan.partner) } else { (Faults::default(), PartnerFaults::default()) };
        for model in [&self.main, &self.retry, &self.dead] {
            model.set_faults(queue);
        }
        self.partner.set_faults(partner);
        self.store.set_faults(if on { plan.store } else { 0 });
        self.spill.set_faults(if on { plan.spill } else { 0 });
    }

    async fn outages(self: Arc<Self>) {
        for (part, at, length) in &self.plan.outages {
            sleep(at.saturating_sub(self.trace.elapsed())).await;
            self.trace.note(format_args!("outage of {part:?} for {length:?}"));
            self.set_outage(*part, true);
            sleep(*length).await;
            self.set_outage(*part, false);
            self.trace.note(format_args!("{part:?} is back"));
        }
    }

    fn set_outage(&self, part: Part, outage: bool) {
        let word = match part {
            Part::Queue(which) => {
                let faults = Faults { outage, ..self.plan.queue };
                [&self.main, &self.retry, &self.dead][which].set_faults(faults);
                "queue outage"
            }
            Part::Store => {
                self.store.set_faults(if outage { 100 } else { self.plan.store });
                "store outage"
            }
            Part::Partner => {
                self.partner.set_outage(outage);
                "partner outage"
            }
        };
        self.happened.lock().unwrap().insert(word);
    }

    fn queues(&self) -> Queues {
        Queues { main: self.main.clone(), fallback: None, retry: self.retry.clone(), dead: self.dead.clone() }
    }

    fn seed(&self) -> u64 {
        self.rng.lock().unwrap().u64(..)
    }

    /// One message of mParticle's, until it is answered otherwise than 503.
    async fn client(self: Arc<Self>, message: Message) {
        sleep_until(Instant::now() + message.at).await;
        let mut rng = fastrand::Rng::with_seed(self.seed());
        let times = 1 + u32::from(rng.u8(0..100) < self.plan.sent_twice);
        for _ in 0..times {
            for _ in 0..TRIES_MAX {
                if self.send(&message).await {
                    break;
                }
                sleep(Duration::from_millis(rng.u64(500..=20_000))).await;
            }
            sleep(Duration::from_millis(rng.u64(0..=60_000))).await;
        }
    }

    /// One try; false when it is to be tried again.
    async fn send(&self, message: &Message) -> bool {
        let front = self.front.lock().unwrap().clone();
        let status = match front {
            Some(front) => {
                self.note_try(&message.id);
                front.answer(message.body.clone()).await.0
            }
            // Nobody listens.
            None => StatusCode::SERVICE_UNAVAILABLE,
        };
        self.trace.note(format_args!("{} is answered {}", message.id, status.as_u16()));
        match (status, message.reply) {
            (StatusCode::OK, Reply::Stored | Reply::Noop) => {
                self.heard.lock().unwrap().entry(message.id.clone()).or_default().successes += 1;
                true
            }
            (StatusCode::BAD_REQUEST, Reply::Unreadable) => true,
            (StatusCode::SERVICE_UNAVAILABLE, Reply::Stored) => {
                self.happened.lock().unwrap().insert("503");
                false
            }
            (StatusCode::SERVICE_UNAVAILABLE, _) => false,
            (status, reply) => {
                self.problem(format!("{}, {reply:?}, was answered {status}", message.id));
                true
            }
        }
    }

    fn note_try(&self, id: &str) {
        self.heard.lock().unwrap().entry(id.to_owned()).or_default().tries += 1;
    }

    async fn ingress(self: Arc<Self>, stop: CancellationToken) {
        let mut config = IngressConfig { pod: pod(), ..IngressConfig::default() };
        config.packing.bytes_max = 2_000;
        for life in self.plan.ingress.iter().copied().map(Some).chain([None]) {
            let deps = penstock_ingress::Deps {
                meter: Arc::default(),
                queues: self.queues(),
                spill: self.spill.clone(),
                subscriptions: Some(self.store.clone()),
                partner: PartnerAnswers::from(&*self.toml),
                secret: None,
                clock: self.clock,
                seed: self.seed(),
                metrics: IngressMetrics::new(),
                metrics_handle: self.metrics.clone(),
            };
            let (front, packing) = Front::new(deps, &config);
            *self.front.lock().unwrap() = Some(Arc::new(front));
            self.trace.note(format_args!("ingress begins"));
            let Some(Life { uptime, end, downtime }) = life else {
                stop.run_until_cancelled(packing.run()).await;
                return;
            };
            let mut packing = Box::pin(packing.run());
            if timeout(uptime, &mut packing).await.is_ok() {
                self.problem("the packer ended by itself".to_owned());
            }
            *self.front.lock().unwrap() = None;
            if matches!(end, End::Drain) {
                packing.await;
            } else {
                drop(packing);
                self.happened.lock().unwrap().insert("ingress crash");
            }
            self.trace.note(format_args!("ingress ends: {end:?}"));
            sleep(downtime).await;
        }
    }

    async fn worker(self: Arc<Self>, worker: usize, stop: CancellationToken) {
        for Life { uptime, end, downtime } in self.plan.workers[worker].clone() {
            let stop = CancellationToken::new();
            self.trace.note(format_args!("worker {worker} begins"));
            let (ledger, run) = self.incarnate(worker, stop.clone());
            let mut run = Box::pin(run);
            let mut ended = timeout(uptime, &mut run).await.ok();
            if ended.is_some() {
                self.problem(format!("worker {worker} ended by itself"));
            } else if matches!(end, End::Drain) {
                stop.cancel();
                ended = timeout(Duration::from_secs(300), &mut run).await.ok();
            } else {
                self.happened.lock().unwrap().insert("worker crash");
            }
            drop(run);
            self.trace.note(format_args!("worker {worker} ends: {end:?}"));
            self.take_leave(worker, ledger, matches!(end, End::Drain), ended);
            sleep(downtime).await;
        }
        self.trace.note(format_args!("worker {worker} begins its last life"));
        let (ledger, run) = self.incarnate(worker, stop);
        let ended = Box::pin(run).await;
        self.take_leave(worker, ledger, true, Some(ended));
    }

    fn take_leave(
        &self,
        worker: usize,
        ledger: Arc<Ledger>,
        is_drained: bool,
        ended: Option<Result<(), penstock_worker::RunError>>,
    ) {
        match ended {
            Some(Err(error)) => self.problem(format!("worker {worker}: {error:?}")),
            None if is_drained => self.problem(format!("worker {worker} did not drain")),
            _ => {}
        }
        self.incarnations.lock().unwrap().push(Incarnation { ledger, is_drained });
    }

    fn incarnate(
        &self,
        worker: usize,
        stop: CancellationToken,
    ) -> (Arc<Ledger>, impl Future<Output = Result<(), penstock_worker::RunError>> + use<>) {
        let ledger = Arc::new(Ledger::new(pod(), WorkerMetrics::new()));
        let deps = penstock_worker::Deps {
            ecs_agent: None,
            meter: Arc::default(),
            queues: self.queues(),
            spill: self.spill.clone(),
            subscriptions: self.store.clone(),
            destination: Arc::new(self.partner.line(worker, &self.toml)),
            partner: self.toml.clone(),
            program: self.program.clone(),
            ledger: ledger.clone(),
            clock: self.clock,
            seed: self.seed(),
        };
        let mut rng = fastrand::Rng::with_seed(self.seed());
        let config = WorkerConfig {
            messages_max: rng.usize(1..=40),
            items_max: rng.usize(1..=100),
            lane_items_max: rng.usize(1..=50),
            lease: Duration::from_secs(rng.u64(4..=60)),
            hold_max: Duration::from_millis(rng.u64(200..=5_000)),
            receive_wait: Duration::from_secs(15),
            watch_every: Duration::from_secs(600),
            ..WorkerConfig::default()
        };
        (ledger, penstock_worker::run(deps, config, stop))
    }
}
