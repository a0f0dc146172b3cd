//! Keeps the metrics and renders them in Prometheus' text form. It listens nowhere itself: [`crate::admin`] serves it.

use std::{fmt, sync::Arc, time::Duration};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, SharedString, Unit};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use tokio_util::sync::CancellationToken;

use super::{
    Kind, METRICS,
    readings::{Kept, Readings},
};

/// How often histograms are drained, so that their memory stays bounded when nobody scrapes.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// Reads what the recorder holds. Cheap to clone.
#[derive(Clone)]
pub struct MetricsHandle {
    shown: PrometheusHandle,
    kept: Arc<Kept>,
}

impl fmt::Debug for MetricsHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MetricsHandle")
    }
}

impl MetricsHandle {
    /// All metrics in Prometheus' text form.
    pub fn render(&self) -> String {
        self.shown.render()
    }

    /// All metrics as numbers.
    pub(super) fn read(&self) -> Readings {
        self.kept.read()
    }

    /// Keeps the recorder's memory bounded until `stop`. Run it beside the work of the process.
    pub async fn keep_up(&self, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(UPKEEP_EVERY)).await.is_some() {
            self.shown.run_upkeep();
        }
    }
}

/// Takes what is counted and measured.
pub struct Recorder {
    shown: PrometheusRecorder,
    kept: Arc<Kept>,
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recorder")
    }
}

impl metrics::Recorder for Recorder {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, help: SharedString) {
        self.shown.describe_counter(name, unit, help);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, help: SharedString) {
        self.shown.describe_gauge(name, unit, help);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, help: SharedString) {
        self.shown.describe_histogram(name, unit, help);
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        self.kept.counter(key, self.shown.register_counter(key, metadata))
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        self.kept.gauge(key, self.shown.register_gauge(key, metadata))
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        self.kept.histogram(key, self.shown.register_histogram(key, metadata))
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
pub fn local_recorder() -> (Recorder, MetricsHandle) {
    let mut builder = PrometheusBuilder::new();
    for metric in METRICS {
        if let Kind::Histogram(bounds) = metric.kind {
            builder = builder
                .set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), bounds)
                .expect("bounds are not empty");
        }
    }
    let shown = builder.build_recorder();
    let recorder = Recorder { kept: Arc::default(), shown };
    for metric in METRICS {
        use metrics::Recorder as _;
        let (name, help) = (metric.name.into(), metric.help.into());
        match metric.kind {
            Kind::Counter => recorder.describe_counter(name, None, help),
            Kind::Gauge => recorder.describe_gauge(name, None, help),
            Kind::Histogram(_) => recorder.describe_histogram(name, None, help),
        }
    }
    let handle = MetricsHandle { shown: recorder.shown.handle(), kept: recorder.kept.clone() };
    (recorder, handle)
}
