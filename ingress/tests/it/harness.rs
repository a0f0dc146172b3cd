//! A running ingress, and what it stored.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use penstock_ingress::{Deps, Front, IngressConfig, Listeners, PartnerAnswers, RunError};
use penstock_shared::{
    clock::Clock,
    config::{Settings, Sources},
    database::Database,
    pack::{Pack, PackedBody, PackedRequest},
    partner,
    queue::{
        Queue, Queues,
        embedded::{EmbeddedQueue, EmbeddedQueueConfig},
    },
    spill::{Spill, folder::FolderSpill},
    subscription::SubscriptionStore,
    telemetry::{IngressMetrics, MetricsHandle, local_recorder},
};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    client::{Answer, Client, TOKEN},
    faulty::{Fault, Faulty},
};

/// The time at which each ingress begins.
pub(crate) const BEGUN_MS: i64 = 1_700_000_000_000;
/// A message that is queued.
pub(crate) const EVENTS: &[u8] =
    br#"{"type":"event_processing_request","id":"e-1","account":{"account_id":7},"events":[{"type":"session_start"}]}"#;
/// A verification call.
pub(crate) const NOOP: &[u8] =
    br#"{"type":"event_processing_request","id":"n-1","account":{"account_id":7},"events":[]}"#;
/// What can this integration do?
pub(crate) const REGISTRATION: &[u8] = br#"{"type":"module_registration_request","id":"r-1"}"#;

pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    /// Where TLS is spoken, if beside the plain address.
    pub(crate) tls: Option<SocketAddr>,
    pub(crate) admin: SocketAddr,
    pub(crate) main: Arc<Faulty>,
    pub(crate) dead: Arc<Faulty>,
    pub(crate) fallback: Arc<Faulty>,
    pub(crate) metrics: MetricsHandle,
    pub(crate) stop: CancellationToken,
    deps: Deps,
    task: JoinSet<Result<(), RunError>>,
    folder: tempfile::TempDir,
}

/// The defaults, one token, and time enough for a busy machine: a test that is about a deadline sets it.
pub(crate) fn config() -> IngressConfig {
    let file = "tokens = [\"sesame\"]\n[ingress]\nanswer_budget_ms = 8000\n";
    let mut settings = Settings::new(Sources { file: Some(("test", file)), ..Sources::default() });
    let config = IngressConfig::read(&mut settings);
    settings.finish().unwrap();
    config
}

/// What the sandbox partner has answered.
pub(crate) fn sandbox() -> PartnerAnswers {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/partners/sandbox.toml");
    PartnerAnswers::from(&partner::load(&file).unwrap())
}

/// A main queue, and one for when it browns out.
pub(crate) type MainAndFallback = (Arc<dyn Queue>, Option<Arc<dyn Queue>>);

/// What an ingress is started with.
pub(crate) struct Setup {
    pub(crate) config: IngressConfig,
    pub(crate) partner: PartnerAnswers,
    /// A second embedded queue beside the main one.
    pub(crate) with_fallback: bool,
    /// In place of the embedded main queue and its fallback.
    pub(crate) queues: Option<MainAndFallback>,
    /// Knows which accounts are suspended.
    pub(crate) subscriptions: Option<Arc<dyn SubscriptionStore>>,
}

impl Setup {
    /// The sandbox partner, everything embedded.
    pub(crate) fn new(config: IngressConfig) -> Self {
        Self { config, partner: sandbox(), with_fallback: false, queues: None, subscriptions: None }
    }
}

impl Running {
    pub(crate) async fn start() -> Self {
        Self::start_with(config()).await
    }

    pub(crate) async fn start_with(config: IngressConfig) -> Self {
        Self::start_as(Setup::new(config)).await
    }

    pub(crate) async fn start_as(setup: Setup) -> Self {
        let Setup { config, partner, with_fallback, queues, subscriptions } = setup;
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("penstock.db")).unwrap();
        let clock = Clock::starting_at(BEGUN_MS);
        let queue = |name: &str| {
            let config =
                EmbeddedQueueConfig { receives_max: 10, dead_letter: None, message_bytes_max: 1024 * 1024 };
            let within: Arc<dyn Queue> = Arc::new(EmbeddedQueue::open(database.clone(), clock, name, config));
            Arc::new(Faulty { within, fault: Fault::None.into() })
        };
        let (main, dead, second) = (queue("main"), queue("dead"), queue("fallback"));
        let fallback = with_fallback.then(|| second.clone() as Arc<dyn Queue>);
        let (front, fallback) = queues.unwrap_or((main.clone(), fallback));
        let spill: Arc<dyn Spill> = Arc::new(FolderSpill::new(folder.path().join("spill")));
        let (recorder, metrics_handle) = local_recorder();
        let metrics = metrics::with_local_recorder(&recorder, IngressMetrics::new);
        let deps = Deps {
            queues: Queues { main: front, fallback, retry: queue("retry"), dead: dead.clone() },
            spill,
            partner,
            subscriptions,
            secret: None,
            clock,
            seed: 1,
            metrics,
            metrics_handle: metrics_handle.clone(),
            meter: Arc::default(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tls_listener = match config.tls.as_ref().and_then(|tls| tls.listen) {
            Some(address) => Some(TcpListener::bind(address).await.unwrap()),
            None => None,
        };
        let admin_listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, admin) = (listener.local_addr().unwrap(), admin_listener.local_addr().unwrap());
        let tls = tls_listener.as_ref().map(|listener| listener.local_addr().unwrap());
        let listeners = Listeners { calls: listener, tls: tls_listener };
        let stop = CancellationToken::new();
        let mut task = JoinSet::new();
        task.spawn(penstock_ingress::run(
            deps.clone(),
            config,
            listeners,
            Some(admin_listener),
            stop.clone(),
        ));
        Self {
            address,
            tls,
            admin,
            main,
            dead,
            fallback: second,
            metrics: metrics_handle,
            stop,
            deps,
            task,
            folder,
        }
    }

    /// The same without a server, as transports have it that bring whole messages. It shares queues and metrics; what it
    /// accepts is not sent, as nothing packs for it.
    pub(crate) fn front(&self) -> Front {
        Front::new(self.deps.clone(), &config()).0
    }

    /// One call on a connection of its own.
    pub(crate) async fn call(&self, line: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        Client::connect(self.address).await.call(line, headers, body).await
    }

    /// A POST with the token.
    pub(crate) async fn post(&self, body: &[u8]) -> Answer {
        self.call("POST /", &[TOKEN], body).await
    }

    /// What a load balancer's probe is told.
    pub(crate) async fn readyz(&self) -> Answer {
        Client::connect(self.admin).await.call("GET /readyz", &[], b"").await
    }

    /// Waits until the queue was found reachable.
    pub(crate) async fn until_ready(&self) {
        while self.readyz().await.status != 200 {}
    }

    /// Takes every pack off the main queue.
    pub(crate) async fn packs(&self) -> Vec<Pack> {
        take(&*self.main).await
    }

    /// Takes every request off the main queue.
    pub(crate) async fn stored(&self) -> Vec<PackedRequest> {
        self.packs().await.into_iter().flat_map(|pack| pack.requests).collect()
    }

    /// Takes every request off the fallback queue.
    pub(crate) async fn stored_in_fallback(&self) -> Vec<PackedRequest> {
        take(&*self.fallback).await.into_iter().flat_map(|pack| pack.requests).collect()
    }

    /// Takes every request off the dead-letter queue.
    pub(crate) async fn quarantined(&self) -> Vec<PackedRequest> {
        take(&*self.dead).await.into_iter().flat_map(|pack| pack.requests).collect()
    }

    /// The original bytes, wherever they are.
    pub(crate) async fn bytes(&self, request: &PackedRequest) -> Bytes {
        match &request.body {
            PackedBody::Inline(body) => body.clone(),
            PackedBody::Spilled { key, .. } => self.deps.spill.get(key).await.unwrap(),
        }
    }

    pub(crate) fn has_metric(&self, line: &str) -> bool {
        self.metrics.render().lines().any(|rendered| rendered == line)
    }

    /// The value of a metric, named with its labels.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let rendered = self.metrics.render();
        let value = rendered.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no {name}")).parse().unwrap()
    }

    /// From now on nothing can be spilled: a file stands where the folder would.
    pub(crate) fn break_spill(&self) {
        std::fs::write(self.folder.path().join("spill"), "").unwrap();
    }

    /// A gauge, as it is now.
    pub(crate) fn gauge(&self, name: &str) -> usize {
        let rendered = self.metrics.render();
        let value = rendered.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap_or("0").parse().unwrap()
    }

    /// Waits until a gauge is as `wanted`, and tells the highest it was.
    pub(crate) async fn until_gauge(&self, name: &str, wanted: impl Fn(usize) -> bool) -> usize {
        let mut highest = 0;
        loop {
            let now = self.gauge(name);
            highest = highest.max(now);
            if wanted(now) {
                return highest;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Waits for the end after a stop.
    pub(crate) async fn ended(&mut self) -> Result<(), RunError> {
        self.task.join_next().await.unwrap().unwrap()
    }
}

pub(crate) async fn take(queue: &dyn Queue) -> Vec<Pack> {
    let mut packs = Vec::new();
    loop {
        let messages = queue.receive(10, Duration::ZERO, Duration::from_secs(60)).await.unwrap();
        if messages.is_empty() {
            return packs;
        }
        for message in messages {
            packs.push(Pack::decode(&message.body).unwrap());
            queue.delete(&[message.receipt]).await;
        }
    }
}
