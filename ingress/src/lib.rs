//! Stores each call durably in the queue and answers at once.
//!
//! A call goes one way: `serving` → `router` → [`auth`] (the header alone) → `body` (limits) → `core` (sort, answer) → `packer`
//! (packs, the queue's word) → [`answer`] (the one table of statuses). The partner is never called from here.

pub mod answer;
pub mod auth;
mod body;
mod calls;
pub mod config;
mod connection;
mod cookie_sync;
mod core;
mod cost;
mod endpoints;
mod first_bytes;
mod front;
mod health;
mod packer;
mod quarantine;
mod router;
mod server;
mod serving;
mod suspension;
pub mod tls;
pub mod tokens;

use std::{fmt, sync::Arc, time::Duration};

use penstock_shared::{
    admin::{self, ReadinessCheck},
    aws::secret::StoredSecret,
    clock::Clock,
    queue::{Queues, meter::Meter},
    spill::Spill,
    subscription::SubscriptionStore,
    telemetry::{IngressMetrics, MetricsHandle, QueueMetrics},
};
use tokio::{net::TcpListener, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

pub use config::IngressConfig;
pub use core::PartnerAnswers;
pub use endpoints::{Endpoints, EndpointsError};
pub use front::{Front, Packing};

use crate::{
    body::BytesInFlight,
    cost::Stored,
    health::Health,
    router::{Ingress, STRANGERS_BYTES_MAX},
    server::{Door, Server},
    tls::{Certificates, TlsError},
    tokens::{TokenKeeper, TokenSource},
};

/// How long the first reading of the tokens holds up the start. After it calls are taken and data is answered 503:
/// registration needs no token.
const FIRST_TOKENS_WAIT: Duration = Duration::from_secs(1);

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
    /// What the setting `tokens_secret` names, if it is given.
    pub secret: Option<StoredSecret>,
    /// The time.
    pub clock: Clock,
    /// Seed of the generators that make ids for answers, and spread what is done again and again.
    pub seed: u64,
    /// Handles of the metrics, made on the recorder behind `metrics_handle`.
    pub metrics: IngressMetrics,
    /// What `/metrics` renders.
    pub metrics_handle: MetricsHandle,
    /// Counts the calls to the queues.
    pub meter: Arc<Meter>,
}

impl fmt::Debug for Deps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deps")
            .field("queues", &self.queues)
            .field("spill", &self.spill)
            .finish_non_exhaustive()
    }
}

/// Where calls come in.
#[derive(Debug)]
pub struct Listeners {
    /// Speaks plain HTTP, or TLS when there is a certificate and no listener for it alone.
    pub calls: TcpListener,
    /// Speaks TLS, beside the plain one.
    pub tls: Option<TcpListener>,
}

impl From<TcpListener> for Listeners {
    fn from(calls: TcpListener) -> Self {
        Self { calls, tls: None }
    }
}

/// Why ingress did not end well.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The certificate cannot be used. Nothing was served.
    #[error("cannot speak TLS")]
    Tls(#[from] TlsError),
    /// Calls or packs were still in flight at the drain deadline. Their callers heard nothing and try again.
    #[error("not drained within the deadline")]
    NotDrained,
    /// A part of it broke off.
    #[error("ingress broke off")]
    BrokeOff(#[source] tokio::task::JoinError),
}

/// Serves `listeners`, and `admin` if there is one, until `stop`; then drains and returns.
///
/// # Errors
/// [`RunError`] when it cannot speak TLS as it should, could not drain in time, or broke off.
///
/// # Cancel safety
/// When dropped, calls in flight are cut off; what the queue has is kept.
pub async fn run(
    deps: Deps,
    config: IngressConfig,
    listeners: impl Into<Listeners>,
    admin: Option<TcpListener>,
    stop: CancellationToken,
) -> Result<(), RunError> {
    let (last, mut side) = (CancellationToken::new(), JoinSet::new());
    let doors = doors(listeners.into(), &config, &mut side, &last).await?;
    let keeper = token_keeper(&deps, &config).await;
    let access = config.auth.access(keeper.tokens());
    let health = Health::new(access.clone());
    let (queue, fallback) = (deps.queues.main.clone(), deps.queues.fallback.clone());
    let metrics_handle = deps.metrics_handle.clone();
    let (meter, stored) = (deps.meter.clone(), Stored::default());
    let (core, packer, refresher) = front::parts(deps, &config, health.clone(), stored.clone());
    let metrics = core.metrics.clone();
    let queue_metrics = QueueMetrics::new();
    let bytes_in_flight =
        BytesInFlight::new(config.calls.bytes_in_flight_max, metrics.bytes_in_flight.clone());
    let strangers_bytes = BytesInFlight::new(STRANGERS_BYTES_MAX, metrics.bytes_in_flight.clone());
    let endpoints = config.endpoints;
    let ingress = Ingress { core, access, endpoints, bytes_in_flight, strangers_bytes };
    let server = Server {
        ingress: Arc::new(ingress),
        limits: config.calls,
        stopping: config.stopping,
        connections: metrics.connections.clone(),
    };
    side.spawn(health.clone().probe(queue, fallback, last.clone()));
    side.spawn(cost::show(meter, stored, metrics, queue_metrics, last.clone()));
    if let Some(refresher) = refresher {
        let last = last.clone();
        side.spawn(async move { last.run_until_cancelled(refresher.run()).await.unwrap_or_default() });
    }
    side.spawn(keeper.run(last.clone()));
    if let Some(admin) = admin {
        let readiness: ReadinessCheck = {
            let health = health.clone();
            Arc::new(move || health.readiness())
        };
        side.spawn(admin::serve(admin, readiness, metrics_handle.clone(), last.clone()));
        let last = last.clone();
        side.spawn(async move { metrics_handle.keep_up(last).await });
    }
    let addresses: Vec<_> = doors.iter().filter_map(|door| door.listener.local_addr().ok()).collect();
    tracing::info!(?addresses, pod = %config.pod, "ingress takes calls");
    let ended = drive(server, packer, doors, &config.stopping, &health, stop).await;
    last.cancel();
    while side.join_next().await.is_some() {}
    tracing::info!("ingress has stopped");
    ended
}

/// What keeps the tokens, after its first reading.
async fn token_keeper(deps: &Deps, config: &IngressConfig) -> TokenKeeper {
    let source = config.auth.source(deps.secret.clone());
    warn_of_access(config, &source);
    let mut keeper = TokenKeeper::new(source, config.auth.pace(), config.pods(), deps.seed, &deps.metrics);
    timeout(FIRST_TOKENS_WAIT, keeper.refresh()).await.ok();
    keeper
}

/// The listeners with what they speak. A certificate is kept up to date until `last`.
async fn doors(
    listeners: Listeners,
    config: &IngressConfig,
    side: &mut JoinSet<()>,
    last: &CancellationToken,
) -> Result<Vec<Door>, TlsError> {
    let plain = |listener| Door { listener, certificates: None };
    let Some(tls) = &config.tls else { return Ok(vec![plain(listeners.calls)]) };
    let certificates = Certificates::open(tls.files.clone()).await?;
    side.spawn(certificates.clone().keep_up(tls.reload_every, last.clone()));
    let secure = |listener| Door { listener, certificates: Some(certificates) };
    Ok(match listeners.tls {
        Some(listener) => vec![plain(listeners.calls), secure(listener)],
        None => vec![secure(listeners.calls)],
    })
}

async fn drive(
    server: Server,
    packer: packer::Packer,
    doors: Vec<Door>,
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
        tokio::join!(server.serve(doors, stop.clone()), not_ready).0
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

fn warn_of_access(config: &IngressConfig, source: &TokenSource) {
    let auth = &config.auth;
    if auth.no_auth {
        tracing::warn!("no_auth is set: everyone who reaches this address can send data");
        return;
    }
    let accepts_header = auth.oauth_header.as_ref().is_some_and(|header| header.accept);
    if auth.bearer == auth::Bearer::Accept || accepts_header {
        tracing::warn!(
            "customers' own tokens are accepted unchecked: everyone who knows the address can send data"
        );
    } else if matches!(source, TokenSource::Nowhere) {
        tracing::error!(
            "no token is configured: data is answered 503 until PENSTOCK_TOKENS, PENSTOCK_TOKENS_FILE or \
             PENSTOCK_TOKENS_SECRET is set"
        );
    }
}
