//! Stores each call durably in the queue and answers at once.
//!
//! A call goes one way: `router` → [`auth`] (the header alone) → `body` (limits) → `core` (sort, answer) → `packer`
//! (packs, the queue's word) → [`answer`] (the one table of statuses). The partner is never called from here.

pub mod answer;
pub mod auth;
mod body;
pub mod config;
mod connection;
mod core;
mod front;
mod health;
mod packer;
mod quarantine;
mod router;
mod server;
mod suspension;

use std::{fmt, sync::Arc};

use penstock_shared::{
    admin::{self, ReadinessCheck},
    clock::Clock,
    queue::Queues,
    spill::Spill,
    subscription::SubscriptionStore,
    telemetry::{IngressMetrics, MetricsHandle},
};
use tokio::{net::TcpListener, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

pub use config::IngressConfig;
pub use core::PartnerAnswers;
pub use front::{Front, Packing};

use crate::{body::BytesInFlight, health::Health, router::Ingress, server::Server};

/// What ingress works with.
#[derive(Clone)]
pub struct Deps {
    /// Packs go to `main`, quarantined bodies to `dead`.
    pub queues: Queues,
    /// For bodies the queue cannot hold.
    pub spill: Arc<dyn Spill>,
    /// Which accounts are suspended; without it, none is.
    pub subscriptions: Option<Arc<dyn SubscriptionStore>>,
    /// What is answered in the partner's name.
    pub partner: PartnerAnswers,
    /// The time.
    pub clock: Clock,
    /// Seed of the generator that makes ids for answers.
    pub seed: u64,
    /// Handles of the metrics, made on the recorder behind `metrics_handle`.
    pub metrics: IngressMetrics,
    /// What `/metrics` renders.
    pub metrics_handle: MetricsHandle,
}

impl fmt::Debug for Deps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deps")
            .field("queues", &self.queues)
            .field("spill", &self.spill)
            .finish_non_exhaustive()
    }
}

/// Why ingress did not end well.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Calls or packs were still in flight at the drain deadline. Their callers heard nothing and try again.
    #[error("not drained within the deadline")]
    NotDrained,
    /// A part of it broke off.
    #[error("ingress broke off")]
    BrokeOff(#[source] tokio::task::JoinError),
}

/// Serves `listener`, and `admin` if there is one, until `stop`; then drains and returns.
///
/// # Errors
/// [`RunError`] when it could not drain in time, or broke off.
///
/// # Cancel safety
/// When dropped, calls in flight are cut off; what the queue has is kept.
pub async fn run(
    deps: Deps,
    config: IngressConfig,
    listener: TcpListener,
    admin: Option<TcpListener>,
    stop: CancellationToken,
) -> Result<(), RunError> {
    let access = config.auth.access();
    warn_of_access(&config, &access);
    let health = Health::new(access.can_judge());
    let (queue, metrics_handle) = (deps.queues.main.clone(), deps.metrics_handle.clone());
    let (core, packer, refresher) = front::parts(deps, &config, health.clone());
    let metrics = core.metrics.clone();
    let bytes_in_flight =
        BytesInFlight::new(config.calls.bytes_in_flight_max, metrics.bytes_in_flight.clone());
    let router = router::router(Arc::new(Ingress { core, access, bytes_in_flight }));
    let server = Server {
        router,
        limits: config.calls,
        stopping: config.stopping,
        connections: metrics.connections.clone(),
    };
    let (last, mut side) = (CancellationToken::new(), JoinSet::new());
    side.spawn(health.clone().probe(queue, last.clone()));
    if let Some(refresher) = refresher {
        let last = last.clone();
        side.spawn(async move { last.run_until_cancelled(refresher.run()).await.unwrap_or_default() });
    }
    if let Some(admin) = admin {
        let readiness: ReadinessCheck = {
            let health = health.clone();
            Arc::new(move || health.readiness())
        };
        side.spawn(admin::serve(admin, readiness, metrics_handle.clone(), last.clone()));
        let last = last.clone();
        side.spawn(async move { metrics_handle.keep_up(last).await });
    }
    tracing::info!(address = ?listener.local_addr().ok(), pod = %config.pod, "ingress takes calls");
    let ended = drive(server, packer, listener, &config.stopping, &health, stop).await;
    last.cancel();
    while side.join_next().await.is_some() {}
    tracing::info!("ingress has stopped");
    ended
}

async fn drive(
    server: Server,
    packer: packer::Packer,
    listener: TcpListener,
    stopping: &config::StoppingConfig,
    health: &Health,
    stop: CancellationToken,
) -> Result<(), RunError> {
    let mut packing = JoinSet::new();
    packing.spawn(packer.run());
    let serving = async {
        let not_ready = async {
            stop.cancelled().await;
            health.drain();
        };
        tokio::join!(server.serve(listener, stop.clone()), not_ready).0
    };
    // The packer ends only after the server, which holds the last handle to it; sooner is a bug.
    let drained = tokio::select! {
        biased;
        Some(Err(error)) = packing.join_next() => return Err(RunError::BrokeOff(error)),
        drained = serving => drained,
    };
    match timeout(stopping.drain_deadline, packing.join_next()).await {
        Ok(Some(Err(error))) => Err(RunError::BrokeOff(error)),
        Ok(_) if drained => Ok(()),
        Ok(_) | Err(_) => Err(RunError::NotDrained),
    }
}

fn warn_of_access(config: &IngressConfig, access: &auth::Access) {
    if config.auth.no_auth {
        tracing::warn!("no_auth is set: everyone who reaches this address can send data");
    } else if !access.can_judge() {
        tracing::error!(
            "no token is configured: data is answered 503 until PENSTOCK_TOKENS, or \
             PENSTOCK_TOKENS_FILE, is set"
        );
    }
}
