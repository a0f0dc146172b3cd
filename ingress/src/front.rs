//! Ingress without a server: one message's bytes in, the answer out. For transports that bring whole messages, from a
//! sender they vouch for or as HTTP calls.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response, StatusCode};
use penstock_shared::queue::Queues;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    Deps, FIRST_TOKENS_WAIT, IngressConfig,
    answer::{Answer, Shed, Situation},
    auth::Caller,
    body::{BytesInFlight, FIRST_BYTES},
    core::{Core, Received},
    cost::Stored,
    health::Health,
    packer::{self, Outlet, Packer, Sender},
    quarantine::Quarantine,
    router::{self, Ingress, STRANGERS_BYTES_MAX},
    suspension::{Refresher, Suspensions},
    tokens::TokenKeeper,
};

/// Answers messages, whatever brought them.
#[derive(Debug)]
pub struct Front {
    ingress: Ingress,
}

/// What packs and sends the messages that a [`Front`] accepts. Nothing is answered 200 while it does not run.
#[derive(Debug)]
#[must_use = "run it, or every message is answered 503"]
pub struct Packing {
    packer: Packer,
    refresher: Option<Refresher>,
    keeper: TokenKeeper,
}

impl Packing {
    /// Reads the tokens for the first time, for a second at most. Before that HTTP calls with data are answered 503.
    ///
    /// # Cancel safety
    /// When dropped, they are read when it runs, if they can change.
    pub async fn read_tokens(&mut self) {
        let reading: BoxFuture<'_, ()> = Box::pin(self.keeper.refresh());
        timeout(FIRST_TOKENS_WAIT, reading).await.ok();
    }

    /// Packs and sends, and keeps up the tokens and which accounts are suspended, until the front is dropped and everything accepted is sent.
    ///
    /// # Cancel safety
    /// When dropped, requests under way are answered 503; each may be stored or not.
    pub async fn run(self) {
        let Self { packer, refresher, keeper } = self;
        let refreshing = async {
            match refresher {
                Some(refresher) => refresher.run().await,
                None => std::future::pending().await,
            }
        };
        // Boxed, as what reads a secret is many calls deep.
        let keeping: BoxFuture<'_, ()> = Box::pin(keeper.run(CancellationToken::new()));
        // One of the two never ends.
        let side = async { tokio::join!(refreshing, keeping) };
        tokio::select! {
            biased;
            () = packer.run() => {}
            ((), ()) = side => {}
        }
    }
}

impl Front {
    /// A front, and what packs for it.
    pub fn new(deps: Deps, config: &IngressConfig) -> (Self, Packing) {
        let pool = |most| BytesInFlight::new(most, deps.metrics.bytes_in_flight.clone());
        let (bytes_in_flight, strangers_bytes) =
            (pool(config.calls.bytes_in_flight_max), pool(STRANGERS_BYTES_MAX));
        let source = config.auth.source(deps.secret.clone());
        let keeper = TokenKeeper::new(source, config.auth.pace(), config.pods(), deps.seed, &deps.metrics);
        let access = config.auth.access(keeper.tokens());
        let health = Health::new(access.clone());
        let (core, packer, refresher) = parts(deps, config, health, Stored::default());
        let endpoints = config.endpoints.clone();
        let ingress = Ingress { core, access, endpoints, bytes_in_flight, strangers_bytes };
        (Self { ingress }, Packing { packer, refresher, keeper })
    }

    /// Answers one message of a sender who may send data: the status, and the JSON to go with it.
    ///
    /// # Cancel safety
    /// When dropped, the message is either stored or not.
    pub async fn answer(&self, body: Bytes) -> (StatusCode, Bytes) {
        let started = Instant::now();
        let answer = self.decide(body).await;
        router::count(&self.ingress.core.metrics, &answer, started);
        (answer.situation.status(), answer.body)
    }

    /// Answers an HTTP call whose body is here already, as the server would: by its method, its place, its token and its
    /// body.
    ///
    /// # Cancel safety
    /// When dropped, the message is either stored or not.
    pub async fn answer_http(&self, request: Request<Bytes>) -> Response<Bytes> {
        router::respond_whole(&self.ingress, request).await
    }

    /// Answers an HTTP call whose envelope cannot be read: it is to come again, and nothing of it is stored.
    pub fn answer_unreadable_envelope(&self) -> Response<Bytes> {
        router::respond_unread(&self.ingress)
    }

    async fn decide(&self, bytes: Bytes) -> Answer {
        let Ingress { core, bytes_in_flight, .. } = &self.ingress;
        if bytes.len() > core.limits.body_bytes_max {
            return core.too_large(&core.pod, bytes.slice(..FIRST_BYTES.min(bytes.len())), None).await;
        }
        match bytes_in_flight.admit(bytes.len()) {
            Some(permit) => {
                let (pod, caller) = (&core.pod, Caller::Authentic);
                core.answer(Received { pod, bytes, permit, caller, trace: None }).await
            }
            None => Answer::problem(Situation::NotNow(Shed::BytesInFlight), None),
        }
    }
}

/// The core, its packer, and what keeps up which accounts are suspended, as every transport needs them.
pub(crate) fn parts(
    deps: Deps,
    config: &IngressConfig,
    health: Arc<Health>,
    stored: Stored,
) -> (Core, Packer, Option<Refresher>) {
    let metrics = Arc::new(deps.metrics);
    let Queues { main, fallback, dead, .. } = deps.queues;
    let outlet = Outlet::new(main, fallback, &config.packing, metrics.clone(), health);
    let sender = Sender::new(outlet, deps.spill.clone(), config.packing.level, metrics.clone(), stored);
    let (handle, packer) = packer::new(config.packing, sender);
    let suspensions = Suspensions::new(config.pods(), deps.clock, config.suspension.stale_after);
    let refresher = deps
        .subscriptions
        .map(|store| Refresher::new(store, suspensions.clone(), config.suspension, metrics.clone()));
    let core = Core {
        pod: config.pod.clone(),
        partner: deps.partner,
        limits: config.calls.clone(),
        packer: handle,
        suspensions,
        quarantine: Quarantine::new(dead, deps.spill, metrics.clone()),
        metrics,
        clock: deps.clock,
        rng: Mutex::new(fastrand::Rng::with_seed(deps.seed)),
    };
    (core, packer, refresher)
}
