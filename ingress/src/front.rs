//! Ingress without a server: one message's bytes in, the answer out. For transports that bring whole messages from a
//! sender they vouch for.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::StatusCode;
use penstock_shared::queue::Queues;
use tokio::time::Instant;

use crate::{
    Deps, IngressConfig,
    answer::{Answer, Shed, Situation},
    auth::{Access, Caller},
    body::{BytesInFlight, FIRST_BYTES},
    core::{Core, Received},
    cost::Stored,
    health::Health,
    packer::{self, Outlet, Packer, Sender},
    quarantine::Quarantine,
    router,
    suspension::{Refresher, Suspensions},
};

/// Answers messages, whatever brought them.
#[derive(Debug)]
pub struct Front {
    core: Core,
    bytes_in_flight: Arc<BytesInFlight>,
}

/// What packs and sends the messages that a [`Front`] accepts. Nothing is answered 200 while it does not run.
#[derive(Debug)]
#[must_use = "run it, or every message is answered 503"]
pub struct Packing {
    packer: Packer,
    refresher: Option<Refresher>,
}

impl Packing {
    /// Packs and sends, and keeps up which accounts are suspended, until the front is dropped and everything accepted is sent.
    ///
    /// # Cancel safety
    /// When dropped, requests under way are answered 503; each may be stored or not.
    pub async fn run(self) {
        let Self { packer, refresher } = self;
        let refreshing = async {
            match refresher {
                Some(refresher) => refresher.run().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = packer.run() => {}
            () = refreshing => {}
        }
    }
}

impl Front {
    /// A front, and what packs for it.
    pub fn new(deps: Deps, config: &IngressConfig) -> (Self, Packing) {
        let bytes_in_flight =
            BytesInFlight::new(config.calls.bytes_in_flight_max, deps.metrics.bytes_in_flight.clone());
        let health = Health::new(Access::open());
        let (core, packer, refresher) = parts(deps, config, health, Stored::default());
        (Self { core, bytes_in_flight }, Packing { packer, refresher })
    }

    /// Answers one message of a sender who may send data: the status, and the JSON to go with it.
    ///
    /// # Cancel safety
    /// When dropped, the message is either stored or not.
    pub async fn answer(&self, body: Bytes) -> (StatusCode, Bytes) {
        let started = Instant::now();
        let answer = self.decide(body).await;
        router::count(&self.core.metrics, &answer, started);
        (answer.situation.status(), answer.body)
    }

    async fn decide(&self, bytes: Bytes) -> Answer {
        if bytes.len() > self.core.limits.body_bytes_max {
            return self
                .core
                .too_large(&self.core.pod, bytes.slice(..FIRST_BYTES.min(bytes.len())), None)
                .await;
        }
        match self.bytes_in_flight.admit(bytes.len()) {
            Some(permit) => {
                let (pod, caller) = (&self.core.pod, Caller::Authentic);
                self.core.answer(Received { pod, bytes, permit, caller, trace: None }).await
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
