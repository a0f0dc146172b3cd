//! Looks at the queues now and then and shows how much waits on them.

use std::{sync::Arc, time::Duration};

use penstock_shared::{
    queue::{Depth, Queues, meter::Meter},
    telemetry::QueueMetrics,
};

/// Looks at each queue every `every`; never ends by itself.
pub(crate) async fn run(queues: Queues, meter: Arc<Meter>, metrics: QueueMetrics, every: Duration) {
    let mut turns = tokio::time::interval(every);
    turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        turns.tick().await;
        metrics.show_meter(&meter);
        let fallback = queues.fallback.as_ref().map(|queue| ("fallback", queue));
        let named = [("main", &queues.main), ("retry", &queues.retry), ("dead", &queues.dead)];
        for (name, queue) in named.into_iter().chain(fallback) {
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
    // Left as it was while the age is not known: a queue that is not empty has no message of age 0.
    if let Some(age) = depth
        .oldest_age
        .or_else(|| (depth.visible + depth.leased + depth.delayed == 0).then_some(Duration::ZERO))
    {
        metrics.oldest.of([queue]).set(age.as_secs_f64());
    }
}
