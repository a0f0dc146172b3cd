//! Logs and metrics. Every metric of the product stands in one table, [`METRICS`]; nothing is emitted outside it.

pub mod cloudwatch;
mod ingress;
mod logs;
mod metric;
mod readings;
mod recorder;
mod table;
mod worker;

pub use ingress::IngressMetrics;
#[cfg(test)]
pub(crate) use logs::logged;
pub use logs::{LogConfig, LogFormat, LogsError, start_logs};
pub use metric::{Family, Kind, Label, Metric};
pub use metrics::{Counter, Gauge, Histogram};
pub use recorder::{InstallError, MetricsHandle, Recorder, install, local_recorder};
pub use table::METRICS;
pub use worker::{QueueMetrics, WorkerMetrics};

#[cfg(test)]
mod tests;
