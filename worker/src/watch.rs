//! Looks at the queues now and then and shows how much waits on them.

use std::time::Duration;

use penstock_shared::{
    queue::{Depth, Queues},
    telemetry::QueueMetrics,
};

/// Looks at each queue every `every`; never ends by itself.
pub(crate) async fn run(queues: Queues, metrics: QueueMetrics, every: Duration) {
    let mut turns = tokio::time::interval(every);
    turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        turns.tick().await;
        for (name, queue) in [("main", &queues.main), ("retry", &queues.retry), ("dead", &queues.dead)] {
            match queue.depth().await {
                Ok(depth) => show(&metrics, name, depth),
                Err(error) => tracing::debug!(%error, queue = name, "could not ask a queue for its depth"),
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "gauges; queues hold far fewer than 2^52 messages")]
fn show(metrics: &QueueMetrics, queue: &'static str, depth: Depth) {
    for (state, messages) in
        [("visible", depth.visible), ("leased", depth.leased), ("delayed", depth.delayed)]
    {
        metrics.depth.of([queue, state]).set(messages as f64);
    }
    metrics.oldest.of([queue]).set(depth.oldest_age.unwrap_or_default().as_secs_f64());
}
