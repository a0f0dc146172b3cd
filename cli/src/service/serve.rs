//! What runs and stops: the roles of one process, beside each other, until they are drained.

use std::sync::Arc;

use anyhow::Context as _;
use penstock_ingress::IngressConfig;
use penstock_shared::{
    admin::{self, Readiness, ReadinessCheck},
    telemetry::{
        MetricsHandle, WorkerMetrics,
        cloudwatch::{Publisher, Role as Published},
    },
};
use penstock_worker::{config::WorkerConfig, ledger::Ledger};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::Parts;
use crate::{exit::ExitStatus, supervise};

/// The roles of one process, ready to serve.
pub(crate) struct Service {
    ingress: Option<(penstock_ingress::Deps, IngressConfig, penstock_ingress::Listeners)>,
    worker: Option<(penstock_worker::Deps, WorkerConfig)>,
    admin: Option<TcpListener>,
    metrics: MetricsHandle,
    publisher: Option<Publisher>,
    /// The worker's counts.
    pub(crate) ledger: Arc<Ledger>,
}

impl Service {
    /// The ingress when there is a listener for it, the worker when there is a configuration for it.
    pub(crate) fn new(
        parts: Parts,
        ingress: IngressConfig,
        listeners: Option<penstock_ingress::Listeners>,
        worker: Option<WorkerConfig>,
        admin: Option<TcpListener>,
    ) -> Result<Self, anyhow::Error> {
        let roles = [(listeners.is_some(), Published::Ingress), (worker.is_some(), Published::Worker)];
        let roles = roles.into_iter().filter_map(|(is_there, role)| is_there.then_some(role));
        let publisher = parts.publisher(&ingress.pod, roles.collect());
        let metrics = parts.metrics.clone();
        let ledger = Arc::new(Ledger::new(ingress.pod.clone(), WorkerMetrics::new()));
        let front = parts.for_ingress();
        let worker = match worker {
            Some(config) => Some((parts.for_worker(ledger.clone())?, config)),
            None => None,
        };
        Ok(Self {
            ingress: listeners.map(|listeners| (front, ingress, listeners)),
            worker,
            admin,
            metrics,
            publisher,
            ledger,
        })
    }

    /// Serves until `stop`, then drains, every part at once: what ingress still accepts stays on the queue for the next
    /// start. A part that ends before that cancels `stop`.
    ///
    /// # Errors
    /// When a part broke off, did not drain in time, or ended unasked.
    pub(crate) async fn serve(self, stop: CancellationToken) -> Result<ExitStatus, anyhow::Error> {
        let Self { ingress, worker, admin, metrics, publisher, ledger } = self;
        let worker_alone = ingress.is_none();
        let (front_admin, worker_admin) = if worker_alone { (None, admin) } else { (admin, None) };
        let mut parts = supervise::Parts::new();
        if let Some((deps, config, listeners)) = ingress {
            let run = penstock_ingress::run(deps, config, listeners, front_admin, stop.clone());
            parts.spawn(async { run.await.context("ingress") });
        }
        if let Some((deps, config)) = worker {
            tracing::info!(pod = %ledger.pod, "worker takes messages");
            let run = penstock_worker::run(deps, config, stop.clone());
            parts.spawn(async { run.await.context("worker") });
        }
        let done = CancellationToken::new();
        let served = async {
            let ended = supervise::supervise(parts, &stop).await;
            done.cancel();
            ended
        };
        let probes = serve_probes(worker_admin, metrics, stop.clone(), done.clone());
        let published = async {
            if let Some(publisher) = publisher {
                publisher.run(std::io::stdout(), done.clone()).await;
            }
        };
        let (ended, (), ()) = tokio::join!(served, probes, published);
        ended.map(|()| ExitStatus::Done)
    }
}

/// The admin listener of a worker without ingress: ready until it drains.
async fn serve_probes(
    listener: Option<TcpListener>,
    metrics: MetricsHandle,
    stop: CancellationToken,
    done: CancellationToken,
) {
    let Some(listener) = listener else { return };
    let readiness: ReadinessCheck =
        Arc::new(move || Readiness::new().check("draining", !stop.is_cancelled(), "the worker is stopping"));
    tokio::join!(
        admin::serve(listener, readiness, metrics.clone(), done.clone()),
        metrics.keep_up(done.clone())
    );
}
