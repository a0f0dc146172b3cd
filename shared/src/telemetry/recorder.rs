//! Keeps the metrics and renders them in Prometheus' text form. It listens nowhere itself: [`crate::admin`] serves it.

use std::time::Duration;

use metrics::Recorder as _;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use tokio_util::sync::CancellationToken;

use super::{Kind, METRICS};

/// How often histograms are drained, so that their memory stays bounded when nobody scrapes.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// Reads what the recorder holds. Cheap to clone.
#[derive(Clone)]
pub struct MetricsHandle(PrometheusHandle);

impl std::fmt::Debug for MetricsHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MetricsHandle")
    }
}

impl MetricsHandle {
    /// All metrics in Prometheus' text form.
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// Keeps the recorder's memory bounded until `stop`. Run it beside the work of the process.
    pub async fn keep_up(&self, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(UPKEEP_EVERY)).await.is_some() {
            self.0.run_upkeep();
        }
    }
}

/// Another recorder was installed before.
#[derive(Debug, thiserror::Error)]
#[error("metrics were installed before")]
pub struct InstallError;

/// Installs the recorder for the whole process. Call it before any of the metrics' handles are made.
///
/// # Errors
/// [`InstallError`] the second time.
pub fn install() -> Result<MetricsHandle, InstallError> {
    let (recorder, handle) = local_recorder();
    metrics::set_global_recorder(recorder).map_err(|_| InstallError)?;
    Ok(handle)
}

/// A recorder of one's own, for several in a process: make the handles inside [`metrics::with_local_recorder`].
pub fn local_recorder() -> (PrometheusRecorder, MetricsHandle) {
    let mut builder = PrometheusBuilder::new();
    for metric in METRICS {
        if let Kind::Histogram(bounds) = metric.kind {
            builder = builder
                .set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), bounds)
                .expect("bounds are not empty");
        }
    }
    let recorder = builder.build_recorder();
    for metric in METRICS {
        let (name, help) = (metric.name.into(), metric.help.into());
        match metric.kind {
            Kind::Counter => recorder.describe_counter(name, None, help),
            Kind::Gauge => recorder.describe_gauge(name, None, help),
            Kind::Histogram(_) => recorder.describe_histogram(name, None, help),
        }
    }
    let handle = MetricsHandle(recorder.handle());
    (recorder, handle)
}
