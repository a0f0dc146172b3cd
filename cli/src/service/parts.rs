//! What a service is made of, and what each role takes of it.

use std::sync::Arc;

use anyhow::Context as _;
use penstock_ingress::PartnerAnswers;
use penstock_shared::{
    aws::secret::StoredSecret,
    clock::Clock,
    ids::Pod,
    partner::Partner,
    telemetry::{
        IngressMetrics, MetricsHandle,
        cloudwatch::{CloudwatchConfig, Publisher, Role as Published},
    },
};
use penstock_worker::{EcsAgent, destination::http::HttpDestination, ledger::Ledger, mapping::Program};

use crate::backends::Backends;

/// What a service is made of.
pub(crate) struct Parts {
    pub(crate) partner: Partner,
    pub(crate) program: Program,
    pub(crate) backends: Backends,
    /// Where the tokens are, if that is a secret of Secrets Manager.
    pub(crate) secret: Option<StoredSecret>,
    pub(crate) clock: Clock,
    pub(crate) metrics: MetricsHandle,
    pub(crate) cloudwatch: Option<CloudwatchConfig>,
    /// Where the worker asks for protection from scaling in.
    pub(crate) ecs_agent: Option<EcsAgent>,
}

impl Parts {
    /// What writes the metrics of these roles for CloudWatch, if it is wanted.
    pub(super) fn publisher(&self, pod: &Pod, roles: Vec<Published>) -> Option<Publisher> {
        self.cloudwatch.clone().map(|config| Publisher {
            config,
            pod: pod.clone(),
            roles,
            clock: self.clock,
            metrics: self.metrics.clone(),
            meter: self.backends.meter.clone(),
        })
    }

    pub(super) fn for_ingress(&self) -> penstock_ingress::Deps {
        penstock_ingress::Deps {
            queues: self.backends.queues.clone(),
            spill: self.backends.spill.clone(),
            subscriptions: self.backends.subscriptions.clone(),
            partner: PartnerAnswers::from(&self.partner),
            secret: self.secret.clone(),
            clock: self.clock,
            seed: fastrand::u64(..),
            metrics: IngressMetrics::new(),
            metrics_handle: self.metrics.clone(),
            meter: self.backends.meter.clone(),
        }
    }

    /// # Errors
    /// When there is no subscription store, or the client for the partner's API cannot be made.
    pub(super) fn for_worker(self, ledger: Arc<Ledger>) -> Result<penstock_worker::Deps, anyhow::Error> {
        let Self { partner, program, backends, clock, ecs_agent, .. } = self;
        let destination = HttpDestination::new(&partner.api, partner.limits.concurrency as usize)?;
        Ok(penstock_worker::Deps {
            ecs_agent,
            queues: backends.queues,
            meter: backends.meter,
            spill: backends.spill,
            subscriptions: backends.subscriptions.context("the worker has no subscription store")?,
            destination: Arc::new(destination),
            partner: Arc::new(partner),
            program: Arc::new(program),
            ledger,
            clock,
            seed: fastrand::u64(..),
        })
    }
}
