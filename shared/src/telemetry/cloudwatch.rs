//! Metrics for CloudWatch, as lines of its "embedded metric format" on standard output: the log driver carries them to
//! the log group, and CloudWatch turns them into metrics. Nothing is called and no rights are needed.
//!
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

mod table;

use std::{
    io::{self, Write},
    sync::Arc,
    time::Duration,
};

use serde_json::{Map, Value, json};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use self::table::{Published, Source, TABLE};
use super::{Kind, MetricsHandle, readings::Readings};
use crate::{clock::Clock, config::Settings, ids::Pod, queue::meter::Meter};

/// The last write may take so long, so that a full pipe keeps no process from ending.
const LAST_WRITE_MAX: Duration = Duration::from_secs(1);
/// CloudWatch's limit for a namespace.
const NAMESPACE_MAX: usize = 255;

/// What is published, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloudwatchConfig {
    /// The namespace of the metrics.
    pub namespace: String,
    /// From one line to the next.
    pub every: Duration,
}

impl CloudwatchConfig {
    /// Reads `telemetry.cloudwatch_…`; `None` without a namespace.
    pub fn read(settings: &mut Settings<'_>) -> Option<Self> {
        let namespace = settings.checked("telemetry.cloudwatch_namespace", namespace);
        let every = settings.millis("telemetry.cloudwatch_every_ms", 60_000, 1_000..=300_000);
        namespace.map(|namespace| Self { namespace, every })
    }
}

fn namespace(text: &str) -> Result<String, &'static str> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "._-/#:".contains(c);
    if text.is_empty() || text.len() > NAMESPACE_MAX || !text.chars().all(is_allowed) || text.starts_with(':')
    {
        Err(
            "a namespace is 1 to 255 of A-Z, a-z, 0-9 and ._-/#:, not beginning with a colon, such as Penstock",
        )
    } else if text.starts_with("AWS/") {
        Err("AWS/ begins the namespaces of AWS's own metrics; take another, such as Penstock")
    } else {
        Ok(text.to_owned())
    }
}

/// Whose metrics a line holds: its dimension `Role`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The front.
    Ingress,
    /// The delivery.
    Worker,
}

impl Role {
    fn word(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Worker => "worker",
        }
    }
}

/// Publishes the metrics of one process.
#[derive(Clone, Debug)]
pub struct Publisher {
    /// Where to, and how often.
    pub config: CloudwatchConfig,
    /// The dimension `Pod`.
    pub pod: Pod,
    /// One line for each. What they count together, the calls to SQS, stands in the line of the first.
    pub roles: Vec<Role>,
    /// The time of the lines.
    pub clock: Clock,
    /// The metrics.
    pub metrics: MetricsHandle,
    /// What SQS bills.
    pub meter: Arc<Meter>,
}

/// The numbers at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
struct Snapshot {
    readings: Readings,
    billed: u64,
}

impl Publisher {
    /// Writes the lines on the interval, and a last time when `done` comes. The first cover the time since the start.
    /// Where they cannot be written, that is logged once, and what they would have said is in the next that can.
    /// After `done` a write is waited for a second at most. Its thread stays behind then: whoever drops the runtime waits
    /// for it, unless with `Runtime::shutdown_timeout`, as the binary does.
    ///
    /// # Cancel safety
    /// When dropped, what came after the last line is not published.
    pub async fn run(self, out: impl Write + Send + 'static, done: CancellationToken) {
        let mut turns = interval(self.config.every);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        turns.tick().await;
        let (mut out, mut before, mut is_failing) = (out, Snapshot::default(), false);
        loop {
            let is_last = done.run_until_cancelled(turns.tick()).await.is_none();
            let now = Snapshot { readings: self.metrics.read(), billed: self.meter.billed_in_all() };
            let lines = self.lines(&now, &before);
            // Standard output may be a pipe that is full: no thread that serves waits for it.
            let written = tokio::task::spawn_blocking(move || {
                let result = out.write_all(lines.as_bytes()).and_then(|()| out.flush());
                (out, result)
            });
            let Some(written) = until_late(written, &done).await else {
                tracing::warn!("standard output takes no more: the last metrics are not written");
                return;
            };
            match written {
                Ok((back, Ok(()))) => (out, before, is_failing) = (back, now, false),
                Ok((back, Err(error))) => {
                    out = back;
                    warn_once(&mut is_failing, &error);
                }
                Err(error) => {
                    tracing::warn!(%error, "writing metrics to standard output failed: none are written any more");
                    return;
                }
            }
            if is_last {
                return;
            }
        }
    }

    /// One line for each role, written together so that no other output comes between.
    fn lines(&self, now: &Snapshot, before: &Snapshot) -> String {
        let mut lines = String::new();
        for (n, role) in self.roles.iter().enumerate() {
            let line =
                line(&self.config.namespace, &self.pod, *role, n == 0, self.clock.now_ms(), now, before);
            lines.push_str(&line.to_string());
            lines.push('\n');
        }
        lines
    }
}

/// `None` when `done` has come and [`LAST_WRITE_MAX`] has passed since.
async fn until_late<T>(written: impl Future<Output = T>, done: &CancellationToken) -> Option<T> {
    let late = async {
        done.cancelled().await;
        tokio::time::sleep(LAST_WRITE_MAX).await;
    };
    tokio::select! {
        biased;
        written = written => Some(written),
        () = late => None,
    }
}

fn warn_once(is_failing: &mut bool, error: &io::Error) {
    if !std::mem::replace(is_failing, true) {
        tracing::warn!(%error, "cannot write metrics to standard output");
    }
}

/// One line of the embedded metric format. Counters are told by what they grew since `before`, gauges as they are.
fn line(
    namespace: &str,
    pod: &Pod,
    role: Role,
    with_shared: bool,
    at_ms: i64,
    now: &Snapshot,
    before: &Snapshot,
) -> Value {
    let mut declared = Vec::new();
    let mut line = Map::new();
    line.insert("_aws".into(), Value::Null);
    line.insert("Pod".into(), pod.to_string().into());
    line.insert("Role".into(), role.word().into());
    let is_told = |published: &&Published| published.role.map_or(with_shared, |of| of == role);
    for Published { name, unit, source, .. } in TABLE.iter().filter(is_told) {
        if let Some(value) = value(source, now, before) {
            declared.push(json!({ "Name": name, "Unit": unit }));
            line.insert((*name).into(), value);
        }
    }
    line["_aws"] = json!({
        "Timestamp": at_ms,
        "CloudWatchMetrics": [{ "Namespace": namespace, "Dimensions": [["Pod", "Role"]], "Metrics": declared }],
    });
    Value::Object(line)
}

/// `None` for a distribution of nothing, which the format does not allow.
fn value(source: &Source, now: &Snapshot, before: &Snapshot) -> Option<Value> {
    match source {
        Source::Count(metric, label, pick) => {
            let count = |snapshot: &Snapshot| snapshot.readings.count(metric, label, pick);
            Some(count(now).saturating_sub(count(before)).into())
        }
        Source::Gauge(metric) => Some(json!(now.readings.gauge(metric))),
        Source::Billed => Some(now.billed.saturating_sub(before.billed).into()),
        Source::Distribution(metric) => {
            let Kind::Histogram(bounds) = metric.kind else { return None };
            distribution(bounds, &now.readings.buckets(metric), &before.readings.buckets(metric))
        }
    }
}

/// The values since `before`, each told as the upper bound of its bucket; what is above all bounds, as twice the last.
#[expect(clippy::cast_precision_loss, reason = "answers of a minute are far below 2^52")]
fn distribution(bounds: &[f64], now: &[u64], before: &[u64]) -> Option<Value> {
    let above_all = bounds.last()? * 2.0;
    let bounds = bounds.iter().copied().chain([above_all]);
    let (values, counts): (Vec<f64>, Vec<u64>) = bounds
        .zip(now.iter().zip(before))
        .map(|(bound, (now, before))| (bound, now.saturating_sub(*before)))
        .filter(|(_, count)| *count > 0)
        .unzip();
    let (least, most) = (values.first()?, values.last()?);
    let sum: f64 = values.iter().zip(&counts).map(|(value, count)| value * *count as f64).sum();
    let count: u64 = counts.iter().sum();
    // Whole, as OpenTelemetry's exporter for this format writes it: of a part alone nothing is promised.
    Some(json!({ "Values": values, "Counts": counts, "Min": least, "Max": most, "Count": count, "Sum": sum }))
}

#[cfg(test)]
mod tests;
